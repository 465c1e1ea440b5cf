"""Every program against one server with a real Tempo behind it: TraceQL says what the API says, and Tempo gives the index back.

Runs where TEMPO_BIN names the binary of a Tempo 3.
"""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import compare, run_one
from .server import Server

CONFIG = Path(__file__).resolve().parent.parent.parent / "forward" / "tempo.yaml"
# Tempo's search shows a span some seconds after it took it.
SEARCH_S = 90
AT_ONCE = 3
# What TraceQL cannot say: a run ended in some way, or it failed.
ENDED = {"blocked": "success", "interrupted": "success", "timeout": "success"}


def run(binary, models, scenarios):
    result = run_one.Result("tempo")
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="sessionfold-tempo-"))
    tempo = Tempo(os.environ["TEMPO_BIN"], folder / "tempo")
    settings = {"SESSIONFOLD_TEMPO": tempo.otlp, "SESSIONFOLD_FORWARD_HOLD": "1s", "SESSIONFOLD_TEMPO_QUERY": tempo.query}
    server = Server(binary, folder / "server", settings)
    try:
        tempo.start()
        server.start()
        run_programs(scenarios, models, server, folder)
        wait(lambda: "\nsessionfold_forward_lag_bytes 0\n" in server.get("/metrics")[1], 60)
        check_agreement(result, "the spans that were sent", binary, server, tempo)
        before = shown(server)
        result.check(len(before) > 30, "only %d answers" % len(before))
        result.check(server.stop() == 0, "the server did not drain: " + server.log()[-600:])
        shutil.rmtree(server.folder / "data")
        said = command(binary, server, ["rebuild", "--json", "--from-tempo", tempo.query, "--since", "2h"])
        server.start()
        check_shown(result, before, shown(server), said)
        check_agreement(result, "the index from Tempo", binary, server, tempo)
    except Exception as error:
        result.lines.append("%s: %s" % (type(error).__name__, error))
        result.lines.append("server log: " + server.log()[-1500:])
    finally:
        server.stop()
        tempo.kill()
        shutil.rmtree(folder, ignore_errors=True)
    result.seconds = time.monotonic() - began
    return result


def run_programs(scenarios, models, server, folder):
    def run_program(job):
        scenario, mode = job
        place = folder / ("%s-%s" % (scenario.name, mode))
        place.mkdir()
        process = run_one.start(scenario.program, run_one.environment(scenario, mode, server.url, models.url, place), place)
        run_one.interrupt(scenario, process, place)
        run_one.finish(process)

    # Programs that need settings of the server's own have a server of their own elsewhere.
    plain = [scenario for scenario in scenarios if not scenario.server and not scenario.read_key]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(run_program, [(scenario, mode) for scenario in plain for mode in scenario.modes]))


def check_agreement(result, what, binary, server, tempo):
    """`verify` finds no difference, once Tempo's search has caught up."""
    said = {}

    def agrees():
        nonlocal said
        said = command(binary, server, ["verify", "--json", "--tempo-query", tempo.query, "--since", "all", "--grace", "0s"])
        return not said["differences"]

    wait(agrees, SEARCH_S)
    left = said["differences"]
    result.check(not left, "%s: %d differences, such as %s" % (what, len(left), json.dumps(left[:3])))
    result.check(said["runs"] > 50, "%s: only %d runs were compared" % (what, said["runs"]))


def check_shown(result, before, after, said):
    wrong = [line for path, body in before.items() for line in differences(path, body, after.get(path, {}))]
    result.check(not wrong, "after %s\n%s" % (json.dumps(said), "\n".join(wrong[:40])))


def differences(where, before, after):
    """What is not as it was, in one line each."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(before.keys() | after.keys())
        return [line for key in keys for line in differences("%s %s" % (where, key), before.get(key), after.get(key))]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [line for n, pair in enumerate(zip(before, after)) for line in differences("%s %d" % (where, n), *pair)]
    return [] if before == after else ["%s: was %s, is %s" % (where, json.dumps(before)[:700], json.dumps(after)[:700])]


def shown(server):
    """What the API answers by default, of the sessions whose runs have ended, as far as Tempo can know it."""
    pages = {}
    for line in server.json("/api/v1/observability/sessions/?limit=100&sort=session_id")["results"]:
        path = "/api/v1/observability/sessions/%s/" % compare.quoted(line["session_id"])
        detail = server.json(path)
        for run in detail["runs"]:
            run["status"] = ENDED.get(run["status"], run["status"])
        # Runs that never ended are not told to Tempo.
        if not any(run["status"] == "running" for run in detail["runs"]):
            pages[line["session_id"]] = line
            pages[path] = detail
    return pages


def command(binary, server, arguments):
    place = ["--data-dir", str(server.folder / "data"), "--http", server.addresses["http"]]
    ran = subprocess.run([str(binary), *arguments, *place], capture_output=True, text=True, timeout=300)
    if not ran.stdout:
        raise RuntimeError("%s: exit code %d: %s" % (arguments[0], ran.returncode, ran.stderr[-1000:]))
    return json.loads(ran.stdout)


def wait(holds, seconds):
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.5)


class Tempo:
    def __init__(self, binary, folder):
        self.binary = binary
        self.folder = folder
        folder.mkdir(parents=True)
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
        names = ["HTTP_PORT", "GRPC_PORT", "OTLP_GRPC_PORT", "OTLP_HTTP_PORT", "MEMBERLIST_PORT"]
        self.ports = {name: str(held.getsockname()[1]) for name, held in zip(names, sockets)}
        for held in sockets:
            held.close()
        self.query = "http://127.0.0.1:" + self.ports["HTTP_PORT"]
        self.otlp = "127.0.0.1:" + self.ports["OTLP_GRPC_PORT"]
        self.process = None

    def start(self):
        log = open(self.folder / "log", "wb")
        flags = ["-target=all", "-config.expand-env=true", "-config.file=%s" % CONFIG]
        variables = {**os.environ, **self.ports, "TEMPO_DIR": str(self.folder / "data")}
        self.process = subprocess.Popen([self.binary, *flags], stdout=log, stderr=log, env=variables)
        log.close()
        wait(self.is_ready, 60)

    def is_ready(self):
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            return opener.open(self.query + "/ready", timeout=5).status == 200
        except (urllib.error.URLError, OSError):
            return False

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
