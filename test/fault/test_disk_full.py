"""The disk gets full and has space again. Below the low-space mark ingest is refused with 507 and goes on by itself within 5 s of
space being there; with no byte left at all a node may have to end, but it says why, and nothing that was acked is lost."""

import contextlib
import os
import time

import fault_case
import mounts
from fault_case import FaultCase, size, wait_until
from faulty_node import FaultyNode

FILLS = size(small=1, ci=10, hand=200)
DISK_MIB, MARK_MIB, LEFT_MIB = 128, 48, 16
RESUME_SECONDS_MAX = 5


def fill(path, left_bytes):
    """Takes the space of the file system at `path`, but for `left_bytes`."""
    free = os.statvfs(path.parent)
    with open(path, "wb") as file:
        with contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - left_bytes))


class DiskFull(FaultCase):
    row = "disk full, and space again"

    def test_fills(self):
        reason = mounts.why_not()
        if reason:
            self.skip(reason)
        with mounts.mounted(self.folder / "disk", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs") as disk:
            node = FaultyNode(disk)
            self.addCleanup(node.close)
            node.arguments = ["--low-space", f"{MARK_MIB}MiB"]
            node.run_pipeline()
            oracle = self.oracle(node, producers=2, batch_max=10, pause=0.002)
            slowest = 0.0
            for self.done in range(1, FILLS + 1):
                slowest = max(slowest, self.fill_and_free(node, oracle, disk / "filler"))
            ended = self.no_byte_left(node, oracle, disk / "filler")
            counts = oracle.finish()
            self.assertIn("507", counts["statuses"])
            self.assert_clean(fault_case.judge_all(node, oracle))
            self.report(f"{FILLS} + 1 to the last byte", f"{counts['acked']} acked, 0 lost, {counts['statuses']['507']} answers 507, "
                        f"went on by itself after at most {slowest:.2f} s; the last byte: {ended}")

    def fill_and_free(self, node, oracle, filler):
        """Seconds from space to the first ack."""
        acked = oracle.acked_bytes()
        wait_until(lambda: oracle.acked_bytes() > acked + 100, "acks")
        fill(filler, LEFT_MIB << 20)
        acked = self.bytes_when_refused(oracle)
        filler.unlink()
        started = time.monotonic()
        wait_until(lambda: oracle.acked_bytes() > acked, "acks after space came", RESUME_SECONDS_MAX)
        self.assertFalse(node.ended(), node.said())
        return time.monotonic() - started

    def bytes_when_refused(self, oracle):
        """Waits until acks have stopped; the oracle's record then."""
        seen = {"bytes": -1, "still": 0}

        def still():
            now = oracle.acked_bytes()
            seen["still"] = seen["still"] + 1 if now == seen["bytes"] else 0
            seen["bytes"] = now
            return seen["still"] > 30

        wait_until(still, "acks that stop below the mark")
        return seen["bytes"]

    def no_byte_left(self, node, oracle, filler):
        fill(filler, 0)
        with contextlib.suppress(AssertionError):
            wait_until(node.ended, "the end of a node without space", 1)
        filler.unlink()
        outcome = "the node went on"
        acked = oracle.acked_bytes()
        wait_until(lambda: node.ended() or oracle.acked_bytes() > acked, "acks, or the node's end", RESUME_SECONDS_MAX)
        if node.ended():  # it may take a moment over it
            self.assertNotEqual(node.process.returncode, 0)
            outcome = "the node ended with the reason and was started again"
            node.start()
            wait_until(lambda: oracle.acked_bytes() > acked, "acks after space came", RESUME_SECONDS_MAX)
        return outcome


if __name__ == "__main__":
    fault_case.main()
