"""Apache Kafka's own Java client against the listener: idempotent by default, with all codecs (its snappy is framed in its own way),
in a group, and as an administrator."""

import unittest

import kafka_clients as clients
from kafka_case import KafkaCase

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
COUNT = 300


@unittest.skipIf(clients.java_missing(), clients.java_missing())
class Java(KafkaCase):
    def java(self, *arguments):
        self.node.disconnect()  # this takes a while
        return clients.run_java(self.kafka_port, self.folder, *arguments)

    def test_every_codec_is_stored_once_and_read_back_by_a_group(self):
        self.assertEqual(self.java("produce", "plays", ",".join(CODECS), COUNT), [str(COUNT * len(CODECS))])
        self.assertEqual(self.totals(), {codec: (COUNT, COUNT) for codec in CODECS})
        self.assertEqual(self.node.sql("SELECT count(*) FROM plays_dead"), [[0]])
        self.assert_closed("plays", COUNT * len(CODECS))
        half = self.java("consume", "plays", "java", COUNT)
        self.node.kill()
        self.node.start()
        rest = self.java("consume", "plays", "java", COUNT * len(CODECS) - len(half))
        self.assertEqual(sorted(map(int, half + rest)), list(range(COUNT * len(CODECS))))

    def test_a_group_reads_a_view(self):
        self.node.sql("CREATE MATERIALIZED VIEW large AS SELECT id, n FROM plays WHERE id >= 100")
        self.java("produce", "plays", "none", COUNT)
        self.node.sql("SYNC")
        read = self.java("consume", "large", "views", COUNT - 100)
        self.assertEqual(sorted(map(int, read)), list(range(100, COUNT)))
        self.assertEqual(self.java("refused", "large"), ["TopicAuthorizationException"])
        self.assertEqual(self.java("forget", "large", "views"), ["0"])

    def test_an_administrator_makes_and_deletes_topics(self):
        self.assertEqual(self.java("topics", "made"), ["3 60000", "gone"])


if __name__ == "__main__":
    unittest.main()
