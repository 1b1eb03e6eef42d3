"""Kafka clients, unmodified, against the listener: what they produce is in the log, in views and in the ledger, they read it
back as it was, and what was acked is there after kill -9. A client that is not installed is skipped with the reason.
"""

import json
import pathlib
import socket
import struct
import threading
import time
import unittest

import kafka_clients as clients
from kafka_case import SECONDS_MAX, KafkaCase

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


@unittest.skipIf(clients.kcat_missing(), clients.kcat_missing())
class Kcat(KafkaCase):
    def test_every_codec_is_read_back_and_counted(self):
        rows = {codec: [{"id": i, "item": codec, "n": i} for i in range(200)] for codec in CODECS}
        for codec in CODECS:
            lines = "".join(json.dumps(row) + "\n" for row in rows[codec])
            clients.kcat(self.kafka_port, "-P", "-t", "plays", "-z", codec, text=lines.encode())
        read = clients.kcat(self.kafka_port, "-C", "-t", "plays", "-e", "-q")
        key = lambda row: (row["item"], row["id"])  # noqa: E731
        self.assertEqual(sorted((json.loads(line) for line in read.splitlines()), key=key),
                         sorted((row for codec in CODECS for row in rows[codec]), key=key))
        self.assertEqual(self.totals(), {codec: (200, sum(range(200))) for codec in CODECS})
        self.assert_closed("plays", 200 * len(CODECS))

    def test_offsets_are_those_of_sql(self):
        for i in range(3):
            clients.kcat(self.kafka_port, "-P", "-t", "plays", "-p", "1", text=json.dumps({"id": i, "item": "o", "n": 0}).encode())
        self.node.append("plays", [b'{"id":3,"item":"o","n":0}\n'], "k")
        seen = clients.kcat(self.kafka_port, "-C", "-t", "plays", "-e", "-q", "-f", "%p %o %s\n").decode().splitlines()
        by_kafka = sorted((int(p), int(o), json.loads(v)["id"]) for p, o, v in (line.split(" ", 2) for line in seen))
        self.node.sql("SYNC")
        by_sql = sorted(tuple(row) for row in self.node.sql("SELECT _partition, _offset, id FROM plays"))
        self.assertEqual(by_kafka, by_sql)
        self.assertEqual(len(by_sql), 4)

    def test_topics_are_made_when_they_are_asked_for(self):
        clients.kcat(self.kafka_port, "-P", "-t", "made.by-use", "-k", "key", text=b"raw bytes\n")
        self.assertEqual(clients.kcat(self.kafka_port, "-C", "-t", "made.by-use", "-e", "-q", "-f", "%k=%s"), b"key=raw bytes")
        self.assertEqual(self.node.sql('SYNC; SELECT value::VARCHAR FROM "made.by-use"'), [["raw bytes"]])

    def test_what_does_not_decode_is_a_dead_letter(self):
        clients.kcat(self.kafka_port, "-P", "-t", "plays", "-Z", "-K", ":", text=b'1:{"id":1,"item":"x","n":1}\n2:no json\n3:\n')
        self.assertEqual(self.totals(), {"x": (1, 1)})
        self.assertEqual(self.node.sql("SELECT count(*) FROM plays_dead"), [[2]])
        self.assert_closed("plays", 3)

    def test_a_tombstone_takes_a_row_of_a_table_away(self):
        rows = b'1:{"title":1,"name":"one"}\n2:{"title":2,"name":"two"}\n'
        clients.kcat(self.kafka_port, "-P", "-t", "titles", "-Z", "-K", ":", text=rows)
        clients.kcat(self.kafka_port, "-P", "-t", "titles", "-Z", "-K", ":", text=b"1:\n")
        self.assertEqual(self.node.sql("SYNC; SELECT * FROM titles"), [[2, "two"]])


