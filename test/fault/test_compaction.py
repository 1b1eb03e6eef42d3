"""The program ends, as by kill -9, at every named failpoint of a compaction and of full segments: on both sides of a new segment, of
its renaming over the old one, and of the removal of those that it stands for. One table goes through all of them."""

import collections
import contextlib
import json
import pathlib
import signal

import failpoint_names
import fault_case
from fault_case import FaultCase, size, wait_until
from node_process import GONE

PIPELINE = pathlib.Path(__file__).resolve().parent / "compacted.sql"
POINTS_MAX = size(small=2, ci=100, hand=100)
ROUNDS = size(small=1, ci=1, hand=20)
KEYS = 30
FILLS_MAX = 50
REQUESTS, ROWS = 12, 20  # of 1,500 bytes: some segments
CHECKPOINT = "CREATE MATERIALIZED VIEW extra AS SELECT id, minutes FROM titles WHERE minutes < 0", "DROP MATERIALIZED VIEW extra"


class Compaction(FaultCase):
    row = "kill at every failpoint of a compaction"

    def test_every_point(self):
        points = sorted(failpoint_names.OF_COMPACTION)
        chosen = points if POINTS_MAX >= len(points) else self.chance.sample(points, POINTS_MAX)
        node = self.node(workers=1, pipeline=PIPELINE)
        node.run(PIPELINE, {})
        self.wanted, self.sent, self.rows, self.waiting = {}, 0, 0, None
        self.fill(node)
        node.stop()
        for point in chosen * ROUNDS:
            self.end_at(node, point)
            node.environment = {}
            node.start()
            self.fill(node)
            self.check(node)
            node.stop()
            self.done += 1
        removed = self.removed_at_last(node)
        self.assertGreater(removed, 0, "nothing was compacted: this has shown nothing")
        self.report(f"{len(chosen)} of {len(points)} points x {ROUNDS}",
                    f"{self.rows} rows acked, each key has its last one, the view fits")

    def end_at(self, node, point):
        node.environment = {"MILLRACE_FAILPOINTS": f"{point}=abort"}
        node.launch(["start"])
        with contextlib.suppress(AssertionError, OSError, *GONE):
            node._wait_until_ready()
            for _ in range(FILLS_MAX):  # a pass waits for enough that is new, and not each one removes a segment
                self.fill(node)
        wait_until(node.ended, f"the end at {point}")
        self.assertEqual(node.process.returncode, -signal.SIGKILL, f"{point}: {node.said()}")

    def fill(self, node):
        """Rows for some full segments, then a checkpoint, behind which a compaction follows. What was not acked goes again."""
        for _ in range(REQUESTS):
            if self.waiting is None:
                self.waiting = {self.chance.randrange(KEYS): self.chance.randrange(1000) for _ in range(ROWS)}
            lines = [json.dumps({"id": key, "minutes": minutes, "note": "x" * 1500}).encode() + b"\n"
                     for key, minutes in self.waiting.items()]
            node.append("titles", lines, f"request-{self.sent}")
            self.wanted.update(self.waiting)
            self.sent, self.rows, self.waiting = self.sent + 1, self.rows + len(lines), None
        node.sql("SYNC")
        for statement in CHECKPOINT:
            with contextlib.suppress(AssertionError):  # it may be there from a run that ended between the two
                node.sql(statement)

    def check(self, node):
        node.sql("SYNC")
        self.assertEqual(dict(node.sql("SELECT id, minutes FROM titles")), self.wanted)
        view = collections.defaultdict(lambda: [0, 0])
        for key, minutes in self.wanted.items():
            view[minutes % 5][0] += 1
            view[minutes % 5][1] += key
        rows = node.sql("SELECT m, n, ids FROM lengths")
        self.assertEqual({row[0]: row[1:] for row in rows}, dict(view))

    def removed_at_last(self, node):
        node.start()
        removed = []

        def compacted():
            self.fill(node)
            removed.append(node.json("GET", "/v1/status")["compaction"]["records_removed"])
            return removed[-1] > 0

        wait_until(compacted, "a compaction")
        self.check(node)
        node.stop()
        return removed[-1]


if __name__ == "__main__":
    fault_case.main()
