"""LangChain over OpenAI inside of an agent: the framework and the client below it both report each call."""

import asyncio

import truth
import waxell_observe as waxell

waxell.init()

from langchain_openai import ChatOpenAI

model = ChatOpenAI(model="gpt-4o", stream_usage=True)


def note(message):
    truth.call("gpt-4o", message.usage_metadata["input_tokens"], message.usage_metadata["output_tokens"])


@waxell.observe(agent_name="chain")
async def chain():
    with truth.run("chain", session="langchain"):
        note(model.invoke("plain [[in=111,out=12]]"))
        note(await model.ainvoke("plain and async [[in=121,out=13]]"))


@waxell.observe(agent_name="chain-stream")
async def chain_stream():
    with truth.run("chain-stream", session="langchain"):
        whole = None
        for chunk in model.stream("streamed [[in=131,out=14,chunks=4]]"):
            whole = chunk if whole is None else whole + chunk
        note(whole)


@waxell.observe(agent_name="chain-twice")
async def twice():
    with truth.run("chain-twice", session="langchain"):
        # The same question twice is two calls, whoever reports them.
        note(model.invoke("again [[in=141,out=15]]"))
        note(model.invoke("again [[in=141,out=15]]"))


async def main():
    for agent in (chain, chain_stream, twice):
        await agent(session_id="langchain")


asyncio.run(main())
