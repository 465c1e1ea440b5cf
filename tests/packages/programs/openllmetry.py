"""OpenAI's and Anthropic's clients by OpenLLMetry (traceloop-sdk), with its decorators and association properties."""

import os

import tools
from anthropic import Anthropic
from openai import OpenAI
from traceloop.sdk import Traceloop
from traceloop.sdk.decorators import agent, workflow

Traceloop.init(app_name="app", api_endpoint=os.environ["SERVER"], telemetry_enabled=False)


@agent(name="weather")
def weather(do, client, prompt, **options):
    do(client, prompt, **options)


@workflow(name="chat")
def turn(session, do, client, prompt, **options):
    Traceloop.set_association_properties({"session_id": session, "user_id": "ann"})
    weather(do, client, "%s [[%s]]" % (prompt, session), **options)


turn("traceloop", tools.openai_tool, OpenAI(), "weather in Oslo?")
turn("traceloop", tools.openai_stream, OpenAI(), "thanks", stream_options={"include_usage": True})
turn("traceloop-anthropic", tools.anthropic_tool, Anthropic(), "weather in Oslo?")
turn("traceloop-odd", tools.openai_failure, OpenAI(), "fail")
turn("traceloop-odd", tools.openai_stream, OpenAI(), "without usage")
