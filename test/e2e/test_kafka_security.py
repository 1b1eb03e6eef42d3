"""Kafka clients that have to say who they are: TLS, SASL, and what each user may do with which topics. HTTP asks the same users."""

import base64
import json
import pathlib
import subprocess
import tempfile
import time
import unittest

import engagement_job as job
import kafka_clients as clients
from kafka_case import SECONDS_MAX, KafkaCase

USERS = {
    "writer": ("writer-password", ["--write", "plays"]),
    "reader": ("reader-password", ["--read", "plays,tot*"]),
    "root": ("root-password", ["--admin", "*"]),
    "slow": ("slow-password", ["--write", "plays", "--produce-rate", "20KB"]),
}
MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN")


def user_line(name, password, rights):
    done = subprocess.run([job.BINARY, "user", name, *rights], input=password + "\n", capture_output=True, text=True, check=True)
    return done.stdout


def basic(name, password=None):
    text = f"{name}:{USERS[name][0] if password is None else password}"
    return "Basic " + base64.b64encode(text.encode()).decode()


class SecurityCase(KafkaCase):
    def more_flags(self):
        keys = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="millrace-keys-")))
        users = keys / "users.conf"
        users.write_text("# for a test\n" + "".join(user_line(name, *more) for name, more in USERS.items()), encoding="utf-8")
        return ["--users-file", users, *self.tls_flags(keys)]

    def tls_flags(self, keys):
        return []

    def setUp(self):
        super().setUp()
        self.node.authorization = basic("root")

    def login(self, name, mechanism="SCRAM-SHA-256", password=None):
        return {"security.protocol": "sasl_plaintext", "sasl.mechanism": mechanism, "sasl.username": name,
                "sasl.password": USERS[name][0] if password is None else password, "reconnect.backoff.ms": 50, "log_level": 0}

    def produce(self, settings, topic, count):
        """(messages acked, errors)."""
        acked, errors = [], []
        producer = self.producer(**{"message.timeout.ms": 10000, "error_cb": errors.append, **settings})
        for number in range(count):
            producer.produce(topic, json.dumps({"id": number, "item": "p", "n": 1}),
                             on_delivery=lambda error, message: (errors if error else acked).append(error or message))
        producer.flush(SECONDS_MAX)
        return len(acked), [error.name() for error in errors]

    def read(self, settings, topic, count):
        """(messages, errors)."""
        consumer = self.consumer(**settings, **{"group.id": "readers"})
        consumer.subscribe([topic])
        messages, errors = [], []
        try:
            while len(messages) < count and not errors:
                message = consumer.poll(SECONDS_MAX)
                self.assertIsNotNone(message, "nothing came")
                (errors if message.error() else messages).append(message.error() or message)
            if messages and not errors:
                consumer.commit(asynchronous=False)
        finally:
            consumer.close()
        return len(messages), [error.name() for error in errors]


