"""An agent and one that it calls, again and again, each time in a session of its own; each time the server dies after another request."""

import json
import os
import urllib.request

import truth
import waxell_observe as waxell

waxell.init()

import openai
from waxell_observe.tracing import flush_tracing

client = openai.OpenAI()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


# The requests of a run that can be the last one before a death. Those of its end go out at once, in any order.
REQUESTS = ["policy-check", "runs/start", "llm-calls", "steps", "scores", "/spans", "complete", "/v1/traces", "/v1/logs"]


def crash_after(request, nth):
    with opener.open(os.environ["SERVER_URL"] + "/crash/%d/%s" % (nth, request.strip("/"))) as answer:
        return answer.read()


def work(n, out):
    waxell.step("look", {"n": n})
    response = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "n [[in=%d,out=%d]]" % (100 + n, out)}]
    )
    truth.call("gpt-4o", response.usage.prompt_tokens, response.usage.completion_tokens)
    waxell.score("helpfulness", 0.5)
    truth.score("helpfulness", 0.5)


@waxell.observe(agent_name="helper")
def helper(n):
    with truth.run("helper"):
        work(n, 4)


@waxell.observe(agent_name="survivor")
def survivor(n):
    work(n, 3)
    helper(n)


def iteration(n):
    session = "crash-%02d" % n
    with truth.run("survivor", session=session, user="u-crash"):
        survivor(n, session_id=session, user_id="u-crash")
    # The spans of the runs are part of them: sent before the next ones begin, whatever the timer says.
    flush_tracing()


flush_tracing()
# The first one is not killed, and fetches what is fetched once.
iteration(0)
n = 1
for nth in (1,) if os.environ["LOST"] else (1, 2):
    for request in REQUESTS:
        # The spans and the logs of both go out together.
        if nth == 1 or not request.startswith("/v1"):
            crash_after(request, nth)
            iteration(n)
            n += 1
print(json.dumps({"deaths": n - 1}), flush=True)
