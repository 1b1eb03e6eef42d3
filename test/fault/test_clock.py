"""The node is stopped (SIGSTOP) and goes on, and the wall clock jumps by an hour either way and a year ahead, under load and with
kills between. Nothing is lost, no view is wrong, no row becomes late, watermarks do not go back."""

import signal

import fault_case
from fault_case import FaultCase, size, wait_until
from faulty_calls import FaultyCalls, compiler

ROUNDS = size(small=1, ci=3, hand=50)
HOUR, YEAR = 3600, 365 * 86400


class Clock(FaultCase):
    row = "SIGSTOP, clock ±1 h and +1 year"

    def test_jumps(self):
        if compiler() is None:
            self.skip("no C compiler")
        calls = FaultyCalls(self.folder)
        node = self.node()
        node.environment = calls.environment
        node.run_pipeline()
        oracle = self.oracle(node, producers=2, batch_max=10)
        for self.done in range(1, ROUNDS + 1):
            for jump in self.chance.sample((HOUR, -HOUR, YEAR), 3):
                self.some_acks(oracle)
                calls.clock_shift = calls.clock_shift + jump
                self.some_acks(oracle)
            node.process.send_signal(signal.SIGSTOP)
            self.chance_to_stand_still(oracle)
            node.process.send_signal(signal.SIGCONT)
            self.some_acks(oracle)
            node.kill()
            calls.clock_shift = self.chance.choice((0, calls.clock_shift))  # back to the true time while it is down, or not
            node.start()
        self.some_acks(oracle)
        counts = oracle.finish()
        node.sql("SYNC")
        late = node.sql("SELECT count(*) FROM seconds_late")[0][0]
        self.assertEqual(late, 0, "rows became late by a jump of the clock")
        self.assert_clean(fault_case.judge_all(node, oracle))
        self.report(f"{ROUNDS} x 3 jumps, a stop, a kill", f"{counts['acked']} acked, 0 lost, 0 late, 0 views wrong")

    def some_acks(self, oracle):
        acked = oracle.acked_bytes()
        wait_until(lambda: oracle.acked_bytes() > acked + 400, "acks")

    def chance_to_stand_still(self, oracle):
        """A stopped node acks nothing more, once what it had sent has been read."""
        seen = {"bytes": -1, "still": 0}

        def still():
            now = oracle.acked_bytes()
            seen["still"] = seen["still"] + 1 if now == seen["bytes"] else 0
            seen["bytes"] = now
            return seen["still"] > 30

        wait_until(still, "acks that stop with the node")


if __name__ == "__main__":
    fault_case.main()
