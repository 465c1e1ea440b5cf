"""Session ids, agents and users with every character that a path, a query or a terminal could trip over."""

import asyncio

import truth
import waxell_observe as waxell

waxell.init()

import openai

client = openai.OpenAI()

ODD = ["a/b", "with space", "50% off?&x=1#frag", "größe-東京-🦀", "..", "sess+plus", "x" * 300, 'quote"and\\backslash', "trailing/"]


async def say(text):
    response = client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": text}])
    truth.call("gpt-4o-mini", response.usage.prompt_tokens, response.usage.completion_tokens)


async def main():
    for n, odd in enumerate(ODD):
        agent = waxell.observe(agent_name="agent " + odd[:40])(say)
        with truth.run("agent " + odd[:40], session=odd, user="user " + odd[:40]):
            await agent("hello [[in=%d,out=1]]" % (10 + n), session_id=odd, user_id="user " + odd[:40])


asyncio.run(main())
