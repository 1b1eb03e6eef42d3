"""One destination is away (a server that was stopped, a network that swallows everything, a folder that cannot be written) while
others go on: they are not held up, the log keeps what the broken one has not read although its retention would delete it, the
status says who, since when, how often and why, and when the destination is back it gets every row once.
"""

import json
import os
import pathlib
import re
import select
import socket
import tempfile
import threading
import time
import unittest

from node_process import POLL_SECONDS, NodeProcess
from postgres_server import PostgresServer, programs

OPERATIONS = pathlib.Path(__file__).resolve().parents[2] / "docs/operations.md"
SECONDS_MAX = 120
ROWS = 400  # a round

# `copies` has the retention of `lines`, and no broken sink: that its changes go shows that those of `lines` would have gone.
PIPELINE = """
CREATE STREAM orders (id BIGINT, item BIGINT, note VARCHAR) WITH (partitions = 2, key = 'id');
CREATE MATERIALIZED VIEW lines WITH (retention = '1 second') AS SELECT id, item, note FROM orders;
CREATE MATERIALIZED VIEW copies WITH (retention = '1 second') AS SELECT id, note FROM orders;
CREATE MATERIALIZED VIEW totals AS SELECT item, count(*) AS n FROM orders GROUP BY item;
CREATE SINK copies_out FROM copies WITH (connector = 'file', path = 'copies', format = 'ndjson', roll_age = '50 ms');
CREATE SINK totals_out FROM totals WITH (connector = 'file', path = 'totals', format = 'ndjson', mode = 'snapshot');
CREATE SINK files_out FROM lines WITH (connector = 'file', path = '${folder}', format = 'ndjson', roll_age = '50 ms'${more});
"""
POSTGRES_SINK = """
CREATE SINK lines_out FROM lines WITH (connector = 'postgres', url = '${url}', table = 'lines', create_table = true,
  connect_timeout = '1 second', statement_timeout = '1 second');
"""


def order(number):
    return {"id": number, "item": number % 31, "note": f"nr {number}, größer" if number % 7 else None}


