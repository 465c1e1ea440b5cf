"""Claude Code: `claude`, set up by `~/.claude/settings.json`."""

import json

from . import Agent, Said, write_json


class ClaudeCode(Agent):
    name = "claude-code"
    package = "@anthropic-ai/claude-code"
    program = "claude"
    signals = ("logs", "traces", "both")
    kinds = (*Agent.kinds, "json", "refused")
    tells_reasoning = False
    turns_are_runs = True
    tools = {
        "tool": [("Bash", {"command": "echo hello", "description": "Say hello"})],
        "subagent": [("Agent", {"description": "Look into it", "prompt": "Look into it. [[tool]]", "subagent_type": "general-purpose"})],
    }

    def set_up(self, home, otlp, signals, models):
        variables = {
            "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
            "OTEL_EXPORTER_OTLP_PROTOCOL": otlp.protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url,
        }
        if "logs" in signals:
            variables["OTEL_LOGS_EXPORTER"] = "otlp"
        if "traces" in signals:
            variables.update(CLAUDE_CODE_ENHANCED_TELEMETRY_BETA="1", OTEL_TRACES_EXPORTER="otlp")
        # Its maker's guide turns these on, too; they repeat the logs.
        if signals == ("logs", "traces"):
            variables["OTEL_METRICS_EXPORTER"] = "otlp"
        write_json(home / ".claude/settings.json", {"env": variables, "permissions": {"allow": ["Bash(echo:*)"]}})
        return {"ANTHROPIC_BASE_URL": models, "ANTHROPIC_API_KEY": "sk-ant-test"}

    def command(self, prompt, session, address):
        return ["-p", prompt, "--output-format", "json", *(["--resume", session] if session else [])]

    def said(self, output):
        last = json.loads(output.strip().splitlines()[-1])
        return Said(last["session_id"], last["total_cost_usd"])
