"""One program, one mode, one fresh server: run it, wait for what it sent to be folded, compare."""

import copy
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import compare, logs
from .proxy import Proxy
from .server import Server

PROGRAMS = Path(__file__).resolve().parent.parent / "programs"
PROGRAM_TIMEOUT_S = 120
# What was sent is folded within milliseconds; a machine with other work needs longer. Only a failing comparison waits so long.
SETTLE_S = 6.0


class Result:
    def __init__(self, name):
        self.name = name
        self.lines = []
        self.seconds = 0.0

    def check(self, holds, line):
        if not holds:
            self.lines.append(line)


def run(scenario, mode, binary, models, keep=None):
    """The `Result` of one scenario in one mode. `keep` is a folder for what the proxy saw."""
    result = Result("%s (%s)" % (scenario.name, mode))
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="sessionfold-sdk-"))
    server = Server(binary, folder, scenario.server, scenario.read_key)
    proxy = None
    try:
        server.start()
        proxy = Proxy(server.addresses["http"], rule=_rule(scenario, mode))
        process = start(scenario.program, environment(scenario, mode, proxy.url, models.url, folder), folder)
        interrupt(scenario, process, folder)
        exit_code = finish(process)
        check_program(result, scenario, exit_code, folder)
        truth = read_truth(folder)
        check_sessions(result, scenario, mode, server, truth)
        check_logs(result, scenario, mode, proxy)
        check_answers(result, scenario, mode, proxy)
        if keep:
            record(Path(keep), proxy, truth)
        if mode == "both" and not result.lines:
            check_restart(result, server)
        result.check(server.stop() == 0, "the server did not drain: " + server.log()[-600:])
    except Exception as error:  # a broken scenario is a failure of its own, not of the whole suite
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


# === the program ===


