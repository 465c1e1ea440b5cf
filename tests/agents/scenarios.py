"""What each agent is asked to do, and with which signals on."""

import itertools
from dataclasses import dataclass

TOOL = "Say hello. [[tool]]"
SIGNALS = {"logs": ("logs",), "traces": ("traces",), "both": ("logs", "traces")}


@dataclass(frozen=True)
class Kind:
    name: str
    # One after the other, each but the first resumes the session.
    prompts: tuple
    # How the last one ends.
    status: str = "success"
    # The statuses that the model answers first, and the one that it answers for ever.
    failures: tuple = ()
    refused: int = None
    # All of an agent's, if not these.
    signals: tuple = ()
    protocol: str = "http/protobuf"
    has_websocket: bool = True
    has_subagent: bool = False

    def statuses(self):
        return itertools.repeat(self.refused) if self.refused else self.failures


KINDS = (
    Kind("tool", (TOOL,)),
    Kind("resume", (TOOL, "And once more.")),
    Kind("retry", (TOOL,), failures=(500,)),
    Kind("refused", (TOOL,), status="error", refused=400),
    Kind("subagent", ("Use a helper. [[subagent]]",), has_subagent=True),
    # As behind a proxy that knows no WebSocket.
    Kind("sse", (TOOL,), signals=("logs", "both"), has_websocket=False),
    Kind("json", (TOOL,), signals=("logs", "both"), protocol="http/json"),
    Kind("grpc", (TOOL,), signals=("logs", "both"), protocol="grpc"),
)


@dataclass(frozen=True)
class Scenario:
    agent: object
    kind: Kind
    signals: str

    @property
    def parts(self):
        return SIGNALS[self.signals]

    @property
    def name(self):
        return "%s-%s-%s" % (self.agent.name, self.kind.name, self.signals)


def scenarios(agents):
    for agent in agents:
        for kind in KINDS:
            if kind.name not in agent.kinds:
                continue
            for signals in agent.signals:
                if not kind.signals or signals in kind.signals:
                    yield Scenario(agent, kind, signals)
