"""opencode: `opencode run`, set up by `~/.config/opencode/opencode.json`.

`opencode run` alone ends before it has sent its last spans. So it is asked as its own screen asks it, which is a server and its client.
"""

import json

from . import Agent, Said, write_json


class OpenCode(Agent):
    name = "opencode"
    package = "opencode-ai"
    program = "opencode"
    signals = ("traces",)
    # A session that is resumed through the server prints nothing, and a subagent cannot be waited for.
    kinds = ("tool",)
    tells_reasoning = False
    # Its outermost span ends when its server does.
    tells_end = False
    service = ("serve", "--port", "0")
    tools = {"tool": [("bash", {"command": "echo hello", "description": "Say hello"})]}

    def set_up(self, home, otlp, signals, models):
        provider = {"anthropic": {"options": {"baseURL": models + "/v1", "apiKey": "sk-ant-test"}}}
        settings = {"provider": provider, "permission": "allow", "autoupdate": False, "share": "disabled", "experimental": {"openTelemetry": True}}
        write_json(home / ".config/opencode/opencode.json", settings)
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}

    def command(self, prompt, session, address):
        return ["run", "--attach", address, "--format", "json", "-m", "anthropic/claude-sonnet-4-5", *(["-s", session] if session else []), prompt]

    def said(self, output):
        events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        return Said(events[0]["sessionID"])
