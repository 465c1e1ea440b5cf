"""Codex: `codex exec`, set up by `~/.codex/config.toml`."""

import json

from . import Agent, Said

EXPORTER = '{ otlp-http = { endpoint = "%s/v1/%s", protocol = "%s" } }'
GRPC = '{ otlp-grpc = { endpoint = "%s" } }'


class Codex(Agent):
    name = "codex"
    package = "@openai/codex"
    program = "codex"
    signals = ("logs", "traces", "both")
    kinds = (*Agent.kinds, "json", "sse")
    turns_are_runs = True
    # With its usual model it has one tool that runs JavaScript, which calls the others.
    tools = {
        "tool": [("functions.exec", 'text(await tools.exec_command({"cmd": "echo hello"}))')],
        "subagent": [
            ("collaboration.spawn_agent", {"task_name": "look", "message": "Look into it. [[tool]]", "fork_turns": "none"}),
            ("collaboration.wait_agent", {"timeout_ms": 20000}),
        ],
    }

    def set_up(self, home, otlp, signals, models):
        lines = ['approval_policy = "never"', 'sandbox_mode = "danger-full-access"', 'openai_base_url = "%s/v1"' % models, "", "[otel]", "log_user_prompt = false"]
        for signal, key in (("logs", "exporter"), ("traces", "trace_exporter")):
            encoding = "json" if otlp.protocol == "http/json" else "binary"
            exporter = GRPC % otlp.url if otlp.protocol == "grpc" else EXPORTER % (otlp.url, signal, encoding)
            if signal in signals:
                lines.append("%s = %s" % (key, exporter))
        (home / ".codex").mkdir()
        (home / ".codex/config.toml").write_text("\n".join(lines) + "\n")
        return {"CODEX_API_KEY": "sk-test"}

    def command(self, prompt, session, address):
        return ["exec", "--json", "--skip-git-repo-check", *(["resume", session] if session else []), prompt]

    def said(self, output):
        events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        return Said(next(event["thread_id"] for event in events if event["type"] == "thread.started"))
