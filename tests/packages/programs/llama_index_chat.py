"""LlamaIndex by OpenInference."""

import asyncio

import tools
import tracing
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.llms.openai import OpenAI
from openinference.instrumentation import using_attributes
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor

tracing.start()
LlamaIndexInstrumentor().instrument()
model = OpenAI(model="gpt-4o-mini", additional_kwargs={"stream_options": {"include_usage": True}})


async def turn(session, prompt):
    agent = FunctionAgent(name="weather", tools=[tools.get_weather], llm=model)
    with using_attributes(session_id=session, user_id="ann"):
        await agent.run(user_msg="%s [[%s]]" % (prompt, session))


async def main():
    await turn("llama-index", "weather in Oslo?")
    await turn("llama-index", "thanks")


asyncio.run(main())
