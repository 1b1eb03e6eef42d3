"""A node with a Kafka listener, for the tests of its clients."""

import pathlib
import tempfile
import unittest

from node_process import NodeProcess, free_port

SECONDS_MAX = 60
PIPELINE = """
CREATE STREAM plays (id BIGINT, item VARCHAR, n INT) WITH (partitions = 2);
CREATE TABLE titles (title BIGINT PRIMARY KEY, name VARCHAR);
CREATE MATERIALIZED VIEW totals AS SELECT item, count(*) AS c, sum(n) AS s FROM plays GROUP BY item;
"""


class KafkaCase(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="millrace-kafka-")))
        self.kafka_port = free_port()
        self.node = NodeProcess(self.folder / "data", self.folder / "log",
                                more=["--kafka-listen", f"127.0.0.1:{self.kafka_port}", *self.more_flags()])
        self.addCleanup(self.node.close)
        pipeline = self.folder / "pipeline.sql"
        pipeline.write_text(PIPELINE, encoding="utf-8")
        self.node.run(pipeline, {})

    def more_flags(self):
        return []

    def totals(self):
        return {item: (count, int(total)) for item, count, total in self.node.sql("SYNC; SELECT * FROM totals")}

    def assert_closed(self, stream, count):
        """The ledger's books are closed, and so many messages came in."""
        report = self.node.json("GET", "/v1/ledger")
        self.assertTrue(report["closed"], report)
        received = [entry["count"] for entry in report["totals"] if entry["stream"] == stream and entry["hop"] == "received"]
        self.assertEqual(received, [count] if count else [])

    def consumer(self, **more):
        import confluent_kafka
        return confluent_kafka.Consumer({"bootstrap.servers": f"127.0.0.1:{self.kafka_port}", "group.id": "none",
                                         "enable.auto.commit": False, "auto.offset.reset": "earliest", **more})

    def producer(self, **more):
        import confluent_kafka
        return confluent_kafka.Producer({"bootstrap.servers": f"127.0.0.1:{self.kafka_port}", "linger.ms": 2, **more})
