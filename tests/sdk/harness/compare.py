"""The truth that a program kept against the server's answers. Every figure exact: tokens as integers, cost in nano-dollars.

- Runs are compared as a multiset, since two that run side by side have no order; that the answer is in order is a check of its own.
- Models are compared without their date, since OpenAI answers with the dated name and a stream or a failed call names the undated one.
"""

import json
import re
from datetime import datetime
from decimal import Decimal
from urllib.parse import quote

INCLUDE = "?include=usage,users,models,scores"
DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$|-\d{8}$")
# No session has this id: it holds what is asked of all.
EVERYBODY = "(everybody)"
# What asking for policies may take on a busy machine.
SLACK_S = 2.0


def nanos(value):
    exact = Decimal(str(value)) * 1_000_000_000
    assert exact == exact.to_integral_value(), "a cost of more than nine decimals: %s" % value
    return int(exact)


def dollars(amount):
    return "$" + format(Decimal(amount) / 1_000_000_000, "f")


# === what should be ===


def expected(truth):
    """{session id: {...}} of the runs that have a session."""
    sessions = {}
    for run in truth["runs"]:
        if run["session"]:
            sessions.setdefault(run["session"], []).append(run)
    found = {session: _session([_expected_run(run) for run in runs], runs) for session, runs in sessions.items()}
    return {**found, EVERYBODY: _everybody(truth["runs"])}


def _everybody(runs):
    """The users of all sessions and of runs without one."""
    users = {}
    for run, line in ((run, _expected_run(run)) for run in runs if run["user"]):
        of = users.setdefault(run["user"], {"runs": 0, "tokens": 0, "cost": 0, "agents": set(), "sessions": set(), "models": {}})
        of["runs"] += 1
        of["tokens"] += line["tokens"]
        of["cost"] += line["cost"]
        of["agents"].add(run["agent"])
        of["sessions"].add(run["session"])
        for model, (_, _, cost) in line["models"].items():
            of["models"][model] = of["models"].get(model, 0) + cost
    for of in users.values():
        of.update(agents=sorted(of["agents"]), sessions=len(of["sessions"]))
    return users


def _session(lines, runs):
    agents = []
    for run in runs:
        if run["agent"] not in agents:
            agents.append(run["agent"])
    users = {}
    for line in lines:
        if line["user"]:
            of = users.setdefault(line["user"], {"runs": 0, "tokens": 0, "cost": 0})
            of["runs"] += 1
            of["tokens"] += line["tokens"]
            of["cost"] += line["cost"]
    return {
        "runs": sorted(lines, key=_order),
        "run_count": len(lines),
        "tokens": sum(line["tokens"] for line in lines),
        "cost": sum(line["cost"] for line in lines),
        "unpriced": sum(line["unpriced"] for line in lines),
        # Side by side, two agents may start in either order.
        "agents": sorted(agents),
        "users": users,
        "models": _models(call for run in runs for call in run["calls"]),
        "scores": _score_totals([score for run in runs for score in run["scores"]]),
        "seconds": _seconds([run for run in runs if run["status"] != "running"]),
    }


def _seconds(runs):
    """Between its first and its last call a run lasts for certain; the program's own measure stands around the SDK's or inside of it."""
    return [sum(run["between_calls"] for run in runs), sum((run["seconds"] or 0) + SLACK_S for run in runs)]


def _expected_run(run):
    calls = run["calls"]
    return {
        "agent": run["agent"],
        "workflow": run["workflow"],
        "status": run["status"],
        "user": run["user"],
        "parent": run["parent_agent"] if "parent_agent" in run else None,
        "tokens": sum(call["tokens_in"] + call["tokens_out"] for call in calls),
        "input": sum(call["tokens_in"] for call in calls),
        "output": sum(call["tokens_out"] for call in calls),
        "cost": sum(call["nanos"] or 0 for call in calls),
        "calls": len(calls),
        "unpriced": sum(call["nanos"] is None for call in calls),
        "models": _models(calls),
        "scores": sorted([score["name"], _value(score["value"])] for score in run["scores"]),
    }


