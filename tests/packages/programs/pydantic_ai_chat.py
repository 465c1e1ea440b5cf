"""Pydantic AI by its own instrumentation, with the id of the conversation that it is given."""

import asyncio

import tools
import tracing
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError

tracer = tracing.start()
Agent.instrument_all()
agent = Agent("openai-chat:gpt-4o-mini", name="weather", tools=[tools.get_weather])


async def main():
    await agent.run("weather in Oslo? [[pydantic-ai]]", conversation_id="pydantic-ai")
    async with agent.run_stream("thanks [[pydantic-ai]]", conversation_id="pydantic-ai") as result:
        await result.get_output()
    try:
        await agent.run("fail [[pydantic-ai-odd]]", conversation_id="pydantic-ai-odd")
    except ModelHTTPError:
        pass
    # Without an id of its own the session is the application's, named on a span above.
    with tracer.start_as_current_span("POST /chat", attributes={"session.id": "pydantic-ai-above", "user.id": "ann"}):
        await agent.run("weather in Oslo? [[pydantic-ai-above]]")


asyncio.run(main())
