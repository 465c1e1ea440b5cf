"""The attacks: what each prepares, and what it then does while others want answers.

Every attack is bounded in number and time and goes to one address, which is always the server that the runner started here.
"""

import gzip
import threading
import time
import zlib

import clients
import otlp

AGENTS = "/api/v1/observability/agents/"
QUERY_AGENTS = "/api/v1/observe/query/agents/"
USERS = "/api/v1/observability/users/"
LONG = "long-session"


class Attack:
    """`scale` is 1 for the sizes that were first measured, and less for the bounded set."""

    name = ""
    what = ""

    def __init__(self, scale, seconds):
        self.scale, self.seconds = scale, seconds

    def sized(self, number):
        return max(1, int(number * self.scale))

    def prepare(self, server):
        pass

    def run(self, server, outcome):
        raise NotImplementedError


class Lists(Attack):
    name = "lists"
    what = "300,000 runs of distinct agents and users, then each list asked by 16 at once"

    def prepare(self, server):
        n = self.sized(300_000)
        spans = (otlp.span(f"session-{at}", f"agent-{at:07}", f"user-{at:07}") for at in range(n))
        otlp.fill(server.otlp, spans)
        server.wait_for_sessions(n)

    def run(self, server, outcome):
        for path in (AGENTS, QUERY_AGENTS, USERS, "/sessions"):
            clients.at_once(server.http, [path] * 16, outcome)


class LongSession(Attack):
    def prepare(self, server):
        n = self.sized(100_000)
        otlp.fill(server.otlp, (otlp.span(LONG, f"agent-{at % 50}", f"user-{at % 200}", age=3600 - at * 0.02) for at in range(n)))
        server.wait_for_runs(LONG, n)

    def grow(self, server, until):
        """Adds some runs to the session twice a second."""
        while time.monotonic() < until:
            otlp.post(server.otlp, otlp.request([otlp.span(LONG, "agent-1", age=0.1) for _ in range(20)]))
            time.sleep(0.5)


class CsvReaders(LongSession):
    name = "csv"
    what = "120 slow readers of the CSV of a session of 100,000 runs"

    def run(self, server, outcome):
        clients.slow_readers(server.http, f"/sessions/{LONG}?format=csv", 120, self.seconds, outcome)


class JsonAndStreams(LongSession):
    name = "json"
    what = "40 slow readers of its JSON, and 300 live streams of it while it grows"

    def run(self, server, outcome):
        until = time.monotonic() + self.seconds
        detail = f"/api/v1/observability/sessions/{LONG}/"
        page = f"/sessions/{LONG}"
        threads = [
            threading.Thread(target=self.grow, args=(server, until)),
            threading.Thread(target=clients.slow_readers, args=(server.http, detail, 40, self.seconds, outcome)),
            threading.Thread(target=clients.slow_readers, args=(server.http, page, 300, self.seconds, outcome, "text/event-stream", 4096)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


class LivePages(LongSession):
    name = "live"
    what = "40 live pages of it"

    def run(self, server, outcome):
        growing = threading.Thread(target=self.grow, args=(server, time.monotonic() + self.seconds))
        growing.start()
        page = f"/sessions/{LONG}"
        clients.slow_readers(server.http, page, 40, self.seconds, outcome, "text/event-stream", 1 << 16)
        growing.join()


class Flood(Attack):
    name = "flood"
    what = "120 s flat out, 4 senders"

    def run(self, server, outcome):
        # Made beforehand, so that it is the server that sets the pace; the ids of the copies are different.
        until = time.monotonic() + (120 if self.scale == 1 else 10)
        threads = [threading.Thread(target=self.send, args=(server, number, until, outcome)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def send(self, server, number, until, outcome):
        import http.client

        connection = http.client.HTTPConnection(*server.otlp, timeout=60)
        mark = b"MARK%03d-" % number
        template = otlp.request([otlp.span(f"flood-{at % 400}", "agent", trace=mark + at.to_bytes(8, "big")) for at in range(2_000)])
        n_sent = 0
        while time.monotonic() < until:
            n_sent += 1
            body = template.replace(mark, number.to_bytes(2, "big") + n_sent.to_bytes(6, "big"))
            status, wait = otlp.post_on(connection, body)
            outcome.note(status, wait)
            if status != 200:
                time.sleep(min(max(wait, 0.1), 5))
        connection.close()


class Http2(Attack):
    name = "http2"
    what = "50,000 HTTP/2 answers never read"

    def prepare(self, server):
        otlp.fill(server.otlp, (otlp.span(f"session-{at}", f"agent-{at}") for at in range(200)))
        server.wait_for_sessions(200)

    def run(self, server, outcome):
        clients.http2_never_read(server.http, "/api/v1/observability/sessions/", self.sized(200), 250, self.seconds, outcome)


class ManyAgents(Attack):
    name = "agents"
    what = "one session with 120,000 agents, and its row asked for by 8 at once"

    def prepare(self, server):
        n = self.sized(120_000)
        otlp.fill(server.otlp, (otlp.span("crowd", f"agent-{at:07}") for at in range(n)))
        server.wait_for_runs("crowd", n)

    def run(self, server, outcome):
        until = time.monotonic() + self.seconds / 2
        while time.monotonic() < until:
            clients.at_once(server.http, ["/sessions"] * 4 + ["/api/v1/observability/sessions/"] * 4, outcome)


class LargeTrace(Attack):
    name = "trace"
    what = "a trace of 400,200 spans, its page asked for by 4 at once"
    trace = b"\x07" * 16

    def prepare(self, server):
        n = self.sized(400_200)
        root = otlp.span("large", "agent", trace=self.trace)
        inner = (otlp.span("large", None, trace=self.trace, parent=b"\1" * 8, operation="chat") for _ in range(n - 1))
        otlp.fill(server.otlp, [root])
        otlp.fill(server.otlp, inner)
        server.wait_for_sessions(1)

    def run(self, server, outcome):
        path = f"/traces/{self.trace.hex()}"
        for _ in range(2):
            clients.at_once(server.http, [path, f"{path}?offset=20000"] * 2, outcome)


class Bombs(Attack):
    name = "bombs"
    what = "gzip and deflate bombs of 200 MiB, 32 at once, 960 in all"

    def run(self, server, outcome):
        zeros = bytes(200 << 20)
        bombs = [("gzip", gzip.compress(zeros, 9)), ("deflate", zlib.compress(zeros, 9))]
        del zeros
        rounds = self.sized(30)

        def send(at):
            for _ in range(rounds):
                coding, body = bombs[at % len(bombs)]
                try:
                    outcome.note(*otlp.post(server.otlp, body, {"Content-Encoding": coding}))
                except OSError:
                    outcome.note("broken")

        threads = [threading.Thread(target=send, args=(at,)) for at in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


ATTACKS = (Lists, CsvReaders, JsonAndStreams, LivePages, Flood, Http2, ManyAgents, LargeTrace, Bombs)
