"""Every dependency that ships in the binary has a licence that allows it. Advisories need a database from the network; see `deny.toml`."""

import json
import re
import subprocess
import sys

ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CDLA-Permissive-2.0",
    "ISC", "MIT", "MIT-0", "MPL-2.0", "OpenSSL", "Unicode-3.0", "Unlicense", "Zlib", "blessing",
}  # fmt: skip


def is_allowed(expression: str) -> bool:
    """SPDX: one side of an OR is enough, both sides of an AND are needed."""
    expression = expression.replace("/", " OR ").strip()
    while expression.startswith("(") and expression.endswith(")") and expression.count("(") == 1:
        expression = expression[1:-1].strip()
    depth, parts, word = 0, [], ""
    for token in re.split(r"(\(|\)|\bOR\b|\bAND\b)", expression):
        depth += (token == "(") - (token == ")")
        if token in ("OR", "AND") and depth == 0:
            parts += [word.strip(), token]
            word = ""
        else:
            word += token
    parts.append(word.strip())
    if len(parts) == 1:
        return parts[0] in ALLOWED
    sides, operators = parts[0::2], parts[1::2]
    if "OR" in operators:
        split = operators.index("OR")
        left = " ".join(parts[: 2 * split + 1])
        right = " ".join(parts[2 * split + 2 :])
        return is_allowed(left) or is_allowed(right)
    return all(is_allowed(side) for side in sides)


def main() -> int:
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    packages = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["packages"]
    refused = [
        f"{package['name']} {package['version']}: {package['license'] or package['license_file']}"
        for package in packages
        if not is_allowed(package["license"] or "")
    ]
    print(f"{len(packages) - len(refused)} of {len(packages)} packages have an allowed licence")
    for line in refused:
        print(f"not allowed: {line}", file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
