"""Many conversations at once: forty runs of four sessions, eight at a time, and each call's figures are its own.

Two more run from the beginning to the end. Where only one run goes on, the SDK names it over HTTP as the parent of the next that starts,
as if that were a child process, and nothing tells the two apart; where two go on, it names none.
"""

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


@waxell.observe(agent_name="long-one")
async def long_one(n, over):
    await over.wait()
    response = await client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "n [[in=%d,out=9]]" % n}])
    truth.call("gpt-4o", response.usage.prompt_tokens, response.usage.completion_tokens)


async def beside(n, over):
    with truth.run("long-one", session="many-long", user="user-long"):
        await long_one(n, over, session_id="many-long", user_id="user-long")


async def main():
    gate, over = asyncio.Semaphore(8), asyncio.Event()
    long_ones = asyncio.gather(beside(1, over), beside(2, over))
    await asyncio.sleep(1)
    await asyncio.gather(*(one(n, gate) for n in range(40)))
    over.set()
    await long_ones


asyncio.run(main())
