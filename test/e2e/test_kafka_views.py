"""Views as topics: what unmodified clients read of them is what the views are, whatever happens to the node meanwhile."""

import json
import pathlib
import time
import unittest

import kafka_clients as clients
from kafka_case import SECONDS_MAX, KafkaCase

VIEWS = """
CREATE MATERIALIZED VIEW large AS SELECT id, n FROM plays WHERE n > 10;
CREATE MATERIALIZED VIEW names AS SELECT name FROM titles;
"""


class ViewCase(KafkaCase):
    def setUp(self):
        super().setUp()
        self.node.sql(VIEWS)

    def produce(self, first, count, n=lambda i: i):
        rows = b"".join(b'{"id":%d,"item":"i%d","n":%d}\n' % (i, i % 7, n(i)) for i in range(first, first + count))
        clients.kcat(self.kafka_port, "-P", "-t", "plays", text=rows)

    def table(self, query):
        return self.node.sql(f"SYNC; {query}")


@unittest.skipIf(clients.confluent_missing() or clients.kcat_missing(), clients.confluent_missing() or clients.kcat_missing())
class Confluent(ViewCase):
    def reader(self, topic, group="none", **more):
        import confluent_kafka
        consumer = self.consumer(**{"group.id": group, "enable.partition.eof": True, **more})
        self.addCleanup(consumer.close)
        if group == "none":
            consumer.assign([confluent_kafka.TopicPartition(topic, 0, confluent_kafka.OFFSET_BEGINNING)])
        else:
            consumer.subscribe([topic])
        return consumer

    def take(self, consumer, enough, messages=()):
        """All messages until the end of the topic is reached and `enough` says so of them."""
        import confluent_kafka
        messages, ended = list(messages), False
        limit = time.monotonic() + SECONDS_MAX
        while not (ended and enough(messages)):
            self.assertLess(time.monotonic(), limit, f"{len(messages)} messages, and not what is to come")
            message = consumer.poll(0.2)
            if message is not None and message.error():
                self.assertEqual(message.error().code(), confluent_kafka.KafkaError._PARTITION_EOF, message.error())
                ended = True
            else:
                self.add(messages, message)
        return messages

    def add(self, messages, message):
        """The next one; or, after a rebalance, one that was read and not committed, which must be the same again."""
        if message is None:
            return
        first = messages[0].offset() if messages else message.offset()
        place = message.offset() - first
        self.assertLessEqual(place, len(messages), "offsets are left out")
        if place == len(messages):
            messages.append(message)
        else:
            self.assertEqual((messages[place].key(), messages[place].value()), (message.key(), message.value()))

    def rows_of(self, messages):
        """The table that a reader of upserts has."""
        rows = {}
        for message in messages:
            if message.value() is None:
                rows.pop(message.key(), None)
            else:
                rows[message.key()] = json.loads(message.value())
        return rows

    def totals_are(self, messages):
        view = self.table("SELECT item, c, s FROM totals ORDER BY item")
        rows = sorted(self.rows_of(messages).values(), key=lambda row: row["item"])
        return [[row["item"], row["c"], row["s"]] for row in rows] == view

    def bag_of(self, messages):
        bag = {}
        for message in messages:
            step = {b"+I": 1, b"-D": -1}[dict(message.headers())["_op"]]
            bag[message.value()] = bag.get(message.value(), 0) + step
        return sorted(value for value, count in bag.items() for _ in range(count))

    def commit(self, consumer, messages):
        """After a kill of the node the consumer has to join again first, which it does by itself."""
        import confluent_kafka
        limit = time.monotonic() + SECONDS_MAX
        while True:
            try:
                place = confluent_kafka.TopicPartition(messages[-1].topic(), 0, messages[-1].offset() + 1)
                return consumer.commit(offsets=[place], asynchronous=False)
            except confluent_kafka.KafkaException as refused:
                self.assertLess(time.monotonic(), limit, refused)
                message = consumer.poll(0.1)
                self.add(messages, message if message is None or not message.error() else None)

    def test_a_view_with_a_key_is_upserts(self):
        self.produce(0, 100)
        self.totals()
        consumer = self.reader("totals")
        messages = self.take(consumer, self.totals_are)
        self.assertEqual(len(messages), 7)  # the rows that were there, once each
        self.assertEqual(sorted(m.key() for m in messages), [b'{"item":"i%d"}' % i for i in range(7)])
        self.produce(100, 50)
        messages = self.take(consumer, self.totals_are, messages)
        self.assertEqual([m.offset() for m in messages], list(range(len(messages))))

    def test_what_goes_is_a_tombstone(self):
        self.node.sql("CREATE MATERIALIZED VIEW twins AS SELECT name, count(*) AS c FROM titles GROUP BY name")
        consumer = self.reader("twins")
        self.node.sql("INSERT INTO titles VALUES (1, 'a'), (2, 'a'), (3, 'b')")
        messages = self.take(consumer, lambda got: len(self.rows_of(got)) == 2)
        self.node.sql("DELETE FROM titles WHERE title = 3")
        messages = self.take(consumer, lambda got: len(self.rows_of(got)) == 1, messages)
        self.assertEqual(messages[-1].key(), b'{"name":"b"}')
        self.assertIsNone(messages[-1].value())
        self.assertEqual(list(self.rows_of(messages).values()), [{"name": "a", "c": 2}])

    def test_a_view_without_key_says_in_a_header_what_happened(self):
        self.node.sql("INSERT INTO titles VALUES (1, 'a'), (2, 'a'), (3, 'b')")
        consumer = self.reader("names")
        messages = self.take(consumer, lambda got: len(got) >= 3)
        self.node.sql("UPDATE titles SET name = 'c' WHERE title = 2")
        messages = self.take(consumer, lambda got: len(got) >= 5, messages)
        self.assertTrue(all(m.key() is None for m in messages))
        self.assertEqual([json.loads(row)["name"] for row in self.bag_of(messages)], ["a", "b", "c"])

    def test_side_rows_are_topics(self):
        clients.kcat(self.kafka_port, "-P", "-t", "plays", text=b"no json\n")
        self.table("SELECT 1")
        dead = self.take(self.reader("plays_dead"), lambda got: got)
        self.assertEqual(len(dead), 1)
        self.assertEqual(json.loads(dead[0].value())["source_offset"], 0)
        self.assertIn("reason", json.loads(dead[0].value()))

    def test_metadata_lists_them_and_they_are_read_alone(self):
        import confluent_kafka
        topics = self.consumer().list_topics(timeout=SECONDS_MAX).topics
        for name in ("totals", "large", "names", "plays_dead", "totals_late", "totals_error"):
            self.assertEqual(len(topics[name].partitions), 1, name)
        failed = []
        producer = self.producer()
        for name in ("totals", "plays_dead"):
            producer.produce(name, b"{}", on_delivery=lambda error, message: failed.append(error.name()))
        self.assertEqual(producer.flush(SECONDS_MAX), 0)
        self.assertEqual(failed, ["TOPIC_AUTHORIZATION_FAILED"] * 2)
        place = confluent_kafka.TopicPartition("large", 0)
        self.produce(0, 100)
        self.table("SELECT 1")
        consumer = self.consumer()
        self.assertEqual(consumer.get_watermark_offsets(place, SECONDS_MAX), (0, 89))
        self.assertEqual(consumer.offsets_for_times([confluent_kafka.TopicPartition("large", 0, 1000)], SECONDS_MAX)[0].offset, 0)

    def test_deleting_the_topic_keeps_the_view(self):
        import confluent_kafka
        from confluent_kafka.admin import AdminClient
        self.produce(0, 20)
        self.totals()
        consumer = self.reader("totals")
        self.take(consumer, self.totals_are)
        consumer.unassign()  # or it would begin the topic anew
        replace = "CREATE OR REPLACE MATERIALIZED VIEW totals AS SELECT item, count(*) AS c, max(n) AS s FROM plays GROUP BY item"
        status, answer = self.node.request("POST", "/v1/sql", json.dumps({"sql": replace}), {"Content-Type": "application/json"})
        self.assertNotEqual(status, 200)
        self.assertIn(b"delete the topic", answer)
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{self.kafka_port}"})
        admin.delete_topics(["totals"])["totals"].result(SECONDS_MAX)
        self.node.sql(replace)
        self.take(self.reader("totals"), self.totals_are)
        with self.assertRaises(confluent_kafka.KafkaException):
            admin.delete_topics(["plays_dead"])["plays_dead"].result(SECONDS_MAX)

    def test_a_killed_node_goes_on_where_the_group_is(self):
        """Kills in the middle, before and after commits: no offset twice, none left out, and the view at the end."""
        keyed = self.reader("totals", "g")
        plain = self.reader("large", "h")
        got = {"totals": [], "large": []}
        for turn in range(4):
            self.produce(turn * 500, 500)
            got["totals"] = self.take(keyed, lambda messages: len(messages) > turn, got["totals"])
            self.commit(keyed, got["totals"])
            self.produce(10000 + turn * 500, 500)
            self.node.kill()
            self.node.start()
        got["totals"] = self.take(keyed, self.totals_are, got["totals"])
        rows = self.table("SELECT count(*) FROM large")[0][0]
        got["large"] = self.take(plain, lambda messages: len(messages) >= rows, got["large"])
        for name, messages in got.items():
            self.assertEqual([m.offset() for m in messages], list(range(len(messages))), name)
        view = self.table("SELECT id, n FROM large ORDER BY id")
        self.assertEqual(sorted([row["id"], row["n"]] for row in map(json.loads, self.bag_of(got["large"]))), view)
        self.commit(keyed, got["totals"])
        keyed.close()
        self.node.kill()
        self.node.start()
        self.produce(20000, 10)
        more = self.take(self.reader("totals", "g"), lambda messages: self.totals_are(got["totals"] + messages))
        self.assertEqual(more[0].offset(), len(got["totals"]))


