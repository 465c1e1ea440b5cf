"""A support agent, traced by hand with the plain OpenTelemetry SDK: two turns of one conversation, the first of them with a tool.

    pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http
    python3 examples/opentelemetry_agent.py

Then http://127.0.0.1:8080/sessions/order-4711 shows two runs of the agent `support` with three model calls, and what they cost.
The spans state no cost: the server computes it from the tokens. OTEL_EXPORTER_OTLP_ENDPOINT names a server elsewhere.
"""

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import model

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("examples.opentelemetry_agent")

LOOKUP = {"type": "function", "function": {"name": "lookup_order", "parameters": {"type": "object", "properties": {"order": {"type": "string"}}}}}


def turn(session, history, question):
    """One run: everything that the agent does for one question is below this span."""
    with tracer.start_as_current_span("invoke_agent support") as span:
        span.set_attribute("gen_ai.operation.name", "invoke_agent")
        span.set_attribute("gen_ai.agent.name", "support")
        # The one attribute that makes a session of all runs that bear it.
        span.set_attribute("session.id", session)
        history.append({"role": "user", "content": question})
        answer = chat(history)
        while answer.get("tool_calls"):
            history += [answer, *(tool(call) for call in answer["tool_calls"])]
            answer = chat(history)
        history.append(answer)
        return answer["content"]


def chat(history):
    with tracer.start_as_current_span("chat " + model.MODEL, kind=trace.SpanKind.CLIENT) as span:
        span.set_attribute("gen_ai.operation.name", "chat")
        span.set_attribute("gen_ai.provider.name", "openai")
        span.set_attribute("gen_ai.request.model", model.MODEL)
        answer = model.ask(history, tools=[LOOKUP])
        span.set_attribute("gen_ai.response.model", answer["model"])
        span.set_attribute("gen_ai.usage.input_tokens", answer["usage"]["prompt_tokens"])
        span.set_attribute("gen_ai.usage.output_tokens", answer["usage"]["completion_tokens"])
        return answer["choices"][0]["message"]


def tool(call):
    name = call["function"]["name"]
    with tracer.start_as_current_span("execute_tool " + name) as span:
        span.set_attribute("gen_ai.operation.name", "execute_tool")
        span.set_attribute("gen_ai.tool.name", name)
        return {"role": "tool", "tool_call_id": call["id"], "content": '{"status": "shipped"}'}


history = [{"role": "system", "content": "You answer questions about orders, briefly."}]
for question in ("Where is my order 4711?", "Thank you! Until when can I send it back?"):
    print(turn("order-4711", history, question))
provider.shutdown()
