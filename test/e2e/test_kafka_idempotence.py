"""Idempotent producers of unmodified clients over connections that are reset and a node that is killed: nothing is lost, nothing is
stored twice, and the order of each partition is kept."""

import json
import pathlib
import sys
import threading
import time
import unittest

import kafka_clients as clients
from kafka_case import SECONDS_MAX, KafkaCase

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))
import fault_proxy  # noqa: E402

FLUSH_SECONDS_MAX = 120
PARTITIONS = 2
QUEUED_MAX = 2000


@unittest.skipIf(clients.confluent_missing(), clients.confluent_missing())
class Idempotence(KafkaCase):
    def more_flags(self):
        self.proxy = fault_proxy.Proxy(self.kafka_port, seed=5, blackhole_seconds=1)
        self.addCleanup(self.proxy.close)
        self.proxy.start()
        return ["--kafka-advertise", f"127.0.0.1:{self.proxy.port}"]

    def setUp(self):
        super().setUp()
        self.acked, self.refused = [], []

    def told(self, error, message):
        if error:
            self.refused.append(error)
        else:
            self.acked.append((message.partition(), message.offset(), json.loads(message.value())["id"]))

    def idempotent_producer(self):
        return self.producer(**{"bootstrap.servers": f"127.0.0.1:{self.proxy.port}", "enable.idempotence": True,
                                "message.timeout.ms": FLUSH_SECONDS_MAX * 1000, "batch.num.messages": 20,
                                "retry.backoff.ms": 10, "reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 100})

    def send(self, producer, first, count):
        for number in range(first, first + count):
            producer.produce("plays", json.dumps({"id": number, "item": "p", "n": 1}), partition=number % PARTITIONS,
                             on_delivery=self.told)
            producer.poll(0)

    def check(self, count):
        self.assertEqual(self.refused, [])
        self.assertEqual(sorted(number for _, _, number in self.acked), list(range(count)))
        stored = [tuple(row) for row in self.node.sql("SYNC; SELECT _partition, _offset, id FROM plays ORDER BY 1, 2")]
        self.assertEqual(len(stored), count, "stored once")
        for partition in range(PARTITIONS):
            ids = [number for place, _, number in stored if place == partition]
            self.assertEqual(ids, sorted(ids), "in order")
        known = {row for row in self.acked if row[1] >= 0}
        self.assertLessEqual(known, set(stored), "a repeat is answered with the offset of the first")
        report = self.node.json("GET", "/v1/ledger")
        self.assertTrue(report["closed"], report)

    def test_connections_are_reset(self):
        producer = self.idempotent_producer()
        sent, limit = 0, time.monotonic() + SECONDS_MAX
        while self.proxy.broken() < 40 and time.monotonic() < limit:
            self.send(producer, sent, 100)
            sent += 100
            producer.flush(0.2)
        self.proxy.healthy.set()
        self.assertEqual(producer.flush(FLUSH_SECONDS_MAX), 0)
        self.assertGreater(self.proxy.broken(), 20)
        self.check(sent)

    def test_the_node_is_killed(self):
        self.proxy.healthy.set()
        producer = self.idempotent_producer()
        sent = 0
        for _ in range(4):
            wanted, limit = len(self.acked) + 300, time.monotonic() + SECONDS_MAX
            killer = threading.Thread(target=self.node.kill)
            while len(self.acked) < wanted and time.monotonic() < limit:
                self.send(producer, sent, 20)
                sent += 20
                if len(producer) > QUEUED_MAX:
                    producer.poll(0.05)
            killer.start()
            self.send(producer, sent, 200)  # some of it is on its way when the node dies
            sent += 200
            killer.join()
            self.node.start()
        self.assertEqual(producer.flush(FLUSH_SECONDS_MAX), 0)
        self.check(sent)

    def test_producer_ids_are_never_given_out_twice(self):
        for _ in range(2):
            producers = [self.idempotent_producer() for _ in range(3)]
            self.proxy.healthy.set()
            first = len(self.acked)
            for place, producer in enumerate(producers):
                self.send(producer, first + 10 * place, 10)
                self.assertEqual(producer.flush(FLUSH_SECONDS_MAX), 0)
            self.node.kill()
            self.node.start()
        self.check(60)


if __name__ == "__main__":
    unittest.main()