def _score_totals(scores):
    """How many of each name, and their average; booleans are 1 and 0, words have none."""
    totals = {}
    for name in {score["name"] for score in scores}:
        values = [score["value"] for score in scores if score["name"] == name]
        has_average = not isinstance(values[0], str)
        totals[name] = [len(values), round(sum(values) / len(values), 9) if has_average else None]
    return totals


def _models(calls):
    models = {}
    for call in calls:
        of = models.setdefault(DATE.sub("", call["model"]), [0, 0, 0])
        of[0] += 1
        of[1] += call["tokens_in"] + call["tokens_out"]
        of[2] += call["nanos"] or 0
    return models


# === what is ===


def actual(server):
    """The same of what the server answers; and what is wrong with the answer in itself."""
    listed = server.json("/api/v1/observability/sessions/?limit=100&sort=first_run&include=usage,errors")
    sessions, wrong = {}, []
    for line in listed["results"]:
        path = "/api/v1/observability/sessions/%s/" % quoted(line["session_id"])
        detail = server.json(path + INCLUDE)
        sessions[line["session_id"]] = _actual_session(server, line, detail, wrong)
    sessions[EVERYBODY] = _actual_everybody(server.json("/api/v1/observability/users/?limit=100")["results"])
    if listed["count"] != len(listed["results"]):
        wrong.append("the list has %d sessions and counts %d" % (len(listed["results"]), listed["count"]))
    return sessions, wrong


def _actual_session(server, line, detail, wrong):
    name = line["session_id"]
    whole = detail["aggregates"]
    for key in ("run_count", "total_duration", "total_cost", "total_tokens", "agents"):
        if line[key] != whole[key]:
            wrong.append("%s: the list says %s %s and the detail %s" % (name, key, line[key], whole[key]))
    starts = [run["started_at"] for run in detail["runs"]]
    if starts != sorted(starts):
        wrong.append("%s: the runs are not in the order of their start: %s" % (name, starts))
    if starts and line["first_run"] != starts[0]:
        wrong.append("%s: first_run %s is not the first start %s" % (name, line["first_run"], starts[0]))
    durations = sum(Decimal(str(run["duration"])) for run in detail["runs"] if run["duration"] is not None)
    if abs(durations - Decimal(str(whole["total_duration"]))) > Decimal("0.00001"):
        wrong.append("%s: total_duration %s is not the sum of the runs %s" % (name, whole["total_duration"], durations))
    details = {run["id"]: server.json("/api/v1/observability/runs/%d/" % run["id"]) for run in detail["runs"]}
    return {
        "runs": sorted((_actual_run(run, details[run["id"]], wrong) for run in detail["runs"]), key=_order),
        "run_count": whole["run_count"],
        "tokens": whole["total_tokens"],
        "cost": nanos(whole["total_cost"]),
        "unpriced": line["usage"]["unpriced_calls"],
        "agents": sorted(whole["agents"]),
        "users": {of["user_id"]: {"runs": of["run_count"], "tokens": of["tokens"], "cost": nanos(of["cost"])} for of in detail["users"]},
        "models": _actual_models(detail["models"]),
        "scores": {of["name"]: [of["count"], None if of["average"] is None else round(of["average"], 9)] for of in detail["scores"]},
        "seconds": whole["total_duration"],
    }


def _actual_everybody(lines):
    users = {}
    for line in lines:
        models = {}
        for model, cost in line["cost_by_model"].items():
            models[DATE.sub("", model)] = models.get(DATE.sub("", model), 0) + nanos(cost)
        users[line["user_id"]] = {
            "runs": line["run_count"],
            "tokens": line["total_tokens"],
            "cost": nanos(line["total_cost"]),
            "agents": sorted(line["agents"]),
            "sessions": line["session_count"],
            "models": models,
        }
    return users


