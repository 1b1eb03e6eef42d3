"""A power cut: data directory and sinks' files lie on ext4 in a loop image, which is copied in the middle of a load. The copy
has what was synced and not what only the page cache held. The node is started from the copy: what was acked before the copy
began is there, and everything fits together."""

import filecmp
import os
import shutil
import signal
import subprocess

import fault_case
import mounts
import records
from faulty_node import FaultyNode, Oracle, judge_running, judge_sinks
from fault_case import FaultCase, size, wait_until

CUTS = size(small=1, ci=20, hand=2000)
IMAGE_MIB = 48
LOAD_BYTES_MAX = 6000
COPIES_MAX = 50


class PowerCut(FaultCase):
    row = "power cut (ext4 image copied under load)"

    def test_power_cuts(self):
        reason = mounts.why_not("mkfs.ext4", "losetup")
        if reason:
            self.skip(reason)
        image = self.folder / "disk.image"
        mounts.make_image(image, IMAGE_MIB)
        try:
            with mounts.mounted(self.folder / "probe", "-o", "loop", image):
                pass
        except subprocess.CalledProcessError as error:
            self.skip(f"no loop device can be mounted: {error.stderr.decode(errors='replace').strip()}")
        acked = 0
        for self.done in range(1, CUTS + 1):
            acked += self.one_cut(image, first=self.done == 1)
        self.report(CUTS, f"{acked} acked before a cut, 0 lost, 0 duplicated, 0 views wrong")

    def copy_at_one_moment(self, node, image, cut):
        """The image as it was at one moment: a copy made while blocks are written would hold late ones beside early ones, as no disk
        does. The node stands still meanwhile; what it wrote and did not sync is in the kernel's memory, not in the image."""
        os.kill(node.process.pid, signal.SIGSTOP)
        for _ in range(COPIES_MAX):
            shutil.copyfile(image, cut)
            if filecmp.cmp(image, cut, shallow=False):
                return
        self.fail(f"the image changed during each of {COPIES_MAX} copies, although the node stands still")

    def one_cut(self, image, first):
        """Load, cut, judgement of the copy, which is the disk of the next cut. How many messages were acked before the cut."""
        cut = self.folder / "cut.image"
        place = self.folder / "disk"
        record = self.folder / f"cut-{self.done}"
        with mounts.mounted(place, "-o", "loop", image):
            node = FaultyNode(place)
            node.arguments = ["--low-space", "0"]  # the image is smaller than the mark
            self.addCleanup(node.close)
            shutil.rmtree(place / "data", ignore_errors=True)
            shutil.rmtree(place / "out", ignore_errors=True)
            node.run_pipeline()
            oracle = Oracle(record, node.port, self.seed, producers=2, batch_max=10, timeout=2, give_up=0)
            self.addCleanup(oracle.close)
            wanted = self.chance.randint(200, LOAD_BYTES_MAX)
            wait_until(lambda: oracle.acked_bytes() > wanted, "acks before the cut")
            acked = records.load(oracle.record)[1]
            self.copy_at_one_moment(node, image, cut)
            oracle.close()
            node.kill()
        with mounts.mounted(place, "-o", "loop", cut):
            node = FaultyNode(place)
            node.arguments = ["--low-space", "0"]  # the image is smaller than the mark
            self.addCleanup(node.close)
            node.start()
            self.assert_clean(self.verdicts(node, oracle, acked))
        cut.replace(image)
        return len(acked)

    def verdicts(self, node, oracle, acked):
        """As judge_all, but acked is what was acked when the copy began."""
        verdicts, stored, expected = judge_running(node, oracle, acked)
        node.stop()
        return verdicts + judge_sinks(node, oracle, stored, expected)


if __name__ == "__main__":
    fault_case.main()
