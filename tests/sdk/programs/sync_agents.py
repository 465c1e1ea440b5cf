"""Agents without asyncio: plain functions, nested, in threads, and as a context manager."""

import contextvars
from concurrent.futures import ThreadPoolExecutor

import truth
import waxell_observe as waxell
from waxell_observe import WaxellContext

waxell.init()

import openai

client = openai.OpenAI()


def ask(text):
    response = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])
    truth.call("gpt-4o", response.usage.prompt_tokens, response.usage.completion_tokens)


@waxell.observe(agent_name="inner")
def inner(n):
    with truth.run("inner"):
        ask("inner %d [[in=20,out=%d]]" % (n, n))


@waxell.observe(agent_name="outer")
def outer(n):
    with truth.run("outer", session="plain", user="u%d" % (n % 2)):
        ask("outer [[in=40,out=4]]")
        inner(n)


@waxell.observe(agent_name="worker")
def work(n):
    with truth.run("worker", session="threads", user="t"):
        ask("in a thread [[in=33,out=%d]]" % n)


for n in range(3):
    outer(n, session_id="plain", user_id="u%d" % (n % 2))

with truth.run("block", session="plain", user="u9"):
    with WaxellContext(agent_name="block", session_id="plain", user_id="u9") as ctx:
        ask("in a with block [[in=11,out=1]]")
        ctx.set_result({"output": "ok"})

# One after the other: of runs that overlap in threads the SDK may take one for the parent of another.
with ThreadPoolExecutor(2) as pool:
    for n in range(6):
        pool.submit(contextvars.Context().run, work, n, session_id="threads", user_id="t").result()
