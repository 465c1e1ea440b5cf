"""Runs coding agents from npm against a real server, and compares the session it shows with what the models counted.

    python3 tests/agents/run.py --binary target/debug/sessionfold [--only NAME]... [--record FOLDER] [--list]
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "sdk"))

import compare
import network
import recording
from agents import Otlp
from agents.known import AGENTS
from harness.proxy import Proxy
from harness.server import Server
from models import FakeModels
from scenarios import scenarios

PROMPT_TIMEOUT_S = 120
# What was sent is folded within milliseconds; a machine with other work needs longer. Only a failing comparison waits so long.
SETTLE_S = 6.0
AGAIN_S = 0.5
SERVICE_FLUSH_S = 2.0
ADDRESS = re.compile(r"http://\S+")


def main():
    options = arguments()
    chosen = [scenario for scenario in scenarios(AGENTS) if not options.only or any(part in scenario.name for part in options.only)]
    if options.list or options.agents:
        line = lambda scenario: "%s %s" % (scenario.agent.name, scenario.agent.program) if options.agents else scenario.name
        print("\n".join(dict.fromkeys(map(line, chosen))))
        return 0
    how = network.alone()
    began = time.monotonic()
    print("the agents run %s" % how, flush=True)
    missing = {agent.name: agent.why_missing() for agent in AGENTS}
    skipped = [scenario for scenario in chosen if missing[scenario.agent.name]]
    for scenario in skipped:
        print("SKIPPED %s: %s" % (scenario.name, missing[scenario.agent.name]), flush=True)
    jobs = [scenario for scenario in chosen if scenario not in skipped]
    with ThreadPoolExecutor(options.jobs) as pool:
        n_failed = sum(pool.map(lambda scenario: run(scenario, options), jobs))
    print("\n%.0f s" % (time.monotonic() - began))
    reasons = "; ".join(dict.fromkeys("%s %s" % (scenario.agent.name, missing[scenario.agent.name]) for scenario in skipped))
    print("%d passed, %d failed%s" % (len(jobs) - n_failed, n_failed, ", %d skipped (%s)" % (len(skipped), reasons) if skipped else ""))
    return 1 if n_failed or not chosen else 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, type=Path, help="the server under test")
    parser.add_argument("--only", action="append", default=[], help="a part of a scenario's name; may be given again")
    parser.add_argument("--jobs", type=int, default=2, help="scenarios at a time")
    parser.add_argument("--record", type=Path, help="keep what each agent sent: AGENT/SCENARIO/NN-SIGNAL.pb and expected.json")
    parser.add_argument("--list", action="store_true", help="the names of the scenarios")
    parser.add_argument("--agents", action="store_true", help="the names of the agents that are run, and of their programs")
    options = parser.parse_args()
    if not options.list and not options.agents and not os.access(options.binary, os.X_OK):
        parser.error("%s is no program: build it with `cargo build`" % options.binary)
    return options


def run(scenario, options):
    """1 if it failed."""
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="sessionfold-agents-"))
    server = Server(options.binary.resolve(), folder / "server")
    models, proxy, lines = FakeModels(scenario.agent.tools, scenario.kind.statuses(), scenario.kind.has_websocket), None, []
    try:
        server.start()
        proxy = Proxy(server.addresses["otlp_http"])
        said = ask(scenario, otlp_of(scenario, server, proxy), models, folder, lines)
        if said:
            lines += compare_with(scenario, models, said, server)
            if options.record:
                recording.write(options.record, scenario, proxy, models, said)
        lines += odd_calls(scenario, models) + refused(scenario, proxy)
        if server.stop() != 0:
            lines.append("the server did not drain: " + server.log()[-600:])
    except Exception as error:  # a broken scenario is a failure of its own, not of the whole run
        lines += ["%s: %s" % (type(error).__name__, error), "server log: " + server.log()[-1500:]]
    finally:
        if server.process and server.process.poll() is None:
            server.kill()
        models.stop()
        if proxy:
            proxy.stop()
        shutil.rmtree(folder, ignore_errors=True)
    text = "%-6s %s (%s)  %.1f s" % ("FAILED" if lines else "ok", scenario.name, scenario.agent.version(), time.monotonic() - began)
    for line in lines:
        text += "\n       " + line.replace("\n", "\n       ")
    print(text, flush=True)
    return 1 if lines else 0


def otlp_of(scenario, server, proxy):
    # What comes by gRPC cannot pass the proxy, which speaks HTTP/1.
    if scenario.kind.protocol == "grpc":
        return Otlp("http://" + server.addresses["otlp_grpc"], "grpc")
    return Otlp(proxy.url, scenario.kind.protocol)


# === the agent ===


def ask(scenario, otlp, models, folder, lines):
    """Asks it each prompt, in a process of its own; what it said at the end."""
    agent, home, work = scenario.agent, folder / "home", folder / "work"
    home.mkdir()
    work.mkdir()
    (work / "README.md").write_text("# A place to work\n")
    variables = {**environment(home), **agent.set_up(home, otlp, scenario.parts, models.url)}
    with service(agent, variables, work) as address:
        said = None
        for prompt in scenario.kind.prompts:
            command = [str(agent.path), *agent.command(prompt, said.session if said else None, address)]
            said = understood(scenario, finish(command, variables, work), lines)
            if not said:
                break
        return said


def understood(scenario, done, lines):
    code, output, errors = done
    if scenario.kind.status == "success" and code != 0 or code is None:
        lines.append("%s exited with %s:\n%s" % (scenario.agent.program, code, (output + errors)[-3000:]))
        return None
    try:
        return scenario.agent.said(output)
    except (ValueError, KeyError, IndexError, StopIteration) as error:
        lines.append("%s said what is not understood (%r):\n%s" % (scenario.agent.program, error, (output + errors)[-3000:]))
        return None


@contextmanager
def service(agent, variables, work):
    """The address of the part of the agent that stays while it is asked; None of most."""
    if not agent.service:
        yield None
        return
    process = subprocess.Popen(
        [str(agent.path), *agent.service], env=variables, cwd=work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    try:
        yield next(found[0] for found in map(ADDRESS.search, process.stdout) if found)
        time.sleep(SERVICE_FLUSH_S)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)
        process.stdout.close()


def environment(home):
    """What a user has, and nothing of the machine's own: no key, no account, no setting."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "LD_LIBRARY_PATH") if key in os.environ}
    return {**kept, "HOME": str(home), "TERM": "dumb", "CI": "true", **network.environment()}


