"""`generate playback --url`: every line is in the stream once, whatever the node answers and whenever it is killed.

Between the two stands a proxy that does one thing to each request, by its number: it answers 503, 429 or 507 itself, lets the node
answer and keeps that answer back, or kills the node before or after the request and starts it again.
"""
import collections
import http.client
import http.server
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import unittest

import engagement_job as job
from node_process import NodeProcess

TITLES = job.SOURCE / "examples/engagement/titles.csv"
OPTIONS = ["--titles", TITLES, "--unit-ms", "2000", "--seed", "7"]
# Without a key a request goes to one partition as a whole, and its retry must find that one.
PIPELINE = "CREATE STREAM playback (line BLOB) WITH (format = 'raw', partitions = 3);"
TROUBLE = {1: "503", 2: "429", 3: "507", 5: "lost answer", 7: "kill before", 9: "kill after", 10: "500"}


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    node = None
    requests = 0
    done: list = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Proxy.requests += 1
        trouble = TROUBLE.get(Proxy.requests)
        if trouble:
            Proxy.done.append(trouble)
        if trouble in ("503", "429", "507", "500"):
            return self.answer(int(trouble), b'{"error":{"code":"57P03","message":"planted"}}')
        if trouble == "kill before":
            Proxy.node.kill()
            Proxy.node.start()
        status, answer = self.forward(body)
        if trouble == "kill after":
            Proxy.node.kill()
            Proxy.node.start()
        if trouble in ("lost answer", "kill after"):
            self.close_connection = True
            return None
        return self.answer(status, answer)

    def forward(self, body):
        connection = http.client.HTTPConnection("127.0.0.1", Proxy.node.port, timeout=120)
        headers = {name: self.headers[name] for name in ("Content-Type", "Idempotency-Key")}
        connection.request("POST", self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def generate(*more):
    command = [job.BINARY, "generate", "playback", *OPTIONS, *more]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stderr}"
    return done.stderr


class GenerateTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "p.sql").write_text(PIPELINE)
        self.node = NodeProcess(self.folder / "data", self.folder / "log")
        self.addCleanup(self.node.close)
        self.node.run(self.folder / "p.sql", {})

    def check_stream(self):
        """The stream holds the lines of the file that the same options give, each as often as there."""
        self.node.sql("SYNC")
        manifest = json.loads((self.folder / "out/manifest.json").read_text())
        self.assertEqual(self.node.sql("SELECT count(*) FROM playback"), [[manifest["lines"]]])
        generate("--out", self.folder / "same")
        wanted = collections.Counter((self.folder / "same/events.ndjson").read_bytes().split(b"\n")[:-1])
        found = collections.Counter()
        for (line,) in self.node.sql("SELECT hex(line) FROM playback"):
            found[bytes.fromhex(line)] += 1
        self.assertEqual(sum((wanted - found).values()), 0, f"lost: {list(wanted - found)[:3]}")
        self.assertEqual(sum((found - wanted).values()), 0, f"repeated: {list(found - wanted)[:3]}")
        self.assertTrue(self.node.json("GET", "/v1/ledger")["closed"])
        return manifest

    def test_straight(self):
        said = generate("--url", f"http://127.0.0.1:{self.node.port}", "--out", self.folder / "out")
        manifest = self.check_stream()
        self.assertIn(f"accepted {manifest['lines']:,} of {manifest['lines']:,} lines", said)
        self.assertFalse((self.folder / "out/events.ndjson").exists())
        self.node.stop()

    def test_through_trouble(self):
        Proxy.node = self.node
        proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            said = generate("--url", f"http://127.0.0.1:{proxy.server_port}", "--out", self.folder / "out")
        finally:
            proxy.shutdown()
            thread.join()
            proxy.server_close()
        self.assertEqual(Proxy.done, list(TROUBLE.values()), "not all of the planned trouble was had")
        manifest = self.check_stream()
        self.assertIn(f"accepted {manifest['lines']:,} of {manifest['lines']:,} lines", said)
        self.assertIn("waiting, for 60 s at most: planted", said)
        self.node.stop()


if __name__ == "__main__":
    unittest.main()
