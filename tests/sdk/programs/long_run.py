"""A run of several seconds: its calls are exported before it, in other requests, and it shows as running meanwhile."""

import json
import os
import time
import urllib.request

import truth
import waxell_observe as waxell

waxell.init()

import openai

client = openai.OpenAI()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def seen():
    """The session as the server shows it at this moment."""
    try:
        with opener.open(os.environ["SERVER_URL"] + "/api/v1/observability/sessions/long/") as answer:
            return json.load(answer)
    except urllib.error.HTTPError:
        return None


@waxell.observe(agent_name="slow")
def slow():
    with truth.run("slow", session="long", user="u-long"):
        for n in range(3):
            response = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "n [[in=%d,out=2]]" % (20 + n)}])
            truth.call("gpt-4o", response.usage.prompt_tokens, response.usage.completion_tokens)
            time.sleep(1.2)
        if "WAXELL_API_URL" in os.environ:
            session = seen()
            assert session, "a run that has started is not shown"
            assert [run["status"] for run in session["runs"]] == ["running"], session
            assert session["runs"][0]["completed_at"] is None and session["runs"][0]["duration"] is None, session


slow(session_id="long", user_id="u-long")