def finish(command, variables, work):
    """Exit code, or None if it had to be ended; what it printed."""
    process = subprocess.Popen(
        command, env=variables, cwd=work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True
    )
    try:
        output, errors = process.communicate(timeout=PROMPT_TIMEOUT_S)
        return process.returncode, output, errors
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
        return None, output, errors + "\nit did not end within %d s" % PROMPT_TIMEOUT_S


# === what the server says ===


def compare_with(scenario, models, said, server):
    """Equal, and still equal a moment later: what is told twice is counted twice only once both have come."""
    deadline = time.monotonic() + SETTLE_S
    should = compare.expected(scenario, models, said)
    was_equal = False
    while True:
        lines = compare.differences(scenario, should, said.session, compare.shown(server))
        if was_equal or time.monotonic() > deadline:
            return lines
        was_equal = not lines
        time.sleep(AGAIN_S if was_equal else 0.05)


def odd_calls(scenario, models):
    """A scenario that did not come to what it is for would compare nothing."""
    tools = [call.tool for call in models.calls if call.tool]
    words = ("tool", "subagent") if scenario.kind.has_subagent else ("tool",)
    wanted = [scenario.agent.tools[word][0][0] for word in words]
    lines = ["call %d was not answered whole: the agent hung up" % call.number for call in models.calls if not call.is_whole]
    if not models.calls:
        lines.append("the agent asked no model; it asked for %s" % models.others)
    elif scenario.kind.status == "success":
        lines += ["the tool %s was never called" % tool for tool in wanted if tool not in tools]
    return lines


def refused(scenario, proxy):
    """What the server reads of an agent it takes whole: an agent that hears otherwise complains to its user."""
    lines = []
    for request in proxy.requests:
        is_taken = request["status"] == 200 and not recording.is_partly_refused(request)
        if request["path"].rsplit("/", 1)[-1] in scenario.parts and not is_taken:
            lines.append("%s was answered %s %r" % (request["path"], request["status"], request["answer"][:200]))
    return list(dict.fromkeys(lines))


if __name__ == "__main__":
    sys.exit(main())
