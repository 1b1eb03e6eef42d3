"""The main job fed over HTTP: in one big batch, in batches of random size, with a clean stop and with kills -9 while a
batch is on its way. The producer sends what was not acked again under the same Idempotency-Key. The report stays exact.

MILLRACE_SEED repeats a run; the seed is printed. MILLRACE_E2E=full adds more seeds and more events.
"""

import os
import pathlib
import random
import tempfile
import threading
import time
import unittest

import engagement_inputs
import engagement_job as job
from node_process import GONE, NodeProcess

FULL = os.environ.get("MILLRACE_E2E") == "full"
UNIT_MS = 50000 if FULL else 10000
ROUNDS = 10 if FULL else 2
KILLS = 4
BATCH_LINES_MAX = 2000
KILL_DELAY_SECONDS_MAX = 0.05


class DeliveryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="millrace_delivery_")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.path = pathlib.Path(cls.folder.name)
        cls.inputs = job.generate(cls.path / "in", UNIT_MS)
        cls.events = engagement_inputs.read_lines(cls.inputs / "events.ndjson")
        cls.catalogue = engagement_inputs.read_lines(cls.inputs / "catalogue.ndjson")

    def node(self, name, workers, partitions):
        node = NodeProcess(self.path / name, self.path / f"{name}.log", workers)
        self.addCleanup(node.close)
        node.run(job.PIPELINE, {"unit_ms": UNIT_MS, "partitions": partitions})
        self.assertEqual(node.append("catalogue", self.catalogue, "catalogue"), len(self.catalogue))
        return node

    def deliver(self, node, batch, key, kill_after=None):
        """Sends a batch until it is acked. With `kill_after`, the node is killed so many seconds later, and started again."""
        killer = None
        if kill_after is not None:
            killer = threading.Timer(kill_after, node.kill)
            killer.start()
        acked = False
        try:
            acked = node.append("playback", batch, key) == len(batch)
        except (OSError, *GONE):
            self.assertIsNotNone(killer, f"the node went away:\n{node.said()}")
        if killer is not None:
            killer.join()
            node.start()
        if not acked:
            self.assertEqual(node.append("playback", batch, key), len(batch))

    def assert_exact(self, node):
        node.sql("SYNC")
        ledger = node.json("GET", "/v1/ledger")
        self.assertTrue(ledger["closed"], ledger["open"][:3])
        stored = sum(total["count"] for total in ledger["totals"] if (total["stream"], total["hop"]) == ("playback", "stored"))
        self.assertEqual(stored, len(self.events))
        node.stop()
        self.assertEqual(job.differences(node.data, self.inputs, job.TITLES), [])
        self.assertEqual(job.open_books(node.data), [])

    def test_one_big_batch(self):
        node = self.node("big", workers=1, partitions=4)
        self.deliver(node, self.events, "all")
        self.assert_exact(node)

    def test_sent_twice_is_stored_once(self):
        node = self.node("twice", workers=1, partitions=8)
        for _ in range(2):
            for number, batch in enumerate(engagement_inputs.pieces(self.events, seed=5, most=20000)):
                self.deliver(node, batch, f"batch-{number}")
        self.assert_exact(node)

    def test_random_batches_with_a_stop_and_kills(self):
        seed = int(os.environ.get("MILLRACE_SEED", time.time_ns() % 1000000))
        for round_number in range(ROUNDS):
            print(f"MILLRACE_SEED={seed}", flush=True)
            self.batches_with_a_stop_and_kills(seed, workers=1 + round_number % 2, partitions=(8, 1)[round_number % 2])
            seed += 1

    def batches_with_a_stop_and_kills(self, seed, workers, partitions):
        chance = random.Random(seed)
        batches = list(engagement_inputs.pieces(self.events, seed, BATCH_LINES_MAX))
        stop, *kills = chance.sample(range(len(batches)), KILLS + 1)
        node = self.node(f"random-{seed}", workers, partitions)
        for number, batch in enumerate(batches):
            kill_after = chance.uniform(0, KILL_DELAY_SECONDS_MAX) if number in kills else None
            self.deliver(node, batch, f"batch-{number}", kill_after)
            if number == stop:
                node.stop()
                node.start()
        self.assert_exact(node)


if __name__ == "__main__":
    unittest.main()
