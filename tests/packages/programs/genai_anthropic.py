"""Anthropic's client by OpenTelemetry's own instrumentation; the application's agent span names the conversation."""

import tools
import tracing
from anthropic import Anthropic
from opentelemetry.instrumentation.genai.anthropic import AnthropicInstrumentor

tracer = tracing.start()
AnthropicInstrumentor().instrument()
client = Anthropic()


def turn(session, do, prompt):
    with tracer.start_as_current_span("invoke_agent weather") as agent:
        agent.set_attribute("gen_ai.operation.name", "invoke_agent")
        agent.set_attribute("gen_ai.agent.name", "weather")
        agent.set_attribute("gen_ai.conversation.id", session)
        do(client, "%s [[%s]]" % (prompt, session))


turn("genai-anthropic", tools.anthropic_tool, "weather in Oslo?")
turn("genai-anthropic", tools.anthropic_stream, "thanks")
