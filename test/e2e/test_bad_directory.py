"""A bad place to work in: each gives a clear error (what, where, what to do), and what was there is not lost."""

import os
import pathlib
import subprocess
import tempfile
import time
import unittest

import engagement_job as job
from node_process import NodeProcess

PIPELINE = "CREATE STREAM s (a BIGINT) WITH (connector = 'log');\nCREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM s;\n"


class BadDirectoryTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="millrace_bad_")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)
        self.data = self.path / "data"
        self.sent = 1
        self.pipeline = self.path / "p.sql"
        self.pipeline.write_text(PIPELINE)

    def node(self, *more):
        node = NodeProcess(self.data, self.path / "node.log", more=more)
        self.addCleanup(node.close)
        return node

    def once(self, pipeline=None):
        command = [str(job.BINARY), "run", str(pipeline or self.pipeline), "--data", str(self.data), "--once"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def refused(self, done, *words):
        self.assertNotIn(done.returncode, (0, -6, -11), done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def post(self, node, number):
        return node.request("POST", "/v1/streams/s", b'{"a":%d}\n' % number, {"Content-Type": "application/x-ndjson"})

    def count(self, node):
        node.sql("SYNC")
        return node.sql("SELECT n FROM v")

    def test_missing_file(self):
        loads = self.path / "loads.sql"
        loads.write_text("CREATE STREAM t (a BIGINT) WITH (load = 'nowhere.ndjson');\n")
        self.refused(self.once(loads), "nowhere.ndjson", "No such file", "HINT")

    def test_another_version(self):
        self.assertEqual(self.once().returncode, 0)
        version = self.data / "VERSION"
        version.write_text("99\n")
        self.refused(self.once(), "99", "HINT")
        self.assertEqual(version.read_text(), "99\n", "a refused directory is left as it is")
        version.write_text("1\n")
        self.assertEqual(self.once().returncode, 0)

    def test_two_nodes(self):
        first = self.node()
        first.run(self.pipeline, {})
        self.assertEqual(self.post(first, 1)[0], 200)
        self.refused(self.once(), str(self.data), "HINT")
        self.assertEqual(self.post(first, 2)[0], 200, "the first node goes on")
        self.assertEqual(self.count(first), [[2]])

    @unittest.skipIf(os.geteuid() == 0, "root may write to a read-only directory")
    def test_read_only_directory(self):
        self.data.mkdir(mode=0o500)
        self.refused(self.once(), str(self.data), "Permission denied", "HINT")

    def mount(self, size):
        place = self.path / "mounted"
        place.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True)
        if done.returncode != 0:
            self.skipTest("a tmpfs cannot be mounted: not root, or not allowed")
        self.addCleanup(subprocess.run, ["umount", "-l", str(place)], check=False)
        self.data = place / "data"
        return place

    def test_read_only_file_system(self):
        place = self.mount("64m")
        self.assertEqual(self.once().returncode, 0)
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        self.refused(self.once(), str(self.data), "Read-only file system", "HINT")
        subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
        self.assertEqual(self.once().returncode, 0)

    def test_a_full_disk_is_507_and_ingest_resumes_with_space(self):
        small = self.mount("24m")
        node = self.node("--low-space", "0")
        node.run(self.pipeline, {})
        self.assertEqual(self.post(node, 1)[0], 200)
        filler = small / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while file.write(bytes(1 << 16)):
                    pass
            except OSError:
                pass
        refusals, sent = [], 1
        for number in range(2, 3000):
            status, body = self.post(node, number)
            if status != 200:
                refusals.append((status, body))
                break
            sent += 1
        self.assertTrue(refusals, "the disk was never full")
        status, body = refusals[0]
        self.assertEqual(status, 507, body)
        self.assertIn("o space left", body.decode())
        filler.unlink()
        self.assertEqual(self.post(node, 0)[0], 200, "space is back")
        # Ingest goes on by itself. When a commit met the full disk too, the views stand still until the next start, so the
        # test always makes one: no row that was taken is lost.
        node.kill()
        node.start()
        self.assertEqual(self.count(node), [[sent + 1]])
        node.stop()

    def test_below_the_low_space_mark_ingest_stops_and_the_engine_does_not(self):
        small = self.mount("24m")
        node = self.node("--low-space", "8MiB")
        node.run(self.pipeline, {})
        self.assertEqual(self.post(node, 1)[0], 200)
        filler = small / "filler"
        room = os.statvfs(small)
        filler.write_bytes(bytes(room.f_bavail * room.f_frsize - (6 << 20)))
        status, body = self.until(node, 507)
        self.assertIn("nearly full", body.decode())
        self.assertEqual(self.count(node), [[self.sent]], "the engine goes on")
        filler.unlink()
        self.until(node, 200)
        self.assertEqual(self.count(node), [[self.sent]])
        node.stop()

    def until(self, node, wanted):
        """Posts until the answer has this status, which takes as long as the mark is not looked at again."""
        limit = time.monotonic() + 30
        while time.monotonic() < limit:
            status, body = self.post(node, 2)
            self.sent += status == 200
            if status == wanted:
                return status, body
        self.fail(f"no {wanted} within 30 s")


if __name__ == "__main__":
    unittest.main()
