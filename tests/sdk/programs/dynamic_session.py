"""Session ids that are minted, and ones that come from the application."""

import asyncio
import re

import truth
import waxell_observe as waxell
from waxell_observe import generate_session_id

waxell.init()

import openai

client = openai.OpenAI()


@waxell.observe(agent_name="chat-agent")
async def handle_message(user_message: str) -> str:
    response = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": user_message}])
    truth.call("gpt-4o", response.usage.prompt_tokens, response.usage.completion_tokens)
    return response.choices[0].message.content


async def converse(session_id, user_id):
    for text in ("Hi [[in=12,out=3]]", "Follow up [[in=25,out=8]]"):
        with truth.run("chat-agent", session=session_id, user=user_id):
            await handle_message(text, session_id=session_id, user_id=user_id)


async def main():
    minted = generate_session_id()
    assert re.fullmatch(r"sess_[0-9a-f]{16,32}", minted), minted
    await converse(minted, "user-7")
    await converse("conv-42", "user-8")
    await converse("conv-43", "user-8")


asyncio.run(main())
