"""Several agents in one session, each called by the application, as the specification shows it."""

import asyncio

import truth
import waxell_observe as waxell
from waxell_observe import generate_session_id

waxell.init()

import anthropic
import openai

client = openai.OpenAI()
claude = anthropic.AsyncAnthropic()


@waxell.observe(agent_name="router")
async def classify(query: str) -> str:
    response = client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": query + " [[in=60,out=2]]"}])
    truth.call("gpt-4o-mini", response.usage.prompt_tokens, response.usage.completion_tokens)
    return "question"


@waxell.observe(agent_name="retrieval")
async def search(query: str) -> list:
    response = client.embeddings.create(model="text-embedding-3-small", input=[query + " [[in=9]]"])
    truth.call("text-embedding-3-small", response.usage.prompt_tokens, 0)
    return ["doc-1", "doc-2"]


@waxell.observe(agent_name="synthesizer")
async def synthesize(query: str, docs: list) -> str:
    message = await claude.messages.create(
        model="claude-sonnet-4-6", max_tokens=100, messages=[{"role": "user", "content": query + " [[in=640,out=90]]"}]
    )
    truth.call("claude-sonnet-4-6", message.usage.input_tokens, message.usage.output_tokens)
    return message.content[0].text


async def main():
    session_id = generate_session_id()
    query = "where is my order?"
    with truth.run("router", session=session_id):
        await classify(query, session_id=session_id)
    with truth.run("retrieval", session=session_id):
        docs = await search(query, session_id=session_id)
    with truth.run("synthesizer", session=session_id):
        await synthesize(query, docs, session_id=session_id)


asyncio.run(main())
