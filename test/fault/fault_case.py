"""What every fault test shares: its size, its seed, and its row of the table.

MILLRACE_FAULT is the size: `small` (what ctest runs when nothing is said), `ci` (the figures of `make fault`) or `hand`.
MILLRACE_SEED repeats a run; every run prints its seed. MILLRACE_FAULT_TABLE names the file that the rows are appended to.
"""

import json
import os
import pathlib
import random
import sys
import tempfile
import time
import unittest

from faulty_node import FaultyNode, Oracle, judge_all, wait_until

SIZE = os.environ.get("MILLRACE_FAULT", "small")


def size(small, ci, hand):
    return {"small": small, "ci": ci, "hand": hand}[SIZE]


class FaultCase(unittest.TestCase):
    """A test sets `row` (the fault's name) and calls `report` at its end; a failure is a row as well."""

    row = ""  # none: not in the table

    def setUp(self):
        self.seed = int(os.environ.get("MILLRACE_SEED", time.time_ns() % 1000000000))
        print(f"{self.row or self.id()}: MILLRACE_SEED={self.seed} MILLRACE_FAULT={SIZE}", flush=True)
        self.chance = random.Random(self.seed)
        folder = tempfile.TemporaryDirectory(prefix="millrace_fault_", ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.done = 0
        self.started = time.monotonic()
        self.reported = False
        self.addCleanup(self._report_failure)

    def node(self, **options):
        node = FaultyNode(self.folder, **options)
        self.addCleanup(node.close)
        return node

    def oracle(self, node, **options):
        oracle = Oracle(self.folder, options.pop("port", node.port), self.seed, **options)
        self.addCleanup(oracle.close)
        return oracle

    def assert_clean(self, verdicts):
        wrong = [str(verdict) for verdict in verdicts if not verdict.clean()]
        self.assertEqual(wrong, [], f"seed {self.seed}")

    def judge(self, node, oracle):
        """Ends the oracle, judges everything; how many messages were acked."""
        counts = oracle.finish()
        self.assert_clean(judge_all(node, oracle))
        return counts

    def report(self, how_many, result):
        self.reported = True
        self._write(str(how_many), result)

    def _write(self, how_many, result):
        seconds = time.monotonic() - self.started
        line = {"fault": self.row or self.id(), "how_many": how_many, "result": result, "seed": self.seed, "seconds": round(seconds, 1)}
        print(f"{line['fault']}: {how_many}: {result} ({seconds:.1f} s)", flush=True)
        if path := os.environ.get("MILLRACE_FAULT_TABLE"):
            with open(path, "a", encoding="utf-8") as table:
                table.write(json.dumps(line) + "\n")

    def skip(self, reason):
        self.report("0", f"skipped: {reason}")
        self.skipTest(reason)

    def _report_failure(self):
        if not self.reported and self.row:
            self._write(str(self.done), "FAILED")


def main():
    sys.stdout.reconfigure(line_buffering=True)
    unittest.main()
