"""Views into a real PostgreSQL, with kills -9 of the node and immediate stops of the server in the middle of it: every table
is cell by cell what the view is. MILLRACE_POSTGRES_CYCLES is how many kills of each, MILLRACE_SEED repeats a run.
"""

import json
import os
import pathlib
import random
import tempfile
import threading
import time
import unittest

from node_process import GONE, POLL_SECONDS, NodeProcess
from postgres_server import PostgresServer, programs

CYCLES = int(os.environ.get("MILLRACE_POSTGRES_CYCLES", "3"))
SECONDS_MAX = 120
RATE_ROWS = 200000
ITEMS = 997
NOTES = ("plain", "tab\tand\\slash", "new\nline", "Größe 大きさ", "quote \" and '", None)

PIPELINE = """
CREATE STREAM orders (id BIGINT, item BIGINT, amount BIGINT, price DOUBLE, note VARCHAR, tags VARCHAR[], happened TIMESTAMP)
  WITH (partitions = 2, key = 'id');
CREATE MATERIALIZED VIEW lines AS SELECT id, item, amount, price, note, tags, happened FROM orders;
CREATE MATERIALIZED VIEW totals AS
  SELECT item, count(*) AS n, sum(amount) AS total, max(note) AS note FROM orders GROUP BY item HAVING sum(amount) % 3 <> 0;
CREATE SINK lines_out FROM lines WITH (connector = 'postgres', url = '${url}', table = 'lines', create_table = true);
CREATE SINK totals_out FROM totals
  WITH (connector = 'postgres', url = '${url}', table = 'public.totals', mode = 'upsert', create_table = true);
CREATE SINK totals_copy FROM totals
  WITH (connector = 'postgres', url = '${url}', table = 'totals_copy', mode = 'snapshot', every = '200 ms', create_table = true);
CREATE SINK changes_out FROM totals
  WITH (connector = 'postgres', url = '${url}', table = 'changes', mode = 'changes', create_table = true);
"""


def as_text(value):
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return "{" + ",".join(f'"{item}"' if " " in item else item for item in value) + "}"
    return str(value)


def order(number):
    return {"id": number, "item": number * 7919 % ITEMS if number % 11 else None, "amount": number % 1000,
            "price": number / 8, "note": NOTES[number % len(NOTES)], "tags": ["a b", f"t{number % 5}"],
            "happened": f"2025-01-01T00:00:{number % 60:02}.{number % 1000:03}Z"}


class Producer(threading.Thread):
    """Sends orders until told to stop; a request that broke off is sent again under its key."""

    def __init__(self, node, lines_each=200):
        super().__init__()
        self.node, self.lines_each = node, lines_each
        self.sent = 0
        self.ended = threading.Event()
        self.failure = None

    def run(self):
        try:
            while not self.ended.is_set():
                lines = [json.dumps(order(n)).encode() + b"\n" for n in range(self.sent, self.sent + self.lines_each)]
                self.send(lines, f"batch-{self.sent}")
                self.sent += self.lines_each
                self.ended.wait(POLL_SECONDS)  # a rate that leaves the kills in the middle of deliveries
        except Exception as failure:  # shown by the test
            self.failure = failure

    def send(self, lines, key):
        limit = time.monotonic() + SECONDS_MAX
        while time.monotonic() < limit:
            try:
                return self.node.append("orders", lines, key)
            except (OSError, *GONE):
                time.sleep(POLL_SECONDS)
        raise AssertionError(f"the node did not take {key}")


