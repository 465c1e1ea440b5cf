"""A small team's day, for the command line to show: several agents, users, models, a failure and scores."""

import asyncio

import truth
import waxell_observe as waxell

waxell.init()

import anthropic
import openai

client = openai.OpenAI()
claude = anthropic.Anthropic()


def ask(model, text):
    response = client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
    truth.call(model, response.usage.prompt_tokens, response.usage.completion_tokens)


@waxell.observe(agent_name="triage")
async def triage(n):
    ask("gpt-4o-mini", "which team? [[in=%d,out=3]]" % (50 + n))


@waxell.observe(agent_name="support")
async def support(n):
    ask("gpt-4o", "answer [[in=%d,out=120]]" % (1500 + n))
    waxell.score("helpfulness", 0.9)
    truth.score("helpfulness", 0.9)
    waxell.score("tone", "kind", "categorical")
    truth.score("tone", "kind")


@waxell.observe(agent_name="writer", workflow_name="letters")
async def write():
    message = claude.messages.create(
        model="claude-sonnet-4-6", max_tokens=100, messages=[{"role": "user", "content": "a letter [[in=2400,out=800]]"}]
    )
    truth.call("claude-sonnet-4-6", message.usage.input_tokens, message.usage.output_tokens)


@waxell.observe(agent_name="lookup")
async def lookup():
    raise LookupError("no such order")


async def main():
    for n, user in enumerate(("ada", "grace")):
        session = "ticket-%d" % n
        with truth.run("triage", session=session, user=user):
            await triage(n, session_id=session, user_id=user)
        if n == 0:
            with truth.run("support", session=session, user=user):
                await support(n, session_id=session, user_id=user)
    with truth.run("writer", session="letter-1", user="ada", workflow="letters"):
        await write(session_id="letter-1", user_id="ada")
    try:
        with truth.run("lookup", session="ticket-1", user="grace"):
            await lookup(session_id="ticket-1", user_id="grace")
    except LookupError:
        pass


asyncio.run(main())
