"""Gemini CLI: `gemini`, set up by `~/.gemini/settings.json`."""

import json

from . import Agent, Said, write_json


class GeminiCli(Agent):
    name = "gemini-cli"
    package = "@google/gemini-cli"
    program = "gemini"
    # It always sends logs; `traces` adds to its spans what they tell of a call.
    signals = ("logs", "both")
    turns_are_runs = True
    tools = {
        # A subagent has to say that it is done; nobody else can.
        "tool": [("run_shell_command", {"command": "echo hello"}), ("complete_task", {"result": {"response": "It said hello."}})],
        "subagent": [("invoke_agent", {"agent_name": "generalist", "prompt": "Look into it. [[tool]]"})],
    }

    def set_up(self, home, otlp, signals, models):
        protocol = "grpc" if otlp.protocol == "grpc" else "http"
        telemetry = {"enabled": True, "target": "local", "otlpEndpoint": otlp.url, "otlpProtocol": protocol, "logPrompts": False, "traces": "traces" in signals}
        write_json(home / ".gemini/settings.json", {"telemetry": telemetry, "security": {"auth": {"selectedType": "gemini-api-key"}}})
        return {"GOOGLE_GEMINI_BASE_URL": models, "GEMINI_API_KEY": "test"}

    def command(self, prompt, session, address):
        return ["-m", "gemini-2.5-pro", "--yolo", "--skip-trust", "-o", "json", *(["--resume", "latest"] if session else []), "-p", prompt]

    def said(self, output):
        return Said(json.loads(output[output.index("{"):])["session_id"])
