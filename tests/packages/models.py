"""A stand-in for the model APIs of OpenAI, Anthropic and Google that keeps the truth: what was asked in each session, and what it cost.

- The prompt names its session, `[[session]]`; the last one counts, since a conversation repeats what was said before.
- The last message of the user decides: `weather in` calls the tool that the request offers, `fail` is refused with 400.
- Every answer has other figures, so that no two calls can be mistaken for one another: the n-th takes 1200 + 10 n tokens in and 40 + n out.
  Every second answer of a session has 512 of its input from the cache; Anthropic's first writes 256 to it.
- A stream of chat completions tells its usage only where `include_usage` asks for it, as OpenAI's does: `unknown` counts the others.
"""

import json
import re
import threading
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

import answers
from harness.quiet import QuietServer

SESSION = re.compile(r"\[\[([\w-]+)\]\]")
# Dollars for a million tokens: input, read from the cache, written to it, output.
PRICES = {
    "gpt-4o-mini": ("0.15", "0.075", "0", "0.6"),
    "claude-sonnet-4-5": ("3", "0.3", "3.75", "15"),
    "gemini-2.5-flash": ("0.3", "0.03", "0", "2.5"),
}


class Call:
    """One answer's figures."""

    def __init__(self, number, n_of_session, model, api):
        self.model = model
        self.input = 1200 + 10 * number
        self.output = 40 + number
        self.cached = 512 if n_of_session % 2 == 0 else 0
        self.written = 256 if api == "messages" and n_of_session == 1 else 0
        self.thoughts = 8 if api == "generate" else 0

    def cost(self):
        plain, read, write, out = map(Decimal, PRICES[self.model])
        dollars = plain * (self.input - self.cached - self.written) + read * self.cached + write * self.written + out * self.output
        return dollars / 1_000_000


class FakeModels:
    def __init__(self):
        # {session: {"calls": [Call], "unknown": answers whose usage was not told, "errors": number, "requests": number}}
        self.sessions = {}
        self.number = 0
        self.strange = []
        self.lock = threading.Lock()
        self.server = QuietServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"models": self}))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def truth(self, session):
        kept = self.sessions.get(session, {"calls": [], "unknown": 0, "errors": 0})
        calls = kept["calls"]
        return {
            "tokens": sum(call.input + call.output for call in calls),
            "cost": sum((call.cost() for call in calls), Decimal(0)),
            "cached": sum(call.cached for call in calls),
            "written": sum(call.written for call in calls),
            "unknown": kept["unknown"],
            "errors": kept["errors"],
            "calls": len(calls),
        }

    def session(self, text):
        named = SESSION.findall(text)
        return self.sessions.setdefault(named[-1] if named else "", {"calls": [], "unknown": 0, "errors": 0, "requests": 0})

    def call(self, session, model, api, is_told):
        with self.lock:
            self.number += 1
            session["requests"] += 1
            call = Call(self.number, session["requests"], model, api)
            if is_told:
                session["calls"].append(call)
            else:
                session["unknown"] += 1
            return call


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    models = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.strange()

    def do_POST(self):
        if (self.headers.get("transfer-encoding") or "").lower() == "chunked":
            raw = b"".join(iter(self.chunk, b""))
        else:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = urlsplit(self.path).path
        api = answers.api_of(path)
        if not api:
            return self.strange()
        body = json.loads(raw)
        asked = answers.read(api, body, path)
        session = self.models.session(json.dumps(body, ensure_ascii=False))
        if "fail [[" in asked.text:
            session["errors"] += 1
            return self.answer(answers.error(api), 400)
        call = self.models.call(session, asked.model, api, asked.tells_usage)
        if asked.is_stream:
            return self.events(answers.events(api, asked, call))
        self.answer(answers.whole(api, asked, call))

    def chunk(self):
        data = self.rfile.read(int(self.rfile.readline(), 16))
        self.rfile.readline()
        return data

    def strange(self):
        self.models.strange.append("%s %s" % (self.command, self.path))
        self.answer({"error": {"message": "no such path: " + self.path}}, 404)

    def answer(self, value, status=200):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def events(self, events):
        """Server-sent events: (name or None, value)."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for name, value in events:
            head = "event: %s\n" % name if name else ""
            self.wfile.write((head + "data: %s\n\n" % (value if isinstance(value, str) else json.dumps(value))).encode())
            self.wfile.flush()
