"""An agent without any SDK: it writes its spans as JSON and posts them, which any language can do. Python's standard library is all it needs.

    python3 examples/without_sdk.py

Then http://127.0.0.1:8080/sessions/minutes-monday shows one run of the agent `minutes` with two model calls, one of which states its cost.
OTEL_EXPORTER_OTLP_ENDPOINT names a server elsewhere.
"""

import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request

import model

SERVER = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
TRACE = secrets.token_hex(16)


def span(name, parent, began, attributes):
    """A span as OTLP's JSON has it: ids in hexadecimal, times in nanoseconds and whole numbers as text."""

    def value(of):
        return {"stringValue": of} if isinstance(of, str) else {"doubleValue": of} if isinstance(of, float) else {"intValue": str(of)}

    return {
        "traceId": TRACE,
        "spanId": secrets.token_hex(8),
        "parentSpanId": parent,
        "name": name,
        "startTimeUnixNano": str(began),
        "endTimeUnixNano": str(time.time_ns()),
        "attributes": [{"key": key, "value": value(of)} for key, of in attributes.items()],
    }


def chat(parent, text, **more):
    began = time.time_ns()
    answer = model.ask([{"role": "user", "content": text}])
    usage = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": answer["model"],
        "gen_ai.usage.input_tokens": answer["usage"]["prompt_tokens"],
        "gen_ai.usage.output_tokens": answer["usage"]["completion_tokens"],
    }
    return span("chat " + answer["model"], parent, began, {**usage, **more})


began = time.time_ns()
agent = span("invoke_agent minutes", "", began, {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "minutes", "session.id": "minutes-monday"})
calls = [
    chat(agent["spanId"], "Summarise the meeting of Monday: budget, hiring, the move."),
    # Whoever knows what a call cost, in US dollars, says so: it is taken instead of the price table.
    chat(agent["spanId"], "Translate the summary into French.", **{"gen_ai.usage.cost": 0.00125}),
]
agent["endTimeUnixNano"] = str(time.time_ns())

resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "minutes"}}]}
body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "without_sdk"}, "spans": [agent, *calls]}]}]}
request = urllib.request.Request(SERVER + "/v1/traces", json.dumps(body).encode(), {"content-type": "application/json"})
try:
    with urllib.request.urlopen(request) as response:
        print(response.status, response.read().decode())
except urllib.error.HTTPError as refusal:
    sys.exit(f"{refusal.code} {refusal.read().decode()}")
except urllib.error.URLError as error:
    sys.exit(f"no server answers at {SERVER} ({error.reason}): start one with `cargo run --release`")
