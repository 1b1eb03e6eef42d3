"""All views of a pipeline stand at the same input positions at every commit: money moves between accounts under load and kills, and in
whatever anybody sees, by query, subscription or sink, no money is made or lost."""

import http.client
import json
import pathlib
import random
import tempfile
import threading
import time
import unittest

from node_process import GONE, NodeProcess

ACCOUNTS = 50
BATCH = 40
KILLS = 4
PIPELINE = """
CREATE STREAM transfers (id BIGINT, payer INTEGER, payee INTEGER, amount BIGINT) WITH (partitions = 3);
CREATE MATERIALIZED VIEW debits AS SELECT payer AS account, sum(amount)::BIGINT AS amount FROM transfers GROUP BY payer;
CREATE MATERIALIZED VIEW credits AS SELECT payee AS account, sum(amount)::BIGINT AS amount FROM transfers GROUP BY payee;
CREATE MATERIALIZED VIEW balances AS SELECT account, sum(amount)::BIGINT AS balance
  FROM (SELECT payee AS account, amount FROM transfers UNION ALL SELECT payer, -amount FROM transfers) GROUP BY account;
CREATE MATERIALIZED VIEW joined AS SELECT account, (coalesce(c.amount, 0) - coalesce(d.amount, 0))::BIGINT AS balance
  FROM credits c FULL JOIN debits d USING (account);
CREATE MATERIALIZED VIEW total AS SELECT sum(balance)::BIGINT AS total FROM balances;
CREATE SINK changes FROM joined WITH (connector = 'file', path = 'changes', format = 'ndjson', mode = 'changes');
CREATE SINK snapshot FROM balances WITH (connector = 'file', path = 'snapshot.ndjson', format = 'ndjson', mode = 'snapshot');
"""
# Rows that differ between the two ways to the balances; their sums; what was paid less what was received.
LOOK = """SELECT (SELECT count(*) FROM (FROM balances EXCEPT FROM joined)) + (SELECT count(*) FROM (FROM joined EXCEPT FROM balances)),
  (SELECT coalesce(sum(balance), 0)::BIGINT FROM balances), (SELECT coalesce(sum(balance), 0)::BIGINT FROM joined),
  (SELECT coalesce(sum(total), 0)::BIGINT FROM total),
  coalesce((SELECT sum(amount) FROM credits) - (SELECT sum(amount) FROM debits), 0)::BIGINT"""
JSON = {"Content-Type": "application/json"}


def transfers(batch):
    chance = random.Random(batch)
    lines = []
    for i in range(BATCH):
        payer, payee = chance.sample(range(ACCOUNTS), 2)
        lines.append(json.dumps({"id": batch * BATCH + i, "payer": payer, "payee": payee, "amount": chance.randint(1, 100)}).encode() + b"\n")
    return lines


class Balances:
    """What a reader of changes knows; whole whenever the commit changes."""

    def __init__(self):
        self.rows, self.commit, self.commits = {}, None, 0

    def take(self, change):
        if change["_commit"] != self.commit:
            self.check()
            self.commit, self.commits = change["_commit"], self.commits + 1
        row = (change["account"], change["balance"])
        self.rows[row] = self.rows.get(row, 0) + (1 if change["_op"] in ("+I", "+U") else -1)

    def check(self):
        money = sum(balance * times for (_, balance), times in self.rows.items())
        if money != 0:
            raise AssertionError(f"after commit {self.commit}: {money} was made")


class Client(threading.Thread):
    """Does one thing again and again until it is told to end; goes on when the node comes back."""

    def __init__(self, node, act):
        super().__init__(daemon=True)
        self.node, self.act, self.ends, self.failure, self.done = node, act, threading.Event(), None, 0

    def run(self):
        while not self.ends.is_set() and self.failure is None:
            try:
                self.act(self)
                self.done += 1
            except (OSError, *GONE):
                self.ends.wait(0.02)  # the node is down
            except AssertionError as failure:
                self.failure = failure

    def ask(self, sql):
        connection = http.client.HTTPConnection("127.0.0.1", self.node.port, timeout=60)
        connection.request("POST", "/v1/sql", json.dumps({"sql": sql}), JSON)
        return connection, connection.getresponse()


def pull(client):
    connection, answer = client.ask(LOOK)
    body = json.loads(answer.read())
    connection.close()
    if answer.status == 503:
        return  # not yet ready, or on its way back to the last commit
    if body.get("rows") != [[0, 0, 0, 0, 0]]:
        raise AssertionError(f"a query saw {body}")


def subscribe(client):
    connection, answer = client.ask("SUBSCRIBE TO balances FROM BEGINNING")
    seen = Balances()
    try:
        for line in iter(answer.readline, b""):
            if not line.endswith(b"\n"):
                return  # the node was killed in the middle of it
            change = json.loads(line)
            if "_op" in change:
                seen.take(change)
            if client.ends.is_set():
                return
    finally:
        client.commits = getattr(client, "commits", 0) + seen.commits
        connection.close()


def look_at_snapshot(path):
    def act(client):
        client.ends.wait(0.005)
        if path.exists():
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            if sum(row["balance"] for row in rows) != 0:
                raise AssertionError(f"the snapshot of a sink held {rows}")

    return act


class OneCommitTest(unittest.TestCase):
    def load_until(self, node, batches, wanted, clients):
        """Sends until the clients have seen enough of it."""
        before = [client.done for client in clients]
        limit = time.monotonic() + 120
        while any(client.done - seen < wanted for client, seen in zip(clients, before)) and time.monotonic() < limit:
            node.append("transfers", transfers(batches), f"batch {batches}")
            batches += 1
            for client in clients:
                if client.failure:
                    raise client.failure
        return batches

    def test_no_money_is_made(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "p.sql").write_text(PIPELINE)
            node = NodeProcess(folder / "data", folder / "log", workers=2)
            node.run(folder / "p.sql", {})
            pulls, snapshots = Client(node, pull), Client(node, look_at_snapshot(folder / "snapshot.ndjson"))
            changes = Client(node, subscribe)
            clients = [pulls, snapshots, changes]
            batches = 0
            try:
                for client in clients:
                    client.start()
                for _ in range(KILLS):
                    batches = self.load_until(node, batches, 20, [pulls, snapshots])
                    node.kill()
                    node.start()
                batches = self.load_until(node, batches, 20, [pulls, snapshots])
                node.sql("SYNC")
                rows = node.sql("SELECT count(*), count(DISTINCT id) FROM transfers")
                self.assertEqual(rows, [[batches * BATCH, batches * BATCH]])
                node.stop()
            finally:
                for client in clients:
                    client.ends.set()
                node.close()
            for client in clients:
                client.join(timeout=60)
                self.assertIsNone(client.failure)
            self.assertGreater(changes.commits, KILLS * 2)
            delivered = Balances()
            for path in sorted((folder / "changes").rglob("*.ndjson")):
                for line in path.read_text().splitlines():
                    delivered.take(json.loads(line))
            delivered.check()
            self.assertGreater(delivered.commits, KILLS * 2)
            self.assertTrue(all(times in (0, 1) for times in delivered.rows.values()), "the sink's changes do not add up")


if __name__ == "__main__":
    unittest.main()
