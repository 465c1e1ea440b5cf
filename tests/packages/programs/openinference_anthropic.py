"""Anthropic's client by OpenInference, with no span of the application's: each call is a run without an agent."""

import tools
import tracing
from anthropic import Anthropic
from openinference.instrumentation import using_attributes
from openinference.instrumentation.anthropic import AnthropicInstrumentor

tracing.start()
AnthropicInstrumentor().instrument()
client = Anthropic()

with using_attributes(session_id="oi-anthropic", user_id="ann"):
    tools.anthropic_tool(client, "weather in Oslo? [[oi-anthropic]]")
    tools.anthropic_stream(client, "thanks [[oi-anthropic]]")