class Gate(threading.Thread):
    """Passes bytes on to a port until `shut`; from then on it takes connections and bytes, and answers nothing."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.target = port
        self.shut = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client, self.shut.is_set()), daemon=True).start()

    def serve(self, client, swallowed):
        server = socket.create_connection(("127.0.0.1", self.target))
        while True:
            for ready in select.select([client, server], [], [])[0]:
                try:
                    piece = ready.recv(65536)
                    swallowed = swallowed or self.shut.is_set()
                    if piece and not swallowed:
                        (server if ready is client else client).sendall(piece)
                except OSError:
                    piece = b""
                if not piece:
                    client.close()
                    return server.close()

    def close(self):
        self.listener.close()


class SinkDownTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="millrace_sink_down_")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)
        self.node = NodeProcess(self.path / "data", self.path / "node.log")
        self.addCleanup(self.node.close)
        self.sent = self.savepoints = 0

    def start_server(self):
        if not programs():
            self.skipTest("PostgreSQL is not installed: tools/setup.sh tests")
        self.server = PostgresServer(self.path / "server")
        self.addCleanup(self.server.close)
        self.server.start()

    def run_node(self, text, **settings):
        pipeline = self.path / "pipeline.sql"
        pipeline.write_text(text, encoding="utf-8")
        self.node.run(pipeline, {"folder": "lines", "more": "", **settings})

    def until(self, what, condition):
        limit = time.monotonic() + SECONDS_MAX
        while not condition():
            if time.monotonic() > limit:
                self.fail(f"{what}: not within {SECONDS_MAX} s; sinks: {self.sinks()}; log: {self.node.said()}")
            time.sleep(POLL_SECONDS)

    def sinks(self):
        return {sink["name"]: sink for sink in self.node.json("GET", "/v1/status")["sinks"]}

    def send(self):
        lines = [json.dumps(order(n)).encode() + b"\n" for n in range(self.sent, self.sent + ROWS)]
        self.node.append("orders", lines, f"from {self.sent}")
        self.sent += ROWS
        self.node.sql("SYNC")

    def first_segment(self, view):
        """The offset at which the stored changes of a view begin."""
        for stream in (self.node.data / "log").iterdir():
            if f"name {view}%24changes\n" in (stream / "stream").read_text():
                return min(int(file.stem) for file in (stream / "0").glob("*.seg"))
        self.fail(f"no changelog of {view}")

    def retention_took(self, view):
        """Retention goes with checkpoints, and a savepoint makes one."""
        self.savepoints += 1
        self.node.json("POST", f"/v1/savepoint?name=s{self.savepoints}")
        return self.first_segment(view) > 0

    def read_files(self, folder):
        rows = []
        for path in sorted((self.path / folder).glob("*.ndjson")):
            rows += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return sorted(rows, key=lambda row: row.get("id", row.get("item")))

    def check(self, broken, break_it, mend_it, says, restart=True):
        """The whole story of sink `broken` of the view lines; `restart`: the node is killed in the middle of it."""
        others = [name for name in self.sinks() if name != broken]
        self.send()
        self.until("all delivered", lambda: all(sink["lag"] == 0 and sink["state"] == "running" for sink in self.sinks().values()))
        break_it()
        for _ in range(3):
            self.send()
            self.until("others", lambda: all(self.sinks()[name]["lag"] == 0 for name in others))
        self.until("noticed", lambda: self.sinks()[broken]["failed_attempts"] >= 2)
        self.until("retention of what was read", lambda: self.retention_took("copies"))
        self.assertEqual(self.first_segment("lines"), 0)
        self.assert_named(broken, says)
        self.send()
        self.until("others", lambda: all(self.sinks()[name]["lag"] == 0 for name in others))
        if restart:
            self.node.kill()
            self.node.start()
            self.until("noticed again", lambda: self.sinks()[broken]["failed_attempts"] >= 1)
            self.assertEqual(self.first_segment("lines"), 0)
        mend_it()
        self.until("caught up", lambda: self.sinks()[broken]["lag"] == 0 and self.sinks()[broken]["state"] == "running")
        self.send()
        self.until("all delivered", lambda: all(sink["lag"] == 0 for sink in self.sinks().values()))
        sink = self.sinks()[broken]
        self.assertEqual((sink["failing_since"], sink["failed_attempts"]), (None, 0))
        self.until("retention of what was read late", lambda: self.retention_took("lines"))
        self.assertEqual(self.node.json("GET", "/v1/ledger")["open"], [])

    def assert_named(self, broken, says):
        sinks = self.sinks()
        for name, sink in sinks.items():
            if name != broken:
                self.assertEqual((sink["state"], sink["failing_since"], sink["last_error"]), ("running", None, None), name)
                self.assertIsNotNone(sink["delivered_at"])
        sink = sinks[broken]
        self.assertIn(says, sink["last_error"])
        self.assertEqual(sink["state"], "failing: " + sink["last_error"])
        self.assertEqual(sink["lag"], 3 * ROWS)
        self.assertLess(sink["delivered_at"], sink["failing_since"])
        self.assertLess(sink["failing_since"], self.node.json("GET", "/v1/status")["time"])
        status, said = self.node.request("GET", "/healthz")
        self.assertEqual(status, 200)
        self.assertIn(f"sink {broken}: failing since {sink['failing_since']}, ", said.decode())
        self.assertIn(f"{3 * ROWS} behind", said.decode())

    def assert_delivered(self):
        expected = [order(n) for n in range(self.sent)]
        self.assertEqual(self.read_files("lines"), expected)
        self.assertEqual(self.read_files("copies"), [{"id": row["id"], "note": row["note"]} for row in expected])
        self.assertEqual([row["n"] for row in self.read_files("totals")], [len(range(item, self.sent, 31)) for item in range(31)])

    def assert_a_later_sink_is_no_loss(self):
        """One that is made when retention took the older changes of its view begins at the first that is kept."""
        kept = self.sent - self.first_segment("lines")
        text = "CREATE SINK later FROM lines WITH (connector = 'file', path = 'later', format = 'ndjson', roll_age = '50 ms')"
        self.node.sql(text)
        self.send()
        self.until("delivered", lambda: self.sinks()["later"]["lag"] == 0)
        self.assertEqual(self.read_files("later"), [order(n) for n in range(self.sent - kept - ROWS, self.sent)])
        self.until("closed books", lambda: self.node.json("GET", "/v1/ledger")["open"] == [])
        self.node.kill()
        self.node.start()
        self.until("closed books", lambda: self.node.json("GET", "/v1/ledger")["open"] == [])

    def assert_table(self):
        there = sorted(self.server.rows("lines", ["id", "item", "note"]), key=lambda row: int(row[0]))
        self.assertEqual(there, [[str(row["id"]), str(row["item"]), row["note"]] for row in map(order, range(self.sent))])

    def test_server_stopped(self):
        self.start_server()
        self.run_node(PIPELINE + POSTGRES_SINK, url=self.server.url())
        self.check("lines_out", lambda: self.server.stop("immediate"), self.server.start, "onnection")
        self.assert_delivered()
        self.assert_table()

    def test_network_swallows_everything(self):
        self.start_server()
        gate = Gate(self.server.port)
        self.addCleanup(gate.close)
        gate.start()
        self.run_node(PIPELINE + POSTGRES_SINK, url=self.server.url().replace(str(self.server.port), str(gate.port)))
        self.check("lines_out", gate.shut.set, gate.shut.clear, "", restart=False)
        self.assert_delivered()
        self.assert_table()

    def block_folder(self):
        (self.path / "lines").rename(self.path / "away")
        (self.path / "lines").write_text("in the way of the folder")

    def free_folder(self):
        (self.path / "lines").unlink()
        (self.path / "away").rename(self.path / "lines")

    def test_folder_that_cannot_be_written(self):
        self.run_node(PIPELINE)
        self.check("files_out", self.block_folder, self.free_folder, str(self.path / "lines"))
        self.assert_delivered()

    def test_what_is_given_up_is_counted_and_named(self):
        self.run_node(PIPELINE, more=", give_up_after = '1 second'")
        self.send()
        self.until("delivered", lambda: self.sinks()["files_out"]["lag"] == 0)
        self.block_folder()
        self.send()
        self.until("given up", lambda: self.sinks()["files_out"]["lost"] == ROWS)
        self.assertEqual(self.sinks()["files_out"]["lag"], 0)
        self.until("retention of what was given up", lambda: self.retention_took("lines"))
        self.node.kill()
        self.node.start()
        self.until("noticed again", lambda: self.sinks()["files_out"]["failed_attempts"] >= 1)
        self.assertEqual((self.sinks()["files_out"]["lost"], self.sinks()["files_out"]["lag"]), (ROWS, 0))
        self.free_folder()
        self.until("back", lambda: self.sinks()["files_out"]["state"] == "running")
        self.send()
        self.until("delivered", lambda: self.sinks()["files_out"]["lag"] == 0)
        self.assertEqual(self.read_files("lines"), [order(n) for n in range(self.sent) if not ROWS <= n < 2 * ROWS])
        self.assertEqual(self.node.json("GET", "/v1/ledger")["open"], [])
        totals = self.node.sql("SELECT hop, sum(count)::BIGINT FROM _ledger WHERE stream = 'lines' GROUP BY hop ORDER BY hop")
        self.assertEqual(totals, [["changelog", 3 * ROWS], ["lost:files_out", ROWS], ["sink:files_out", 2 * ROWS]])
        self.assert_a_later_sink_is_no_loss()
        _, metrics = self.node.request("GET", "/metrics")
        self.assertIn(f'millrace_sink_lost_rows{{sink="files_out"}} {ROWS}\n', metrics.decode())
        named = set(re.findall(r"millrace_[a-z_]+[a-z](?=[ `{])", OPERATIONS.read_text(encoding="utf-8")))
        self.assertGreater(len(named), 20)
        loads = {name for name in named if name.startswith("millrace_load_")}  # of pipelines that load a file; test_commands.py
        self.assertEqual([name for name in sorted(named - loads) if name not in metrics.decode()], [])


if __name__ == "__main__":
    unittest.main()
