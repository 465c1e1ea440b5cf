"""Qwen Code: `qwen`, set up by `~/.qwen/settings.json`."""

import json

from . import Agent, Said, write_json


class QwenCode(Agent):
    name = "qwen-code"
    package = "@qwen-code/qwen-code"
    program = "qwen"
    # It has one switch for all three.
    signals = ("both",)
    tools = {
        "tool": [("run_shell_command", {"command": "echo hello", "description": "Say hello", "is_background": False})],
        "subagent": [("agent", {"description": "Look into it", "prompt": "Look into it. [[tool]]", "subagent_type": "general-purpose", "run_in_background": False})],
    }

    def set_up(self, home, otlp, signals, models):
        protocol = "grpc" if otlp.protocol == "grpc" else "http"
        telemetry = {"enabled": True, "target": "local", "otlpEndpoint": otlp.url, "otlpProtocol": protocol, "logPrompts": False}
        write_json(home / ".qwen/settings.json", {"telemetry": telemetry, "security": {"auth": {"selectedType": "openai"}}})
        return {"OPENAI_BASE_URL": models + "/v1", "OPENAI_API_KEY": "sk-test", "OPENAI_MODEL": "qwen3-coder-plus"}

    def command(self, prompt, session, address):
        return ["--yolo", "-o", "json", *(["--resume", session] if session else []), prompt]

    def said(self, output):
        return Said(json.loads(output[output.index("["):])[-1]["session_id"])
