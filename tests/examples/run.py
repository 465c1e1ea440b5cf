"""Runs the agents of examples/ against a real server, each as examples/README.md says, and compares what it prints and what the server shows.

    python tests/examples/run.py --binary target/debug/sessionfold [--only NAME]...

The environment is that of tests/sdk, since it has what the examples import.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent.parent / "examples"
sys.path.insert(0, str(HERE.parent / "sdk"))

from harness.server import Server

EXAMPLE_TIMEOUT_S = 120
# What was sent is folded within milliseconds; a machine with other work needs longer. Only a failing comparison waits so long.
SETTLE_S = 6.0
# A command of README's, what it prints, the request for the session, and the answer.
SHOWN = re.compile(r"^\$ \S*python3? examples/(\S+\.py)\n(.*?)^\$ curl 'http://127\.0\.0\.1:8080(/\S+)'\n(\{.*?\})\n```", re.DOTALL | re.MULTILINE)
# What is of the moment, and whatever it is, has to be there.
OF_THE_MOMENT = ("first_run", "last_activity", "total_duration")


def main():
    options = arguments()
    shown = SHOWN.findall((EXAMPLES / "README.md").read_text())
    forgotten = {path.name for path in EXAMPLES.glob("*.py")} - {"model.py"} - {name for name, *_ in shown}
    for name in sorted(forgotten):
        print("FAILED %s: examples/README.md does not say what it shows" % name)
    chosen = [example for example in shown if not options.only or any(part in example[0] for part in options.only)]
    n_failed = 0
    with tempfile.TemporaryDirectory(prefix="sessionfold-examples-") as folder:
        server = Server(options.binary.resolve(), folder)
        server.start()
        try:
            for example in chosen:
                n_failed += report(example[0], run(server, folder, *example))
        finally:
            n_not_drained = report("the server's stop", [] if server.stop() == 0 else [server.log()[-2000:]])
    n_failed += len(forgotten) + n_not_drained
    print("%d passed, %d failed" % (len(chosen) + len(forgotten) + 1 - n_failed, n_failed))
    return 1 if n_failed or not chosen else 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, type=Path, help="the server under test")
    parser.add_argument("--only", action="append", default=[], help="a part of an example's name; may be given again")
    options = parser.parse_args()
    if not os.access(options.binary, os.X_OK):
        parser.error("%s is no program: build it with `cargo build`" % options.binary)
    return options


def run(server, folder, name, output, request, answer):
    """What is not as README says, one line each."""
    command = [sys.executable, str(EXAMPLES / name)]
    done = subprocess.run(command, env=environment(server, folder), cwd=folder, capture_output=True, text=True, timeout=EXAMPLE_TIMEOUT_S)
    lines = []
    if done.returncode != 0:
        lines.append("it exited with %d:\n%s" % (done.returncode, done.stderr[-3000:]))
    if done.stdout != output:
        lines.append("it printed\n%s\nand README says\n%s" % (done.stdout, output))
    return lines + differences(server, request, without_times(json.loads(answer)))


def environment(server, folder):
    """What a user would set to reach this server, and nothing of the machine's own."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "LD_LIBRARY_PATH") if key in os.environ}
    ours = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + server.addresses["otlp_http"], "WAXELL_API_URL": server.url, "WAXELL_API_KEY": "any"}
    return {**kept, **ours, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


def differences(server, request, should):
    deadline = time.monotonic() + SETTLE_S
    while True:
        have = without_times(server.json(request))
        if have == should:
            return []
        if time.monotonic() > deadline:
            return ["%s answers\n%s\nand README says\n%s" % (request, json.dumps(have), json.dumps(should))]
        time.sleep(0.05)


def without_times(answer):
    for session in answer["results"]:
        for key in OF_THE_MOMENT:
            session[key] = type(session[key]).__name__
    return answer


def report(name, lines):
    """1 if it failed."""
    print("%-6s %s" % ("FAILED" if lines else "ok", name))
    for line in lines:
        print("       " + line.replace("\n", "\n       "))
    sys.stdout.flush()
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
