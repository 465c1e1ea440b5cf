"""Many conversations at once: forty runs of four sessions, eight at a time, and each call's figures are its own."""

import asyncio

import truth
import waxell_observe as waxell

waxell.init()

import openai

client = openai.AsyncOpenAI()


@waxell.observe(agent_name="busy")
async def busy(n):
    for call in range(2):
        response = await client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "n [[in=%d,out=%d]]" % (100 + n, 1 + call)}]
        )
        truth.call("gpt-4o", response.usage.prompt_tokens, response.usage.completion_tokens)


async def one(n, gate):
    session, user = "many-%d" % (n % 4), "user-%d" % (n % 7)
    async with gate:
        with truth.run("busy", session=session, user=user):
            await busy(n, session_id=session, user_id=user)


async def main():
    gate = asyncio.Semaphore(8)
    await asyncio.gather(*(one(n, gate) for n in range(40)))


asyncio.run(main())
