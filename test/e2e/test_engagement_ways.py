"""The main job brought in over HTTP in every way that must not matter: the rows, the times and the books are the same.

Ways: 1 and 2 workers; 1, 8 and 64 partitions; events as they were sent or shuffled within 13 days; one big batch or batches
of random size; with a clean stop and with kills -9 in the middle. Where the given run is there it is used, in CI for one way;
MILLRACE_E2E=full runs all of them. MILLRACE_SEED repeats a run; the seed is printed.
"""

import contextlib
import gzip
import itertools
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
BIG_BATCH_BYTES = 8 << 20
KILLS = 3


def big_batches(lines):
    """As few requests as the limit of a body allows."""
    batch, size = [], 0
    for line in lines:
        if batch and size + len(line) > BIG_BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line)
    yield batch


class WaysTest(unittest.TestCase):
    def setUp(self):
        seed = int(os.environ.get("MILLRACE_SEED", time.time_ns() % 1000000))
        print(f"MILLRACE_SEED={seed}", flush=True)
        self.chance = random.Random(seed)

    def read(self, inputs):
        plain = inputs / "events.ndjson"
        if plain.exists():
            return engagement_inputs.read_lines(plain)
        with gzip.open(inputs / "events.ndjson.gz", "rb") as file:
            return [line + b"\n" for line in file.read().split(b"\n") if line]

    def send(self, node, key, batch, killer):
        """Until the node has it: a request that a kill cuts off is sent again under its key."""
        for _ in range(KILLS + 2):
            try:
                headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": key}
                return node.json("POST", "/v1/streams/playback", b"".join(batch), headers)
            except (OSError, *GONE):
                if killer is None:
                    raise
                killer.join()
                node.start()
        raise AssertionError(f"{key} was never taken\n{node.said()}")

    def bring_in(self, path, inputs, unit_ms, lines, workers, partitions, pieces, trouble):
        node = NodeProcess(path / "data", path / "node.log", workers)
        self.addCleanup(node.close)
        node.run(job.PIPELINE, {"events": "", "catalogue": inputs / "catalogue.ndjson", "unit_ms": unit_ms,
                                "partitions": partitions})
        batches = list(engagement_inputs.pieces(lines, self.chance.random()) if pieces else big_batches(lines))
        places = set(self.chance.sample(range(len(batches)), min(KILLS, len(batches)))) if trouble else set()
        for place, batch in enumerate(batches):
            killer = None
            if place in places and trouble == "kill":
                killer = threading.Timer(self.chance.uniform(0, 0.2), node.kill)
                killer.start()
            self.send(node, f"batch {place}", batch, killer)
            if killer is not None:
                killer.join()
                if node.process.poll() is not None:
                    with contextlib.suppress(OSError, *GONE):
                        node.request("GET", "/readyz")  # closes the connection to the dead node
                    node.start()
            elif place in places:
                node.stop()
                node.start()
        node.sql("SYNC")
        node.stop()

    def exact(self, inputs, unit_ms, published, half, workers, partitions, shuffled, pieces, trouble):
        name = f"{workers} workers, {partitions} partitions, {'shuffled' if shuffled else 'as sent'}, " \
               f"{'pieces' if pieces else 'big batches'}, {trouble or 'no trouble'}"
        with self.subTest(name), tempfile.TemporaryDirectory(prefix="millrace_ways_") as folder:
            path = pathlib.Path(folder)
            lines = self.read(inputs)
            if shuffled:
                lines = engagement_inputs.shuffle(lines, seed=self.chance.randrange(1000))
            started = time.monotonic()
            self.bring_in(path, inputs, unit_ms, lines, workers, partitions, pieces, trouble)
            self.assertEqual(job.differences(path / "data", inputs, published, half), [], name)
            self.assertEqual(job.open_books(path / "data"), [], name)
            print(f"equal in {time.monotonic() - started:.1f} s: {len(lines)} lines, {name}", flush=True)

    def test_shipped_titles(self):
        with tempfile.TemporaryDirectory(prefix="millrace_ways_in_") as folder:
            inputs = job.generate(pathlib.Path(folder), 50000)
            self.exact(inputs, 50000, job.TITLES, None, 2, 64, True, True, "kill")
            self.exact(inputs, 50000, job.TITLES, None, 1, 1, False, False, "stop")

    def test_given_run(self):
        if not job.need(job.GIVEN_RUN, "the given run of 2025H1"):
            self.skipTest("the given run is not there")
        ways = [(2, 8, True, True, "kill")]
        if FULL:
            ways = list(itertools.product((1, 2), (1, 8, 64), (False, True), (False, True), ("", "stop", "kill")))
        for way in ways:
            self.exact(job.GIVEN_RUN, 3600, job.PUBLISHED, "2025H1", *way)


if __name__ == "__main__":
    unittest.main()
