"""A savepoint of a running node, over the command line: restored with other numbers of workers it gives the rows of its commit."""

import json
import pathlib
import subprocess
import tempfile
import unittest

import engagement_job as job
from node_process import NodeProcess

PIPELINE = """
CREATE STREAM orders (id BIGINT, item VARCHAR, amount BIGINT) WITH (partitions = 3);
CREATE MATERIALIZED VIEW totals AS SELECT item, sum(amount) AS amount, count(*) AS n FROM orders GROUP BY item;
"""
ROWS = "SELECT * FROM totals ORDER BY item"


class SavepointTest(unittest.TestCase):
    def send(self, node, first, end):
        lines = "".join(f'{{"id":{i},"item":"item {i % 11}","amount":{i}}}\n' for i in range(first, end))
        node.json("POST", "/v1/streams/orders", lines, {"Content-Type": "application/x-ndjson"})
        node.json("POST", "/v1/sql", json.dumps({"sql": "SYNC"}), {"Content-Type": "application/json"})

    def rows(self, node):
        return node.json("POST", "/v1/sql", f'{{"sql":"{ROWS}"}}', {"Content-Type": "application/json"})["rows"]

    def test_create_and_restore(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "pipeline.sql").write_text(PIPELINE)
            node = NodeProcess(folder / "data", folder / "log")
            node.run(folder / "pipeline.sql", {})
            try:
                self.send(node, 0, 5000)
                before = self.rows(node)
                self.assertEqual(11, len(before))
                path = job.run(["savepoint", "create", "--name", "one", "--url", f"http://127.0.0.1:{node.port}"]).strip()
                self.send(node, 5000, 6000)
                self.assertNotEqual(before, self.rows(node))
            finally:
                node.close()
            for workers in (1, 2):
                target = folder / f"restored{workers}"
                job.run(["savepoint", "restore", path, "--data", target])
                again = NodeProcess(target, folder / "log", workers)
                again.start()
                try:
                    self.assertEqual(before, self.rows(again))
                    self.send(again, 6000, 6100)
                    self.assertNotEqual(before, self.rows(again))
                finally:
                    again.close()
            refused = subprocess.run([str(job.BINARY), "savepoint", "restore", path, "--data", str(folder / "data")],
                                     capture_output=True, text=True, check=False)
            self.assertEqual(1, refused.returncode)
            self.assertIn("not empty", refused.stderr)
            job.run(["savepoint", "create", "--name", "two", "--data", folder / "data"])
            self.assertTrue((folder / "data/savepoints/two/SAVEPOINT").exists())


if __name__ == "__main__":
    unittest.main()
