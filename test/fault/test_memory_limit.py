"""Millions of keys under --memory, sent at three times the rate that the node keeps up with, inside a memory limit of the kernel
where there may be one; and kills while the state is several times the limit. Every acked row is counted once in every view."""

import pathlib
import re
import time

import fault_case
import memory_group
from fault_case import FaultCase, size, wait_until
from keyed_load import BODY_ROWS, Expected, KeyedLoad

HERE = pathlib.Path(__file__).resolve().parent
KEYS = 10_000_000
MEMORY_MIB = size(small=192, ci=256, hand=512)
SECONDS = size(small=3, ci=12, hand=600)
ROWS_MAX = size(small=400_000, ci=3_000_000, hand=1 << 40)
CONNECTIONS = size(small=8, ci=64, hand=64)
OVERLOAD = 3
KILLS = size(small=2, ci=6, hand=50)
KILL_ROWS = size(small=240_000, ci=1_000_000, hand=5_000_000)
CATCH_UP_SECONDS_MAX = 3600
VIEWS = ("sums", "firsts", "sizes")


def peak_mib(node):
    text = pathlib.Path(f"/proc/{node.process.pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+) kB", text).group(1)) / 1024


class MemoryCase(FaultCase):
    def limited_node(self):
        self.peak, self.evicted = 0, 0
        node = self.node(pipeline=HERE / "memory_limit.sql")
        node.arguments = ["--memory", f"{MEMORY_MIB}MiB"]
        self.group, self.no_group = memory_group.make((MEMORY_MIB << 20) * 11 // 10)
        if self.group:
            node.wrapper = self.group.wrapper
            self.addCleanup(self.remove_group, node)
        node.run_pipeline()
        for view in VIEWS:  # from now on its rows are kept, and count as state
            node.sql(f"SELECT count(*) FROM {view}")
        return node

    def remove_group(self, node):
        node.close()
        self.group.remove()

    def look(self, node):
        """Its status; the process must live."""
        self.assertFalse(node.ended(), f"the node ended by itself:\n{node.said()}")
        self.peak = max(self.peak, peak_mib(node))
        status = node.json("GET", "/v1/status")
        self.evicted = max(self.evicted, status["state_evicted_bytes"])
        return status

    def run_and_kill(self, node, seconds):
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            self.look(node)
            time.sleep(0.05)
        node.kill()

    def catch_up(self, node):
        wait_until(lambda: self.look(node)["lag_records"] == 0, "all rows are taken", CATCH_UP_SECONDS_MAX)
        node.sql("SYNC")
        self.look(node)
        self.assertGreater(self.evicted, 0, "the limit must bind")

    def judge_sizes(self, node, expected):
        self.assertEqual(node.sql("SELECT n, keys, k, s FROM sizes ORDER BY n"), expected.sizes)
        self.peak = max(self.peak, peak_mib(node))

    def judge_rows(self, node, expected):
        """All rows of the views, by a node that has the memory to look at them at once."""
        node.stop()
        node.wrapper, node.arguments = [], ["--memory", "8GiB"]
        node.start()
        self.assertEqual(node.sql("SELECT count(*), sum(k)::BIGINT, sum(v)::BIGINT FROM firsts"), [expected.firsts])
        counted = node.sql("SELECT n, count(*), sum(k)::BIGINT, sum(s)::BIGINT FROM sums GROUP BY n ORDER BY n")
        self.assertEqual(counted, expected.sizes)

    def within(self):
        self.assertLessEqual(self.peak, MEMORY_MIB * 1.1, "peak resident MiB")
        kernel = "in a control group of that + 10 %" if self.group else f"not in a control group ({self.no_group})"
        return f"peak {self.peak:.0f} of {MEMORY_MIB} MiB, {kernel}"


class MemoryLimit(MemoryCase):
    row = "memory limit, 10 M keys at 3 x the sustainable rate"

    def test_overload(self):
        node = self.limited_node()
        seen = {"taken": 0}

        def allowed():
            return min(ROWS_MAX, OVERLOAD * (seen["taken"] + 100_000)) // BODY_ROWS

        started = time.monotonic()
        load = KeyedLoad(node.port, self.seed, KEYS, CONNECTIONS, allowed)
        while time.monotonic() < started + SECONDS and load.acked_rows < ROWS_MAX:
            seen["taken"] = self.look(node)["rows_in"]
            time.sleep(0.05)
        load.finish()
        overload = load.acked_rows / max(1, self.look(node)["rows_in"])
        self.catch_up(node)
        expected = Expected(load.next, KEYS)
        self.assertEqual(load.acked_rows, load.next * BODY_ROWS)
        self.judge_sizes(node, expected)
        within = self.within()
        self.judge_rows(node, expected)
        refused = sum(count for code, count in load.statuses.items() if code in (429, 503))
        self.report(f"{load.acked_rows} rows, {expected.keys} keys, {SECONDS} s",
                    f"{within}; acked at {overload:.1f} x the rate taken, {refused} refused, each counted once")


class KillsWithEvictedState(MemoryCase):
    row = "kill -9 with state beyond the memory limit"

    def test_kills(self):
        node = self.limited_node()
        sent = {"rows": KILL_ROWS}
        load = KeyedLoad(node.port, self.seed, KILL_ROWS, 4, lambda: sent["rows"] // BODY_ROWS)
        wait_until(lambda: load.acked_rows >= sent["rows"], "the first rows are acked", 600)
        for self.done in range(1, KILLS + 1):
            sent["rows"] += KILL_ROWS // 4  # keys that are there, so what was evicted is read back
            self.run_and_kill(node, self.chance.uniform(0, 2))
            node.start()
        wait_until(lambda: load.acked_rows >= sent["rows"], "all rows are acked", 600)
        load.finish()
        self.catch_up(node)
        expected = Expected(load.next, KILL_ROWS)
        self.judge_sizes(node, expected)
        within = self.within()
        self.judge_rows(node, expected)
        self.report(f"{KILLS} kills, {expected.keys} keys", f"{within}; {load.acked_rows} acked, each counted once")


if __name__ == "__main__":
    fault_case.main()
