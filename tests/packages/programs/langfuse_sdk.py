"""Langfuse's SDK, which LANGFUSE_HOST points here, with its own OpenAI client."""

import tools
from langfuse import get_client, observe, propagate_attributes
from langfuse.openai import OpenAI

client = OpenAI()


@observe(name="weather", as_type="agent")
def weather(do, prompt, **options):
    do(client, prompt, **options)


def turn(session, do, prompt, **options):
    with propagate_attributes(session_id=session, user_id="ann"):
        weather(do, "%s [[%s]]" % (prompt, session), **options)


turn("langfuse", tools.openai_tool, "weather in Oslo?")
turn("langfuse", tools.openai_stream, "thanks", stream_options={"include_usage": True})
turn("langfuse-odd", tools.openai_failure, "fail")
turn("langfuse-odd", tools.openai_stream, "without usage")
get_client().flush()
