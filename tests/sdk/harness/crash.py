"""The server killed between any two calls of a run, and started again on the same ports and the same data.

- One program calls the same two agents again and again, each time in a session of its own; each time the server dies after another request.
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
    """Kills the server after the request that the program names."""

    def __init__(self, server, lose):
        self.server = server
        self.lose = lose
        self.lock = threading.Lock()
        self.request = ""
        self.still = 0
        self.kills = []

    def rule(self, request):
        """The program says after which request the server shall die, and after how many of its kind."""
        if not request["path"].startswith(MARK):
            return None
        nth, part = request["path"][len(MARK):].split("/", 1)
        with self.lock:
            self.still, self.request = int(nth), part
        return 200, {}

    def after(self, request):
        with self.lock:
            if not self.still or self.request not in request["path"]:
                return None
            self.still -= 1
            if self.still:
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
    deaths = json.loads(said.strip().splitlines()[-1])["deaths"]
    result.check(len(crashes.kills) == deaths, "the server died %d times and not %d: %s" % (len(crashes.kills), deaths, crashes.kills))
    if result.lines:
        result.lines.append("it died after: " + ", ".join(crashes.kills))


class SCENARIO:
    key = "wax_sk_test"
    program = "crashing.py"
    environment = {}
    exit = 0
    stderr = ()
