"""The server's side of WebSocket (RFC 6455), as much as a model API needs of it: text, whole or in parts, and the end."""

import base64
import hashlib
import struct

ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUED, TEXT, CLOSE, PING, PONG = 0x0, 0x1, 0x8, 0x9, 0xA


def is_asked_for(headers):
    return (headers.get("upgrade") or "").lower() == "websocket"


def accept(handler):
    key = handler.headers["sec-websocket-key"].encode()
    handler.send_response(101)
    handler.send_header("upgrade", "websocket")
    handler.send_header("connection", "Upgrade")
    handler.send_header("sec-websocket-accept", base64.b64encode(hashlib.sha1(key + ACCEPT).digest()).decode())
    handler.end_headers()
    handler.close_connection = True


def texts(handler):
    """Each text that comes, until the other side ends it."""
    text = b""
    while True:
        is_last, kind, data = _frame(handler.rfile)
        if kind == CLOSE or kind is None:
            return
        if kind == PING:
            _write(handler.wfile, PONG, data)
        elif kind in (TEXT, CONTINUED):
            text += data
            if is_last:
                yield text.decode()
                text = b""


def send(handler, text):
    _write(handler.wfile, TEXT, text.encode())


def _frame(file):
    head = file.read(2)
    if len(head) < 2:
        return True, None, b""
    size = head[1] & 0x7F
    if size >= 126:
        size = struct.unpack(">H" if size == 126 else ">Q", file.read(2 if size == 126 else 8))[0]
    mask = file.read(4)
    data = file.read(size)
    # As one number, since a request of an agent is long.
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return bool(head[0] & 0x80), head[0] & 0x0F, (int.from_bytes(data, "big") ^ key).to_bytes(size, "big")


def _write(file, kind, data):
    size = bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack(">H", len(data)) if len(data) < 1 << 16 else b"\x7f" + struct.pack(">Q", len(data))
    file.write(bytes([0x80 | kind]) + size + data)
    file.flush()
