"""A batch loop in which each item is a run of its own, with `WaxellContext`."""

import asyncio

import truth
import waxell_observe as waxell
from waxell_observe import WaxellContext, generate_session_id

waxell.init()

import openai

client = openai.OpenAI()


async def process(item):
    response = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": item}])
    truth.call("gpt-4o", response.usage.prompt_tokens, response.usage.completion_tokens)
    return response.choices[0].message.content


async def main():
    session_id = generate_session_id()
    for item in ["one [[in=50,out=5]]", "two [[in=60,out=6]]", "three [[in=70,out=7]]"]:
        with truth.run("batch-processor", session=session_id, user="user_456"):
            async with WaxellContext(agent_name="batch-processor", session_id=session_id, user_id="user_456") as ctx:
                result = await process(item)
                ctx.set_result({"output": result})


asyncio.run(main())
