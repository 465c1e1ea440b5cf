"""What a program itself knows of its runs, kept apart from the SDK: the truth that the server's answer must equal.

- `with truth.run("agent", session="s", user="u")` stands around what one run does; runs inside of it are its children.
- `truth.call(model, tokens_in, tokens_out)` notes a call whose answer the program has read; its cost is the list price.
- `truth.failed_call(model)` notes one that failed in the end; what a client tries again by itself is one call.
- `truth.score(name, value)` notes a score.
- The file is written at every change, so that a killed program leaves what was true until then.
"""

import contextlib
import contextvars
import json
import os
import threading
import time

# Nano-dollars a token, in and out: the public list prices. A model that is not here has no price that anybody knows.
PRICES = {
    "gpt-4o": (2500, 10000),
    "gpt-4o-mini": (150, 600),
    "gpt-4": (30000, 60000),
    "text-embedding-3-small": (20, 0),
    "claude-sonnet-4-6": (3000, 15000),
    "claude-opus-4-1": (15000, 75000),
}

_current = contextvars.ContextVar("truth_run", default=None)
_lock = threading.RLock()
_runs = []
_outside = []


class Run:
    def __init__(self, agent, session, user, workflow, status):
        above = _current.get()
        self.parent = above
        self.kept = {
            "n": len(_runs),
            "agent": agent,
            "session": session,
            "user": user,
            "workflow": workflow,
            "status": status,
            "parent": above.kept["n"] if above else None,
            "calls": [],
            "scores": [],
            "seconds": None,
            "between_calls": 0.0,
        }
        self.first_call = None

    def call(self, model, tokens_in, tokens_out, cost="list price"):
        """`cost` in dollars where the program states one, None where nobody knows it."""
        now = time.perf_counter()
        with _lock:
            self.first_call = self.first_call or now
            self.kept["between_calls"] = now - self.first_call
        _note(self.kept["calls"], _call(model, tokens_in, tokens_out, cost))

    def score(self, name, value):
        _note(self.kept["scores"], {"name": name, "value": value})

    def ended(self, status):
        with _lock:
            self.kept["status"] = status
            save()


@contextlib.contextmanager
def run(agent, session="", user="", workflow="default", status="success", inherit=True):
    """A run. A child has its parent's session and user unless it is given its own, as the SDK documents."""
    above = _current.get() if inherit else None
    session = session or (above.kept["session"] if above else "")
    user = user or (above.kept["user"] if above else "")
    with _lock:
        this = Run(agent, session, user, workflow, "running")
        _runs.append(this)
        save()
    token = _current.set(this)
    began = time.perf_counter()
    try:
        yield this
        ended = status
    except BaseException:
        ended = "error"
        raise
    finally:
        _current.reset(token)
        with _lock:
            this.kept["seconds"] = time.perf_counter() - began
            if this.kept["status"] == "running":
                this.kept["status"] = ended
            save()


def call(model, tokens_in, tokens_out, cost="list price"):
    """A call of the run that is around it; outside of every run it is nobody's."""
    this = _current.get()
    if this:
        this.call(model, tokens_in, tokens_out, cost)
    else:
        _note(_outside, _call(model, tokens_in, tokens_out, cost))


def failed_call(model):
    """A call that was made and gave nothing but an error: it is counted, and cost nothing."""
    call(model, 0, 0, cost=0)


def score(name, value):
    _current.get().score(name, value)


def save():
    path = os.environ.get("TRUTH")
    if not path:
        return
    value = {"pid": os.getpid(), "runs": [this.kept for this in _runs], "outside": _outside}
    with open(path + ".new", "w") as file:
        json.dump(value, file)
    os.replace(path + ".new", path)


def _note(kept, value):
    with _lock:
        kept.append(value)
        save()


def _call(model, tokens_in, tokens_out, cost):
    if cost == "list price":
        price = PRICES.get(model)
        nanos = tokens_in * price[0] + tokens_out * price[1] if price else None
    else:
        nanos = None if cost is None else round(cost * 1e9)
    return {"model": model, "tokens_in": tokens_in, "tokens_out": tokens_out, "nanos": nanos}


save()
