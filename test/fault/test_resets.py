"""POSTs through a proxy that resets, delays and blackholes, retried under their Idempotency-Keys, with kills between: each
message is stored once."""

import fault_case
from fault_case import FaultCase, size, wait_until
from fault_proxy import Proxy

BROKEN = size(small=80, ci=1000, hand=100000)
KILLS = size(small=1, ci=3, hand=100)


class Resets(FaultCase):
    row = "retried POSTs under connection resets"

    def test_retries(self):
        node = self.node()
        node.run_pipeline()
        proxy = Proxy(node.port, self.seed, blackhole_seconds=0.5)
        proxy.start()
        self.addCleanup(proxy.close)
        oracle = self.oracle(node, port=proxy.port, producers=24, batch_max=10, timeout=0.4)
        for kill in range(1, KILLS + 2):
            wait_until(lambda: proxy.broken() >= BROKEN * kill / (KILLS + 1), "faults of connections", 60 + BROKEN / 10)
            if kill <= KILLS:
                node.kill()
                node.start()
        proxy.healthy.set()
        counts = self.judge(node, oracle)
        self.assertGreaterEqual(counts["retries"], BROKEN)
        struck = ", ".join(f"{count} {fault}" for fault, count in proxy.struck.items())
        self.report(f"{counts['retries']} retries, {KILLS} kills", f"{counts['acked']} acked, 0 lost, 0 duplicated ({struck})")


if __name__ == "__main__":
    fault_case.main()
