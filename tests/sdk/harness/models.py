"""Stand-ins for OpenAI, Anthropic and Ollama, where the prompt says what the answer shall cost.

- `[[in=40,out=4]]` anywhere in the messages gives the token counts of the answer; the last one wins.
- `[[fail=429,times=2]]` fails the first two requests with the same text; without `times` every one.
- `[[chunks=5]]` is the number of pieces of a stream, `[[pause=0.05]]` the seconds before each.
- It is also a forward proxy: a client whose base address is `http://api.openai.com/v1` and whose `HTTP_PROXY` is this server
  believes to talk to OpenAI, so that the SDK names the provider as it does in production.
- It never keeps a prompt.
"""

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from .quiet import QuietServer

# OpenAI answers with the dated name of the model that was asked for, and the SDK reports that one.
DATED = {"gpt-4o": "gpt-4o-2024-08-06", "gpt-4o-mini": "gpt-4o-mini-2024-07-18"}
MARK = re.compile(r"\[\[([a-z]+=[^\]]*)\]\]")


class FakeModels:
    def __init__(self):
        self.failed = {}
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"models": self})
        self.server = QuietServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def wishes(self, body):
        """What the text of a request asks for."""
        text = json.dumps(body, ensure_ascii=False)
        wish = {"in": 10, "out": 2, "chunks": 3, "pause": 0.0, "fail": 0, "times": None}
        for mark in MARK.findall(text):
            for part in mark.split(","):
                key, value = part.split("=", 1)
                wish[key] = float(value) if key == "pause" else int(value)
        if wish["fail"] and wish["times"] is not None:
            with self.lock:
                so_far = self.failed[text] = self.failed.get(text, 0) + 1
            if so_far > wish["times"]:
                wish["fail"] = 0
        return wish


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    models = None

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        path = urlsplit(self.path).path
        wish = self.models.wishes(body)
        if wish["fail"]:
            error = {"type": "error", "error": {"type": "rate_limit_error", "message": "as the prompt asked", "code": "x"}}
            return self.answer(error, wish["fail"], {"retry-after-ms": "1", "retry-after": "0.01"})
        stream = bool(body.get("stream"))
        if path.endswith("/chat/completions"):
            return self.events(_openai_chunks(body, wish), wish) if stream else self.answer(_openai_chat(body, wish))
        if path.endswith("/responses"):
            return self.answer(_openai_response(body, wish))
        if path.endswith("/embeddings"):
            return self.answer(_openai_embedding(body, wish))
        if path.endswith("/messages"):
            return self.events(_anthropic_events(body, wish), wish) if stream else self.answer(_anthropic(body, wish))
        if path.endswith("/api/chat"):
            # Ollama streams unless told not to; its client always says which.
            return self.lines(_ollama_lines(body, wish), wish) if stream else self.answer(_ollama(body, wish, "fine"))
        return self.answer({"error": "no such path: " + path}, 404)

    def do_GET(self):
        self.answer({"version": "0"})

    def answer(self, value, status=200, headers=()):
        data = json.dumps(value).encode()
        self.send_response(status)
        for key, text in dict(headers).items():
            self.send_header(key, text)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def events(self, events, wish):
        """Server-sent events: (name or None, value)."""
        self.begin("text/event-stream")
        for name, value in events:
            time.sleep(wish["pause"])
            head = "event: %s\n" % name if name else ""
            self.piece((head + "data: %s\n\n" % (value if isinstance(value, str) else json.dumps(value))).encode())
        self.piece(b"")

    def lines(self, lines, wish):
        self.begin("application/x-ndjson")
        for line in lines:
            time.sleep(wish["pause"])
            self.piece(json.dumps(line).encode() + b"\n")
        self.piece(b"")

    def begin(self, kind):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def piece(self, data):
        try:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        except OSError:
            # Who abandons a stream closes the connection.
            self.close_connection = True


# === the answers ===


def _openai_usage(wish):
    return {"prompt_tokens": wish["in"], "completion_tokens": wish["out"], "total_tokens": wish["in"] + wish["out"]}


def _openai_chat(body, wish):
    message = {"role": "assistant", "content": "fine", "refusal": None}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": None}
    model = DATED.get(body["model"], body["model"])
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": _openai_usage(wish)}


def _openai_chunks(body, wish):
    model = DATED.get(body["model"], body["model"])
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
    wants_usage = (body.get("stream_options") or {}).get("include_usage")
    extra = {"usage": None} if wants_usage else {}
    for n in range(wish["chunks"]):
        delta = {"role": "assistant", "content": "fine "} if n == 0 else {"content": "fine "}
        yield None, {**base, **extra, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield None, {**base, **extra, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    if wants_usage:
        yield None, {**base, "choices": [], "usage": _openai_usage(wish)}
    yield None, "[DONE]"


def _openai_response(body, wish):
    content = [{"type": "output_text", "text": "fine", "annotations": []}]
    output = [{"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": content}]
    usage = {
        "input_tokens": wish["in"],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": wish["out"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": wish["in"] + wish["out"],
    }
    model = DATED.get(body["model"], body["model"])
    fixed = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None, "instructions": None, "metadata": {}}
    return {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": model, "output": output, "usage": usage, **fixed}


def _openai_embedding(body, wish):
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    data = [{"object": "embedding", "index": n, "embedding": [0.1, 0.2, 0.3]} for n, _ in enumerate(texts)]
    return {"object": "list", "model": body["model"], "data": data, "usage": {"prompt_tokens": wish["in"], "total_tokens": wish["in"]}}


def _anthropic(body, wish, text="fine"):
    usage = {"input_tokens": wish["in"], "output_tokens": wish["out"]}
    content = [{"type": "text", "text": text}] if text else []
    fixed = {"id": "msg_1", "type": "message", "role": "assistant", "stop_sequence": None}
    return {**fixed, "model": body["model"], "content": content, "stop_reason": "end_turn" if text else None, "usage": usage}


def _anthropic_events(body, wish):
    message = _anthropic(body, wish, text="")
    message["usage"]["output_tokens"] = 1
    yield "message_start", {"type": "message_start", "message": message}
    yield "content_block_start", {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for _ in range(wish["chunks"]):
        delta = {"type": "text_delta", "text": "fine "}
        yield "content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}
    yield "content_block_stop", {"type": "content_block_stop", "index": 0}
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    yield "message_delta", {"type": "message_delta", "delta": end, "usage": {"output_tokens": wish["out"]}}
    yield "message_stop", {"type": "message_stop"}


def _ollama(body, wish, text, done=True):
    value = {"model": body["model"], "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", "content": text}, "done": done}
    if done:
        counts = {"prompt_eval_count": wish["in"], "eval_count": wish["out"]}
        value.update(done_reason="stop", total_duration=1, load_duration=1, prompt_eval_duration=1, eval_duration=1, **counts)
    return value


def _ollama_lines(body, wish):
    for _ in range(wish["chunks"]):
        yield _ollama(body, wish, "fine ", done=False)
    yield _ollama(body, wish, "")
