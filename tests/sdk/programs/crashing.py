"""The same run again and again, each in a session of its own; in the k-th the server dies after the k-th request of the run."""

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


def crash_after(n):
    """Tells the proxy; answers how many requests the iteration before it made."""
    with opener.open(os.environ["SERVER_URL"] + "/crash/%d" % n) as answer:
        return json.load(answer)["requests_before"]


def agent(session):
    @waxell.observe(agent_name="survivor", session_id=session, user_id="u-crash")
    def survivor(n):
        waxell.step("look", {"n": n})
        response = client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "n [[in=%d,out=3]]" % (100 + n)}]
        )
        truth.call("gpt-4o", response.usage.prompt_tokens, response.usage.completion_tokens)
        waxell.score("helpfulness", 0.5)
        truth.score("helpfulness", 0.5)

    return survivor


def iteration(n):
    session = "crash-%02d" % n
    with truth.run("survivor", session=session, user="u-crash"):
        agent(session)(n)
    # The spans of the run are part of it: sent before the next one begins, whatever the timer says.
    flush_tracing()


flush_tracing()
# The first one is not killed, and fetches what is fetched once.
crash_after(0)
iteration(0)
n = 1
while True:
    crash_after(n)
    iteration(n)
    if crash_after(0) < n:
        break
    n += 1
# The last one made fewer requests than the place it was to die at.
print(json.dumps({"places": n - 1}), flush=True)
