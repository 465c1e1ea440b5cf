"""OpenAI's client by OpenTelemetry's own instrumentation; the application's agent span names the conversation."""

import tools
import tracing
from openai import OpenAI
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

tracer = tracing.start()
OpenAIInstrumentor().instrument()
client = OpenAI()


def turn(session, do, prompt, **options):
    with tracer.start_as_current_span("invoke_agent weather") as agent:
        agent.set_attribute("gen_ai.operation.name", "invoke_agent")
        agent.set_attribute("gen_ai.agent.name", "weather")
        agent.set_attribute("gen_ai.conversation.id", session)
        agent.set_attribute("user.id", "ann")
        do(client, "%s [[%s]]" % (prompt, session), **options)


turn("genai-openai", tools.openai_tool, "weather in Oslo?")
turn("genai-openai", tools.openai_stream, "thanks", stream_options={"include_usage": True})
turn("genai-openai", tools.openai_response, "bye")
turn("genai-openai-odd", tools.openai_failure, "fail")
turn("genai-openai-odd", tools.openai_stream, "without usage")
