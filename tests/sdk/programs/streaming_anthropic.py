"""Streams of Anthropic: `create(stream=True)` and the `messages.stream()` helper, by both clients."""

import asyncio

import truth
import waxell_observe as waxell

waxell.init()

import anthropic

client = anthropic.Anthropic()
async_client = anthropic.AsyncAnthropic()


def request(text):
    return {"model": "claude-sonnet-4-6", "max_tokens": 100, "messages": [{"role": "user", "content": text}]}


def note(events):
    tokens_in = tokens_out = 0
    for event in events:
        if event.type == "message_start":
            tokens_in = event.message.usage.input_tokens
        if event.type == "message_delta":
            tokens_out = event.usage.output_tokens
    truth.call("claude-sonnet-4-6", tokens_in, tokens_out)


@waxell.observe(agent_name="claude-stream-sync")
async def sync_stream(text):
    with truth.run("claude-stream-sync", session="claude"):
        note(client.messages.create(**request(text), stream=True))


@waxell.observe(agent_name="claude-stream-async")
async def async_stream(text):
    with truth.run("claude-stream-async", session="claude"):
        stream = await async_client.messages.create(**request(text), stream=True)
        note([event async for event in stream])


@waxell.observe(agent_name="claude-helper-sync")
async def sync_helper(text):
    with truth.run("claude-helper-sync", session="claude"):
        with client.messages.stream(**request(text)) as stream:
            for _ in stream.text_stream:
                pass
            usage = stream.get_final_message().usage
        truth.call("claude-sonnet-4-6", usage.input_tokens, usage.output_tokens)


@waxell.observe(agent_name="claude-helper-async")
async def async_helper(text):
    with truth.run("claude-helper-async", session="claude"):
        async with async_client.messages.stream(**request(text)) as stream:
            async for _ in stream.text_stream:
                pass
            usage = (await stream.get_final_message()).usage
        truth.call("claude-sonnet-4-6", usage.input_tokens, usage.output_tokens)


async def main():
    await sync_stream("a [[in=310,out=44,chunks=4,pause=0.01]]", session_id="claude")
    await async_stream("b [[in=320,out=45,chunks=4,pause=0.01]]", session_id="claude")
    await sync_helper("c [[in=330,out=46]]", session_id="claude")
    await async_helper("d [[in=340,out=47]]", session_id="claude")


asyncio.run(main())
