"""Calls that no agent makes: they belong to no session, and disturb none."""

import asyncio

import truth
import waxell_observe as waxell

waxell.init()

import openai

client = openai.OpenAI()


def ask(text):
    response = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])
    truth.call("gpt-4o", response.usage.prompt_tokens, response.usage.completion_tokens)


@waxell.observe(agent_name="inside")
async def inside():
    ask("inside [[in=66,out=6]]")


@waxell.observe(agent_name="sessionless")
async def sessionless():
    ask("without a session [[in=5,out=5]]")


async def main():
    ask("outside [[in=66,out=6]]")
    with truth.run("inside", session="tidy"):
        await inside(session_id="tidy")
    ask("outside again [[in=66,out=6]]")
    with truth.run("sessionless"):
        await sessionless()


asyncio.run(main())
