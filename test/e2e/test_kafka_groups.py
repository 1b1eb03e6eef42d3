"""Consumer groups of unmodified clients: they share partitions, and go on where they committed, also after kill -9 of the node."""

import collections
import contextlib
import json
import pathlib
import socket
import struct
import time
import unittest

import kafka_clients as clients
from kafka_case import SECONDS_MAX, KafkaCase

ROWS = 600


class GroupCase(KafkaCase):
    def fill(self, count=ROWS, first=0):
        rows = [b'{"id":%d,"item":"i%d","n":1}\n' % (i, i % 5) for i in range(first, first + count)]
        text = b"".join(b"%d:%s" % (i, row) for i, row in enumerate(rows))
        clients.kcat(self.kafka_port, "-P", "-t", "plays", "-K", ":", text=text)


@unittest.skipIf(clients.confluent_missing() or clients.kcat_missing(), clients.confluent_missing() or clients.kcat_missing())
class Confluent(GroupCase):
    def group_consumer(self, group="g", **more):
        consumer = self.consumer(**{"group.id": group, "session.timeout.ms": 6000, "heartbeat.interval.ms": 200, **more})
        self.addCleanup(self.close_once, consumer)
        return consumer

    def close_once(self, consumer):
        with contextlib.suppress(RuntimeError):  # closed already
            consumer.close()

    def take(self, consumers, count, seconds=SECONDS_MAX):
        """(ids, messages by consumer) of so many messages."""
        seen, by_consumer = collections.Counter(), collections.Counter()
        limit = time.monotonic() + seconds
        while seen.total() < count and time.monotonic() < limit:
            for place, consumer in enumerate(consumers):
                for message in consumer.consume(50, 0.05):
                    self.assertIsNone(message.error())
                    seen[json.loads(message.value())["id"]] += 1
                    by_consumer[place] += 1
        return seen, by_consumer

    def assigned(self, consumers, wanted):
        limit = time.monotonic() + SECONDS_MAX
        while sorted(len(c.assignment()) for c in consumers) != sorted(wanted):
            self.assertLess(time.monotonic(), limit, [c.assignment() for c in consumers])
            for consumer in consumers:
                self.assertIsNone(consumer.poll(0.05))

    def test_members_share_the_partitions_and_take_over(self):
        a, b = self.group_consumer(), self.group_consumer()
        for consumer in (a, b):
            consumer.subscribe(["plays"])
        self.assigned([a, b], [1, 1])
        self.fill()
        seen, by_consumer = self.take([a, b], ROWS)
        self.assertEqual(seen, collections.Counter(range(ROWS)))
        self.assertEqual(len(by_consumer), 2)
        a.commit(asynchronous=False)
        b.commit(asynchronous=False)
        b.close()
        self.assigned([a], [2])
        self.fill(100, ROWS)
        seen, _ = self.take([a], 100)
        self.assertEqual(seen, collections.Counter(range(ROWS, ROWS + 100)))

    def test_a_killed_node_knows_what_was_committed(self):
        self.fill()
        consumer = self.group_consumer()
        consumer.subscribe(["plays"])
        seen, _ = self.take([consumer], 200)
        consumer.commit(asynchronous=False)
        places = [(p.partition, p.offset) for p in consumer.position(consumer.assignment())]
        self.node.kill()
        self.node.start()
        # The same consumer joins again by itself; what it has read it does not read again.
        more, _ = self.take([consumer], ROWS - seen.total())
        self.assertEqual(seen + more, collections.Counter(range(ROWS)))
        consumer.close()
        committed = self.group_consumer().committed(self.partitions(), SECONDS_MAX)
        self.assertEqual(sorted((p.partition, p.offset) for p in committed), sorted(places))
        self.node.kill()
        self.node.start()
        follower = self.group_consumer()
        follower.subscribe(["plays"])
        again, _ = self.take([follower], ROWS - sum(max(offset, 0) for _, offset in places))
        self.assertEqual(again, more)

    def partitions(self):
        import confluent_kafka
        return [confluent_kafka.TopicPartition("plays", partition) for partition in (0, 1)]

    def test_metadata_of_a_commit_and_tools(self):
        import confluent_kafka
        from confluent_kafka.admin import AdminClient
        consumer = self.group_consumer("notes")
        place = confluent_kafka.TopicPartition("plays", 1, 0, metadata="a note")
        consumer.commit(offsets=[place], asynchronous=False)
        self.assertEqual([p.metadata for p in consumer.committed([place], SECONDS_MAX)], ["a note"])
        member = self.group_consumer("live")
        member.subscribe(["plays"])
        self.assigned([member], [2])
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{self.kafka_port}"})
        listed = {g.group_id: g.state.name for g in admin.list_consumer_groups().result(SECONDS_MAX).valid}
        self.assertEqual(listed, {"notes": "EMPTY", "live": "STABLE"})
        described = admin.describe_consumer_groups(["live"])["live"].result(SECONDS_MAX)
        self.assertEqual([len(m.assignment.topic_partitions) for m in described.members], [2])
        with self.assertRaises(confluent_kafka.KafkaException) as refused:
            admin.delete_consumer_groups(["live"])["live"].result(SECONDS_MAX)
        self.assertEqual(refused.exception.args[0].code(), confluent_kafka.KafkaError.NON_EMPTY_GROUP)
        admin.delete_consumer_groups(["notes"])["notes"].result(SECONDS_MAX)
        self.assertEqual([p.offset for p in consumer.committed([place], SECONDS_MAX)], [confluent_kafka.OFFSET_INVALID])

    def test_single_offsets_are_deleted(self):
        """OffsetDelete, which this client has no call for: byte by byte."""
        import confluent_kafka
        consumer = self.group_consumer("once")
        places = [confluent_kafka.TopicPartition("plays", partition, 1) for partition in (0, 1)]
        consumer.commit(offsets=places, asynchronous=False)
        text = lambda value: struct.pack(">h", len(value)) + value
        body = text(b"once") + struct.pack(">i", 1) + text(b"plays") + struct.pack(">iii", 2, 0, 7)
        request = struct.pack(">hhih", 47, 0, 5, -1) + body
        with socket.create_connection(("127.0.0.1", self.kafka_port), SECONDS_MAX) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.makefile("rb")
            answer = answer.read(*struct.unpack(">i", answer.read(4)))
        self.assertEqual(struct.unpack(">ihi", answer[:10]), (5, 0, 0))
        self.assertEqual(struct.unpack(">iihih", answer[-16:]), (2, 0, 0, 7, 3))  # there is no partition 7
        for _ in range(2):
            self.assertEqual([p.offset for p in consumer.committed(places, SECONDS_MAX)], [confluent_kafka.OFFSET_INVALID, 1])
            self.node.kill()
            self.node.start()

    def test_a_topic_made_anew_has_no_offsets(self):
        self.node.sql("CREATE STREAM passing (id BIGINT)")
        clients.kcat(self.kafka_port, "-P", "-t", "passing", text=b'{"id":1}\n{"id":2}\n')
        consumer = self.group_consumer("p")
        consumer.subscribe(["passing"])
        self.take([consumer], 2)
        consumer.commit(asynchronous=False)
        consumer.close()
        self.node.sql("DROP STREAM passing; CREATE STREAM passing (id BIGINT)")
        clients.kcat(self.kafka_port, "-P", "-t", "passing", text=b'{"id":3}\n{"id":4}\n')
        again = self.group_consumer("p")
        again.subscribe(["passing"])
        self.assertEqual(self.take([again], 2)[0], collections.Counter([3, 4]))


