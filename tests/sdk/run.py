"""Runs programs that use the real SDK against a real server, and compares what the server shows with what each program knows.

    python tests/sdk/run.py --binary target/debug/sessionfold [--only NAME]... [--mode both|http|otlp] [--record FOLDER]
"""

import argparse
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import crash, run_one, tempo, wax
from harness.models import FakeModels
from scenarios import SCENARIOS


def main():
    options = arguments()
    began = time.monotonic()
    models = FakeModels()
    jobs = all_jobs(options, models)
    failed = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for result in pool.map(lambda job: job(), jobs):
            failed += bool(result.lines)
            report(result)
    models.stop()
    print("\n%.0f s" % (time.monotonic() - began))
    skipped = ", 1 skipped (TEMPO_BIN does not name a Tempo 3)" if is_tempo_skipped(options) else ""
    print("%d passed, %d failed%s" % (len(jobs) - failed, failed, skipped))
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
            print("%s: %s" % (scenario.name, ", ".join(scenario.modes)))
        print("crash_acked, crash_lost, wax: both")
        print("tempo: where TEMPO_BIN names a Tempo 3")
        sys.exit(0)
    if not os.access(options.binary, os.X_OK):
        parser.error("%s is no program: build it with `cargo build`" % options.binary)
    return options


def all_jobs(options, models):
    """What gives one `Result` each; the long ones first."""
    binary = options.binary.resolve()
    jobs = []
    if is_tempo_skipped(options):
        print("SKIPPED tempo: set TEMPO_BIN to the binary of a Tempo 3 to run it")
    elif is_tempo_wanted(options):
        jobs.append(partial(tempo.run, binary, models, SCENARIOS))
    if options.mode in (None, "both"):
        others = [("crash_acked", partial(crash.run, "acked")), ("crash_lost", partial(crash.run, "lost")), ("wax", wax.run)]
        jobs += [partial(check, binary, models) for name, check in others if wanted(name, options)]
    for scenario in SCENARIOS:
        for mode in scenario.modes if wanted(scenario.name, options) else ():
            if options.mode in (None, mode):
                keep = options.record / ("%s_%s" % (scenario.name, mode)) if options.record else None
                jobs.append(partial(run_one.run, scenario, mode, binary, models, keep))
    return jobs


def is_tempo_wanted(options):
    return wanted("tempo", options) and not options.mode


def is_tempo_skipped(options):
    return is_tempo_wanted(options) and not os.environ.get("TEMPO_BIN")


def wanted(name, options):
    return not options.only or any(part in name for part in options.only)


def report(result):
    print("%-6s %s  %.1f s" % ("FAILED" if result.lines else "ok", result.name, result.seconds), flush=True)
    for line in result.lines:
        print("       " + line.replace("\n", "\n       "), flush=True)


if __name__ == "__main__":
    sys.exit(main())
