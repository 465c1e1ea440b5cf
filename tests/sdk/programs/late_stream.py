"""A stream that is handed out of the run and read when the run has ended, as a web handler does."""

import asyncio

import truth
import waxell_observe as waxell

waxell.init()

import openai

client = openai.OpenAI()


@waxell.observe(agent_name="streamer", capture_io=False)
async def respond(text):
    return client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": text}], stream=True, stream_options={"include_usage": True}
    )


async def main():
    with truth.run("streamer", session="late") as run:
        stream = await respond("late [[in=500,out=60]]", session_id="late")
    for chunk in stream:
        if chunk.usage:
            run.call("gpt-4o", chunk.usage.prompt_tokens, chunk.usage.completion_tokens)


asyncio.run(main())