@unittest.skipIf(clients.kafkajs_missing() or clients.kcat_missing(), clients.kafkajs_missing() or clients.kcat_missing())
class KafkaJs(ViewCase):
    def test_a_group_reads_a_view(self):
        self.produce(0, 100)
        self.totals()
        script = pathlib.Path(__file__).with_name("kafkajs_view.js")
        read = json.loads(clients.run_kafkajs(self.kafka_port, script, "totals", "7"))
        self.assertEqual({row["key"]: json.loads(row["value"])["c"] for row in read["messages"]},
                         {f'{{"item":"i{i}"}}': len(range(i, 100, 7)) for i in range(7)})
        self.assertEqual(read["refused"], "TOPIC_AUTHORIZATION_FAILED")


@unittest.skipIf(clients.kcat_missing(), clients.kcat_missing())
class Kcat(ViewCase):
    def test_it_reads_to_the_end(self):
        self.produce(0, 100)
        self.totals()
        read = clients.kcat(self.kafka_port, "-C", "-t", "large", "-e", "-o", "beginning", "-f", "%h %s\n").splitlines()
        self.assertEqual(sorted(read), [b'_op=+I {"id":%d,"n":%d}' % (i, i) for i in map(int, sorted(map(str, range(11, 100))))])


if __name__ == "__main__":
    unittest.main()
