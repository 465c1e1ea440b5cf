"""Streams of OpenAI, read to their end, by both clients; usage comes with the last piece."""

import asyncio

import truth
import waxell_observe as waxell

waxell.init()

import openai

client = openai.OpenAI()
async_client = openai.AsyncOpenAI()
USAGE = {"include_usage": True}


def messages(text):
    return [{"role": "user", "content": text}]


@waxell.observe(agent_name="stream-sync")
async def sync_stream(text):
    with truth.run("stream-sync", session="streams"):
        for chunk in client.chat.completions.create(model="gpt-4o", messages=messages(text), stream=True, stream_options=USAGE):
            if chunk.usage:
                truth.call("gpt-4o", chunk.usage.prompt_tokens, chunk.usage.completion_tokens)


@waxell.observe(agent_name="stream-async")
async def async_stream(text):
    with truth.run("stream-async", session="streams"):
        stream = await async_client.chat.completions.create(model="gpt-4o", messages=messages(text), stream=True, stream_options=USAGE)
        async for chunk in stream:
            if chunk.usage:
                truth.call("gpt-4o", chunk.usage.prompt_tokens, chunk.usage.completion_tokens)


@waxell.observe(agent_name="stream-twice")
async def twice(text):
    with truth.run("stream-twice", session="streams"):
        # Two equal streams one after the other are two calls.
        for _ in range(2):
            for chunk in client.chat.completions.create(model="gpt-4o", messages=messages(text), stream=True, stream_options=USAGE):
                if chunk.usage:
                    truth.call("gpt-4o", chunk.usage.prompt_tokens, chunk.usage.completion_tokens)


@waxell.observe(agent_name="stream-and-plain")
async def mixed(text):
    with truth.run("stream-and-plain", session="streams"):
        for chunk in client.chat.completions.create(model="gpt-4o", messages=messages(text), stream=True, stream_options=USAGE):
            if chunk.usage:
                truth.call("gpt-4o", chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        response = client.chat.completions.create(model="gpt-4o", messages=messages(text))
        truth.call("gpt-4o", response.usage.prompt_tokens, response.usage.completion_tokens)


async def main():
    await sync_stream("a [[in=210,out=34,chunks=5,pause=0.01]]", session_id="streams")
    await async_stream("b [[in=220,out=35,chunks=5,pause=0.01]]", session_id="streams")
    await twice("c [[in=230,out=36]]", session_id="streams")
    await mixed("d [[in=240,out=37]]", session_id="streams")


asyncio.run(main())
