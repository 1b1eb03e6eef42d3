"""An fsync or fdatasync fails with EIO, and what it should have kept is gone. Nothing that hangs on it may be acked, and the
descriptor may not be synced again and believed. The node recovers in place, or goes on; all that was acked is there."""

import contextlib

import fault_case
from fault_case import FaultCase, size, wait_until
from faulty_calls import FaultyCalls, compiler
from node_process import GONE

FAILURES = size(small=6, ci=50, hand=200)
SYNCS_BETWEEN_MAX = 60


class SyncErrors(FaultCase):
    row = "fsync EIO at every call"

    def test_sync_errors(self):
        if compiler() is None:
            self.skip("no C compiler")
        calls = FaultyCalls(self.folder)
        node = self.node()
        node.environment = calls.environment
        node.run_pipeline()
        oracle = self.oracle(node, producers=2, batch_max=10, timeout=2)
        outcomes = {"ended": 0, "went on": 0, "recovered in place": 0, "refused until restarted": 0}
        for self.done in range(1, FAILURES + 1):
            before = calls.failed
            calls.fail_in = self.chance.randint(1, SYNCS_BETWEEN_MAX)
            wait_until(lambda: calls.failed > before or node.ended(), "a sync that fails")
            outcomes[self.outcome(node, oracle)] += 1
            self.assertEqual(calls.again, 0, "a descriptor whose sync had failed was synced again")
            if node.ended():
                self.assertNotEqual(node.process.returncode, 0)
                node.start()
        counts = self.judge(node, oracle)
        shown = ", ".join(f"{count} {what}" for what, count in outcomes.items() if count)
        self.report(f"{FAILURES} failed calls", f"{counts['acked']} acked, 0 false acks, 0 syncs of a failed descriptor ({shown})")

    def synced(self, node):
        with contextlib.suppress(OSError, AssertionError, *GONE):
            node.sql("SYNC")
            return True
        return False

    def outcome(self, node, oracle):
        """What became of the node. One that takes nothing more must say why, and is killed."""
        before = oracle.acked_bytes()
        acks_wanted = 600
        with contextlib.suppress(AssertionError):
            wait_until(lambda: node.ended() or oracle.acked_bytes() > before + acks_wanted, "acks", seconds_max=20)
        if node.ended():
            return "ended"
        if oracle.acked_bytes() > before + acks_wanted:
            if self.synced(node):
                return "went on"
            wait_until(lambda: node.ended() or self.synced(node), "the recovery of a node whose commit failed")
            return "ended" if node.ended() else "recovered in place"
        with contextlib.suppress(OSError, *GONE):
            status, said = node.request("GET", "/healthz")
            self.assertEqual(status, 503, said)
        node.kill()
        return "refused until restarted"


if __name__ == "__main__":
    fault_case.main()
