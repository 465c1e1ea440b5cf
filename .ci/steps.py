#!/usr/bin/env python3
"""The steps of .ci/run.

    .ci/run                  every step
    .ci/run tests browser    these steps
    .ci/run --list           the steps and what they run

Each step is a command that can be run alone, prints what it prints, and ends with "N passed, N failed[, N skipped (why)]", or as cargo's
tests do with "test result:". The table at the end adds that up. A step that fails does not keep the others from running, and fails the run.
What was skipped is never counted as passed. It asks nobody anything: standard input is closed, and CI is set.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# No step takes half of it; one that hangs is ended.
STEP_MAX_S = 30 * 60

STEPS = {
    "format": ["cargo", "fmt", "--check"],
    "lints": ["cargo", "clippy", "--locked", "--all-targets", "--", "-D", "warnings"],
    "documentation": ["env", "RUSTDOCFLAGS=-D warnings", "cargo", "doc", "--locked", "--no-deps", "--quiet"],
    "licences": ["python3", ".ci/licences.py"],
    "tests": ["cargo", "test", "--locked"],
    "instructions": [".ci/instructions"],
    "tempo": [".ci/tempo"],
    "promtool": [".ci/promtool"],
    "sdk": [".ci/sdk"],
    "examples": [".ci/examples"],
    "dialects": [".ci/dialects"],
    "agents": [".ci/agents"],
    "browser": [".ci/browser.sh"],
    "attack": [".ci/attack"],
    "fuzz": [".ci/fuzz"],
    "compose": [".ci/compose"],
}

OF_CARGO = re.compile(r"test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored")
OF_OTHERS = re.compile(r"(?:^|\D)(\d+) passed, (\d+) failed(?:, (\d+) skipped(?: \((.*)\))?)?\s*$")
SKIPPED = re.compile(r"^SKIPPED (.+?): (.*)$")


class Result:
    def __init__(self, name):
        self.name = name
        self.has_failed = False
        self.seconds = 0.0
        self.passed, self.failed, self.skipped = 0, 0, 0
        # Why, each reason once, in the order met.
        self.reasons = {}
        self.n_lines_skipped = 0

    def read(self, line):
        if found := OF_CARGO.search(line):
            passed, failed, ignored = map(int, found.groups())
            self.passed, self.failed, self.skipped = self.passed + passed, self.failed + failed, self.skipped + ignored
        elif found := OF_OTHERS.search(line):
            self.passed, self.failed = self.passed + int(found[1]), self.failed + int(found[2])
            self.skipped += int(found[3] or 0)
            if found[4] and int(found[3]):
                self.reasons[found[4]] = None
        elif found := SKIPPED.match(line):
            self.n_lines_skipped += 1
            self.reasons[found[2]] = None

    def close(self, command):
        # Tests of cargo's can only say that they were skipped, and are counted as passed by it.
        if command[:2] == ["cargo", "test"]:
            self.passed -= self.n_lines_skipped
            self.skipped += self.n_lines_skipped
        self.has_failed |= self.failed > 0


def run(name, command):
    result = Result(name)
    print("\n== %s: %s" % (name, " ".join(command)), flush=True)
    began = time.monotonic()
    # A group of its own, so that what a step started ends with it.
    try:
        process = subprocess.Popen(
            command, cwd=ROOT, env=dict(os.environ, CI="true"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
    except OSError as error:
        print("%s cannot be started: %s" % (command[0], error), flush=True)
        result.has_failed = True
        return result
    late = threading.Timer(STEP_MAX_S, lambda: os.killpg(process.pid, signal.SIGKILL))
    late.start()
    try:
        for line in process.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            result.read(re.sub(r"\x1b\[[0-9;]*m", "", line.decode(errors="replace")).rstrip("\n"))
        result.has_failed = process.wait() != 0
    finally:
        late.cancel()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
    result.seconds = time.monotonic() - began
    result.close(command)
    return result


def summary(results):
    print("\n%-14s %-7s %7s %7s %7s %8s" % ("step", "", "passed", "failed", "skipped", "seconds"))
    for result in results:
        outcome = "FAILED" if result.has_failed else "ok"
        counts = (result.passed, result.failed, result.skipped) if result.passed or result.failed or result.skipped else ("", "", "")
        print("%-14s %-7s %7s %7s %7s %8.0f" % (result.name, outcome, *counts, result.seconds))
    total = lambda what: sum(getattr(result, what) for result in results)
    print("%-14s %-7s %7d %7d %7d %8.0f" % ("all", "", total("passed"), total("failed"), total("skipped"), total("seconds")))
    for result in results:
        for reason in result.reasons if result.skipped else ():
            print("skipped in %s: %s" % (result.name, reason))
    n_failed = sum(result.has_failed for result in results)
    print("\n%d steps, %d of them failed, in %.0f s" % (len(results), n_failed, total("seconds")), flush=True)
    return 1 if n_failed else 0


def main(names):
    if names == ["--list"]:
        for name, command in STEPS.items():
            print("%-14s %s" % (name, " ".join(command)))
        return 0
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        print("no step is called %s; the steps are %s" % (", ".join(unknown), ", ".join(STEPS)), file=sys.stderr)
        return 64
    results = []
    try:
        for name in names or STEPS:
            results.append(run(name, STEPS[name]))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        summary(results)
        return 130
    return summary(results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
