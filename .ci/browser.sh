#!/usr/bin/env bash
# The pages in a real Chromium: .ci/browser.sh runs the tests and prints "N passed, N failed", .ci/browser.sh FILE.mjs another program.
# Installs what it needs: Debian's chromium, nodejs and npm where they are missing, and two packages of npm below target/. The server it starts
# is the debug build.
set -euo pipefail
cd "$(dirname "$0")/.."

PLAYWRIGHT=1.65.1
AXE=4.14.1

packages=()
command -v chromium >/dev/null || packages+=(chromium)
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)
if [ ${#packages[@]} -gt 0 ]; then
  apt-get update --quiet
  apt-get install --yes --quiet --no-install-recommends "${packages[@]}"
fi

mkdir -p target/browser
if ! grep -qs "\"$PLAYWRIGHT\"" target/browser/package.json || ! grep -qs "\"$AXE\"" target/browser/package.json || [ ! -d target/browser/node_modules ]; then
  echo '{ "private": true }' >target/browser/package.json
  npm install --prefix target/browser --no-audit --no-fund --save-exact "playwright-core@$PLAYWRIGHT" "axe-core@$AXE"
fi

cargo build --locked
node "${1:-tests/ui/browser/run.mjs}"
