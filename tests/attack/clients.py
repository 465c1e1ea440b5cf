"""Clients that misbehave: many at once, slow, never reading, or sending what grows."""

import collections
import http.client
import selectors
import socket
import threading
import time

# What nobody answers for longer than this is not in line any more: the longest line of the server is 20 s (docs/limits.md).
LONGEST_WAIT_S = 25


class Outcome:
    """What the attacker got back: answers by status, and whether each refusal said when to come again."""

    def __init__(self):
        self.statuses = collections.Counter()
        self.unadvised = 0
        self.n_bytes = 0
        self._lock = threading.Lock()

    def note(self, status, retry_after=None):
        with self._lock:
            self.statuses[status] += 1
            self.unadvised += status in (429, 503) and not retry_after

    def refusals(self):
        return sum(n for status, n in self.statuses.items() if status in (413, 429, 503))


def at_once(address, paths, outcome, timeout=180):
    """Asks for all of these at the same time, each on a connection of its own, and reads every answer whole."""

    def ask(path):
        connection = http.client.HTTPConnection(*address, timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            outcome.note(answer.status, answer.headers.get("Retry-After"))
            while chunk := answer.read(1 << 16):
                outcome.n_bytes += len(chunk)
        except (OSError, http.client.HTTPException):
            outcome.note("broken")
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def slow_readers(address, path, n_readers, seconds, outcome, accept="*/*", bytes_per_tick=512):
    """Clients with small windows that ask for `path` and take some bytes of the answer four times a second.

    Who is refused comes again a second later, as it was told to.
    """
    asked = f"GET {path} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nAccept: {accept}\r\n\r\n".encode()
    selector = selectors.DefaultSelector()
    readers = {}
    waiting = [0.0] * n_readers

    since = {}

    def leave(sock):
        selector.unregister(sock)
        sock.close()
        del readers[sock]

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and (readers or waiting):
        now = time.monotonic()
        due = sum(at <= now for at in waiting)
        waiting = [at for at in waiting if at > now]
        for _ in range(due):
            sock = _connect(address, asked)
            readers[sock] = b""
            since[sock] = now
            selector.register(sock, selectors.EVENT_READ)
        for key, _ in selector.select(0.05):
            sock = key.fileobj
            try:
                data = sock.recv(bytes_per_tick)
            except OSError:
                data = b""
            outcome.n_bytes += len(data)
            if readers[sock] is not None:
                readers[sock] += data
                if b"\r\n\r\n" in readers[sock] or not data:
                    status = _note(readers[sock], outcome)
                    readers[sock] = None
                    if status == 503:
                        leave(sock)
                        waiting.append(now + 1)
                        continue
            if not data:
                leave(sock)
        time.sleep(0.25)
    for sock, head in readers.items():
        # Whoever came a moment ago still stands in line.
        if head is not None and time.monotonic() - since[sock] > LONGEST_WAIT_S:
            outcome.note("unanswered")
        sock.close()
    selector.close()


def _connect(address, asked):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(30)
    sock.connect(address)
    sock.sendall(asked)
    sock.setblocking(False)
    return sock


def _note(head, outcome):
    """The status, once the head of an answer is there."""
    lines = head.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    words = lines[0].split()
    if len(words) < 2:
        outcome.note("broken")
        return None
    outcome.note(int(words[1]), [line for line in lines if line.lower().startswith("retry-after:")])
    return int(words[1])


def http2_never_read(address, path, n_connections, n_streams, seconds, outcome):
    """Asks over HTTP/2 with a window of zero, so that no byte of any answer can ever be sent, and holds on to all of it."""

    def frame(kind, flags, stream, payload):
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    def literal(name, value):
        return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value

    head = b"".join(
        literal(name, value)
        for name, value in ((b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"localhost"), (b":path", path.encode()))
    )
    opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"\x00\x04" + (0).to_bytes(4, "big"))
    asked = b"".join(frame(1, 0x05, 2 * at + 1, head) for at in range(n_streams))
    sockets = []
    for _ in range(n_connections):
        sock = socket.create_connection(address, timeout=30)
        sock.sendall(opening + frame(4, 1, 0, b"") + asked)
        sock.setblocking(False)
        sockets.append(sock)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for sock in sockets:
            try:
                outcome.n_bytes += len(sock.recv(1 << 16))
            except OSError:
                pass
        time.sleep(0.25)
    for sock in sockets:
        sock.close()
