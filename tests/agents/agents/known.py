"""Every agent that is run."""

from .claude_code import ClaudeCode
from .codex import Codex
from .copilot_cli import CopilotCli
from .gemini_cli import GeminiCli
from .opencode import OpenCode
from .qwen_code import QwenCode

AGENTS = (ClaudeCode(), Codex(), GeminiCli(), QwenCode(), CopilotCli(), OpenCode())
