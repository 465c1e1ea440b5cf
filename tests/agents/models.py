"""A stand-in for the model APIs that coding agents ask, which keeps the truth: every call, and its tokens by kind.

- A word in the prompt decides, as its user would have written it: `[[tool]]` calls the agent's tool that runs a command, `[[subagent]]` the one
  that starts a subagent, whose own prompt then says `[[tool]]`. A conversation whose tools have answered gets a text.
- No two calls have any figure in common, so that a mix-up shows: the n-th reads 5000 + 17 n tokens from the cache, writes 300 + 19 n to it (where
  the API knows that), takes 1000 + 13 n besides, and gives 100 + 7 n, with 40 + 3 n of reasoning before it (where the API tells it).
- `failures` are the statuses of the next requests, before any is answered.
"""

import json
import re
import sys
import threading
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

sys.path += [str(Path(__file__).resolve().parent.parent / name) for name in ("sdk", "packages")]

import answers
import websocket
from harness.quiet import QuietServer

WORD = re.compile(r"\[\[(tool|subagent)\]\]")
# Which APIs tell what was written to the cache, and how much of the answer was reasoning.
TELLS_WRITES = ("messages", "responses")
TELLS_REASONING = ("responses", "generate", "chat")


@dataclass
class Call:
    number: int
    api: str
    model: str
    status: int = 200
    # Of the input, and of the output.
    cached: int = 0
    written: int = 0
    thoughts: int = 0
    input: int = 0
    output: int = 0
    tool: str = None
    is_whole: bool = False

    @classmethod
    def answered(cls, number, api, model):
        cached, plain, output = 5000 + 17 * number, 1000 + 13 * number, 100 + 7 * number
        written = 300 + 19 * number if api in TELLS_WRITES else 0
        thoughts = 40 + 3 * number if api in TELLS_REASONING else 0
        return cls(number, api, model, 200, cached, written, thoughts, plain + cached + written, output + thoughts)


