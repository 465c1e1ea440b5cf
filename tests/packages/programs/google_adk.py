"""Google's ADK by its own telemetry: the session is the one of its session service."""

import asyncio

import tools
import tracing
from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.runners import InMemoryRunner
from google.genai import types

tracing.start()
agent = LlmAgent(name="weather", model="gemini-2.5-flash", tools=[tools.get_weather])
runner = InMemoryRunner(agent=agent, app_name="app")


async def turn(session, prompt, mode=StreamingMode.NONE):
    message = types.Content(role="user", parts=[types.Part(text="%s [[%s]]" % (prompt, session))])
    async for _ in runner.run_async(user_id="ann", session_id=session, new_message=message, run_config=RunConfig(streaming_mode=mode)):
        pass


async def main():
    for session in ("adk", "adk-odd"):
        await runner.session_service.create_session(app_name="app", user_id="ann", session_id=session)
    await turn("adk", "weather in Oslo?")
    await turn("adk", "thanks", StreamingMode.SSE)
    try:
        await turn("adk-odd", "fail")
    except Exception as error:
        assert "as the prompt asked" in str(error), error


asyncio.run(main())
