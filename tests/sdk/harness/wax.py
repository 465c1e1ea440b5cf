"""The real `wax` command line against a server that has the sessions of one program: exit code 0 and the right figures.

- The answers behind the tables are read with `--format json` and are exact; of the printed tables the figures are looked for as printed.
- A wide terminal, so that nothing is cut.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from . import compare, run_one
from .proxy import Proxy
from .server import Server


class SCENARIO:
    key = "wax_sk_test"
    program = "team.py"
    environment = {}
    exit = 0
    stderr = ()


def run(binary, models):
    result = run_one.Result("the wax command line")
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="sessionfold-wax-"))
    server = Server(binary, folder)
    proxy = None
    try:
        server.start()
        proxy = Proxy(server.addresses["http"])
        process = run_one.start(SCENARIO.program, run_one.environment(SCENARIO, "both", proxy.url, models.url, folder), folder)
        run_one.check_program(result, SCENARIO, run_one.finish(process), folder)
        truth = run_one.read_truth(folder)
        settle(result, server, truth)
        Commands(result, server, truth, folder).all()
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


def settle(result, server, truth):
    should = compare.expected(truth)
    deadline = time.monotonic() + run_one.SETTLE_S
    while time.monotonic() < deadline:
        have, wrong = compare.actual(server)
        lines = compare.difference(should, have) + wrong
        if not lines:
            return
        time.sleep(0.05)
    result.lines += lines


class Commands:
    def __init__(self, result, server, truth, folder):
        self.result = result
        self.server = server
        self.folder = folder
        self.runs = truth["runs"]
        for run in self.runs:
            run["nanos"] = sum(call["nanos"] or 0 for call in run["calls"])
            run["tokens"] = sum(call["tokens_in"] + call["tokens_out"] for call in run["calls"])

    def all(self):
        self.sessions()
        self.run_list()
        self.one_run()
        self.money()
        self.users()
        self.overview()

    # === what is asked and what must come ===

    def sessions(self):
        ids = list(dict.fromkeys(run["session"] for run in self.runs))
        text = self.wax("sessions", "list")
        for session in ids:
            n_runs = sum(run["session"] == session for run in self.runs)
            # The column of the id is at most 24 characters wide.
            self.has(text, r"%s\s*│\s*%d\s*│" % (re.escape(session[:20]), n_runs), "the session's line")
        listed = self.data("sessions", "list")["sessions"]
        self.same("sessions list", sorted(line["session_id"] for line in listed), sorted(ids))
        for session in ids:
            of = [run for run in self.runs if run["session"] == session]
            text = self.wax("sessions", "show", session)
            self.has(text, r"Runs:\s+%d\b" % len(of), "the number of runs")
            self.has(text, r"Cost:\s+%s\b" % money(sum(run["nanos"] for run in of)), "the cost")
            for run in of:
                line = r"│ %s\s+│ . %s\s+│[^│]+│\s+%s\s+│" % (re.escape(run["agent"]), run["status"], money(run["nanos"]))
                self.has(text, line, "the run's line")
        self.has(self.wax("sessions", "show", "no-such-session"), r"not found", "that there is no such session")

    def run_list(self):
        text = self.wax("runs", "list", "--limit", "100")
        self.has(text, r"%d total, showing %d" % (len(self.runs), len(self.runs)), "the number of runs")
        for run in self.runs:
            what = (re.escape(run["agent"]), run["workflow"], run["status"], money(run["nanos"]), tokens(run["tokens"]), run["user"] or "-")
            self.has(text, r"%s\s+│ %s\s+│ . %s\s+│[^│]+│\s+%s\s+│\s+%s\s+│ %s" % what, "the run's line")
        traces = self.data("runs", "list", "--limit", "100")["traces"]
        have = sorted([line["agent_name"], compare.nanos(line["total_cost"]), line["total_tokens"]] for line in traces)
        self.same("runs list", have, sorted([run["agent"], run["nanos"], run["tokens"]] for run in self.runs))
        failed = self.data("runs", "list", "--status", "error")["traces"]
        should = sorted(run["agent"] for run in self.runs if run["status"] == "error")
        self.same("runs list --status error", sorted(line["agent_name"] for line in failed), should)
        part = self.runs[0]["agent"][1:4]
        some = self.data("runs", "list", "--agent", part.upper())["traces"]
        should = sorted(run["agent"] for run in self.runs if part in run["agent"])
        self.same("runs list --agent", sorted(line["agent_name"] for line in some), should)
        few = self.data("runs", "list", "--limit", "2")
        self.same("runs list --limit 2", [len(few["traces"]), few["total"]], [2, len(self.runs)])

    def one_run(self):
        run = next(run for run in self.runs if run["scores"])
        listed = self.wax("runs", "list", "--limit", "100")
        # What a person would do: copy the id that is printed.
        shown = re.search(r"│ (\d+)\s*│ %s\s" % re.escape(run["agent"]), listed)
        if not shown:
            return self.result.lines.append("no run id is printed for %s:\n%s" % (run["agent"], listed))
        text = self.wax("runs", "show", shown.group(1), "--spans")
        self.has(text, r"Agent:\s+%s\b" % re.escape(run["agent"]), "the agent")
        self.has(text, r"Cost:\s+%s\b" % money(run["nanos"]), "the cost")
        self.has(text, r"Tokens:\s+%s\b" % re.escape(tokens(run["tokens"])), "the tokens")
        self.has(text, r"Session:\s+%s\b" % re.escape(run["session"]), "the session")
        for call in run["calls"]:
            what = (re.escape(call["model"]), tokens(call["tokens_in"]), tokens(call["tokens_out"]), money(call["nanos"]))
            self.has(text, r"│ %s\S*\s+│[^│]+│\s+%s │\s+%s │\s+%s │" % what, "the call's line")
        for score in run["scores"]:
            self.has(text, r"%s: %s\b" % (score["name"], score["value"]), "the score")
        self.has(text, r"Span Tree \(\d+ spans\)", "the spans")
        self.has(text, r"● invoke_agent %s \(agent" % re.escape(run["agent"]), "the agent's span")
        self.has(text, r"  ● chat gpt-4o\S* \(llm", "the call's span, below the agent's")
        detail = self.data("runs", "show", shown.group(1))
        trace = detail["run"]["trace_id"]
        self.same("runs show by trace id", self.data("runs", "show", trace)["run"]["trace_id"], trace)

    def money(self):
        total = sum(run["nanos"] for run in self.runs)
        models, agents = {}, {}
        for run in self.runs:
            of = agents.setdefault(run["agent"], [0, 0])
            of[0] += 1
            of[1] += run["nanos"]
            for call in run["calls"]:
                of = models.setdefault(call["model"], [0, 0, 0])
                of[0] += 1
                of[1] += call["tokens_in"] + call["tokens_out"]
                of[2] += call["nanos"] or 0
        text = self.wax("costs", "summary")
        self.has(text, money(total), "the sum")
        for model, (calls, _, nanos) in models.items():
            self.has(text, r"%s\S*\s+│\s+%d │\s+%s │" % (re.escape(model), calls, money(nanos)), "the model's line")
        costs = self.data("costs", "summary")
        self.same("costs summary", compare.nanos(costs["total_cost"]), total)
        have = sorted([line["name"], line["runs"], compare.nanos(line["cost"])] for line in costs["agents"])
        self.same("costs by agent", have, sorted([name, *of] for name, of in agents.items()))
        for agent, (runs, nanos) in agents.items():
            line = r"%s\s+│\s+%d │\s+%s │" % (re.escape(agent), runs, money(nanos))
            self.has(self.once("costs", "by-agent"), line, "the agent's line")
        for command in (("costs", "by-model"), ("llm-calls", "list"), ("usage", "by-model")):
            lines = self.data(*command)
            lines = lines["by_model"] if isinstance(lines, dict) else lines
            have = undated([line["model"], line["calls"], line["tokens"], compare.nanos(line["cost"])] for line in lines)
            self.same(" ".join(command), have, sorted([model, *of] for model, of in models.items()))
            self.wax(*command)

    def users(self):
        users = {}
        for run in self.runs:
            if run["user"]:
                of = users.setdefault(run["user"], [0, 0])
                of[0] += 1
                of[1] += run["nanos"]
        text = self.wax("observe-users", "list")
        for user, (runs, nanos) in users.items():
            self.has(text, r"%s\s+│[^│]*│\s+%d │\s+%s │" % (re.escape(user), runs, money(nanos)), "the user's line")
        listed = self.data("observe-users", "list")["users"]
        have = sorted([line["user_id"], line["runs"], compare.nanos(line["cost"])] for line in listed)
        self.same("observe-users list", have, sorted([user, *of] for user, of in users.items()))
        user, (runs, nanos) = next(iter(users.items()))
        text = self.wax("observe-users", "show", user)
        self.has(text, r"Runs:\s+%d\b" % runs, "the user's runs")
        self.has(text, r"Cost:\s+%s\b" % money(nanos), "the user's cost")

    def overview(self):
        errors = sum(run["status"] == "error" for run in self.runs)
        for command in (("metrics", "overview"), ("runs", "stats")):
            text = self.wax(*command)
            self.has(text, r"Total Runs:\s+%d\b" % len(self.runs), "the number of runs")
            self.has(text, r"Error Rate:\s+%.1f%%" % (100 * errors / len(self.runs)), "the share of errors")
        for agent in {run["agent"] for run in self.runs}:
            of = [run for run in self.runs if run["agent"] == agent]
            rate = "%.1f%%" % (100 * sum(run["status"] == "error" for run in of) / len(of))
            line = r"%s\s+│[^│]+│[^│]*│\s+%d │\s+%s │" % (re.escape(agent), len(of), re.escape(rate))
            self.has(self.once("agents", "list"), line, "the agent's line")
        self.has(self.wax("agents", "show", self.runs[0]["agent"]), r"Agent: %s" % re.escape(self.runs[0]["agent"]), "the agent")
        self.has(self.wax("traces", "list"), r"Traces", "the traces")

    # === how ===

    def wax(self, *words):
        """What it prints; a failure is noted."""
        environment = {
            "PATH": os.environ.get("PATH", ""), "HOME": str(self.folder / "home"), "COLUMNS": "240", "LANG": "C.UTF-8",
            "WAXELL_API_URL": self.server.url, "WAXELL_API_KEY": SCENARIO.key,
        }
        program = Path(sys.executable).parent / "wax"
        done = subprocess.run([str(program), *words], env=environment, capture_output=True, text=True, timeout=60, cwd=self.folder)
        self.command = " ".join(words)
        said = done.stdout[-1500:] + done.stderr[-1500:]
        self.result.check(done.returncode == 0, "wax %s exited with %d:\n%s" % (self.command, done.returncode, said))
        return done.stdout

    def once(self, *words):
        """The same answer again without a process."""
        kept = self.__dict__.setdefault("kept", {})
        if words not in kept:
            kept[words] = self.wax(*words)
        self.command = " ".join(words)
        return kept[words]

    def data(self, *words):
        text = self.wax(*words, "--format", "json")
        try:
            return json.loads(text)
        except ValueError:
            raise RuntimeError("wax %s printed no JSON: %s" % (" ".join(words), text[:500]))

    def has(self, text, pattern, what):
        self.result.check(re.search(pattern, text), "wax %s does not show %s, /%s/:\n%s" % (self.command, what, pattern, text))

    def same(self, what, have, should):
        self.result.check(have == should, "wax %s: should be %s, is %s" % (what, should, have))


def printed(nanos):
    """As the command line prints money."""
    amount = Decimal(nanos) / 1_000_000_000
    if amount <= 0:
        return "$0.00"
    digits = 6 if amount < Decimal("0.0001") else 4 if amount < Decimal("0.01") else 2
    # It formats a float; so does this.
    return "$" + format(float(amount), ",.%df" % digits)


def money(nanos):
    """The same as a pattern."""
    return re.escape(printed(nanos))


def tokens(count):
    return "%.1fK" % (count / 1000) if count >= 1000 else "%d" % count


def undated(lines):
    summed = {}
    for model, *figures in lines:
        of = summed.setdefault(compare.DATE.sub("", model), [0] * len(figures))
        for n, figure in enumerate(figures):
            of[n] += figure
    return sorted([model, *of] for model, of in summed.items())
