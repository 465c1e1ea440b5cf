"""Agents that call agents: in turn, side by side, and a child that has a session of its own."""

import asyncio

import truth
import waxell_observe as waxell

waxell.init()

import openai

client = openai.AsyncOpenAI()


async def ask(text, model="gpt-4o"):
    response = await client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
    truth.call(model, response.usage.prompt_tokens, response.usage.completion_tokens)


@waxell.observe(agent_name="researcher")
async def research(topic: str) -> str:
    with truth.run("researcher"):
        await ask("research %s [[in=80,out=20]]" % topic, "gpt-4o-mini")
        return await summarize(topic)


@waxell.observe(agent_name="summarizer")
async def summarize(topic: str) -> str:
    with truth.run("summarizer"):
        await ask("summarize %s [[in=30,out=11]]" % topic, "gpt-4o-mini")
        return topic


@waxell.observe(agent_name="auditor")
async def audit(text: str) -> str:
    with truth.run("auditor", session="audit-log", user="auditor-1"):
        await ask("audit %s [[in=15,out=1]]" % text)
        return "fine"


@waxell.observe(agent_name="planner", workflow_name="planning")
async def plan(goal: str) -> str:
    with truth.run("planner", session="sess-nested", user="u-nested", workflow="planning"):
        await ask("plan [[in=100,out=50]]")
        await research("in turn")
        # Side by side: the same figures twice, and neither may be taken for a copy of the other.
        await asyncio.gather(*(research("side %d" % n) for n in range(3)))
        await audit(goal, session_id="audit-log", user_id="auditor-1")
        await ask("conclude [[in=100,out=50]]")
        return goal


asyncio.run(plan("a goal", session_id="sess-nested", user_id="u-nested"))