def _actual_run(run, detail, wrong):
    if (run["completed_at"] is None) != (run["duration"] is None) or (run["status"] == "running") != (run["duration"] is None):
        wrong.append("run %d is %s, completed at %s after %s" % (run["id"], run["status"], run["completed_at"], run["duration"]))
    if run["duration"] is not None:
        length = (_time(run["completed_at"]) - _time(run["started_at"])).total_seconds()
        if abs(length - run["duration"]) > 0.00001:
            wrong.append("run %d lasts %s and its times are %s apart" % (run["id"], run["duration"], length))
    for key in ("agent_name", "workflow_name", "status", "started_at", "completed_at", "duration", "cost", "tokens", "trace_id", "usage"):
        if detail[key] != run[key]:
            wrong.append("run %d: in its session %s is %r, opened it is %r" % (run["id"], key, run[key], detail[key]))
    calls = [sum(call["total_tokens"] for call in detail["llm_calls"]), sum(nanos(call["cost"] or 0) for call in detail["llm_calls"])]
    if calls != [run["tokens"], nanos(run["cost"])]:
        wrong.append("run %d (%s) has %s tokens for %s, its calls %s" % (run["id"], run["agent_name"], run["tokens"], run["cost"], calls))
    usage = run["usage"]
    return {
        "agent": run["agent_name"],
        "workflow": run["workflow_name"],
        "status": run["status"],
        "user": run["user_id"] or "",
        "parent": (detail.get("parent") or {}).get("agent_name"),
        "tokens": run["tokens"],
        "input": usage["input_tokens"],
        "output": usage["output_tokens"],
        "cost": nanos(run["cost"]),
        "calls": usage["llm_calls"],
        "unpriced": usage["unpriced_calls"],
        "models": _actual_models(run["models"]),
        "scores": sorted(_score(score) for score in run.get("scores", [])),
    }


def _actual_models(lines):
    models = {}
    for line in lines:
        of = models.setdefault(DATE.sub("", line["model"]), [0, 0, 0])
        of[0] += line["llm_calls"]
        of[1] += line["tokens"]
        of[2] += nanos(line["cost"])
    return models


def _score(score):
    value = score.get("value")
    if value is None:
        value = score.get("string_value") if score.get("string_value") is not None else score.get("numeric_value")
    return [score["name"], _value(value)]


def _value(value):
    """A boolean is `true`, as in JSON; numbers and words are themselves."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def quoted(session):
    return quote(session, safe="")


def _time(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _order(line):
    return json.dumps([line["agent"], line["workflow"], line["status"], line["user"], line["tokens"], line["cost"], line["models"]])


# === the difference ===


def difference(should, have, path=""):
    """Lines that say what differs, each with where; none where all is equal."""
    if path.endswith(".seconds"):
        return [] if should[0] - 0.01 <= have <= should[1] else ["%s: should be from %.4f to %.4f, is %s" % (path, *should, have)]
    if isinstance(should, dict) and isinstance(have, dict):
        lines = []
        for key in sorted(set(should) | set(have), key=str):
            where = "%s.%s" % (path, key) if path else str(key)
            if key not in have:
                lines.append("%s: missing, should be %s" % (where, _short(should[key])))
            elif key not in should:
                lines.append("%s: should not be there, is %s" % (where, _short(have[key])))
            else:
                lines += difference(should[key], have[key], where)
        return lines
    if path.endswith(".runs") and isinstance(should, list) and isinstance(have, list):
        return _runs(should, have, path)
    if should != have:
        return ["%s: should be %s, is %s" % (path, _figure(path, should), _figure(path, have))]
    return []


def _runs(should, have, path):
    """Equal runs pair off; what is left over is shown side by side."""
    left = [dict(run) for run in have]
    missing = []
    for run in should:
        twin = next((other for other in left if other == run), None)
        if twin is None:
            missing.append(run)
        else:
            left.remove(twin)
    lines = []
    for n in range(max(len(missing), len(left))):
        if n >= len(left):
            lines.append("%s: a run is missing: %s" % (path, _short(missing[n])))
        elif n >= len(missing):
            lines.append("%s: a run too many: %s" % (path, _short(left[n])))
        else:
            name = "%s[%s]" % (path, missing[n]["agent"])
            lines += difference(missing[n], left[n], name)
    return lines


def _figure(path, value):
    if path.endswith("cost") and isinstance(value, int):
        return dollars(value)
    return _short(value)


def _short(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 400 else text[:400] + "…"
