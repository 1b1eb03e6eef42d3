"""CREATE STREAM over a topic that a client made: its records are rows from then on, and nobody loses a place."""

import json
import time
import unittest

import kafka_clients as clients
from kafka_case import SECONDS_MAX, KafkaCase

CREATE = "CREATE STREAM orders (id BIGINT, item VARCHAR)"


@unittest.skipIf(clients.confluent_missing() or clients.kcat_missing(), clients.confluent_missing() or clients.kcat_missing())
class Schema(KafkaCase):
    def more_flags(self):
        return ["--kafka-auto-create", "2"]

    def produce(self, first, count, codec="none"):
        lines = [b'{"id":%d,"item":"i%d"}\n' % (i, i % 3) for i in range(first, first + count)]
        clients.kcat(self.kafka_port, "-P", "-t", "orders", "-z", codec, text=b"".join([*lines, b"bad %d\n" % first]))

    def rows_are(self, ids, bad):
        self.assertEqual(self.node.sql("SYNC; SELECT id FROM orders ORDER BY id"), [[i] for i in ids])
        self.assertEqual(self.node.sql("SELECT count(*), count(DISTINCT (source_partition, source_offset)) FROM orders_dead"),
                         [[bad, bad]])
        self.assert_closed("orders", len(ids) + bad)

    def test_what_was_there_is_decoded_and_groups_go_on(self):
        self.produce(0, 300)
        self.produce(300, 300, "lz4")
        self.assertEqual(self.node.sql("SYNC; SELECT count(*), typeof(any_value(value)) FROM orders"), [[602, "BLOB"]])
        consumer = self.consumer(**{"group.id": "g"})
        consumer.subscribe(["orders"])
        seen = []
        while len(seen) < 100:
            seen += [m.value() for m in consumer.consume(100 - len(seen), 0.5)]
        consumer.commit(asynchronous=False)
        self.node.sql(CREATE)
        self.rows_are(range(600), 2)
        self.node.sql("CREATE MATERIALIZED VIEW items AS SELECT item, count(*) AS c FROM orders GROUP BY item")
        self.node.kill()
        self.node.start()
        self.produce(600, 300, "zstd")
        self.rows_are(range(900), 3)
        self.assertEqual(self.node.sql("SELECT item, c FROM items ORDER BY item"), [[f"i{i}", 300] for i in range(3)])
        seen = set(seen)
        limit = time.monotonic() + SECONDS_MAX
        while len(seen) < 903:  # what was not committed may come once more
            self.assertLess(time.monotonic(), limit, len(seen))
            seen.update(m.value() for m in consumer.consume(100, 0.5) if not m.error())
        consumer.close()
        self.node.sql(CREATE)  # the same again is no change

    def test_a_kill_in_the_middle(self):
        """Whatever the statement has done by then: after it was sent once more all records are rows, once each."""
        for turn in range(4):
            self.produce(turn * 100, 100)
        self.node.request("POST", "/v1/sql", json.dumps({"sql": "SYNC"}), {"Content-Type": "application/json"})
        self.node.sql(CREATE)
        self.node.kill()  # right behind the answer: steps have taken little
        self.node.start()
        self.produce(400, 100)
        self.rows_are(range(500), 5)

    def test_a_topic_that_is_read_as_bytes_stays_one(self):
        self.produce(0, 10)
        self.node.sql("CREATE MATERIALIZED VIEW lengths AS SELECT octet_length(value) AS n FROM orders")
        status, answer = self.node.request("POST", "/v1/sql", json.dumps({"sql": CREATE}), {"Content-Type": "application/json"})
        self.assertNotEqual(status, 200)
        self.assertIn(b"view lengths", answer)
        self.node.sql("DROP MATERIALIZED VIEW lengths")
        self.node.sql(CREATE)
        self.rows_are(range(10), 1)


if __name__ == "__main__":
    unittest.main()