@unittest.skipIf(clients.confluent_missing(), clients.confluent_missing())
class Confluent(KafkaCase):
    def test_acked_is_kept_through_kills(self):
        acked, refused, number = set(), [], 0

        def told(error, message):
            if error:
                refused.append(error)
            else:
                acked.add(json.loads(message.value())["id"])

        for _ in range(3):
            producer = self.producer(**{"message.timeout.ms": 60000, "acks": "all", "compression.type": "lz4"})
            wanted = len(acked) + 500
            limit = time.monotonic() + SECONDS_MAX
            while len(acked) < wanted and time.monotonic() < limit:
                producer.produce("plays", json.dumps({"id": number, "item": "k", "n": 1}), on_delivery=told)
                number += 1
                producer.poll(0)
            self.node.kill()
            self.node.start()
            self.assertEqual(producer.flush(SECONDS_MAX), 0)
            self.assertEqual(refused, [])
        stored = self.node.sql("SYNC; SELECT id, count(*) FROM plays GROUP BY id")
        self.assertEqual(len(acked), number)
        self.assertEqual({row[0] for row in stored}, acked)  # a retry may store one twice: no idempotence was asked for
        report = self.node.json("GET", "/v1/ledger")
        self.assertTrue(report["closed"], report)

    def test_headers_times_and_null_values_come_back(self):
        import confluent_kafka
        producer = self.producer()
        producer.produce("raw", b"v", key=b"k", headers=[("h", b"1"), ("h", None)], timestamp=1700000000123)
        producer.produce("raw", None, key=b"k2", timestamp=1700000005000)
        self.assertEqual(producer.flush(SECONDS_MAX), 0)
        consumer = self.consumer()
        self.addCleanup(consumer.close)
        consumer.assign([confluent_kafka.TopicPartition("raw", 0, 0)])
        first, second = consumer.consume(2, SECONDS_MAX)
        self.assertEqual((first.key(), first.value(), first.headers()), (b"k", b"v", [("h", b"1"), ("h", None)]))
        self.assertEqual(first.timestamp(), (confluent_kafka.TIMESTAMP_CREATE_TIME, 1700000000123))
        self.assertEqual((second.key(), second.value(), second.offset()), (b"k2", None, 1))
        found = consumer.offsets_for_times([confluent_kafka.TopicPartition("raw", 0, 1700000000124)], SECONDS_MAX)
        self.assertEqual(found[0].offset, 1)
        self.assertEqual(consumer.get_watermark_offsets(confluent_kafka.TopicPartition("raw", 0), SECONDS_MAX), (0, 2))

    def test_a_fetch_waits_for_data(self):
        import confluent_kafka
        consumer = self.consumer(**{"fetch.wait.max.ms": 20000})
        self.addCleanup(consumer.close)
        consumer.assign([confluent_kafka.TopicPartition("plays", 1, 0)])
        self.assertIsNone(consumer.poll(0.3))
        begin = time.monotonic()
        producer = self.producer()
        producer.produce("plays", b"{}", partition=1)
        self.assertEqual(producer.flush(SECONDS_MAX), 0)
        message = consumer.poll(SECONDS_MAX)
        self.assertEqual((message.partition(), message.offset()), (1, 0))
        self.assertLess(time.monotonic() - begin, 15)  # by the data, not by the end of the wait


@unittest.skipIf(clients.kafkajs_missing(), clients.kafkajs_missing())
class Kafkajs(KafkaCase):
    def test_produces_and_asks_for_offsets(self):
        script = pathlib.Path(__file__).with_name("kafkajs_client.js")
        told = json.loads(clients.run_kafkajs(self.kafka_port, script, "plays"))
        self.assertEqual(told["partitions"], 2)
        self.assertEqual(sum(int(p["high"]) for p in told["after"]), 20)
        self.assertEqual(self.totals(), {"js": (20, sum(range(20)))})
        self.assert_closed("plays", 20)


