#!/usr/bin/env python3
"""Writes a small data directory with the present program and packs it: write.py NAME.tar.xz

Run once for each format that is released, and commit the file; test_compat.py opens all of them. Never write one again: what
counts is that the bytes of then still open.
"""

import json
import pathlib
import sys
import tarfile
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from node_process import NodeProcess  # noqa: E402

PIPELINE = """
CREATE STREAM orders (id BIGINT, item VARCHAR, amount DECIMAL(10,2), ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL 1 MINUTE)
  WITH (partitions = 2, key = 'item');
CREATE TABLE items (item VARCHAR PRIMARY KEY, name VARCHAR);
CREATE MATERIALIZED VIEW totals AS SELECT item, sum(amount) AS amount, count(*) AS n FROM orders GROUP BY item;
CREATE MATERIALIZED VIEW named AS SELECT id, name, amount FROM orders JOIN items USING (item);
CREATE MATERIALIZED VIEW hourly AS
  SELECT window_start, count(*) AS n FROM tumble(orders, ts, INTERVAL 1 HOUR) GROUP BY window_start;
"""
NDJSON = {"Content-Type": "application/x-ndjson"}


def order(i):
    return json.dumps({"id": i, "item": f"item {i % 7}", "amount": f"{i}.25", "ts": f"2026-01-01T{i // 60:02}:{i % 60:02}:00Z"})


def send(node, stream, lines):
    node.json("POST", f"/v1/streams/{stream}", "\n".join(lines), NDJSON)
    node.json("POST", "/v1/sql", json.dumps({"sql": "SYNC"}), {"Content-Type": "application/json"})


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "p.sql").write_text(PIPELINE)
        node = NodeProcess(folder / "data", folder / "log", workers=2)
        node.run(folder / "p.sql", {})
        send(node, "items", [json.dumps({"item": f"item {i}", "name": f"thing {i}"}) for i in range(5)])
        send(node, "orders", [order(i) for i in range(300)] + ["this does not decode"])
        node.stop()  # with a checkpoint
        node.start()
        send(node, "orders", [order(i) for i in range(300, 400)])
        send(node, "items", [json.dumps({"item": "item 0", "name": "another"})])
        node.close()  # kill -9: commits behind the checkpoint
        with tarfile.open(sys.argv[1], "w:xz") as pack:
            for path in sorted((folder / "data").rglob("*")):
                if path.name != "LOCK":
                    pack.add(path, path.relative_to(folder / "data"), recursive=False)


if __name__ == "__main__":
    main()