@unittest.skipIf(clients.kcat_missing(), clients.kcat_missing())
class Kcat(GroupCase):
    def test_goes_on_where_it_was(self):
        self.fill(100)
        read = clients.kcat(self.kafka_port, "-G", "k", "-q", "-c", "100", "-X", "auto.offset.reset=earliest", "plays")
        self.assertEqual(sorted(json.loads(line)["id"] for line in read.splitlines()), list(range(100)))
        self.node.kill()
        self.node.start()
        self.fill(50, 100)
        read = clients.kcat(self.kafka_port, "-G", "k", "-q", "-c", "50", "-X", "auto.offset.reset=earliest", "plays")
        self.assertEqual(sorted(json.loads(line)["id"] for line in read.splitlines()), list(range(100, 150)))


@unittest.skipIf(clients.kafkajs_missing() or clients.kcat_missing(), clients.kafkajs_missing() or clients.kcat_missing())
class Kafkajs(GroupCase):
    def read(self, count):
        script = pathlib.Path(__file__).with_name("kafkajs_group.js")
        return sorted(json.loads(clients.run_kafkajs(self.kafka_port, script, "plays", "js", str(count))))

    def test_goes_on_where_it_was(self):
        self.fill(100)
        self.assertEqual(self.read(100), list(range(100)))
        self.node.kill()
        self.node.start()
        self.fill(50, 100)
        self.assertEqual(self.read(50), list(range(100, 150)))


if __name__ == "__main__":
    unittest.main()
