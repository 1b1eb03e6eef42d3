"""Topics made, described and deleted by unmodified clients."""

import json
import unittest

import kafka_clients as clients
from kafka_case import SECONDS_MAX, KafkaCase


@unittest.skipIf(clients.confluent_missing(), clients.confluent_missing())
class Admin(KafkaCase):
    def setUp(self):
        super().setUp()
        from confluent_kafka.admin import AdminClient
        self.admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{self.kafka_port}"})

    def create(self, name, partitions=1, **more):
        from confluent_kafka.admin import NewTopic
        self.admin.create_topics([NewTopic(name, partitions, **more)])[name].result(SECONDS_MAX)

    def refused(self, name, act):
        """The error that a client is told; its name is this."""
        import confluent_kafka
        with self.assertRaises(confluent_kafka.KafkaException) as caught:
            act()
        self.assertEqual(caught.exception.args[0].name(), name, caught.exception)
        return caught.exception.args[0].str()

    def configs(self, kind, name):
        from confluent_kafka.admin import ConfigResource
        resource = ConfigResource(kind, name)
        return {entry.name: entry for entry in self.admin.describe_configs([resource])[resource].result(SECONDS_MAX).values()}

    def test_a_topic_is_a_stream_with_what_was_asked(self):
        self.create("made", 3, replication_factor=1,
                    config={"retention.ms": "3600000", "retention.bytes": "1073741824", "cleanup.policy": "delete"})
        shown = self.configs("topic", "made")
        self.assertEqual({name: shown[name].value for name in ("retention.ms", "retention.bytes", "cleanup.policy", "compression.type")},
                         {"retention.ms": "3600000", "retention.bytes": "1073741824", "cleanup.policy": "delete",
                          "compression.type": "producer"})
        self.assertFalse(shown["retention.ms"].is_default)
        self.assertTrue(shown["segment.bytes"].is_default)
        producer = self.producer()
        for partition in range(3):
            producer.produce("made", b"value", partition=partition)
        self.assertEqual(producer.flush(SECONDS_MAX), 0)
        self.assertEqual(self.node.sql("SYNC; SELECT count(*), count(DISTINCT _partition) FROM made"), [[3, 3]])
        self.assertEqual(self.configs("topic", "plays")["retention.ms"].value, "-1")

    def test_the_node_is_killed_after_the_answer(self):
        self.create("kept", 2)
        self.node.kill()
        self.node.start()
        self.assertEqual(len(self.admin.list_topics(timeout=SECONDS_MAX).topics["kept"].partitions), 2)
        self.admin.delete_topics(["kept"])["kept"].result(SECONDS_MAX)
        self.node.kill()
        self.node.start()
        self.assertNotIn("kept", self.admin.list_topics(timeout=SECONDS_MAX).topics)

    def test_what_cannot_be_is_refused_with_its_reason(self):
        self.refused("TOPIC_ALREADY_EXISTS", lambda: self.create("PLAYS"))
        self.refused("INVALID_REPLICATION_FACTOR", lambda: self.create("r", replication_factor=3))
        self.refused("TOPIC_EXCEPTION", lambda: self.create("no good"))
        reason = self.refused("INVALID_CONFIG", lambda: self.create("c", config={"cleanup.policy": "compact"}))
        self.assertIn("cleanup.policy is always delete", reason)
        self.refused("INVALID_CONFIG", lambda: self.create("c", config={"no.such.thing": "1"}))
        self.refused("POLICY_VIOLATION", lambda: self.admin.delete_topics(["plays"])["plays"].result(SECONDS_MAX))
        self.refused("UNKNOWN_TOPIC_OR_PART", lambda: self.admin.delete_topics(["nope"])["nope"].result(SECONDS_MAX))

    def test_partitions_and_settings_are_fixed(self):
        from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions
        reason = self.refused("INVALID_PARTITIONS", lambda: self.admin.create_partitions([NewPartitions("plays", 4)])["plays"]
                              .result(SECONDS_MAX))
        self.assertIn("plays has 2", reason)

        def alter(value):
            entry = ConfigEntry("retention.ms", value, incremental_operation=AlterConfigOpType.SET)
            resource = ConfigResource("topic", "plays", incremental_configs=[entry])
            self.admin.incremental_alter_configs([resource])[resource].result(SECONDS_MAX)
        alter("-1")
        self.assertIn("retention.ms = -1", self.refused("INVALID_CONFIG", lambda: alter("5")))

    def test_settings_of_the_broker(self):
        shown = self.configs("broker", "1")
        self.assertEqual(shown["auto.create.topics.enable"].value, "true")
        self.assertEqual(shown["message.max.bytes"].value, str(16 << 20))

    def test_records_are_deleted_and_views_keep_what_they_counted(self):
        import confluent_kafka
        producer = self.producer()
        for number in range(100):
            producer.produce("plays", json.dumps({"id": number, "item": "d", "n": 1}), partition=0)
        self.assertEqual(producer.flush(SECONDS_MAX), 0)
        self.assertEqual(self.totals(), {"d": (100, 100)})
        beyond = confluent_kafka.TopicPartition("plays", 0, 101)
        self.refused("OFFSET_OUT_OF_RANGE", lambda: self.admin.delete_records([beyond])[beyond].result(SECONDS_MAX))
        place = confluent_kafka.TopicPartition("plays", 0, 100)
        deleted = self.admin.delete_records([place])[place].result(SECONDS_MAX)
        self.assertEqual(deleted.low_watermark, 100)
        for _ in range(2):
            consumer = self.consumer()
            self.assertEqual(consumer.get_watermark_offsets(place, SECONDS_MAX), (100, 100))
            consumer.close()
            self.assertEqual(self.totals(), {"d": (100, 100)})
            self.node.kill()
            self.node.start()


if __name__ == "__main__":
    unittest.main()
