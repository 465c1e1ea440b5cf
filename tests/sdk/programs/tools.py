"""Tools that call models and agents: their own spans never leave the process, so what is below them has lost its parent."""

import asyncio

import truth
import waxell_observe as waxell

waxell.init()

import openai

client = openai.OpenAI()


def ask(text):
    response = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])
    truth.call("gpt-4o", response.usage.prompt_tokens, response.usage.completion_tokens)


@waxell.observe(agent_name="specialist")
async def specialist():
    with truth.run("specialist"):
        ask("special [[in=70,out=7]]")


@waxell.tool(tool_type="function")
async def lookup(what: str) -> str:
    ask("in a tool [[in=60,out=6]]")
    await specialist()
    return what


@waxell.observe(agent_name="tool-user")
async def tool_user():
    with truth.run("tool-user", session="tools", user="u-tools"):
        ask("before [[in=50,out=5]]")
        await lookup("x")
        ask("after [[in=40,out=4]]")


async def main():
    for _ in range(2):
        await tool_user(session_id="tools", user_id="u-tools")


asyncio.run(main())
