"""Runs programs that use real packages against a real server, and compares the sessions it shows with what each program and the models know.

    python3 tests/packages/run.py --binary target/debug/sessionfold [--only NAME]... [--all] [--record FOLDER]
"""

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "sdk"))

import compare
from harness.proxy import Proxy
from harness.server import Server
from models import FakeModels
from programs import PROGRAMS

INSTALLED = ROOT / "target/packages"
PROGRAM_TIMEOUT_S = 120
# What was sent is folded within milliseconds; a machine with other work needs longer. Only a failing comparison waits so long.
SETTLE_S = 6.0


def main():
    options = arguments()
    began = time.monotonic()
    chosen = [program for program in PROGRAMS if not options.only or any(part in program.name for part in options.only)]
    skipped = [(program, why_skipped(program, options)) for program in chosen]
    skipped = {program.name: why for program, why in skipped if why}
    for name, why in skipped.items():
        print("SKIPPED %s: %s" % (name, why), flush=True)
    jobs = [program for program in chosen if program.name not in skipped]
    n_failed = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for lines in pool.map(lambda program: run(program, options), jobs):
            n_failed += lines
    print("\n%.0f s" % (time.monotonic() - began))
    reasons = "; ".join(dict.fromkeys(skipped.values()))
    print("%d passed, %d failed%s" % (len(jobs) - n_failed, n_failed, ", %d skipped (%s)" % (len(skipped), reasons) if skipped else ""))
    return 1 if n_failed or not chosen else 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, type=Path, help="the server under test")
    parser.add_argument("--only", action="append", default=[], help="a part of a program's name; may be given again")
    parser.add_argument("--all", action="store_true", help="the heavy ones too")
    parser.add_argument("--jobs", type=int, default=2, help="programs at a time")
    parser.add_argument("--record", type=Path, help="keep what each program sent, in the form of tests/dialects/recordings")
    options = parser.parse_args()
    if not os.access(options.binary, os.X_OK):
        parser.error("%s is no program: build it with `cargo build`" % options.binary)
    return options


def why_skipped(program, options):
    if program.is_heavy and not options.all:
        return "too heavy for every run, --all runs it"
    failed = INSTALLED / program.group / "failed.txt"
    if failed.exists():
        return "cannot be installed here: " + failed.read_text().strip()
    return None


def run(program, options):
    """1 if it failed."""
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="sessionfold-packages-"))
    server, models, proxy = Server(options.binary.resolve(), folder), FakeModels(), None
    lines = []
    try:
        server.start()
        proxy = Proxy(server.addresses["otlp_http"])
        lines += run_program(program, environment(program, proxy.url, models.url, folder), folder)
        lines += compare_with(program, models, server)
        lines += ["the models were asked for " + what for what in models.strange]
        lines += refused(proxy)
        if options.record:
            record(options.record / program.name, program, proxy, models)
        if server.stop() != 0:
            lines.append("the server did not drain: " + server.log()[-600:])
    except Exception as error:  # a broken program is a failure of its own, not of the whole run
        lines += ["%s: %s" % (type(error).__name__, error), "server log: " + server.log()[-1500:]]
    finally:
        if server.process and server.process.poll() is None:
            server.kill()
        models.stop()
        if proxy:
            proxy.stop()
        shutil.rmtree(folder, ignore_errors=True)
    report(program, lines, time.monotonic() - began)
    return 1 if lines else 0


def report(program, lines, seconds):
    packages = ", ".join("%s %s" % (name, version(program.group, name)) for name in program.packages)
    text = "%-6s %s (%s)  %.1f s" % ("FAILED" if lines else "ok", program.name, packages, seconds)
    for session, of in program.sessions.items():
        for what, but in of.but.items():
            text += "\n       but %s of %s: %s" % (what, session, but.why)
    for line in lines:
        text += "\n       " + line.replace("\n", "\n       ")
    print(text, flush=True)


