"""What the server shows of a session, beside what the models counted and the agent said."""

import json
from decimal import Decimal
from urllib.parse import quote

LIST = "/api/v1/observability/sessions/?limit=100"
DETAIL = "/api/v1/observability/sessions/%s/?include=usage"
# The agent's own sum is made of floating-point numbers.
TOLERANCE = Decimal("0.000001")


def expected(scenario, models, said):
    """{what: figure} of the one session there should be."""
    agent = scenario.agent
    answered = [call for call in models.calls if call.status == 200]
    failed = [call for call in models.calls if call.status != 200]
    should = {
        # Some tell each attempt that failed, some only the last one.
        "calls": range(len(answered), len(answered) + len(failed) + 1) if failed else len(answered),
        "total tokens": sum(call.input + call.output for call in answered),
        "input tokens": sum(call.input for call in answered),
        "output tokens": sum(call.output for call in answered),
        "cached tokens": sum(call.cached for call in answered),
        "cache-written tokens": sum(call.written for call in answered),
    }
    if agent.tells_end:
        should["status"] = scenario.kind.status
    if agent.tells_reasoning:
        should["reasoning tokens"] = sum(call.thoughts for call in answered)
    if agent.turns_are_runs and "logs" in scenario.parts and not scenario.kind.has_subagent:
        should["agents of its runs"] = [agent.name] * len(scenario.kind.prompts)
    if said.cost is not None and "logs" in scenario.parts:
        should["stated cost"] = said.cost
    return should


def shown(server):
    """{session: the same of it} for all that the API lists."""
    sessions = {}
    for line in server.json(LIST)["results"]:
        name = line["session_id"]
        one = server.json(DETAIL % quote(name, safe=""))
        whole, usage, runs = one["aggregates"], one["usage"], one["runs"]
        sessions[name] = {
            "calls": usage["llm_calls"],
            "total tokens": whole["total_tokens"],
            "listed tokens": line["total_tokens"],
            "input tokens": usage["input_tokens"],
            "output tokens": usage["output_tokens"],
            "cached tokens": usage["cached_tokens"],
            "cache-written tokens": usage["cache_write_tokens"],
            "reasoning tokens": usage["reasoning_tokens"],
            "status": _status(runs),
            "stated cost": whole["total_cost"],
            "agents of its runs": [run["agent_name"] for run in runs],
            "runs": ["%s %s %s" % (run["agent_name"] or "(no agent)", run["status"], run["tokens"]) for run in runs],
        }
    return sessions


def _status(runs):
    """Of the newest run."""
    return max(runs, key=lambda run: run["started_at"])["status"] if runs else None


def differences(scenario, should, session, found):
    """What is wrong, in lines."""
    lines = []
    if session not in found:
        lines.append("session %s is missing" % session)
    else:
        have = found[session]
        for what, value in should.items():
            if not _same(what, have[what], value):
                lines.append("%s: should be %s, is %s" % (what, _shown(value), have[what]))
        if have["listed tokens"] != have["total tokens"]:
            lines.append("the list says %s tokens, the session %s" % (have["listed tokens"], have["total tokens"]))
        if lines:
            lines.append("its runs: " + "; ".join(have["runs"]))
    lines += ["session %s is nobody's: %s" % (name, json.dumps(found[name])) for name in sorted(set(found) - {session})]
    return lines


def _same(what, have, value):
    if what == "stated cost":
        return abs(Decimal(str(have)) - Decimal(str(value))) <= TOLERANCE
    return have in value if isinstance(value, range) else have == value


def _shown(value):
    return "%d to %d" % (value[0], value[-1]) if isinstance(value, range) else value
