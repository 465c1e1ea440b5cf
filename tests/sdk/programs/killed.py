"""An agent that is killed in the middle of its run, after one call; a run before it has ended well."""

import time

import truth
import waxell_observe as waxell

waxell.init()

import openai

client = openai.OpenAI()


def ask(text):
    response = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])
    truth.call("gpt-4o", response.usage.prompt_tokens, response.usage.completion_tokens)


@waxell.observe(agent_name="ends-well")
def ends_well():
    with truth.run("ends-well", session="killed", user="u1"):
        ask("fine [[in=14,out=4]]")


@waxell.observe(agent_name="killed")
def killed():
    with truth.run("killed", session="killed", user="u1"):
        ask("one call [[in=220,out=22]]")
        # Long enough for the spans that have ended to be exported.
        time.sleep(2.6)
        print("now", flush=True)
        time.sleep(60)


ends_well(session_id="killed", user_id="u1")
killed(session_id="killed", user_id="u1")
