"""What an orchestrator and a reader see meanwhile: asks `/readyz` and the list from a process of its own, and samples the memory.

`probe.py HOST PORT PID` runs until its standard input ends, then prints what it measured as one JSON object.
"""

import http.client
import json
import os
import sys
import threading
import time

TIMEOUT = 30


class Probe:
    def __init__(self, address, path, interval):
        self.address, self.path, self.interval = address, path, interval
        self.millis, self.failures = [], 0

    def run(self, stop):
        connection = None
        while not stop.is_set():
            started = time.monotonic()
            try:
                connection = connection or http.client.HTTPConnection(*self.address, timeout=TIMEOUT)
                connection.request("GET", self.path)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.failures += 1
            except (OSError, http.client.HTTPException):
                self.failures += 1
                connection = None
            took = time.monotonic() - started
            self.millis.append(took * 1000)
            stop.wait(max(0, self.interval - took))

    def figures(self):
        ordered = sorted(self.millis) or [0]
        rank = lambda share: ordered[min(len(ordered) - 1, int(len(ordered) * share))]
        return {"n": len(self.millis), "p50": rank(0.5), "p99": rank(0.99), "failures": self.failures}


def sample(pid, stop, seen):
    while not stop.is_set():
        try:
            with open(f"/proc/{pid}/statm") as statm:
                seen.append(int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
        except OSError:
            return
        stop.wait(0.05)


def main():
    host, port, pid = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    stop, seen = threading.Event(), []
    ready = Probe((host, port), "/readyz", 0.05)
    listed = Probe((host, port), "/api/v1/observability/sessions/", 0.1)
    threads = [threading.Thread(target=probe.run, args=(stop,)) for probe in (ready, listed)]
    threads.append(threading.Thread(target=sample, args=(pid, stop, seen)))
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    print(json.dumps({"ready": ready.figures(), "list": listed.figures(), "peak": max(seen, default=0)}))


if __name__ == "__main__":
    main()