@unittest.skipIf(clients.confluent_missing(), clients.confluent_missing())
class Login(SecurityCase):
    def test_each_mechanism_lets_users_in_and_nobody_else(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                self.assertEqual(self.produce(self.login("writer", mechanism), "plays", 10), (10, []))
                self.assertEqual(self.read(self.login("reader", mechanism), "plays", 10), (10, []))
                wrong = self.login("writer", mechanism, password="not-the-password")
                acked, errors = self.produce({**wrong, "message.timeout.ms": 1500}, "plays", 1)
                self.assertEqual(acked, 0)
                self.assertIn("_AUTHENTICATION", errors)
        self.assertEqual(self.produce({"message.timeout.ms": 1500}, "plays", 1)[0], 0, "who does not log in")
        self.assertEqual(self.totals(), {"p": (30, 30)})
        metrics = self.node.request("GET", "/metrics")[1].decode()
        refused = [line for line in metrics.splitlines() if line.startswith("millrace_kafka_failed_logins")]
        self.assertGreaterEqual(float(refused[-1].split()[-1]), 3)

    def test_rights_are_by_topic(self):
        self.assertEqual(self.produce(self.login("reader"), "plays", 1)[0], 0)
        self.assertIn("TOPIC_AUTHORIZATION_FAILED", self.produce(self.login("reader"), "plays", 1)[1])
        self.assertIn("TOPIC_AUTHORIZATION_FAILED", self.produce(self.login("writer"), "titles", 1)[1])
        self.assertIn("TOPIC_AUTHORIZATION_FAILED", self.produce(self.login("writer"), "made_by_asking", 1)[1])
        self.assertEqual(self.produce(self.login("root"), "plays", 3), (3, []))
        self.assertEqual(self.read(self.login("writer"), "plays", 1), (0, ["TOPIC_AUTHORIZATION_FAILED"]))
        self.assertEqual(self.read(self.login("reader"), "plays", 3), (3, []))
        self.assertEqual(self.totals(), {"p": (3, 3)})
        import confluent_kafka.admin
        seen = {}
        for name in USERS:
            admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": f"127.0.0.1:{self.kafka_port}", **self.login(name)})
            seen[name] = sorted(admin.list_topics(timeout=SECONDS_MAX).topics)
            if name in ("root", "slow"):
                continue
            made = admin.create_topics([confluent_kafka.admin.NewTopic("new", 1)])["new"]
            self.assertEqual(made.exception(SECONDS_MAX).args[0].name(), "TOPIC_AUTHORIZATION_FAILED")
            gone = admin.delete_topics(["plays"])["plays"]
            self.assertEqual(gone.exception(SECONDS_MAX).args[0].name(), "TOPIC_AUTHORIZATION_FAILED")
            group = admin.delete_consumer_groups(["readers"])["readers"]
            self.assertEqual(group.exception(SECONDS_MAX).args[0].name(), "GROUP_AUTHORIZATION_FAILED")
        self.assertEqual(seen["writer"], ["plays"])
        self.assertIn("plays", seen["reader"])
        self.assertNotIn("titles", seen["reader"])
        self.assertIn("titles", seen["root"])

    def test_rates_are_kept(self):
        started = time.monotonic()
        # 60 KB and the heads of some requests at 20 KB a second, the first of which are free.
        producer = self.producer(**self.login("slow"), **{"batch.num.messages": 10})
        for _ in range(300):
            producer.produce("plays", json.dumps({"id": 1, "item": "s", "n": 1, "pad": "x" * 160}))
        self.assertEqual(producer.flush(SECONDS_MAX), 0)
        self.assertGreater(time.monotonic() - started, 1.5)
        self.assertEqual(self.totals(), {"s": (300, 300)})

    def test_http_asks_the_same_users(self):
        lines = b'{"id":1,"item":"h","n":1}\n'
        as_lines = {"Content-Type": "application/x-ndjson"}
        expected = {  # status of: append to plays, append to titles, SQL, status
            basic("writer"): (200, 403, 403, 200),
            basic("reader"): (403, 403, 403, 200),
            basic("root"): (200, 400, 200, 200),
            basic("root", "root-passwort"): (401, 401, 401, 401),
            "Basic bm9ib2R5": (401, 401, 401, 401),
            "Bearer something": (401, 401, 401, 401),
            None: (401, 401, 401, 401),
        }
        for authorization, statuses in expected.items():
            with self.subTest(authorization):
                self.node.authorization = authorization
                got = (self.node.request("POST", "/v1/streams/plays", lines, as_lines)[0],
                       self.node.request("POST", "/v1/streams/titles", b"no json", {"Content-Type": "text/csv"})[0],
                       self.node.request("POST", "/v1/sql", b'{"sql":"SHOW ALL"}', {"Content-Type": "application/json"})[0],
                       self.node.request("GET", "/v1/status")[0])
                self.assertEqual(got[0::2] + got[3:], statuses[0::2] + statuses[3:])
                self.assertEqual(got[1] in (200, 400, 415, 422), statuses[1] == 400, got)
                self.assertEqual(self.node.request("GET", "/healthz")[0], 200)
        self.node.authorization = basic("root")
        self.assertEqual(self.totals(), {"h": (2, 2)})


@unittest.skipIf(clients.kafkajs_missing(), clients.kafkajs_missing())
class KafkaJs(SecurityCase):
    def test_kafkajs_logs_in(self):
        script = pathlib.Path(__file__).with_name("kafkajs_login.js")
        for mechanism in MECHANISMS:
            clients.run_kafkajs(self.kafka_port, script, "plays", mechanism.lower(), "writer", "writer-password")
            with self.assertRaisesRegex(AssertionError, "the name or the password is not right"):
                clients.run_kafkajs(self.kafka_port, script, "plays", mechanism.lower(), "writer", "another-password")
        self.assertEqual(self.totals(), {"j": (3, 3)})


@unittest.skipIf(clients.confluent_missing(), clients.confluent_missing())
class Tls(SecurityCase):
    def tls_flags(self, keys):
        self.certificate, key = keys / "node.pem", keys / "node.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", self.certificate],
                       check=True, capture_output=True)
        return ["--kafka-tls-cert", self.certificate, "--kafka-tls-key", key]

    def login(self, name, mechanism="SCRAM-SHA-256", password=None):
        return {**super().login(name, mechanism, password), "security.protocol": "sasl_ssl",
                "ssl.ca.location": str(self.certificate)}

    def test_messages_go_through_tls_and_not_without(self):
        for mechanism in MECHANISMS:
            self.assertEqual(self.produce(self.login("writer", mechanism), "plays", 1000), (1000, []))
        self.assertEqual(self.read(self.login("reader"), "plays", 3000), (3000, []))
        in_the_clear = {**self.login("writer"), "security.protocol": "sasl_plaintext", "message.timeout.ms": 1500}
        self.assertEqual(self.produce(in_the_clear, "plays", 1)[0], 0)
        unknown = {**self.login("writer"), "ssl.ca.location": "/etc/ssl/certs/ca-certificates.crt", "message.timeout.ms": 1500}
        self.assertEqual(self.produce(unknown, "plays", 1)[0], 0, "a certificate that the client does not trust")
        self.assertEqual(self.totals(), {"p": (3000, 3000)})
        old = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.kafka_port}", "-tls1_1"], input=b"",
                             capture_output=True, timeout=SECONDS_MAX, check=False)
        self.assertNotEqual(old.returncode, 0, "TLS 1.1")


if __name__ == "__main__":
    unittest.main()
