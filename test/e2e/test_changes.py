"""UPDATEs, a subscription that goes on from its last position, and an ad hoc query, over kills -9 of the node.

Every UPDATE that was answered is in the table; one that was not may be, once. The changes that the subscriber saw, over all its
connections, have no gap and no repeat: folded they are the view.
"""

import http.client
import json
import pathlib
import tempfile
import threading
import time
import unittest

from node_process import GONE, NodeProcess

PIPELINE = """
CREATE TABLE counters (id INTEGER PRIMARY KEY, n BIGINT);
CREATE MATERIALIZED VIEW totals AS SELECT id % 2 AS half, sum(n)::BIGINT AS n FROM counters GROUP BY half WITH (retention = '1 hour');
"""
KILLS = 3
UPDATES = 25  # between two kills


def stream(node, statement, seen, enough):
    """The rows of a subscription go to `seen` until `enough(rows)`; True when the node went away before."""
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=60)
    try:
        connection.request("POST", "/v1/sql", json.dumps({"sql": statement}), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise AssertionError(answer.read().decode())
        while not enough(seen):
            line = answer.readline()
            if not line.endswith(b"\n"):
                return True
            row = json.loads(line) if line.strip() else None
            if row is not None and "error" in row:
                return True
            if row is not None:
                seen.append(row)
        return False
    except (OSError, *GONE):
        return True
    finally:
        connection.close()


def fold(rows):
    held = {}
    for row in rows:
        key, value = row["half"], row["n"]
        if row["_op"] in ("-U", "-D"):
            assert held.pop(key) == value, f"{row} takes away what is not there: {held}"
        else:
            assert key not in held, f"{row} comes on top of {held}"
            held[key] = value
    return held


class ChangesTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="millrace_changes_")
        self.addCleanup(self.folder.cleanup)
        path = pathlib.Path(self.folder.name)
        (path / "pipeline.sql").write_text(PIPELINE)
        self.node = NodeProcess(path / "data", path / "node.log", workers=2)
        self.addCleanup(self.node.close)
        self.node.run(path / "pipeline.sql", {})

    def follow(self, seen, enough):
        """A subscriber's thread, from where `seen` ends."""
        where = f"'{seen[-1]['_position']}'" if seen else "BEGINNING"
        thread = threading.Thread(target=stream, args=(self.node, f"SUBSCRIBE TO totals FROM {where}", seen, enough))
        thread.start()
        return thread

    def test_over_kills(self):
        self.node.sql("INSERT INTO counters VALUES (1, 0), (2, 0), (3, 0); SYNC")
        answered = unknown = 0
        seen = []
        for _ in range(KILLS):
            follower = self.follow(seen, lambda rows: False)
            killer = threading.Timer(0.3, self.node.kill)
            for i in range(UPDATES):
                if i == UPDATES // 3:
                    killer.start()
                try:
                    self.node.sql("UPDATE counters SET n = n + 1")
                    answered += 1
                except (OSError, *GONE):
                    unknown += 1
                    break
            killer.join()
            follower.join()
            self.node.close()
            self.node.start()
        self.node.sql("UPDATE counters SET n = n + 1; SYNC")
        answered += 1
        n, low, high = self.node.sql("SELECT count(*), min(n), max(n) FROM counters")[0]
        self.assertEqual((n, low), (3, high))
        self.assertTrue(answered <= low <= answered + unknown, f"{answered} answered, {unknown} not, {low} done")
        view = dict(self.node.sql("SELECT * FROM totals"))
        self.assertEqual(view, {0: low, 1: 2 * low})
        last = self.follow(seen, lambda rows: rows and rows[-1]["_op"] == "+U" and fold(rows) == view)
        last.join(timeout=60)
        self.assertEqual(fold(seen), view)
        self.assertEqual(len({row["_position"] for row in seen if row["_position"]}),
                         sum(1 for row in seen if row["_position"]), "no position twice")

    def test_a_query_is_followed_until_the_client_leaves(self):
        self.node.sql("INSERT INTO counters VALUES (1, 5), (2, 6); SYNC")
        seen = []
        query = "SELECT max(n) AS n, 0 AS half FROM counters GROUP BY half EMIT CHANGES"
        thread = threading.Thread(target=stream, args=(self.node, query, seen, lambda rows: len(rows) >= 3))
        thread.start()
        while not seen:
            self.assertTrue(thread.is_alive())
        self.node.sql("UPDATE counters SET n = 10 WHERE id = 1")
        thread.join(timeout=60)
        self.assertEqual([(row["_op"], row["n"]) for row in seen], [("+I", 6), ("-U", 6), ("+U", 10)])
        # The table can go once the node has seen that the client is gone.
        drop = "DROP MATERIALIZED VIEW IF EXISTS totals; DROP TABLE counters"
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            status, _answer = self.node.request("POST", "/v1/sql", json.dumps({"sql": drop}),
                                                {"Content-Type": "application/json"})
            if status == 200:
                return
            time.sleep(0.05)
        self.fail("the table cannot be dropped")


if __name__ == "__main__":
    unittest.main()
