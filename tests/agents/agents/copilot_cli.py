"""GitHub Copilot CLI: `copilot`, set up by its environment, with a model provider of its user's own."""

import json

from . import Agent, Said


class CopilotCli(Agent):
    name = "copilot-cli"
    package = "@github/copilot"
    program = "copilot"
    # It has no logs.
    signals = ("traces",)
    kinds = ("tool", "resume", "retry", "subagent")
    tools = {
        "tool": [("bash", {"command": "echo hello", "description": "Say hello"})],
        "subagent": [("task", {"description": "Look into it", "prompt": "Look into it. [[tool]]", "agent_type": "explore", "name": "look", "mode": "sync"})],
    }

    def set_up(self, home, otlp, signals, models):
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": otlp.protocol,
            "COPILOT_PROVIDER_BASE_URL": models + "/v1",
            "COPILOT_PROVIDER_API_KEY": "sk-test",
            "COPILOT_PROVIDER_WIRE_API": "responses",
            "COPILOT_MODEL": "gpt-5",
        }

    def command(self, prompt, session, address):
        return ["-p", prompt, "--allow-all-tools", "--output-format", "json", *(["--resume", session] if session else [])]

    def said(self, output):
        events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        return Said(next(event["sessionId"] for event in reversed(events) if event["type"] == "result"))
