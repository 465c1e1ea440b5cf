"""The coding agents, each as its user has it: installed from npm, set up by its own files, asked on the command line."""

import json
from dataclasses import dataclass
from pathlib import Path

PINS = Path(__file__).resolve().parent.parent / "pins"
INSTALLED = Path(__file__).resolve().parents[3] / "target/agents"


@dataclass(frozen=True)
class Otlp:
    """Where the agent sends what it has to tell."""

    url: str
    protocol: str = "http/protobuf"


@dataclass(frozen=True)
class Said:
    """What the agent itself says at its end."""

    session: str
    # Dollars, for the session so far.
    cost: float = None


class Agent:
    # What it is called here and in the answers of the server.
    name = None
    package = None
    program = None
    signals = ()
    # Which of `KINDS` it is asked: not those after which it ends before it has told of them.
    kinds = ("tool", "resume", "retry", "subagent", "grpc")
    # Whether it tells how much of the output was reasoning.
    tells_reasoning = True
    # Whether its logs tell where each turn begins, so that a prompt is one run of it.
    turns_are_runs = False
    # Whether the end of a turn is told before the agent ends itself.
    tells_end = True
    # The arguments of a part of it that stays, says its address once it is ready, and sends what it has to tell within SERVICE_FLUSH_S.
    service = ()
    # {word: [(tool, arguments)]}: what the model calls.
    tools = {}

    def set_up(self, home, otlp, signals, models):
        """Writes its files below `home`; the variables that it is started with."""
        raise NotImplementedError

    def command(self, prompt, session, address):
        """The arguments; `session` is the one to resume, `address` that of its service."""
        raise NotImplementedError

    def said(self, output):
        """`Said`, from its standard output."""
        raise NotImplementedError

    @property
    def folder(self):
        return INSTALLED / self.name

    @property
    def path(self):
        return self.folder / "node_modules/.bin" / self.program

    def version(self):
        return json.loads((PINS / self.name / "package.json").read_text())["dependencies"][self.package]

    def why_missing(self):
        failed = self.folder / "failed.txt"
        if failed.exists():
            return "cannot be installed here: " + failed.read_text().strip()
        return None if self.path.exists() else "is not installed"


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1))
