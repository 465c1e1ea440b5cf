"""A stand-in for a model's API, so that the examples need neither a key nor a network.

It answers OpenAI's chat completions inside the process that imports it; a question about an order calls the tool that is offered first.
To ask a real model instead, set OPENAI_BASE_URL and OPENAI_API_KEY: nothing else changes.
"""

import json
import os
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL = "gpt-4o-mini"


def base_url():
    """Where the model is: the real one if the environment names it, else the stand-in, which starts now."""
    if "OPENAI_BASE_URL" not in os.environ:
        server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        os.environ.update(OPENAI_BASE_URL="http://127.0.0.1:%d/v1" % server.server_port, OPENAI_API_KEY="any")
    return os.environ["OPENAI_BASE_URL"]


def ask(messages, tools=()):
    """The answer to a chat completion, for examples without a client library."""
    body = {"model": MODEL, "messages": messages, **({"tools": list(tools)} if tools else {})}
    request = urllib.request.Request(base_url() + "/chat/completions", json.dumps(body).encode())
    request.add_header("content-type", "application/json")
    request.add_header("authorization", "Bearer " + os.environ["OPENAI_API_KEY"])
    with urllib.request.urlopen(request) as response:
        return json.load(response)


class StandIn(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        last = body["messages"][-1]
        if body.get("tools") and last["role"] == "user" and "order" in last["content"]:
            function = {"name": body["tools"][0]["function"]["name"], "arguments": '{"order": "4711"}'}
            message = {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}
        else:
            message = {"role": "assistant", "content": "It is on its way and arrives tomorrow."}
        # As a rule of thumb, a token is four characters.
        n_input, n_output = len(json.dumps(body["messages"])) // 4, len(json.dumps(message)) // 4
        usage = {"prompt_tokens": n_input, "completion_tokens": n_output, "total_tokens": n_input + n_output}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if message["content"] is None else "stop"}
        answer = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice], "usage": usage}
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass
