"""Every scenario: which program, in which modes, and what is expected to differ from the program's own truth, each with its reason.

A difference is declared here for one mode of one program, or it is a failure. Nothing is tolerated in general.

- `both`: the SDK finds everything through `config/`; its HTTP path and its spans arrive.
- `http`: the same, but no span arrives.
- `otlp`: no control plane, spans only.
"""

import signal
from dataclasses import dataclass, field
from typing import Callable

BOTH, HTTP, OTLP = "both", "http", "otlp"

# What the SDK logs of its own accord, whatever a server does.
FAILED = r"^Agent execution failed: "
UNIDENTIFIED = r"^waxell: governance is NOT being enforced"
UNPRICED = r"^estimate_cost: no cost mapping for model="
# The handler expects more of LangChain than this version of it tells.
HANDLER_OF_A_CHAIN = r"^Error in _Handler.on_chain_start callback: AttributeError"
NO_CONTROL_PLANE = (r"^Waxell Observe client not configured", r"^start_run returned empty run_id")


@dataclass(frozen=True)
class But:
    """A difference that this mode cannot know of: why, and what the truth is without it."""

    why: str
    change: Callable


@dataclass(frozen=True)
class Scenario:
    name: str
    program: str
    modes: tuple = (BOTH, HTTP, OTLP)
    but: dict = field(default_factory=dict)
    environment: dict = field(default_factory=dict)
    # The key that the SDK has; what the server is started with; the key that reads the sessions.
    key: str = "wax_sk_test"
    server: dict = field(default_factory=dict)
    read_key: str = None
    rule: Callable = None
    # Patterns of warnings that the program provokes, of lines on its standard error, and of requests that are refused.
    provoked: tuple = ()
    provoked_over_http: tuple = ()
    stderr: tuple = ()
    refused: tuple = ()
    # Whether the SDK sends logs at all.
    logs: bool = True
    signal: int = None
    exit: int = 0

    def warnings(self, mode):
        """Patterns of the warnings that this mode of this program provokes, each of which must come."""
        over_http = self.provoked_over_http if mode != OTLP else ()
        return self.provoked + over_http + (NO_CONTROL_PLANE if mode == OTLP else ())

    def known(self, truth, mode):
        """What can be known of the truth in this mode."""
        for but in self.but.get(mode, ()):
            but.change(truth)
        return truth


# === what can differ ===


def run_of(truth, agent):
    return next(run for run in truth["runs"] if run["agent"] == agent)


def without_runs(*agents):
    def change(truth):
        truth["runs"] = [run for run in truth["runs"] if run["agent"] not in agents]

    return change


def without_calls(*agents):
    def change(truth):
        for agent in agents:
            run_of(truth, agent)["calls"] = []

    return change


def with_parent(agent, parent):
    def change(truth):
        run_of(truth, agent)["parent_agent"] = parent

    return change


def without_figures(*agents):
    def change(truth):
        for agent in agents:
            for call in run_of(truth, agent)["calls"]:
                call.update(tokens_in=0, tokens_out=0, nanos=0)

    return change


def with_status(agent, status):
    def change(truth):
        run_of(truth, agent)["status"] = status

    return change


def without_scores(truth):
    for run in truth["runs"]:
        run["scores"] = []


def block_forbidden(request):
    """A policy of the control plane: the agent `forbidden` must not run."""
    if request["path"].endswith("/policy-check/") and b'"forbidden"' in request["body"]:
        return 200, {"action": "block", "reason": "not this one", "metadata": {}, "evaluations": []}
    return None


KEYS = {
    "SESSIONFOLD_AUTH_KEYS": """[
        { key = "wax_sk_of_an_agent", tenant = "acme", rights = ["ingest"] },
        { key = "wax_sk_of_a_reader", tenant = "acme", rights = ["read"] },
        { key = "wax_sk_of_others", tenant = "umbrella", rights = ["ingest", "read"] },
    ]"""
}
SAYS_INTERRUPTED = But("the SDK closes its open runs when it is asked to end", with_status("killed", "interrupted"))
TOLD_AT_THE_END = But("a run tells its calls when it ends; the span of the call names neither run nor session", without_calls("killed"))
NEVER_ENDED = But("only the span of the agent names the session, and it is sent when it ends", without_runs("killed"))
UNREAD_FIGURES = But("the SDK ends the span of an Ollama stream without its figures", without_figures("at-home-stream"))
UNTOLD_STREAM = But("the SDK does not tell of an Ollama stream over HTTP", without_calls("at-home-stream"))
NO_SCORES = But("scores are sent by HTTP only", without_scores)

