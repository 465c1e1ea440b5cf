"""A policy that forbids an agent: its function never runs, and its run is known by HTTP alone. A person may allow it all the same."""

import asyncio

import truth
import waxell_observe as waxell
from waxell_observe.errors import PolicyViolationError

waxell.init()

import openai

client = openai.OpenAI()


@waxell.observe(agent_name="forbidden")
async def forbidden(text):
    raise AssertionError("a blocked agent must not run")


@waxell.observe(agent_name="allowed")
async def allowed(text):
    response = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])
    truth.call("gpt-4o", response.usage.prompt_tokens, response.usage.completion_tokens)


@waxell.observe(agent_name="forbidden", on_policy_block=waxell.auto_approve)
async def approved(text):
    with truth.run("forbidden", session="policies", user="u2"):
        response = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])
        truth.call("gpt-4o", response.usage.prompt_tokens, response.usage.completion_tokens)


async def main():
    with truth.run("allowed", session="policies", user="u1"):
        await allowed("hello [[in=17,out=3]]", session_id="policies", user_id="u1")
    with truth.run("forbidden", session="policies", user="u1", status="blocked"):
        try:
            await forbidden("secret", session_id="policies", user_id="u1")
        except PolicyViolationError:
            pass
    with truth.run("forbidden", session="policies", user="u2", status="blocked"):
        pass
    await approved("with leave [[in=27,out=7]]", session_id="policies", user_id="u2")


asyncio.run(main())