class FakeModels:
    def __init__(self, tools, failures=(), has_websocket=True):
        """`tools`: {word: [(tool, arguments), ...]}, called one after the other."""
        self.tools = tools
        self.failures = iter(failures)
        self.has_websocket = has_websocket
        self.calls = []
        # What was asked beside model calls.
        self.others = []
        self.lock = threading.Lock()
        self.server = QuietServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"models": self}))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def call(self, api, model):
        with self.lock:
            number = len(self.calls) + 1
            status = next(self.failures, 200)
            call = Call.answered(number, api, model) if status == 200 else Call(number, api, model, status)
            self.calls.append(call)
            return call

    def next_tool(self, api, body):
        """(name, arguments) of the tool that comes next in this conversation, if the agent offers it."""
        word, n_answered = _last_word(api, body)
        steps = self.tools.get(word, ())
        if n_answered < len(steps) and steps[n_answered][0] in _offered(api, body):
            return steps[n_answered]
        return None, {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    models = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        if not websocket.is_asked_for(self.headers) or answers.api_of(urlsplit(self.path).path) != "responses":
            return self.other()
        if not self.models.has_websocket:
            return self.other(426)
        self.do_websocket()

    def do_HEAD(self):
        self.other()

    def do_websocket(self):
        """OpenAI's responses: each text is a request, and its events are texts. A request may go on from an earlier one's answer."""
        websocket.accept(self)
        said = {}
        for text in websocket.texts(self):
            body = json.loads(text)
            body["input"] = said.get(body.get("previous_response_id"), []) + body["input"]
            if body.get("generate") is False:
                # It warms the connection up, and asks for no answer.
                for kind in ("created", "completed"):
                    websocket.send(self, json.dumps({"type": "response." + kind, "response": {"id": "resp_warm", "object": "response", "output": [], "usage": None}}))
                said["resp_warm"] = body["input"]
                continue
            asked, call = self.asked("responses", body, "")
            if call.status != 200:
                websocket.send(self, json.dumps({"type": "error", "status": call.status, **answers.error("responses")}))
            else:
                for _, value in answers.events("responses", asked, call):
                    websocket.send(self, json.dumps(value))
            call.is_whole = True
            said["resp_%d" % call.input] = body["input"]

    def do_POST(self):
        if (self.headers.get("transfer-encoding") or "").lower() == "chunked":
            raw = b"".join(iter(self.chunk, b""))
        else:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = urlsplit(self.path).path
        api = answers.api_of(path)
        if not api:
            return self.other()
        asked, call = self.asked(api, json.loads(raw), path)
        if call.status != 200:
            return self.answer(answers.error(api), call, call.status)
        if asked.is_stream:
            return self.events(answers.events(api, asked, call), call)
        self.answer(answers.whole(api, asked, call), call)

    def asked(self, api, body, path):
        asked = answers.read(api, body, path)
        call = self.models.call(api, asked.model)
        tool, arguments = self.models.next_tool(api, body)
        call.tool = tool
        namespace, _, name = (tool or "").rpartition(".")
        return replace(asked, tool=name, arguments=arguments, namespace=namespace or None), call

    def chunk(self):
        data = self.rfile.read(int(self.rfile.readline(), 16))
        self.rfile.readline()
        return data

    def other(self, status=404):
        self.models.others.append("%s %s" % (self.command, self.path))
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def begin(self, status, kind, call):
        self.send_response(status)
        self.send_header("content-type", kind)
        # By this Anthropic's customers name a request; the others' do no harm.
        self.send_header("request-id", "req_%06d" % call.number)
        self.send_header("x-request-id", "req_%06d" % call.number)

    def answer(self, value, call, status=200):
        data = json.dumps(value).encode()
        self.begin(status, "application/json", call)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        call.is_whole = True

    def events(self, events, call):
        """Server-sent events: (name or None, value)."""
        self.begin(200, "text/event-stream", call)
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for name, value in events:
            head = "event: %s\n" % name if name else ""
            self.wfile.write((head + "data: %s\n\n" % (value if isinstance(value, str) else json.dumps(value))).encode())
            self.wfile.flush()
        call.is_whole = True


# === reading a conversation ===


def _last_word(api, body):
    """The last word that a user wrote, and how many tools have answered since."""
    word, n_answered = None, 0
    for item in body.get({"responses": "input", "generate": "contents"}.get(api, "messages")) or ():
        if not isinstance(item, dict):
            continue
        if item.get("role") == "user" or item.get("type") == "agent_message":
            for found in WORD.finditer(" ".join(_texts(item))):
                word, n_answered = found[1], 0
        n_answered += _results(item)
    return word, n_answered


def _texts(item):
    parts = item.get("content", item.get("parts"))
    if isinstance(parts, str):
        return [parts]
    # What Codex passes to a subagent, it got from the model as a secret.
    texts = [part.get("text", part.get("encrypted_content")) for part in parts or () if isinstance(part, dict)]
    return [text for text in texts if isinstance(text, str)]


def _results(item):
    """How many tools answered in one item of a conversation."""
    if item.get("type") in ("function_call_output", "custom_tool_call_output") or item.get("role") == "tool":
        return 1
    parts = item.get("content", item.get("parts"))
    parts = parts if isinstance(parts, list) else ()
    return sum(part.get("type") == "tool_result" or "functionResponse" in part for part in parts if isinstance(part, dict))


def _offered(api, body):
    """The names of the tools; OpenAI's may be in namespaces, and come with the conversation."""
    tools = list(body.get("tools") or ())
    if api == "responses":
        tools += [tool for item in body["input"] if item.get("type") == "additional_tools" for tool in item["tools"]]
    names = set()
    for tool in tools:
        if api == "generate":
            names |= {one["name"] for one in tool.get("functionDeclarations") or ()}
        elif api == "chat":
            names.add((tool.get("function") or {}).get("name"))
        elif tool.get("type") == "namespace":
            names |= {"%s.%s" % (tool["name"], one["name"]) for one in tool["tools"]}
        else:
            names.add(tool.get("name"))
    return names
