"""The server killed between any two calls of a run, and started again on the same ports and the same data.

- One program makes the same run again and again, each with a session of its own; in the k-th the server dies after the k-th request.
- `acked`: the agent hears the server's answer, and then the server is gone: what was answered 2xx must be there afterwards.
- `lost`: the server has answered, nobody has heard it, and the agent is told 503: it sends the same bytes again, and that is one event.
- Requests pass one at a time, so that each gap between two of them is a place where the server dies once.
"""

import json
import shutil
import tempfile
import threading
import time
from pathlib import Path

from . import compare, run_one
from .proxy import Proxy
from .server import Server

MARK = "/crash/"


class Crashes:
    """Counts the requests of an iteration and kills the server after the one that it is told."""

    def __init__(self, server, lose):
        self.server = server
        self.lose = lose
        self.lock = threading.Lock()
        self.after_n = 0
        self.seen = 0
        self.kills = []

    def rule(self, request):
        """The program says where the next iteration begins and how far it shall come."""
        if not request["path"].startswith(MARK):
            return None
        with self.lock:
            done = self.seen
            self.after_n = int(request["path"][len(MARK):])
            self.seen = 0
        return 200, {"requests_before": done}

    def after(self, request):
        with self.lock:
            if not self.after_n:
                return None
            self.seen += 1
            if self.seen != self.after_n:
                return None
        self.server.kill()
        self.server.start()
        self.kills.append("%s %s" % (request["method"], request["path"]))
        return (503, {"detail": "the gateway lost the server"}) if self.lose else None


def run(how, binary, models):
    result = run_one.Result("crash between calls (%s)" % how)
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="sessionfold-crash-"))
    server = Server(binary, folder)
    proxy = None
    try:
        server.start()
        crashes = Crashes(server, lose=how == "lost")
        proxy = Proxy(server.addresses["http"], rule=crashes.rule, after=crashes.after, serial=True)
        variables = run_one.environment(SCENARIO, "both", proxy.url, models.url, folder)
        process = run_one.start(SCENARIO.program, {**variables, "LOST": "1" if crashes.lose else ""}, folder)
        exit_code = run_one.finish(process)
        run_one.check_program(result, SCENARIO, exit_code, folder)
        truth = run_one.read_truth(folder)
        said = (folder / "out").read_text()
        check(result, server, truth, crashes, said)
        result.check(server.stop() == 0, "the server did not drain: " + server.log()[-600:])
    except Exception as error:
        result.lines.append("%s: %s" % (type(error).__name__, error))
        result.lines.append("server log: " + server.log()[-1500:])
    finally:
        if server.process and server.process.poll() is None:
            server.kill()
        if proxy:
            proxy.stop()
        shutil.rmtree(folder, ignore_errors=True)
    result.seconds = time.monotonic() - began
    return result


def check(result, server, truth, crashes, said):
    should = compare.expected(truth)
    deadline = time.monotonic() + run_one.SETTLE_S
    while True:
        have, wrong = compare.actual(server)
        lines = compare.difference(should, have) + wrong
        if not lines or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    result.lines += lines
    places = json.loads(said.strip().splitlines()[-1])["places"]
    # Every gap of the run was hit, and each kind of call was the last one before a death.
    result.check(len(crashes.kills) == places, "%d deaths, %d places: %s" % (len(crashes.kills), places, crashes.kills))
    for part in ("policy-check", "runs/start", "llm-calls", "steps", "scores", "spans", "complete", "/v1/traces"):
        result.check(any(part in kill for kill in crashes.kills), "the server never died after a request to %s" % part)
    if result.lines:
        result.lines.append("it died after: " + ", ".join(crashes.kills))


class SCENARIO:
    program = "crashing.py"
    environment = {}
    exit = 0
    stderr = ()