class Strangers(KafkaCase):
    """Connections that say what no client says harm nobody else."""

    def ask(self, connection, key, version, body=b"", flexible=False):
        head = struct.pack(">hhih", key, version, 7, -1) + (b"\0" if flexible else b"")
        connection.sendall(struct.pack(">i", len(head + body)) + head + body)

    def answer(self, connection):
        length = struct.unpack(">i", self.exactly(connection, 4))[0]
        return self.exactly(connection, length)

    def exactly(self, connection, count):
        got = b""
        while len(got) < count:
            piece = connection.recv(count - len(got))
            if not piece:
                raise EOFError
            got += piece
        return got

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.kafka_port), timeout=SECONDS_MAX)
        self.addCleanup(connection.close)
        return connection

    def ends(self, connection):
        try:
            return connection.recv(1) == b""
        except ConnectionResetError:  # what it sent was not read to its end
            return True

    def test_hostile_lengths_and_half_requests_end_only_their_connection(self):
        good = self.connect()
        for bytes_sent in (b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\0\0\0\x02ab", b"GET / HTTP/1.1\r\n\r\n" * 4,
                           struct.pack(">ihhih", 14, 3, 1, 7, -1) + b"\x7f\xff\xff\xff"):
            bad = self.connect()
            bad.sendall(bytes_sent)
            self.assertTrue(self.ends(bad), bytes_sent)
        half = self.connect()
        half.sendall(b"\0\0\x10\0abc")
        self.ask(good, 18, 0)
        self.assertEqual(self.answer(good)[4:6], b"\0\0")

    def test_a_newer_client_is_told_what_there_is(self):
        connection = self.connect()
        self.ask(connection, 18, 99, b"\x01\x01\0", flexible=True)
        answer = self.answer(connection)
        self.assertEqual(answer[:6], struct.pack(">ih", 7, 35))
        self.assertGreater(struct.unpack(">i", answer[6:10])[0], 5)
        self.ask(connection, 18, 0)
        self.assertEqual(self.answer(connection)[4:6], b"\0\0")

    def test_pipelined_requests_are_answered_in_order(self):
        connection = self.connect()
        for correlation in range(50):
            body = struct.pack(">i", 0) if correlation % 2 else b""
            head = struct.pack(">hhih", 3 if correlation % 2 else 18, 1 if correlation % 2 else 0, correlation, -1)
            connection.sendall(struct.pack(">i", len(head + body)) + head + body)
        seen = [struct.unpack(">i", self.answer(connection)[:4])[0] for _ in range(50)]
        self.assertEqual(seen, list(range(50)))

    def test_old_produce_requests_are_refused_by_their_version(self):
        connection = self.connect()
        self.ask(connection, 0, 1, struct.pack(">hiih5siii", 1, 1000, 1, 5, b"plays", 1, 0, 0))
        answer = self.answer(connection)
        self.assertEqual(struct.unpack(">h", answer[4 + 4 + 2 + 5 + 4 + 4:][:2])[0], 35)

    def test_a_reader_that_takes_nothing_does_not_hold_up_others(self):
        rows = b"".join(b'{"id":%d,"item":"s","n":1}\n' % i for i in range(20000))
        self.node.append("plays", [rows], "k")
        fetch = struct.pack(">iiiib", -1, 0, 1, 1 << 24, 0) + struct.pack(">ih5si", 1, 5, b"plays", 2)
        fetch += b"".join(struct.pack(">iqi", partition, 0, 1 << 24) for partition in (0, 1))
        slow = [self.connect() for _ in range(8)]
        for connection in slow:
            for _ in range(20):
                self.ask(connection, 1, 4, fetch)
        taken = []
        reader = threading.Thread(target=lambda: taken.append(self.read_with_own_connection(fetch)))
        reader.start()
        reader.join(SECONDS_MAX)
        self.assertTrue(taken and taken[0] > 500000, taken)

    def read_with_own_connection(self, fetch):
        connection = self.connect()
        self.ask(connection, 1, 4, fetch)
        return len(self.answer(connection))


if __name__ == "__main__":
    unittest.main()
