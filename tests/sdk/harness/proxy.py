"""One address between the SDK and the server: what the agent's machine would see of the network.

- Every request is kept, in order: method, path, headers, body, status, answer.
- `rule(request)` may answer in the server's place, before it is asked.
- `after(request)` is called once the server has answered and before the agent hears of it, which is when a server can be killed
  between two calls. It may return another answer, which is then the one that the agent hears.
- With `serial`, one request is passed on at a time, so that "between two calls" is a place.
- It does not retry and does not mend: what the server does is what the agent sees. A connection that breaks is broken.
- The `Host` header is passed on, since `config/` answers with the address that the client used.
"""

import http.client
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler

from .quiet import QuietServer

# What belongs to one connection and not to the message.
HOP = ("connection", "content-length", "transfer-encoding")


class Proxy:
    def __init__(self, address, rule=None, after=None, serial=False):
        self.address = address
        self.rule = rule
        self.after = after
        self.serial = threading.Lock() if serial else None
        self.requests = []
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"proxy": self})
        self.server = QuietServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def keep(self, request):
        with self.lock:
            request["n"] = len(self.requests) + 1
            self.requests.append(request)

    def posts(self, part):
        """The kept requests whose path holds `part`."""
        with self.lock:
            return [request for request in self.requests if part in request["path"]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        body = self.body()
        request = {"time": time.time(), "method": self.command, "path": self.path, "headers": dict(self.headers), "body": body}
        request.update(status=None, answer=b"")
        if self.proxy.serial:
            with self.proxy.serial:
                self.pass_on(request)
        else:
            self.pass_on(request)

    do_POST = do_PUT = do_DELETE = do_GET

    def body(self):
        if "chunked" not in (self.headers.get("transfer-encoding") or "").lower():
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        return b"".join(iter(self.chunk, b""))

    def chunk(self):
        data = self.rfile.read(int(self.rfile.readline(), 16))
        self.rfile.readline()
        return data

    def pass_on(self, request):
        self.proxy.keep(request)
        instead = self.proxy.rule and self.proxy.rule(request)
        if not instead:
            try:
                status, headers, data = self.ask(request["body"])
            except (OSError, http.client.HTTPException) as error:
                request["status"] = "broken: %r" % error
                return self.hang_up()
            request["server_status"] = status
            instead = self.proxy.after and self.proxy.after(request)
        if instead:
            status, value = instead
            headers, data = {"content-type": "application/json"}, json.dumps(value).encode()
        self.answer(request, status, headers, data)

    def ask(self, body):
        connection = http.client.HTTPConnection(self.proxy.address, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for key, value in self.headers.items():
                if key.lower() not in HOP:
                    connection.putheader(key, value)
            connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            data = response.read()
            return response.status, {key: value for key, value in response.getheaders() if key.lower() not in HOP}, data
        finally:
            connection.close()

    def answer(self, request, status, headers, data):
        request.update(status=status, answer=data)
        try:
            self.send_response_only(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError as error:
            request["status"] = "the agent hung up: %r" % error

    def hang_up(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
