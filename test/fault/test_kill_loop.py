"""Kill -9 at random moments while the oracle's producers send, again and again, recovery included."""

import fault_case
from fault_case import FaultCase, size

KILLS = size(small=8, ci=30, hand=1000)
LOAD_SECONDS_MAX = 0.4


class KillLoop(FaultCase):
    row = "kill -9 at random moments under load"

    def test_kills(self):
        node = self.node()
        node.run_pipeline()
        oracle = self.oracle(node)
        during_start = 0
        for self.done in range(1, KILLS + 1):
            node.process_dies_after(self.chance.uniform(0, LOAD_SECONDS_MAX))
            if self.done % 5 == 0:  # a second kill, somewhere in the recovery from the first
                node.launch(["start"])
                node.process_dies_after(self.chance.uniform(0, 0.15))
                during_start += 1
            node.start()
        counts = self.judge(node, oracle)
        self.report(f"{KILLS} + {during_start} in recovery", f"{counts['acked']} acked, 0 lost, 0 duplicated, 0 views wrong")


if __name__ == "__main__":
    fault_case.main()
