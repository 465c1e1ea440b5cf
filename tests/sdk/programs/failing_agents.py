"""What goes wrong in agents: an exception, a failed call that is caught, one that is not, and a client that tries again."""

import asyncio

import truth
import waxell_observe as waxell

waxell.init()

import openai

client = openai.OpenAI(max_retries=0)
patient = openai.OpenAI(max_retries=3)


def ask(text, of=client):
    response = of.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])
    truth.call("gpt-4o", response.usage.prompt_tokens, response.usage.completion_tokens)


@waxell.observe(agent_name="breaks")
async def breaks():
    with truth.run("breaks", session="failures"):
        ask("before it breaks [[in=44,out=4]]")
        raise ValueError("boom")


@waxell.observe(agent_name="recovers")
async def recovers():
    with truth.run("recovers", session="failures"):
        try:
            ask("fails [[fail=500]]")
        except openai.InternalServerError:
            truth.failed_call("gpt-4o")
            ask("second attempt [[in=21,out=2]]")


@waxell.observe(agent_name="gives-up")
async def gives_up():
    with truth.run("gives-up", session="failures"):
        truth.failed_call("gpt-4o")
        ask("fails for good [[fail=429]]")


@waxell.observe(agent_name="patient")
async def tries_again():
    with truth.run("patient", session="failures"):
        # 429, 429, 200 inside the client: one call.
        ask("busy [[fail=429,times=2]] [[in=70,out=17]]", patient)


@waxell.observe(agent_name="parent")
async def parent():
    with truth.run("parent", session="failures"):
        try:
            await breaks()
        except ValueError:
            pass
        ask("goes on [[in=10,out=1]]")


async def main():
    for agent, error in ((breaks, ValueError), (recovers, None), (gives_up, openai.RateLimitError), (tries_again, None), (parent, None)):
        try:
            await agent(session_id="failures")
            assert error is None, agent
        except Exception as caught:
            assert error and isinstance(caught, error), caught


asyncio.run(main())