def version(group, name):
    if group == "npm":
        return json.loads((INSTALLED / "npm/node_modules" / name / "package.json").read_text())["version"]
    pins = (HERE / ("requirements-%s.txt" % group)).read_text().split()
    return next((pin.split("==")[1] for pin in pins if pin.split("==")[0].split("[")[0] == name), "?")


# === the program ===


def environment(program, server, models, folder):
    """What a user would set, and nothing of the machine's own. No telemetry of the frameworks leaves the machine."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "LD_LIBRARY_PATH") if key in os.environ}
    return {
        **kept,
        "HOME": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SERVER": server,
        "OTEL_EXPORTER_OTLP_ENDPOINT": server,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OPENAI_BASE_URL": models + "/v1",
        # By this name LlamaIndex knows it.
        "OPENAI_API_BASE": models + "/v1",
        "OPENAI_API_KEY": "sk-test",
        "ANTHROPIC_BASE_URL": models,
        "ANTHROPIC_API_KEY": "sk-ant-test",
        "GOOGLE_GEMINI_BASE_URL": models,
        "GOOGLE_API_KEY": "test",
        "LANGFUSE_HOST": server,
        "LANGFUSE_PUBLIC_KEY": "pk-lf-test",
        "LANGFUSE_SECRET_KEY": "sk-lf-test",
        "OPENAI_AGENTS_DISABLE_TRACING": "false",
        "CREWAI_DISABLE_TELEMETRY": "true",
        "CREWAI_TRACING_ENABLED": "false",
        "ANONYMIZED_TELEMETRY": "false",
        "DO_NOT_TRACK": "1",
        **program.environment,
    }


def run_program(program, variables, folder):
    file = HERE / "programs" / program.file
    if program.group == "npm":
        # Modules are looked for beside the program.
        file = INSTALLED / "npm" / shutil.copy(file, INSTALLED / "npm")
        command = ["node", str(file)]
    else:
        command = [str(INSTALLED / program.group / "bin/python"), str(file)]
    try:
        done = subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True, timeout=PROGRAM_TIMEOUT_S, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return ["the program did not end within %d s" % PROGRAM_TIMEOUT_S]
    if done.returncode != 0:
        return ["the program exited with %d:\n%s" % (done.returncode, (done.stdout + done.stderr)[-3000:])]
    return []


# === what the server says ===


def compare_with(program, models, server):
    deadline = time.monotonic() + SETTLE_S
    while True:
        lines = compare.differences(program, models, compare.shown(server))
        if not lines or time.monotonic() > deadline:
            return lines
        time.sleep(0.05)


def refused(proxy):
    """The server takes every trace; that it is no Langfuse or LangSmith is nothing it is asked for here."""
    posts = [request for request in proxy.requests if request["path"].endswith("/v1/traces")]
    return ["%s was answered %s" % (request["path"], request.get("server_status")) for request in posts if request.get("server_status") != 200]


def record(folder, program, proxy, models):
    folder.mkdir(parents=True, exist_ok=True)
    bodies = [request for request in proxy.requests if request["path"].endswith("/v1/traces")]
    for number, request in enumerate(bodies, 1):
        body = request["body"]
        headers = {name.lower(): value.lower() for name, value in request["headers"].items()}
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        is_json = "json" in headers.get("content-type", "")
        (folder / ("otlp-%03d.%s" % (number, "json" if is_json else "pb"))).write_bytes(body)
    sessions = {}
    for name, should in compare.expected(program, models).items():
        sessions[name] = {
            "known": True,
            "run_count": should["runs"],
            "total_tokens": should["tokens"],
            "total_cost": should["cost"] / 1e9,
            "cached": should["cached"],
            "cache_written": should["written"],
            "unpriced_calls": should["unpriced calls"],
            "agents": should["agents"],
            "user_ids": should["users"],
        }
    versions = {name: version(program.group, name) for name in program.packages}
    expected = {"package": program.packages[0], "versions": versions, "session_set_by": None, "sessions": sessions, "recording": folder.name}
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