def environment(scenario, mode, address, models_url, folder):
    """What an operator sets for this mode, and nothing of the machine's own."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "LD_LIBRARY_PATH", "SYSTEMROOT") if key in os.environ}
    home = folder / "home"
    home.mkdir(exist_ok=True)
    to_models = {
        "HTTP_PROXY": models_url,
        "NO_PROXY": "127.0.0.1",
        "OPENAI_BASE_URL": "http://api.openai.com/v1",
        "OPENAI_API_KEY": "sk-test",
        "ANTHROPIC_BASE_URL": "http://api.anthropic.com",
        "ANTHROPIC_API_KEY": "sk-ant-test",
        "OLLAMA_HOST": models_url,
        "LOCAL_BASE_URL": models_url + "/v1",
    }
    # Telemetry of the frameworks themselves stays off: nothing leaves the loopback interface.
    quiet = {"LANGSMITH_TRACING": "false", "ANONYMIZED_TELEMETRY": "false", "DO_NOT_TRACK": "1", "PYTHONDONTWRITEBYTECODE": ""}
    ours = {"HOME": str(home), "TRUTH": str(folder / "truth.json"), "SERVER_URL": address}
    if mode == "otlp":
        path = {"OTEL_EXPORTER_OTLP_ENDPOINT": address}
    else:
        path = {"WAXELL_API_URL": address, "WAXELL_API_KEY": scenario.key}
    return {**kept, **to_models, **quiet, **ours, **path, **scenario.environment}


def start(program, variables, folder):
    out = open(folder / "out", "wb")
    error = open(folder / "err", "wb")
    process = subprocess.Popen([sys.executable, str(PROGRAMS / program)], env=variables, stdout=out, stderr=error, cwd=folder)
    out.close()
    error.close()
    return process


def interrupt(scenario, process, folder):
    """Waits until the program says where it is, then sends the signal."""
    if not scenario.signal:
        return
    deadline = time.monotonic() + PROGRAM_TIMEOUT_S
    while "now" not in (folder / "out").read_text() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(scenario.signal)


def finish(process):
    try:
        return process.wait(PROGRAM_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return "killed after %d s" % PROGRAM_TIMEOUT_S


def check_program(result, scenario, exit_code, folder):
    said = (folder / "err").read_text(errors="replace")
    result.check(exit_code == scenario.exit, "the program exited with %s, not %s:\n%s" % (exit_code, scenario.exit, said[-3000:]))
    left = [line for line in said.splitlines() if line.strip() and not any(re.search(pattern, line) for pattern in scenario.stderr)]
    if exit_code == scenario.exit and left:
        result.lines.append("the program wrote to standard error:\n" + "\n".join(left[-20:]))


def read_truth(folder):
    truth = json.loads((folder / "truth.json").read_text())
    for run in truth["runs"]:
        parent = run["parent"]
        run["parent_agent"] = None if parent is None else truth["runs"][parent]["agent"]
    return truth


# === what the server says ===


def check_sessions(result, scenario, mode, server, truth):
    truth = scenario.known(copy.deepcopy(truth), mode)
    should = compare.expected(truth)
    deadline = time.monotonic() + SETTLE_S
    while True:
        have, wrong = compare.actual(server)
        lines = compare.difference(should, have) + wrong
        if not lines or time.monotonic() > deadline:
            result.lines += lines
            return
        time.sleep(0.05)


def check_restart(result, server):
    """A killed server shows the same afterwards, to the byte."""
    before = answers(server)
    server.kill()
    server.start()
    after = answers(server)
    for path, body in before.items():
        result.check(after.get(path) == body, "after a kill and a restart %s is\n  %s\nand was\n  %s" % (path, after.get(path), body))


def answers(server):
    pages = {}
    path = "/api/v1/observability/sessions/?limit=100"
    pages[path] = server.get(path)[1]
    for line in json.loads(pages[path])["results"]:
        path = "/api/v1/observability/sessions/%s/?include=usage,users,models,scores" % compare.quoted(line["session_id"])
        pages[path] = server.get(path)[1]
    return pages


def check_logs(result, scenario, mode, proxy):
    said = logs.warnings(proxy.requests)
    provoked = scenario.warnings(mode)
    for text in sorted(set(said)):
        result.check(any(re.search(pattern, text) for pattern in provoked), "the SDK logged: " + text[:500])
    has_logs = bool(logs.records(proxy.requests))
    result.check(has_logs or not scenario.logs, "the SDK sent no logs, so nothing is known of its warnings")
    for pattern in provoked if has_logs else ():
        result.check(any(re.search(pattern, text) for text in said), "no warning matches %r any more" % pattern)


def check_answers(result, scenario, mode, proxy):
    """The server refuses nothing that the SDK sends."""
    for request in proxy.requests:
        status = request.get("server_status")
        if isinstance(status, int) and status >= 300:
            line = "%s %s was answered %s: %s" % (request["method"], request["path"], status, request["answer"][:300])
            result.check(any(re.search(pattern, line) for pattern in scenario.refused), line)


def _rule(scenario, mode):
    def rule(request):
        # Only HTTP: the spans go nowhere. The SDK is told that all is well, so that its logs still come.
        if mode == "http" and request["path"] == "/v1/traces":
            return 200, {}
        return scenario.rule and scenario.rule(request)

    return rule


# === recording ===


def record(folder, proxy, truth):
    """What the proxy saw, in the form of `tests/fixtures/sdk`."""
    folder.mkdir(parents=True, exist_ok=True)
    n_traces = 0
    began = proxy.requests[0]["time"] if proxy.requests else 0
    with open(folder / "requests.jsonl", "w") as file:
        for request in proxy.requests:
            body = request["body"]
            if request["path"] == "/v1/traces":
                n_traces += 1
                name = "otlp-%03d.pb" % n_traces
                (folder / name).write_bytes(body)
                shown = {"otlp_file": name}
            elif request["path"].startswith("/v1/"):
                shown = {"bytes": len(body)}
            else:
                shown = json.loads(body) if body else None
                if isinstance(shown, dict) and "hardware_uuid" in shown:
                    shown["hardware_uuid"] = "0" * 32
            answer = request["answer"]
            is_json = not request["path"].startswith("/v1/") and answer
            line = {
                "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(request["time"])) + ".%06dZ" % (request["time"] % 1 * 1e6),
                "method": request["method"],
                "path": request["path"],
                "headers": request["headers"],
                "wire_len": len(body),
                "body": shown,
                "status": request["status"],
                **({"response": json.loads(answer)} if is_json else {}),
                "n": request["n"],
                "t_rel": round(request["time"] - began, 4),
            }
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    (folder / "expected.json").write_text(json.dumps(as_expected(folder.name, truth), indent=1) + "\n")


def as_expected(name, truth):
    """The truth in the form of the recorded cases."""
    runs, sessions = [], {}
    for run in truth["runs"]:
        calls = [
            {"model": call["model"], "tokens_in": call["tokens_in"], "tokens_out": call["tokens_out"], "cost": (call["nanos"] or 0) / 1e9}
            for call in run["calls"]
        ]
        cost = sum(call["nanos"] or 0 for call in run["calls"])
        tokens = sum(call["tokens_in"] + call["tokens_out"] for call in run["calls"])
        named = {"agent_name": run["agent"], "workflow_name": run["workflow"], "session_id": run["session"], "user_id": run["user"]}
        of_run = {"parent": run["parent"], "status": run["status"], "calls": calls, "scores": run["scores"]}
        runs.append({"n": run["n"], **named, **of_run, "cost": cost / 1e9, "tokens": tokens})
        if run["session"]:
            of = sessions.setdefault(run["session"], {"run_count": 0, "nanos": 0, "total_tokens": 0, "agents": [], "user_ids": []})
            of["run_count"] += 1
            of["nanos"] += cost
            of["total_tokens"] += tokens
            for key, value in (("agents", run["agent"]), ("user_ids", run["user"])):
                if value and value not in of[key]:
                    of[key].append(value)
    for of in sessions.values():
        of["total_cost"] = of.pop("nanos") / 1e9
    without = sum(not run["session"] for run in truth["runs"])
    outside = truth["outside"]
    return {"scenario": name, "sessions": sessions, "runs_without_session": without, "runs": runs, "llm_calls_outside_any_run": outside}