SCENARIOS = [
    Scenario("call_time_session", "call_time_session.py"),
    Scenario("decorator_session", "decorator_session.py"),
    Scenario("dynamic_session", "dynamic_session.py"),
    Scenario("multi_agent", "multi_agent.py"),
    Scenario("context_batch", "context_batch.py"),
    Scenario("nested_agents", "nested_agents.py"),
    Scenario("failing_agents", "failing_agents.py", provoked=(FAILED,)),
    Scenario("streaming_openai", "streaming_openai.py"),
    Scenario(
        "streaming_anthropic",
        "streaming_anthropic.py",
        but={
            OTLP: (
                But(
                    "the SDK puts no figures on the span of `messages.stream()`",
                    without_figures("claude-helper-sync", "claude-helper-async"),
                ),
            )
        },
    ),
    Scenario(
        "late_stream",
        "late_stream.py",
        but={HTTP: (But("the run has told its calls when the stream ends; the SDK reports it as nobody's", without_calls("streamer")),)},
    ),
    Scenario("manual", "manual.py", but={OTLP: (NO_SCORES,)}, provoked=(UNPRICED,)),
    Scenario("embeddings", "embeddings.py", provoked_over_http=(UNPRICED,)),
    Scenario("sync_agents", "sync_agents.py"),
    Scenario(
        "worker_threads",
        "worker_threads.py",
        but={OTLP: (But("the call's span is a trace of its own that says nothing of the run", without_calls("offloads")),)},
        provoked=(UNIDENTIFIED,),
    ),
    Scenario("blocked", "blocked.py", modes=(BOTH, HTTP), rule=block_forbidden),
    Scenario("langchain_chat", "langchain_chat.py"),
    Scenario(
        "ollama_chat",
        "ollama_chat.py",
        provoked_over_http=(UNPRICED,),
        but={
            BOTH: (UNREAD_FIGURES,),
            HTTP: (UNTOLD_STREAM,),
            OTLP: (UNREAD_FIGURES,),
        },
    ),
    Scenario(
        "killed_by_sigterm",
        "killed.py",
        signal=signal.SIGTERM,
        exit=-signal.SIGTERM,
        but={
            BOTH: (SAYS_INTERRUPTED,),
            HTTP: (SAYS_INTERRUPTED,),
            OTLP: (NEVER_ENDED,),
        },
    ),
    Scenario(
        "killed_by_sigkill",
        "killed.py",
        signal=signal.SIGKILL,
        exit=-signal.SIGKILL,
        but={
            BOTH: (TOLD_AT_THE_END,),
            HTTP: (TOLD_AT_THE_END,),
            OTLP: (NEVER_ENDED,),
        },
    ),
    Scenario("unsampled", "call_time_session.py", modes=(BOTH,), environment={"OTEL_TRACES_SAMPLER": "always_off"}),
    Scenario("otel_disabled", "nested_agents.py", modes=(HTTP,), environment={"OTEL_SDK_DISABLED": "true"}, logs=False),
    Scenario("compressed", "call_time_session.py", modes=(BOTH,), environment={"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}),
    Scenario("deferred_start", "nested_agents.py", modes=(BOTH,), environment={"WAXELL_DEFERRED_RUN_START": "1"}),
    Scenario("without_content", "failing_agents.py", modes=(BOTH,), environment={"WAXELL_CAPTURE_CONTENT": "0"}, provoked=(FAILED,)),
    Scenario(
        "with_keys",
        "multi_agent.py",
        key="wax_sk_of_an_agent",
        server=KEYS,
        read_key="wax_sk_of_a_reader",
        environment={"OTEL_EXPORTER_OTLP_HEADERS": "x-wax-key=wax_sk_of_an_agent"},
    ),
    Scenario(
        "wrong_key",
        "call_time_session.py",
        modes=(BOTH,),
        key="wax_sk_of_nobody",
        server=KEYS,
        read_key="wax_sk_of_a_reader",
        but={BOTH: (But("nobody with a wrong key is let in", without_runs("chat-agent")),)},
        # With no OTLP the warnings go to standard error. They say what is wrong.
        logs=False,
        stderr=(r'-> 401: \{"detail": ?"', r"^start_run returned empty run_id"),
        refused=(r" was answered 401: ",),
    ),
    Scenario("outside_runs", "outside_runs.py", provoked=(UNIDENTIFIED,)),
    Scenario("odd_sessions", "odd_sessions.py"),
    Scenario("tools", "tools.py"),
    Scenario("responses_api", "responses_api.py"),
    Scenario("many_runs", "many_runs.py"),
    Scenario(
        "child_process",
        "child_process.py",
        but={OTLP: (But("the SDK hands the session to another process only with a control plane", without_runs("in-child")),)},
    ),
    Scenario("long_run", "long_run.py"),
    Scenario("own_provider", "own_provider.py"),
    # Without a control plane there is no run: the handler opens no span for it, and none names an agent.
    Scenario("langchain_handler", "langchain_handler.py", modes=(BOTH, HTTP), provoked=(UNIDENTIFIED, HANDLER_OF_A_CHAIN)),
]
