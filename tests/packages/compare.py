"""The sessions that the server shows, beside what the programs and the models know. Every figure exact; cost in nano-dollars."""

from decimal import Decimal
from urllib.parse import quote


def nanos(value):
    return int(Decimal(str(value)) * 1_000_000_000)


def expected(program, models):
    """{session: {...}}, what should be shown."""
    sessions = {}
    for name, session in program.sessions.items():
        truth = models.truth(name)
        sessions[name] = {
            "runs": session.runs,
            "tokens": truth["tokens"],
            "cost": nanos(truth["cost"]),
            "cached": truth["cached"],
            "written": truth["written"],
            "unpriced calls": truth["unknown"],
            "agents": sorted(session.agents),
            "users": sorted(session.users),
        }
    return sessions


def shown(server):
    """The same of every session that the API lists."""
    sessions = {}
    for line in server.json("/api/v1/observability/sessions/?limit=100")["results"]:
        one = server.json("/api/v1/observability/sessions/%s/?include=usage,users" % quote(line["session_id"], safe=""))
        usage = one["usage"]
        sessions[line["session_id"]] = {
            "runs": line["run_count"],
            "tokens": line["total_tokens"],
            "cost": nanos(line["total_cost"]),
            "cached": usage["cached_tokens"],
            "written": usage["cache_write_tokens"],
            "unpriced calls": usage["unpriced_calls"],
            "agents": sorted(line["agents"]),
            "users": sorted({run["user_id"] for run in one["runs"] if run.get("user_id")}),
        }
    return sessions


def differences(program, models, found):
    """What is wrong, in lines."""
    lines = []
    for name, should in expected(program, models).items():
        if name not in found:
            lines.append("session %s is missing" % name)
            continue
        for what, value in should.items():
            but = program.sessions[name].but.get(what)
            if found[name][what] != (but.shown if but else value):
                lines.append("session %s: %s are %s, should be %s" % (name, what, found[name][what], but.shown if but else value))
            elif but and but.shown == value:
                lines.append("session %s: %s are right, so that the exception is not needed: %s" % (name, what, but.why))
        if not models.truth(name)["calls"] and not models.truth(name)["unknown"] and not models.truth(name)["errors"]:
            lines.append("session %s: the program asked no model" % name)
    lines += ["session %s is nobody's: %s" % (name, found[name]) for name in sorted(set(found) - set(program.sessions))]
    return lines
