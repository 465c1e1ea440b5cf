"""A web service that traces itself: its own spans stand above, between and beside those of the SDK, and go out on their own."""

import asyncio
import os

import truth
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=os.environ["SERVER_URL"] + "/v1/traces")))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("shop.web")

import waxell_observe as waxell

waxell.init()

import openai

client = openai.OpenAI()


def ask(text):
    response = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])
    truth.call("gpt-4o", response.usage.prompt_tokens, response.usage.completion_tokens)


@waxell.observe(agent_name="clerk")
async def clerk(n):
    with truth.run("clerk", session="shop", user="u-shop", inherit=n < 10):
        with tracer.start_as_current_span("look into the database") as span:
            # Figures that are nobody's usage.
            span.set_attribute("db.rows", 12345)
            ask("clerk [[in=%d,out=4]]" % (30 + n))


@waxell.observe(agent_name="manager")
async def manager():
    with truth.run("manager", session="shop", user="u-shop"):
        ask("manager [[in=90,out=9]]")
        with tracer.start_as_current_span("hand over"):
            await clerk(2)


async def main():
    # Two runs side by side in one trace of the service's own.
    with tracer.start_as_current_span("POST /chat", kind=trace.SpanKind.SERVER):
        await clerk(10, session_id="shop", user_id="u-shop")
        await clerk(11, session_id="shop", user_id="u-shop")
    with tracer.start_as_current_span("POST /manage", kind=trace.SpanKind.SERVER):
        await manager(session_id="shop", user_id="u-shop")


asyncio.run(main())
provider.shutdown()
