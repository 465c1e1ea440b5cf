"""A run whose calls happen on plain worker threads, which know nothing of the run's trace."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import truth
import waxell_observe as waxell

waxell.init()

import openai

client = openai.OpenAI()


def ask(text):
    return client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}]).usage


@waxell.observe(agent_name="asks-here")
async def asks_here():
    with truth.run("asks-here", session="workers"):
        # `asyncio.to_thread` takes the context along.
        usage = await asyncio.to_thread(ask, "with context [[in=90,out=9]]")
        truth.call("gpt-4o", usage.prompt_tokens, usage.completion_tokens)


@waxell.observe(agent_name="offloads")
async def offloads():
    with truth.run("offloads", session="workers"):
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as pool:
            usage = await loop.run_in_executor(pool, ask, "without [[in=300,out=30]]")
        truth.call("gpt-4o", usage.prompt_tokens, usage.completion_tokens)


async def main():
    await asks_here(session_id="workers")
    await offloads(session_id="workers")


asyncio.run(main())
