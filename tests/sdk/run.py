"""Runs programs that use the real SDK against a real server, and compares what the server shows with what each program knows.

    python tests/sdk/run.py --binary target/debug/sessionfold [--only NAME]... [--mode both|http|otlp] [--record FOLDER]
"""

import argparse
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import run_one
from harness.models import FakeModels
from scenarios import SCENARIOS


def main():
    options = arguments()
    began = time.monotonic()
    models = FakeModels()
    jobs = [(scenario, mode) for scenario in SCENARIOS if wanted(scenario.name, options) for mode in scenario.modes if options.mode in (None, mode)]
    failed = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for result in pool.map(lambda job: one(*job, options, models), jobs):
            failed += bool(result.lines)
            report(result)
    models.stop()
    print("\n%.0f s" % (time.monotonic() - began))
    print("%d passed, %d failed" % (len(jobs) - failed, failed))
    return 1 if failed or not jobs else 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, type=Path, help="the server under test")
    parser.add_argument("--only", action="append", default=[], help="a part of a scenario's name; may be given again")
    parser.add_argument("--mode", choices=["both", "http", "otlp"], help="only this mode")
    parser.add_argument("--jobs", type=int, default=2, help="programs at a time")
    parser.add_argument("--record", type=Path, help="keep what each program sent, in the form of tests/fixtures/sdk")
    parser.add_argument("--list", action="store_true", help="name the scenarios and end")
    options = parser.parse_args()
    if options.list:
        for scenario in SCENARIOS:
            print(scenario.name, ", ".join(scenario.modes))
        sys.exit(0)
    if not os.access(options.binary, os.X_OK):
        parser.error("%s is no program: build it with `cargo build`" % options.binary)
    return options


def wanted(name, options):
    return not options.only or any(part in name for part in options.only)


def one(scenario, mode, options, models):
    keep = options.record / ("%s_%s" % (scenario.name, mode)) if options.record else None
    return run_one.run(scenario, mode, options.binary.resolve(), models, keep)


def report(result):
    print("%-6s %s  %.1f s" % ("FAILED" if result.lines else "ok", result.name, result.seconds), flush=True)
    for line in result.lines:
        print("       " + line.replace("\n", "\n       "), flush=True)


if __name__ == "__main__":
    sys.exit(main())