@unittest.skipUnless(programs(), "PostgreSQL is not installed: tools/setup.sh tests")
class PostgresTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="millrace_postgres_")
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)
        self.server = PostgresServer(self.path / "server")
        self.addCleanup(self.server.close)
        self.server.start()
        self.node = NodeProcess(self.path / "data", self.path / "node.log")
        self.addCleanup(self.node.close)

    def run_node(self, text, **settings):
        pipeline = self.path / "pipeline.sql"
        pipeline.write_text(text, encoding="utf-8")
        self.node.run(pipeline, {"url": self.server.url(), **settings})

    def sinks(self):
        return {sink["name"]: sink for sink in self.node.json("GET", "/v1/status")["sinks"]}

    def until(self, what, condition):
        limit = time.monotonic() + SECONDS_MAX
        while time.monotonic() < limit:
            if condition():
                return
            time.sleep(POLL_SECONDS)
        self.fail(f"{what}: not within {SECONDS_MAX} s; sinks: {self.sinks()}; log: {self.node.said()}")

    def wait_for_orders(self, producer, chance):
        """Until a random number of requests more is acked."""
        goal = producer.sent + chance.randint(2, 16) * producer.lines_each
        self.until("more orders", lambda: producer.sent >= goal or producer.failure)

    def wait_until_delivered(self):
        self.node.sql("SYNC")
        self.until("delivered", lambda: all(s["lag"] == 0 and s["state"] == "running" for s in self.sinks().values()))

    def assert_equal_to_view(self, table, view, columns):
        there = sorted(self.server.rows(table, columns), key=str)
        here = sorted(([as_text(value) for value in row] for row in self.node.sql(f"SELECT {', '.join(columns)} FROM {view}")), key=str)
        here = [[text.replace("T", " ").rstrip("Z") if name == "happened" else text for name, text in zip(columns, row)] for row in here]
        floats = [i for i, name in enumerate(columns) if name == "price"]
        for rows in (here, there):
            for row in rows:
                for i in floats:
                    row[i] = float(row[i])
                if "happened" in columns:
                    at = columns.index("happened")
                    row[at] = row[at].rstrip("0").rstrip(".") if "." in row[at] else row[at]
        here, there = sorted(here, key=str), sorted(there, key=str)
        self.assertEqual(len(there), len(here), f"{table}: rows")
        for left, right in zip(there, here):
            self.assertEqual(left, right, table)

    def assert_books_closed(self):
        ledger = self.node.json("GET", "/v1/ledger")
        self.assertEqual(ledger["open"], [])

    def test_kills_of_either_side(self):
        seed = int(os.environ.get("MILLRACE_SEED", time.time_ns() % 1000000))
        print(f"MILLRACE_SEED={seed} MILLRACE_POSTGRES_CYCLES={CYCLES}", flush=True)
        chance = random.Random(seed)
        self.run_node(PIPELINE)
        # A second connection for the producer: a request of the test must not wait for one of its.
        feed = NodeProcess(self.path / "data", self.path / "node.log")
        feed.port = self.node.port
        producer = Producer(feed)
        producer.start()
        try:
            for _ in range(CYCLES):
                self.wait_for_orders(producer, chance)
                self.node.kill()
                self.node.start()
                self.wait_for_orders(producer, chance)
                self.server.stop("immediate")
                if chance.random() < 0.5:
                    self.node.kill()
                    self.node.start()
                self.server.start()
        finally:
            producer.ended.set()
            producer.join()
            feed.close()
        self.assertIsNone(producer.failure)
        self.assertGreater(producer.sent, 0)
        self.wait_until_delivered()
        self.until("the snapshot", lambda: self.sinks()["totals_copy"]["lag"] == 0)
        self.assertEqual(self.server.sql("SELECT count(*), count(DISTINCT id) FROM lines"), [f"{producer.sent}|{producer.sent}"])
        self.assert_equal_to_view("lines", "lines", ["id", "item", "amount", "price", "note", "tags", "happened"])
        self.assert_equal_to_view("totals", "totals", ["item", "n", "total", "note"])
        self.assert_equal_to_view("totals_copy", "totals", ["item", "n", "total", "note"])
        folded = ("(SELECT item, n, total, note FROM changes GROUP BY 1, 2, 3, 4 "
                  "HAVING sum(CASE WHEN _op IN ('+I', '+U') THEN 1 ELSE -1 END) = 1) f")
        self.assert_equal_to_view(folded, "totals", ["item", "n", "total", "note"])
        self.assert_books_closed()
        self.node.stop()
        self.node.start()
        self.assert_books_closed()
        print(f"{producer.sent} orders, {self.server.sql('SELECT count(*) FROM changes')[0]} changes, {2 * CYCLES} kills", flush=True)

    def test_rows_a_second(self):
        self.run_node("""
            CREATE STREAM orders (id BIGINT, item BIGINT, amount BIGINT, price DOUBLE, note VARCHAR, tags VARCHAR[], happened TIMESTAMP);
            CREATE MATERIALIZED VIEW lines AS SELECT id, item, amount, price, note, happened FROM orders;
            CREATE MATERIALIZED VIEW latest AS SELECT id, max(amount) AS amount, max(note) AS note FROM orders GROUP BY id;
            CREATE SINK lines_out FROM lines WITH (connector = 'postgres', url = '${url}', table = 'lines', create_table = true);
            CREATE SINK latest_out FROM latest
              WITH (connector = 'postgres', url = '${url}', table = 'latest', mode = 'upsert', create_table = true);""")
        self.server.stop()
        for first in range(0, RATE_ROWS, 20000):
            self.node.append("orders", [json.dumps(order(n)).encode() + b"\n" for n in range(first, first + 20000)], f"k{first}")
        self.node.sql("SYNC")
        self.until("failing", lambda: all(s["state"].startswith("failing") for s in self.sinks().values()))
        self.assertEqual({s["lag"] for s in self.sinks().values()}, {RATE_ROWS})
        self.server.start()
        started = time.monotonic()
        self.until("rows", lambda: all(s["rows"] > 0 for s in self.sinks().values()))
        first = time.monotonic()
        before = sum(s["rows"] for s in self.sinks().values())
        self.until("delivered", lambda: all(s["lag"] == 0 for s in self.sinks().values()))
        ended = time.monotonic()
        rows = 2 * RATE_ROWS - before
        print(f"two sinks at once, append and upsert: {rows / max(ended - first, 1e-3):,.0f} rows/s; "
              f"{first - started:.1f} s until they were back", flush=True)
        self.assertEqual(self.server.sql("SELECT count(*) FROM lines"), [str(RATE_ROWS)])
        self.assertEqual(self.server.sql("SELECT count(*) FROM latest"), [str(RATE_ROWS)])

    def test_the_table_is_checked_and_the_password_hidden(self):
        self.server.sql("CREATE TABLE narrow (id bigint, amount smallint); CREATE TABLE loose (id bigint UNIQUE, amount bigint)")
        self.run_node("""
            CREATE STREAM orders (id BIGINT, amount BIGINT);
            CREATE MATERIALIZED VIEW best AS SELECT id, max(amount) AS amount FROM orders GROUP BY id;""")
        url = self.server.url("s3cret")

        def create(table, more=""):
            text = f"CREATE SINK s FROM best WITH (connector = 'postgres', url = '{url}', table = '{table}', mode = 'upsert'{more})"
            status, answer = self.node.request("POST", "/v1/sql", json.dumps({"sql": text}), {"Content-Type": "application/json"})
            self.assertNotIn("s3cret", answer.decode())
            return answer.decode() if status != 200 else ""

        self.assertIn("there is no table", create("nowhere"))
        self.assertIn("column amount: BIGINT does not fit into smallint", create("narrow"))
        self.assertIn("several rows whose key is NULL", create("loose"))
        self.server.sql("ALTER TABLE loose ALTER id SET NOT NULL")
        self.assertEqual(create("loose"), "")
        self.assertIn("***", create("loose", ", batch_rows = 7") + self.node.sql("SHOW CREATE s")[0][0])
        self.assertNotIn("s3cret", str(self.node.sql("SHOW CREATE s")) + json.dumps(self.sinks()) + self.node.said())
        # Another data directory under the same name, and then the first one as a writer that was taken over from.
        self.node.append("orders", [b'{"id": 1, "amount": 5}\n'], "a")
        self.wait_until_delivered()
        self.server.sql("UPDATE millrace_positions SET fence = fence + 1, owner = 'another'")
        self.node.append("orders", [b'{"id": 1, "amount": 6}\n'], "b")
        self.until("fenced", lambda: "another process has taken over" in self.sinks()["s"]["state"])
        self.assertEqual(self.server.sql("SELECT amount FROM loose"), ["5"])
        self.node.kill()
        self.node.start()
        self.wait_until_delivered()
        self.assertEqual(self.server.sql("SELECT amount FROM loose"), ["6"])

    def test_refused_rows_are_dead_letters_and_go_again(self):
        self.server.sql("CREATE TABLE scores (id bigint PRIMARY KEY, points int CHECK (points < 100), name varchar(5))")
        self.run_node("""
            CREATE STREAM raw (id BIGINT, points INT, name VARCHAR);
            CREATE MATERIALIZED VIEW scores AS SELECT id, max(points) AS points, max(name) AS name FROM raw GROUP BY id;
            CREATE SINK scores_out FROM scores WITH (connector = 'postgres', url = '${url}', table = 'scores', mode = 'upsert');""")
        rows = [{"id": n, "points": 100 if n in (7, 500) else n % 100, "name": "too long" if n == 900 else "fits"} for n in range(1000)]
        self.node.append("raw", [json.dumps(row).encode() + b"\n" for row in rows], "first")
        self.wait_until_delivered()
        self.assertEqual(self.server.sql("SELECT count(*) FROM scores"), ["997"])
        dead = self.node.sql("SELECT source_offset, op, reason, attempts, payload FROM scores_out_dead ORDER BY 1")
        self.assertEqual([json.loads(row[4])["id"] for row in dead], [7, 500, 900])
        self.assertIn("check constraint", dead[0][2])
        self.assertIn("too long", dead[2][2])
        self.assertTrue(all(row[1] == "+I" and row[3] >= 1 for row in dead))
        self.assertEqual(self.sinks()["scores_out"]["dead"], 3)
        self.assert_books_closed()
        # Since then 500 has changed, and the constraint is gone; the name is still too long.
        self.server.sql("ALTER TABLE scores DROP CONSTRAINT scores_points_check")
        self.node.append("raw", [b'{"id": 500, "points": 101, "name": "fits"}\n'], "second")
        self.wait_until_delivered()
        self.assertEqual(self.node.json("POST", "/v1/dead/scores_out"),
                         {"sink": "scores_out", "sent": 1, "refused": 1, "superseded": 1})
        self.assertEqual(self.server.sql("SELECT id, points FROM scores WHERE id IN (7, 500, 900) ORDER BY 1"), ["7|100", "500|101"])
        self.server.sql("ALTER TABLE scores ALTER COLUMN name TYPE text")
        self.assertEqual(self.node.json("POST", "/v1/dead/scores_out"),
                         {"sink": "scores_out", "sent": 1, "refused": 0, "superseded": 0})
        self.node.kill()
        self.node.start()
        self.wait_until_delivered()
        self.assertEqual(self.node.json("POST", "/v1/dead/scores_out")["sent"], 0)
        self.assert_equal_to_view("scores", "scores", ["id", "points", "name"])
        self.assert_books_closed()


if __name__ == "__main__":
    unittest.main()
