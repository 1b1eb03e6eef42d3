"""A node as a child process, fed and asked over HTTP as a producer would. Shared by the tests that stop and kill it."""

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import time

import engagement_job as job

READY_SECONDS_MAX = 120
POLL_SECONDS = 0.02
IDLE_SECONDS_MAX = 20  # well below what the node allows a connection
GONE = (ConnectionError, http.client.HTTPException, TimeoutError)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class NodeProcess:
    """`run` first, `start` after a stop or a kill. One connection, kept open while the node lives."""

    def __init__(self, data, log, workers=1, more=()):
        self.data, self.log, self.workers, self.more = data, log, workers, more
        self.port = free_port()
        self.process = None
        self.connection = None
        self.used_at = 0.0
        self.authorization = None  # the header's value

    def run(self, pipeline, settings):
        words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        self._launch(["run", pipeline, *words])

    def start(self):
        self._launch(["start"])

    def _launch(self, arguments):
        command = [job.BINARY, *arguments, "--data", self.data, "--listen", f"127.0.0.1:{self.port}", "--workers", self.workers,
                   *self.more]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log)
        self._wait_until_ready()

    def _wait_until_ready(self):
        limit = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < limit:
            if self.process.poll() is not None:
                raise AssertionError(f"the node ended with {self.process.returncode} before it was ready:\n{self.said()}")
            with contextlib.suppress(OSError, *GONE):
                if self.request("GET", "/readyz")[0] == 200:
                    return
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"the node was not ready after {READY_SECONDS_MAX} s:\n{self.said()}")

    def said(self):
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:]

    def request(self, method, path, body=None, headers=None):
        """(status, body). Raises one of GONE when the node goes away meanwhile."""
        if time.monotonic() - self.used_at > IDLE_SECONDS_MAX:
            self.disconnect()
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=READY_SECONDS_MAX)
        try:
            own = {"Authorization": self.authorization} if self.authorization else {}
            self.connection.request(method, path, body, {**own, **(headers or {})})
            answer = self.connection.getresponse()
            body = answer.read()
            self.used_at = time.monotonic()
            return answer.status, body
        except (OSError, *GONE):
            self.disconnect()
            raise

    def disconnect(self):
        """The next request makes a new connection."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def json(self, method, path, body=None, headers=None):
        status, answer = self.request(method, path, body, headers)
        if status != 200:
            raise AssertionError(f"{method} {path}: {status} {answer.decode(errors='replace')}")
        return json.loads(answer)

    def sql(self, text):
        """The rows of the last statement."""
        return self.json("POST", "/v1/sql", json.dumps({"sql": text}), {"Content-Type": "application/json"})["rows"]

    def append(self, stream, lines, key):
        """Sends lines under an Idempotency-Key; how many the node took."""
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": key}
        answer = self.json("POST", f"/v1/streams/{stream}", b"".join(lines), headers)
        if answer["rejected"]:
            raise AssertionError(f"rejected of {key}: {answer['rejected'][:3]}")
        return answer["accepted"]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM; a node that does not end cleanly is a failure."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.disconnect()
        if code != 0:
            raise AssertionError(f"SIGTERM: exit {code}\n{self.said()}")

    def close(self):
        self.disconnect()
        if self.process is not None and self.process.poll() is None:
            self.kill()
