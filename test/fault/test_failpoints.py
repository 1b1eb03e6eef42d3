"""The program ends, as by kill -9, at every named failpoint: both sides of each step of a commit, a checkpoint, a change of the
catalog, a delivery and a recovery, and of each operation on a file. One data directory goes through all of them."""

import contextlib
import json
import signal

import failpoint_names
import fault_case
from fault_case import FaultCase, size, wait_until
from node_process import GONE

POINTS_MAX = size(small=10, ci=1000, hand=1000)
ROUNDS = size(small=1, ci=1, hand=20)
POINTS_MIN = 60
OFTEN = ("engine.commit", "engine.step", "engine.received", "log.", "file.segment.append", "file.segment.sync")
STATEMENTS = (
    "DROP MATERIALIZED VIEW IF EXISTS extra",  # the node may have ended between the last two
    "CREATE MATERIALIZED VIEW extra AS SELECT key, count(*) AS messages FROM messages GROUP BY key",
    "SELECT * FROM totals",
    "DROP MATERIALIZED VIEW extra",
)


class EveryFailpoint(FaultCase):
    row = "kill at every named failpoint"

    def test_every_point(self):
        points = failpoint_names.all_points()
        self.assertGreaterEqual(len(points), POINTS_MIN)
        chosen = points if POINTS_MAX >= len(points) else self.chance.sample(points, POINTS_MAX)
        node = self.node()
        node.run_pipeline()
        oracle = self.oracle(node, producers=2, batch_max=10)
        node.kill()
        not_reached = []
        for point in chosen * ROUNDS:
            if not self.ended_at(node, oracle, point) and point not in failpoint_names.SOMETIMES:
                not_reached.append(point)
            self.done += 1
        node.environment = {}
        node.start()
        counts = self.judge(node, oracle)
        if not_reached:
            self.fail(f"not reached: {sorted(set(not_reached))}")
        self.report(f"{len(chosen)} of {len(points)} points x {ROUNDS}",
                    f"{counts['acked']} acked, 0 lost, 0 duplicated, 0 views wrong")

    def ended_at(self, node, oracle, point):
        """Runs a node through all that it can do until it ends at the point. False when it came to a clean end."""
        after = self.chance.choice([0, 1, 4]) if point.startswith(OFTEN) else 0
        node.environment = {"MILLRACE_FAILPOINTS": f"{point}=abort" + (f",after={after}" if after else "")}
        node.launch(["start"])
        try:
            node._wait_until_ready()
        except AssertionError:  # it ended on its way up; a few such in a row would lead to safe mode, which is another test's
            self.assertEqual(node.process.returncode, -signal.SIGKILL, f"{point}: {node.said()}")
            node.environment = {}
            node.start()
            node.kill()
            return True
        before = oracle.acked_bytes()
        wait_until(lambda: node.ended() or oracle.acked_bytes() > before + 200, f"{point}: acks, or the end of the node")
        for statement in STATEMENTS:
            with contextlib.suppress(OSError, AssertionError, *GONE):
                node.json("POST", "/v1/sql", json.dumps({"sql": statement}), {"Content-Type": "application/json"})
        with contextlib.suppress(OSError):
            node.process.send_signal(signal.SIGTERM)
        code = node.process.wait(timeout=60)
        self.assertIn(code, (0, -signal.SIGKILL), f"{point}: {node.said()}")
        return code != 0


if __name__ == "__main__":
    fault_case.main()
