"""OpenAI's Agents SDK by OpenInference: the responses API, a tool, and the SDK's own `group_id`."""

import asyncio

import tools
import tracing
from agents import Agent, Runner, function_tool, trace
from openai import BadRequestError
from openinference.instrumentation import using_attributes
from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor

tracing.start()
OpenAIAgentsInstrumentor().instrument()
agent = Agent(name="weather", model="gpt-4o-mini", tools=[function_tool(tools.get_weather)])


async def turn(session, prompt, is_streamed=False):
    prompt = "%s [[%s]]" % (prompt, session)
    with using_attributes(session_id=session, user_id="ann"), trace("chat", group_id=session):
        if not is_streamed:
            return await Runner.run(agent, prompt)
        async for _ in Runner.run_streamed(agent, prompt).stream_events():
            pass


async def main():
    await turn("openai-agents", "weather in Oslo?")
    await turn("openai-agents", "thanks", is_streamed=True)
    try:
        await turn("openai-agents-odd", "fail")
    except BadRequestError:
        pass


asyncio.run(main())
