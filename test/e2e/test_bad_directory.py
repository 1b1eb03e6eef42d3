"""A bad place to work in: each gives a clear error (what, where, what to do), and what was there is not lost."""

import ctypes
import os
import pathlib
import subprocess
import tempfile
import time
import unittest

import engagement_job as job
from node_process import NodeProcess

PIPELINE = "CREATE STREAM s (a BIGINT) WITH (connector = 'log');\nCREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM s;\n"

DROP_CAPABILITY, DAC_OVERRIDE, DAC_READ_SEARCH = 24, 1, 2  # of prctl


def bound_by_modes():
    """In a new process, before the program: root loses the right to pass over the modes of files; it is their owner, no more."""
    if os.geteuid() == 0:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        for capability in (DAC_OVERRIDE, DAC_READ_SEARCH):
            if prctl(DROP_CAPABILITY, capability, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "dropping a capability")


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

    def once(self, before=None, pipeline=None):
        command = [str(job.BINARY), "run", str(pipeline or self.pipeline), "--data", str(self.data), "--once"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, preexec_fn=before)

    def refused(self, done, *words):
        self.assertNotIn(done.returncode, (0, -6, -11), done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def post(self, node, number):
        return node.request("POST", "/v1/streams/s", b'{"a":%d}\n' % number, {"Content-Type": "application/x-ndjson"})

    def sync(self, node):
        return node.request("POST", "/v1/sql", b'{"sql":"SYNC"}', {"Content-Type": "application/json"})[0]

    def count(self, node):
        node.sql("SYNC")
        return node.sql("SELECT n FROM v")

    def test_missing_file(self):
        loads = self.path / "loads.sql"
        loads.write_text("CREATE STREAM t (a BIGINT) WITH (load = 'nowhere.ndjson');\n")
        self.refused(self.once(pipeline=loads), "nowhere.ndjson", "No such file", "HINT")

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

    def test_read_only_directory(self):
        self.data.mkdir(mode=0o500)
        self.refused(self.once(bound_by_modes), str(self.data), "Permission denied", "HINT")
        self.data.chmod(0o700)
        self.assertEqual(self.once(bound_by_modes).returncode, 0)
        before = self.contents()
        for place in (self.data, *self.data.rglob("*")):
            place.chmod(0o500 if place.is_dir() else 0o400)
        self.refused(self.once(bound_by_modes), str(self.data), "Permission denied", "HINT")
        for place in (self.data, *self.data.rglob("*")):
            place.chmod(0o700 if place.is_dir() else 0o600)
        self.assertEqual(self.contents(), before)
        self.assertEqual(self.once(bound_by_modes).returncode, 0, "the directory works again")

    def contents(self):
        return {str(place): place.read_bytes() for place in self.data.rglob("*") if place.is_file()}

    def test_unreadable_pipeline(self):
        self.pipeline.chmod(0)
        self.refused(self.once(bound_by_modes), str(self.pipeline), "Permission denied", "HINT")

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
        self.wait_until_recovered(node)
        self.assertEqual(self.count(node), [[sent + 1]])
        node.kill()
        node.start()
        self.assertEqual(self.count(node), [[sent + 1]])
        node.stop()

    def test_a_full_disk_without_a_disk(self):
        """The same everywhere: writes to the log fail as on a full disk, some of them before anything is acked, some behind."""
        for rule in ("log.write=error(ENOSPC),after=25,times=12", "log.write=error(ENOSPC),after=40,one_in=3,times=30",
                     "file.segment.append.before=error(ENOSPC),after=30,times=9"):
            with self.subTest(rule):
                self.data = self.path / f"data_{len(rule)}"
                node = self.node("--failpoints", rule)
                node.run(self.pipeline, {})
                acked, full = 0, 0
                for number in range(200):
                    status, body = self.post(node, number)
                    self.assertIn(status, (200, 507), body)
                    acked += status == 200
                    full += status == 507
                    if status == 507:
                        self.assertIn("o space left", body.decode())
                self.assertGreater(full, 0, "the disk was never full")
                self.assertEqual(self.post(node, 200)[0], 200, "space is back")
                self.wait_until_recovered(node)
                self.assertEqual(self.count(node), [[acked + 1]], "without a restart")
                node.kill()
                node.more = ()
                node.start()
                self.assertEqual(self.count(node), [[acked + 1]])
                self.assertEqual(node.sql("SELECT count(*), count(DISTINCT a) FROM s"), [[acked + 1, acked + 1]])
                node.stop()

    def wait_until_recovered(self, node):
        """A commit that met the full disk too is made again by itself."""
        limit = time.monotonic() + 60
        while node.request("GET", "/readyz")[0] != 200 or self.sync(node) != 200:
            self.assertLess(time.monotonic(), limit, node.said())
            self.assertIsNone(node.process.poll(), node.said())
            time.sleep(0.05)

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
