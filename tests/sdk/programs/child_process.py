"""An agent that starts another process, in which an agent runs: session and user come along by the environment."""

import os
import subprocess
import sys

import truth
import waxell_observe as waxell

waxell.init()

import openai

client = openai.OpenAI()


def ask(text):
    response = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])
    truth.call("gpt-4o", response.usage.prompt_tokens, response.usage.completion_tokens)


@waxell.observe(agent_name="in-child")
def in_child():
    ask("in the child [[in=31,out=3]]")


@waxell.observe(agent_name="in-parent")
def in_parent():
    with truth.run("in-parent", session="family", user="u-family"):
        ask("in the parent [[in=41,out=4]]")
        # The child has no truth of its own: it does what its source says.
        with truth.run("in-child"):
            subprocess.run([sys.executable, __file__, "child"], check=True, env={**os.environ, "TRUTH": ""})
            truth.call("gpt-4o", 31, 3)


if sys.argv[1:] == ["child"]:
    in_child()
else:
    in_parent(session_id="family", user_id="u-family")
