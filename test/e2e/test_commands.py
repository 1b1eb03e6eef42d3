"""The commands against a real node: run, produce, sql, tail, status, ledger, dead, infer, test, SIGTERM."""
import gzip
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import unittest
import urllib.request

BINARY = os.environ.get("MILLRACE_BINARY", os.path.join(os.path.dirname(__file__), "../../build/millrace"))
SOURCE = os.environ.get("MILLRACE_SOURCE_DIR", os.path.join(os.path.dirname(__file__), "../.."))
SHOP = os.path.join(SOURCE, "examples/shop/shop.sql")
ORDER = '{"order_id": %d, "customer": "ada", "item": "%s", "amount": %s, "ordered_at": "2025-06-01T10:00:%02dZ"}'


def call(*arguments, text=None, expect=0):
    done = subprocess.run([BINARY, *arguments], input=text, capture_output=True, text=True)
    assert done.returncode == expect, f"{arguments}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


class Node:
    """`millrace run` or `start` on a free port, until stop()."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([BINARY, *arguments, "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        found = re.search(r"http://\S+", line)
        if not found:
            raise AssertionError(line + self.process.stderr.read())
        self.url = found.group(0)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.process.stderr.close()
        return code


class CommandsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.data = os.path.join(folder.name, "data")
        self.folder = folder.name

    def test_a_query_without_end_does_not_hold_up_the_stop(self):
        node = Node("run", SHOP, "--data", self.data)

        def busy_seconds():
            with open(f"/proc/{node.process.pid}/stat", encoding="utf-8") as stat:
                fields = stat.read().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        before = busy_seconds()
        query = subprocess.Popen([BINARY, "sql", "--url", node.url, "-c", "SELECT sum(i) FROM range(300000000000) AS t(i)"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while query.poll() is None and busy_seconds() < before + 1:
            pass
        self.assertIsNone(query.poll(), "the query ended")
        self.assertEqual(node.stop(), 0)
        query.communicate(timeout=60)
        self.assertEqual(query.returncode, 1)

    def test_a_node_from_start_to_stop(self):
        node = Node("run", SHOP, "--data", self.data)
        try:
            at = ["--url", node.url]
            lines = [ORDER % (i, "kettle" if i % 2 else "cup", i % 50, i % 60) for i in range(5000)] + ["nonsense"]
            produced = call("produce", "orders", *at, text="\n".join(lines))
            self.assertIn("accepted 5,001 of 5,001 lines", produced.stderr)
            call("sql", "-c", "SYNC", *at)
            rows = json.loads(call("sql", "-c", "SELECT * FROM best_sellers ORDER BY item", *at, "--format", "json").stdout)
            self.assertEqual([row["item"] for row in rows], ["cup", "kettle"])
            self.assertEqual(call("sql", *at, "--format", "csv", text="SELECT 1 AS a;\nSELECT 'x;y' AS b").stdout, "a\n1\nb\nx;y\n")
            typo = call("sql", "-c", "SELECT itm FROM best_sellers", *at, expect=1)
            self.assertRegex(typo.stderr, r"LINE 1: SELECT itm FROM best_sellers\n {15}\^+")
            self.assertTrue(json.loads(call("ledger", *at, "--format", "json").stdout)["closed"])
            self.assertIn("orders", call("status", *at).stdout)
            self.assertIn("nonsense", call("dead", "show", "orders", *at).stdout)
            self.assertRegex(call("dead", "list", *at).stdout, r"orders +\| +1")
            call("produce", "nowhere", *at, text="{}", expect=1)
            self.assertIn("there is no view, table or stream", call("tail", "nothing", *at, expect=1).stderr)
            self.assertIn("dead letters named nowhere", call("dead", "show", "nowhere", *at, expect=1).stderr)
            self.assertRegex(call("status", *at).stdout, r"abandoned_carts +\| view +\| clicks, orders")
            call("status", *at, "--format", "csv", expect=2)
            self.check_tail(at)
        finally:
            code = node.stop()
        self.assertEqual(code, 0)
        kept = call("sql", "--data", self.data, "-c", "SELECT count(*) AS n FROM orders WHERE order_id < 5000", "--format", "csv")
        self.assertEqual(kept.stdout, "n\n5000\n")
        node = Node("start", "--data", self.data)
        self.assertIn("cup", call("sql", "-c", "SELECT item FROM best_sellers", "--url", node.url).stdout)
        self.assertEqual(node.stop(), 0)

    def check_tail(self, at):
        tail = subprocess.Popen([BINARY, "tail", "best_sellers", *at, "--format", "json"], stdout=subprocess.PIPE, text=True)
        # The subscription begins at a time that cannot be seen from here, so changes are made until one is shown.
        stop = threading.Event()

        def change():
            number = 1000000
            while not stop.is_set():
                call("produce", "orders", *at, text=ORDER % (number, "samovar", 900, 5))
                number += 1

        thread = threading.Thread(target=change)
        thread.start()
        change_seen = json.loads(tail.stdout.readline())
        stop.set()
        thread.join()
        self.assertIn("_op", change_seen)
        tail.send_signal(signal.SIGINT)
        tail.stdout.read()
        tail.stdout.close()
        self.assertEqual(tail.wait(timeout=60), 0)

    def test_once(self):
        pipeline = os.path.join(self.folder, "p.sql")
        events = os.path.join(self.folder, "events.ndjson")
        with open(events, "w") as out:
            out.write("".join('{"k": %d, "at": "2025-01-01T00:00:00Z"}\n' % (i % 3) for i in range(3000)))
        statement = call("infer", events).stdout
        self.assertIn("k BIGINT", statement)
        with open(pipeline, "w") as out:
            out.write(statement + "CREATE MATERIALIZED VIEW n AS SELECT k, count(*) AS n FROM events GROUP BY k;")
        done = call("run", pipeline, "--data", self.data, "--once")
        self.assertRegex(done.stderr, r"done: 3,000 rows in [\d.]+ s, [\d,]+ rows/s")
        self.assertEqual(call("sql", "--data", self.data, "-c", "SELECT * FROM n ORDER BY k", "--format", "csv").stdout, "k,n\n0,1000\n1,1000\n2,1000\n")

    def test_records_that_are_too_long(self):
        pipeline = os.path.join(self.folder, "p.sql")
        long_bytes = 17 << 20
        with open(os.path.join(self.folder, "events.ndjson"), "w") as out:
            out.write('{"k": 1}\n{"k": 2, "text": "%s"}\n{"k": 3}\n' % ("x" * long_bytes))
        with open(pipeline, "w") as out:
            out.write("CREATE STREAM events (k BIGINT) WITH (load = 'events.ndjson');"
                      "CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n, sum(k) AS k FROM events;")
        said = call("run", pipeline, "--data", self.data, "--once").stderr
        self.assertIn("events: of 3 records in events.ndjson, 1 longer than the limit", said)
        self.assertIn(f"events: 1 dead letter; `millrace dead show events --data {self.data}` shows why", said)
        at = ["--data", self.data]
        self.assertEqual(call("sql", *at, "-c", "SELECT * FROM n", "--format", "csv").stdout, "n,k\n2,4\n")
        self.assertTrue(json.loads(call("ledger", *at, "--format", "json").stdout)["closed"])
        letter = json.loads(call("dead", "show", "events", *at, "--format", "json").stdout)[0]
        self.assertRegex(letter["reason"], rf"has {long_bytes + 20} bytes; the limit is 16777216; it begins at byte 9 of .*/events.ndjson")
        self.assertTrue(letter["raw"].startswith('{"k": 2, "text": "xxx'))

    def test_a_load_shows_in_status_and_metrics(self):
        pipeline = os.path.join(self.folder, "p.sql")
        with open(os.path.join(self.folder, "events.ndjson"), "w") as out:
            out.write('{"k": 1}\n{"k": "%s"}\n' % ("x" * (17 << 20)))
        with open(pipeline, "w") as out:
            out.write("CREATE STREAM events (k BIGINT) WITH (load = 'events.ndjson');"
                      "CREATE STREAM other (k BIGINT) WITH (load = 'nowhere.ndjson');")
        node = Node("run", pipeline, "--data", self.data)
        try:
            said = sorted(node.process.stderr.readline() for _ in range(2))  # when both loads have ended
            self.assertIn("events: of 2 records in events.ndjson, 1 longer than the limit", said[0])
            self.assertRegex(said[1], "loading other failed after 0 records: .*nowhere.ndjson")
            call("sql", "-c", "SYNC", "--url", node.url)
            loads = {load["stream"]: load for load in json.loads(call("status", "--url", node.url, "--format", "json").stdout)["loads"]}
            self.assertEqual((loads["events"]["records"], loads["events"]["too_long"], loads["events"]["state"]), (2, 1, "done"))
            self.assertIn("failed: ", loads["other"]["state"])
            self.assertRegex(call("status", "--url", node.url).stdout, r"too_long")
            with urllib.request.urlopen(node.url + "/metrics", timeout=60) as answer:
                metrics = answer.read().decode()
            for line in ('millrace_load_too_long{stream="events"} 1', 'millrace_load_failed{stream="other"} 1',
                         'millrace_stream_dead_records{stream="events"} 1'):
                self.assertIn(line + "\n", metrics)
        finally:
            self.assertEqual(node.stop(), 0)

    def test_what_is_refused(self):
        self.assertIn("--insecure", call("run", SHOP, "--data", self.data, "--listen", "0.0.0.0:0", expect=2).stderr)
        self.assertIn("no command named", call("nonsense", expect=2).stderr)
        self.assertIn("not part of this version", call("deploy", "--target", "flink", expect=2).stderr)
        self.assertIn("name=value", call("run", SHOP, "--set", "x", expect=2).stderr)
        self.assertIn("nowhere.sql", call("run", "nowhere.sql", "--data", self.data, expect=1).stderr)
        call(expect=2)
        for command in ("run", "start", "sql", "produce", "tail", "generate", "infer", "status", "ledger", "dead", "test"):
            said = call(command, "--help").stdout
            self.assertIn("Usage", said)
            self.assertEqual("millrace sql -c 'SHOW ALL'" in said, False, f"{command}: the examples of the whole program")
            self.assertNotIn("TEXT=", said.replace("--stream TEXT=", ""), f"{command}: what kind of text?")

    def test_infer(self):
        events = os.path.join(self.folder, "Some events-1.ndjson.gz")
        with gzip.open(events, "wb") as out:
            out.write(b'{"k": 1, "name": "a"}\n' * 1000)
        said = call("infer", events).stdout
        self.assertIn("CREATE STREAM some_events_1 (", said)
        self.assertIn("k BIGINT", said)
        self.assertIn("neither JSON nor CSV", call("infer", BINARY, expect=1).stderr)
        self.assertIn("no data directory", call("verify", "--data", self.folder, expect=1).stderr)
        self.assertEqual(os.listdir(self.folder), [os.path.basename(events)], "verify left something")

    def test_examples(self):
        self.assertIn(" 0 failed", call("test", os.path.join(SOURCE, "examples")).stdout)


if __name__ == "__main__":
    unittest.main()
