"""The first example of the specification: the session is given with each call, the user with it."""

import asyncio

import truth
import waxell_observe as waxell

waxell.init()  # BEFORE importing the LLM SDK

import openai

client = openai.OpenAI()


@waxell.observe(agent_name="chat-agent")
async def handle_message(user_message: str) -> str:
    response = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": user_message}])
    truth.call("gpt-4o", response.usage.prompt_tokens, response.usage.completion_tokens)
    return response.choices[0].message.content


async def main():
    for text in ("Hello! [[in=120,out=30]]", "And then? [[in=200,out=45]]", "Thanks. [[in=310,out=62]]"):
        with truth.run("chat-agent", session="session-abc123", user="user_456"):
            await handle_message(text, session_id="session-abc123", user_id="user_456")


asyncio.run(main())
