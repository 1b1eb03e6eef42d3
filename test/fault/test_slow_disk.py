"""Every fsync takes 200 ms, then one hangs for a while: acks come late or not at all, never early; the node says so to who asks;
memory stays bounded; what was acked is there after a kill in the middle of it."""

import http.client
import json

import fault_case
from fault_case import FaultCase, size, wait_until
from faulty_calls import FaultyCalls, compiler

ROUNDS = size(small=1, ci=1, hand=10)
SLOW_SECONDS = 0.2
HANG_SECONDS = size(small=15, ci=30, hand=30)
ANSWER_SECONDS_MAX = 5
MEMORY_MORE_MAX = 256 << 20


def memory_bytes(node):
    with open(f"/proc/{node.process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmRSS"))


class SlowDisk(FaultCase):
    row = "slow disk (200 ms), hanging disk"

    def test_slow_and_hanging(self):
        if compiler() is None:
            self.skip("no C compiler")
        calls = FaultyCalls(self.folder)
        node = self.node()
        node.environment = calls.environment
        node.run_pipeline()
        oracle = self.oracle(node, producers=8, batch_max=10, timeout=HANG_SECONDS + 20)
        wait_until(lambda: oracle.acked_bytes() > 2000, "acks of a quick disk")
        before, most = memory_bytes(node), 0
        for self.done in range(1, ROUNDS + 1):
            calls.delay_us = int(SLOW_SECONDS * 1e6)
            syncs = calls.syncs
            wait_until(lambda: calls.syncs > syncs + 20, "slow syncs")
            calls.delay_us = int(HANG_SECONDS * 1e6)
            self.assert_no_acks_while_it_hangs(calls, oracle)
            self.assert_the_node_says_so(node, calls)
            most = max(most, memory_bytes(node))
            node.kill()
            calls.delay_us = 0
            node.start()
            acked = oracle.acked_bytes()
            wait_until(lambda: oracle.acked_bytes() > acked + 500, "acks after the disk is well again")
        counts = self.judge(node, oracle)
        self.assertLess(most - before, MEMORY_MORE_MAX)
        self.report(ROUNDS, f"{counts['acked']} acked, 0 lost, no ack while it hung, until a kill in the middle, "
                            f"memory +{max(0, most - before) >> 20} MiB")

    def assert_no_acks_while_it_hangs(self, calls, oracle):
        """From when all syncs in hand are of the hanging kind until near the end of the hang, nothing is acked."""
        seen = {"bytes": oracle.acked_bytes(), "still": 0}

        def nothing_moves():
            now = oracle.acked_bytes()
            seen["still"] = seen["still"] + 1 if now == seen["bytes"] else 0
            seen["bytes"] = now
            return seen["still"] > 80

        wait_until(nothing_moves, "acks that stop while syncs hang")

    def assert_the_node_says_so(self, node, calls):
        """While the sync does not come back, whoever looks gets an answer, and health tells why nothing moves."""
        syncs = calls.syncs
        wait_until(lambda: self.look(node, "/healthz")[0] == 503, "health that sees the hanging disk")
        for path in ("/healthz", "/readyz"):
            status, text = self.look(node, path)
            self.assertEqual(status, 503, text)
            self.assertIn("the disk hangs", text)
        status, text = self.look(node, "/v1/status")
        self.assertEqual(status, 200, text)
        self.assertGreaterEqual(json.loads(text)["sync_hangs_ms"], 5000)
        self.assertGreater(json.loads(text)["stale_ms"], 0)
        self.assertGreater(len(json.loads(text)["views"]), 0)
        status, text = self.look(node, "/metrics")
        self.assertEqual(status, 200, text)
        self.assertIn("millrace_sync_hangs_seconds", text)
        self.assertEqual(self.look(node, "/v1/ledger")[0], 200)
        self.assertEqual(calls.syncs, syncs, "the syncs moved on: this has shown nothing")

    @staticmethod
    def look(node, path):
        """Status and text of a GET; fails when no answer comes in good time."""
        connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=ANSWER_SECONDS_MAX)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


if __name__ == "__main__":
    fault_case.main()
