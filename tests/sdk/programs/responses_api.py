"""OpenAI's newer interfaces: responses, parsed answers, raw answers."""

import asyncio

import truth
import waxell_observe as waxell
from pydantic import BaseModel

waxell.init()

import openai

client = openai.OpenAI()
async_client = openai.AsyncOpenAI()


class Answer(BaseModel):
    text: str = ""


@waxell.observe(agent_name="responses")
async def respond():
    with truth.run("responses", session="newer"):
        answer = client.responses.create(model="gpt-4o", input="hello [[in=55,out=5]]")
        truth.call("gpt-4o", answer.usage.input_tokens, answer.usage.output_tokens)
        answer = await async_client.responses.create(model="gpt-4o", input="hello again [[in=65,out=6]]")
        truth.call("gpt-4o", answer.usage.input_tokens, answer.usage.output_tokens)


async def main():
    await respond(session_id="newer")


asyncio.run(main())
