"""The server under attack, as a process of its own, and what it says of itself."""

import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time

TAKES_TO_START = 60


class Server:
    def __init__(self, binary, environment=None):
        self.directory = tempfile.mkdtemp(prefix="sessionfold-attack-")
        self.log = open(os.path.join(self.directory, "log"), "w+b")
        listen = [f"--{name}=127.0.0.1:0" for name in ("otlp-grpc", "otlp-http", "http")]
        self.process = subprocess.Popen(
            [binary, "serve", f"--data-dir={self.directory}/data", *listen],
            stdout=subprocess.PIPE, stderr=self.log, env={**os.environ, **(environment or {})},
        )
        ready = json.loads(self.process.stdout.readline() or b"{}")
        if ready.get("event") != "ready":
            raise RuntimeError(f"the server did not start:\n{self.log_text()}")
        self.http, self.otlp = (self._address(ready[name]) for name in ("http", "otlp_http"))

    @staticmethod
    def _address(text):
        host, port = text.rsplit(":", 1)
        return host, int(port)

    @property
    def pid(self):
        return self.process.pid

    def get(self, path, timeout=120, headers=None):
        connection = http.client.HTTPConnection(*self.http, timeout=timeout)
        try:
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def json(self, path):
        status, _, body = self.get(path)
        if status != 200:
            raise RuntimeError(f"{path} answers {status}: {body[:200]}")
        return json.loads(body)

    def wait_for_runs(self, session, n_runs, seconds=120):
        """Until the index shows the session with so many runs."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status, _, body = self.get(f"/api/v1/observability/sessions/{session}/?limit=1")
            if status == 200 and json.loads(body)["aggregates"]["run_count"] >= n_runs:
                return
            time.sleep(0.5)
        raise RuntimeError(f"{session} did not come to {n_runs} runs in {seconds} s")

    def wait_for_sessions(self, n_sessions, seconds=240):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.json("/api/v1/observability/sessions/?limit=1")["count"] >= n_sessions:
                return
            time.sleep(0.5)
        raise RuntimeError(f"the list did not come to {n_sessions} sessions in {seconds} s")

    def rss(self):
        with open(f"/proc/{self.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def settle(self, seconds=60):
        """Waits for a checkpoint, and until the memory it takes stands still."""
        time.sleep(17)
        deadline = time.monotonic() + seconds
        last = self.rss()
        while time.monotonic() < deadline:
            time.sleep(3)
            now = self.rss()
            if abs(now - last) < 2 << 20:
                return
            last = now

    def index_bytes(self):
        """What the index itself takes, which grows with the sessions and is no part of the bound."""
        _, _, text = self.get("/metrics")
        for line in text.decode().splitlines():
            if line.startswith('sessionfold_memory_bytes{of="index"} '):
                return int(float(line.split()[1]))
        return 0

    def log_text(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-2_000:]

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)
