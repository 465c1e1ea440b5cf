"""OpenAI's client by OpenInference, with its agent spans and `using_attributes`."""

import tools
import tracing
from openai import OpenAI
from openinference.instrumentation import using_attributes
from openinference.instrumentation.openai import OpenAIInstrumentor

tracer = tracing.start()
OpenAIInstrumentor().instrument()
client = OpenAI()


def turn(session, do, prompt, **options):
    with using_attributes(session_id=session, user_id="ann"):
        with tracer.start_as_current_span("weather") as agent:
            agent.set_attribute("openinference.span.kind", "AGENT")
            agent.set_attribute("session.id", session)
            agent.set_attribute("agent.name", "weather")
            do(client, "%s [[%s]]" % (prompt, session), **options)


turn("oi-openai", tools.openai_tool, "weather in Oslo?")
turn("oi-openai", tools.openai_stream, "thanks", stream_options={"include_usage": True})
turn("oi-openai", tools.openai_response, "bye")
turn("oi-openai-odd", tools.openai_failure, "fail")
turn("oi-openai-odd", tools.openai_stream, "without usage")
