"""The session baked into the decorator, and overridden at call time."""

import asyncio

import truth
import waxell_observe as waxell

waxell.init()

import openai

client = openai.AsyncOpenAI()


@waxell.observe(agent_name="chat-agent", session_id="session-abc123")
async def handle_message(user_message: str) -> str:
    response = await client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": user_message}])
    truth.call("gpt-4o-mini", response.usage.prompt_tokens, response.usage.completion_tokens)
    return response.choices[0].message.content


async def main():
    with truth.run("chat-agent", session="session-abc123"):
        await handle_message("Hello! [[in=41,out=7]]")
    with truth.run("chat-agent", session="session-abc123", user="u1"):
        await handle_message("Again! [[in=57,out=9]]", user_id="u1")
    with truth.run("chat-agent", session="another"):
        await handle_message("Elsewhere! [[in=33,out=3]]", session_id="another")


asyncio.run(main())
