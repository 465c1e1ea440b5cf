"""Every program: what it is made of, and what of each of its sessions the models cannot know: runs, agents, users.

Tokens, cost, cached parts and the number of calls whose usage is unknown are what the models told (`models.py`).
A difference that a package cannot help is a `but` of that session: what is shown instead, and the reason. Nothing is tolerated in general.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class But:
    """What is shown instead; the reason stands beside it."""

    shown: object
    why: str


@dataclass(frozen=True)
class Session:
    runs: int
    agents: tuple = ("weather",)
    users: tuple = ("ann",)
    # {"cost": But(...)}
    but: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Program:
    name: str
    file: str
    # The packages whose versions are printed.
    packages: tuple
    sessions: dict
    # The environment: a requirements-<group>.txt, or `npm`.
    group: str = "instrumentations"
    environment: dict = field(default_factory=dict)
    # Too heavy for every run; `--all` runs it.
    is_heavy: bool = False


NO_USER = But([], "the user that the program gave is in no attribute of any span")
IN_TEXT = But([], "the agent's name is only within texts that were passed")
UNCACHED = But(0, "the spans of generateText do not tell what was cached")
AS_PLAIN_INPUT = But(624_600, UNCACHED.why + ", so that all is priced as plain input")

PROGRAMS = (
    Program(
        "genai-openai", "genai_openai.py", ("opentelemetry-instrumentation-genai-openai", "openai"),
        {"genai-openai": Session(3), "genai-openai-odd": Session(2)},
    ),
    Program(
        "genai-anthropic", "genai_anthropic.py", ("opentelemetry-instrumentation-genai-anthropic", "anthropic"),
        {"genai-anthropic": Session(2, users=())},
    ),
    Program(
        "openinference-openai", "openinference_openai.py", ("openinference-instrumentation-openai", "openai"),
        {"oi-openai": Session(3), "oi-openai-odd": Session(2)},
    ),
    Program(
        "openinference-anthropic", "openinference_anthropic.py", ("openinference-instrumentation-anthropic", "anthropic"),
        {"oi-anthropic": Session(3, agents=())},
    ),
    Program(
        "openllmetry", "openllmetry.py", ("traceloop-sdk", "openai", "anthropic"),
        {"traceloop": Session(2), "traceloop-anthropic": Session(1), "traceloop-odd": Session(2)},
    ),
    Program(
        "langfuse", "langfuse_sdk.py", ("langfuse", "openai"),
        {"langfuse": Session(2), "langfuse-odd": Session(2)},
    ),
    Program(
        "langgraph-openinference", "langgraph_chat.py", ("langgraph", "langchain", "openinference-instrumentation-langchain"),
        {"lg-oi": Session(2), "lg-oi-odd": Session(1)},
        environment={"INSTRUMENTED_BY": "openinference", "SESSION": "lg-oi"},
    ),
    Program(
        "langgraph-langsmith", "langgraph_chat.py", ("langgraph", "langchain", "langsmith"),
        {"lg-ls": Session(2), "lg-ls-odd": Session(1)},
        environment={"INSTRUMENTED_BY": "langsmith", "SESSION": "lg-ls", "LANGSMITH_TRACING": "true", "LANGSMITH_OTEL_ENABLED": "true", "LANGSMITH_OTEL_ONLY": "true"},
    ),
    Program(
        "pydantic-ai", "pydantic_ai_chat.py", ("pydantic-ai-slim",),
        {"pydantic-ai": Session(2, users=()), "pydantic-ai-odd": Session(1, users=()), "pydantic-ai-above": Session(1)},
    ),
    Program(
        "openai-agents", "openai_agents.py", ("openai-agents", "openinference-instrumentation-openai-agents"),
        {"openai-agents": Session(2), "openai-agents-odd": Session(1)},
    ),
    Program("strands", "strands_chat.py", ("strands-agents",), {"strands": Session(2), "strands-odd": Session(1)}, group="frameworks"),
    Program("google-adk", "google_adk.py", ("google-adk",), {"adk": Session(2, but={"users": NO_USER}), "adk-odd": Session(1, but={"users": NO_USER})}, group="frameworks"),
    Program(
        "llama-index", "llama_index_chat.py", ("llama-index-core", "openinference-instrumentation-llama-index"),
        {"llama-index": Session(2, but={"agents": IN_TEXT})}, group="frameworks",
    ),
    Program("vercel-ai-5", "vercel_ai_5.mjs", ("ai-5",), {"ai-5": Session(2, but={"cached": UNCACHED, "cost": AS_PLAIN_INPUT}), "ai-5-odd": Session(1)}, group="npm"),
    Program("vercel-ai-7", "vercel_ai_7.mjs", ("ai", "@ai-sdk/otel"), {"ai-7": Session(2), "ai-7-odd": Session(1)}, group="npm"),
    Program(
        "crewai", "crewai_chat.py", ("crewai", "openinference-instrumentation-crewai"),
        {"crewai": Session(2)}, group="crewai", is_heavy=True,
    ),
)
