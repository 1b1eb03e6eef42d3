"""A view WITH (on_error = 'stop') from outside: the node says where it stands, serves, and goes on when it may."""
import json
import os
import re
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

BINARY = os.environ.get("MILLRACE_BINARY", os.path.join(os.path.dirname(__file__), "../../build/millrace"))
PIPELINE = """CREATE STREAM s (t VARCHAR);
CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM s;
CREATE MATERIALIZED VIEW v WITH (on_error = 'stop') AS SELECT t::INTEGER AS i FROM s;
"""
SECONDS_MAX = 60


class StopOnErrorTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.data = os.path.join(folder.name, "data")
        self.pipeline = os.path.join(folder.name, "p.sql")
        with open(self.pipeline, "w", encoding="utf-8") as file:
            file.write(PIPELINE)
        self.process = None
        self.addCleanup(self.kill)

    def launch(self, *arguments):
        self.process = subprocess.Popen([BINARY, *arguments, "--data", self.data, "--listen", "127.0.0.1:0"],
                                        stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        found = re.search(r"http://\S+", line)
        self.assertTrue(found, line)
        self.url = found.group(0).rstrip("/")

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stderr.close()
            self.process = None

    def ask(self, path, body=None):
        request = urllib.request.Request(self.url + path, body.encode() if body else None)
        request.add_header("Content-Type", "application/json" if path == "/v1/sql" else "application/x-ndjson")
        try:
            with urllib.request.urlopen(request, timeout=SECONDS_MAX) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def sql(self, text):
        return self.ask("/v1/sql", json.dumps({"sql": text}))

    def wait_for(self, path, part):
        limit = time.monotonic() + SECONDS_MAX
        while True:
            status, text = self.ask(path)
            if part in text:
                return status, text
            self.assertLess(time.monotonic(), limit, text)
            time.sleep(0.02)

    def answer(self, statement):
        """Of a statement that is refused for a moment while the node goes back to its last commit."""
        limit = time.monotonic() + SECONDS_MAX
        while True:
            status, text = self.sql(statement)
            if status == 200:
                return json.loads(text)
            self.assertIn("recovers", text)
            self.assertLess(time.monotonic(), limit, text)
            time.sleep(0.02)

    def rows(self, query):
        return self.answer(query)["rows"]

    def test_it_stops_serves_and_goes_on(self):
        self.launch("run", self.pipeline)
        self.assertEqual(self.ask("/v1/streams/s", '{"t":"1"}\n')[0], 200)
        self.assertEqual(self.sql("SYNC")[0], 200)
        self.assertEqual(self.ask("/v1/streams/s", '{"t":"bad"}\n{"t":"2"}\n')[0], 200)
        status, text = self.wait_for("/readyz", "stopped at a row")
        self.assertEqual(status, 503)
        self.assertIn("view v (on_error = 'stop'), operator project, stream s, partition 0, offset 1", text)
        self.assertNotIn("bad", text)  # nothing of the data without a token
        for _ in range(4):  # more than the failed starts that lead to safe mode
            self.kill()
            self.launch("start")
            self.wait_for("/readyz", "offset 1")
            self.assertEqual(self.rows("SELECT n FROM n"), [[1]])
        self.assertEqual(self.ask("/healthz")[0], 200)
        self.assertEqual(self.ask("/v1/streams/s", '{"t":"3"}\n')[0], 200)
        told = subprocess.run([BINARY, "status", "--url", self.url], capture_output=True, text=True, check=True).stdout
        for part in ("stopped: view v", "stopped_error: ", "'bad'", "stopped_hint: DROP MATERIALIZED VIEW v"):
            self.assertIn(part, told)
        status, text = self.sql("SYNC")
        self.assertEqual(status, 503, text)
        self.answer("DROP MATERIALIZED VIEW v")
        self.assertEqual(self.sql("SYNC")[0], 200)
        self.assertEqual(self.rows("SELECT n FROM n"), [[4]])
        self.assertIn("ready", self.ask("/readyz")[1])
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(SECONDS_MAX), 0)

    def test_once_fails_with_the_reason(self):
        events = os.path.join(os.path.dirname(self.pipeline), "events.json")
        with open(events, "w", encoding="utf-8") as file:
            file.write('{"t":"1"}\n{"t":"bad"}\n')
        with open(self.pipeline, "w", encoding="utf-8") as file:
            file.write(PIPELINE.replace("(t VARCHAR)", f"(t VARCHAR) WITH (load = '{events}')"))
        done = subprocess.run([BINARY, "run", self.pipeline, "--data", self.data, "--once"], capture_output=True, text=True,
                              timeout=SECONDS_MAX)
        self.assertEqual(done.returncode, 1)
        self.assertIn("offset 1", done.stderr)


if __name__ == "__main__":
    unittest.main()
