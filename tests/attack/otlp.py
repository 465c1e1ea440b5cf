"""OTLP requests made by hand: runs of agents, as many as an attack needs, without a dependency."""

import http.client
import itertools
import os
import time

_ids = itertools.count(1)
_SALT = os.urandom(8)


def _varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number, payload):
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _attribute(key, value):
    return _field(9, _field(1, key.encode()) + _field(2, _field(1, value.encode())))


def span(session, agent, user=None, trace=None, parent=b"", operation="invoke_agent", age=1.0, tokens=100):
    """One span that is a run: a root span of an agent with a session, a model and tokens, `age` seconds old."""
    number = next(_ids)
    trace = trace or _SALT + number.to_bytes(8, "big")
    start = time.time_ns() - int(age * 1e9)
    ids = _field(1, trace) + _field(2, number.to_bytes(8, "big")) + (_field(4, parent) if parent else b"")
    times = b"\x39" + start.to_bytes(8, "little") + b"\x41" + (start + 1_000_000).to_bytes(8, "little")
    said = _attribute("session.id", session) + _attribute("gen_ai.operation.name", operation)
    if agent:
        said += _attribute("gen_ai.agent.name", agent)
    if user:
        said += _attribute("user.id", user)
    usage = _field(9, _field(1, b"gen_ai.usage.input_tokens") + _field(2, b"\x18" + _varint(tokens)))
    return _field(2, ids + _field(5, b"invoke_agent") + times + said + usage)


def request(spans):
    scope = _field(1, _field(1, b"attack"))
    return _field(1, _field(2, scope + b"".join(spans)))


def post(address, body, headers=None):
    """Sends one request; gives the status and the seconds after which to come again (0 if none are named)."""
    connection = http.client.HTTPConnection(*address, timeout=60)
    try:
        return post_on(connection, body, headers)
    finally:
        connection.close()


def post_on(connection, body, headers=None):
    connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf", **(headers or {})})
    answer = connection.getresponse()
    answer.read()
    return answer.status, int(answer.headers.get("Retry-After") or 0)


def fill(address, spans, batch=2_000):
    """Sends all of these spans and waits whenever it is told to."""
    connection = http.client.HTTPConnection(*address, timeout=60)
    spans = iter(spans)
    while chunk := list(itertools.islice(spans, batch)):
        body = request(chunk)
        for _ in range(600):
            status, wait = post_on(connection, body)
            if status == 200:
                break
            time.sleep(max(wait, 0.2))
        else:
            raise RuntimeError(f"the server did not take its data: {status}")
    connection.close()
