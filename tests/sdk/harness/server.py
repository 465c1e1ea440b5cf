"""The server under test: a real process, with a data directory that outlives it.

- Port 0 everywhere at the first start; the ports it was given are kept over a restart, so that its clients can go on.
- `kill` is SIGKILL: nothing is flushed, nothing is said.
"""

import json
import os
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path

START_TIMEOUT_S = 30


class Server:
    def __init__(self, binary, folder, environment=(), key=None):
        self.binary = str(binary)
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.environment = dict(environment)
        self.headers = {"authorization": "Bearer " + key} if key else {}
        self.addresses = {"otlp_grpc": "127.0.0.1:0", "otlp_http": "127.0.0.1:0", "http": "127.0.0.1:0"}
        self.starts = 0
        self.process = None

    def start(self):
        flags = ["--data-dir", str(self.folder / "data")]
        for name, address in self.addresses.items():
            flags += ["--" + name.replace("_", "-"), address]
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("SESSIONFOLD_", "OTEL_", "WAX"))}
        self.starts += 1
        log = open(self.folder / "server.log", "ab")
        self.process = subprocess.Popen(
            [self.binary, "serve", *flags], stdout=subprocess.PIPE, stderr=log, env={**clean, **self.environment}
        )
        log.close()
        line = self._first_line()
        ready = json.loads(line)
        self.addresses = {name: ready[name] for name in self.addresses}
        return self

    def _first_line(self):
        lines = []
        reader = threading.Thread(target=lambda: lines.append(self.process.stdout.readline()), daemon=True)
        reader.start()
        reader.join(START_TIMEOUT_S)
        if not lines or not lines[0]:
            self.process.kill()
            raise RuntimeError("the server did not start; the end of its log:\n" + self.log()[-2000:])
        return lines[0]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        """Ends it as an operator would; the exit code is the claim that all was drained."""
        if self.process is None or self.process.poll() is not None:
            return self.process and self.process.returncode
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "killed after 20 s"
        finally:
            self.process.stdout.close()
        return self.process.returncode

    def log(self):
        return (self.folder / "server.log").read_text(errors="replace")

    @property
    def url(self):
        return "http://" + self.addresses["http"]

    def get(self, path):
        """(status, body as text)."""
        request = urllib.request.Request(self.url + path, headers=self.headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=20) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")

    def json(self, path):
        status, body = self.get(path)
        if status != 200:
            raise RuntimeError("GET %s answered %d: %s" % (path, status, body[:500]))
        return json.loads(body)
