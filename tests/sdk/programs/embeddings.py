"""Embeddings beside chat, with OpenAI and with a compatible server of one's own."""

import asyncio
import os

import truth
import waxell_observe as waxell

waxell.init()

import openai

client = openai.OpenAI()
local = openai.OpenAI(base_url=os.environ["LOCAL_BASE_URL"])


@waxell.observe(agent_name="indexer")
async def index(of, texts):
    response = of.embeddings.create(model="text-embedding-3-small", input=texts)
    truth.call("text-embedding-3-small", response.usage.prompt_tokens, 0)
    response = of.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "title [[in=64,out=6]]"}])
    truth.call("gpt-4o", response.usage.prompt_tokens, response.usage.completion_tokens)


async def main():
    with truth.run("indexer", session="embeddings"):
        await index(client, ["a [[in=1000]]", "b"], session_id="embeddings")
    # The provider is named `local` now and the SDK states the cost 0; the name is exactly one of OpenAI's.
    with truth.run("indexer", session="embeddings"):
        await index(local, ["c [[in=2000]]"], session_id="embeddings")


asyncio.run(main())
