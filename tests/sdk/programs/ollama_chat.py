"""Ollama: a model on one's own machine, so its tokens are known and its price is not."""

import asyncio

import truth
import waxell_observe as waxell

waxell.init()

import ollama

client = ollama.Client()


def messages(text):
    return [{"role": "user", "content": text}]


def note(answer):
    truth.call("llama3.2", answer["prompt_eval_count"], answer["eval_count"], cost=None)


@waxell.observe(agent_name="at-home")
async def plain():
    with truth.run("at-home", session="ollama"):
        note(client.chat(model="llama3.2", messages=messages("plain [[in=77,out=8]]")))
        note(await ollama.AsyncClient().chat(model="llama3.2", messages=messages("async [[in=87,out=9]]")))


@waxell.observe(agent_name="at-home-stream")
async def stream():
    with truth.run("at-home-stream", session="ollama"):
        for part in client.chat(model="llama3.2", messages=messages("streamed [[in=97,out=10,chunks=4]]"), stream=True):
            if part["done"]:
                note(part)


async def main():
    for agent in (plain, stream):
        await agent(session_id="ollama")


asyncio.run(main())
