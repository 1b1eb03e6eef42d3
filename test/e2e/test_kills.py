"""Ten kills -9 at random moments of the engagement job, each followed by a start: the report is still exact.

The moments fall into recovery too: a start has between no time at all and half of the time of an undisturbed run before the
next kill. MILLRACE_SEED repeats a run; the seed is printed.
"""

import os
import pathlib
import random
import subprocess
import tempfile
import time
import unittest

import engagement_job as job
from node_process import free_port

KILLS = 10
UNIT_MS = 50000


class KillTest(unittest.TestCase):
    def run_until_killed(self, arguments, seconds, log):
        """Runs a node, which does not end by itself, and kills it after so many seconds."""
        with open(log, "ab") as out:
            process = subprocess.Popen([str(job.BINARY), *map(str, arguments), "--listen", f"127.0.0.1:{free_port()}"],
                                       stdout=out, stderr=out)
        try:
            process.wait(timeout=seconds)
            self.fail(f"the node ended with {process.returncode}:\n{log.read_text(errors='replace')[-2000:]}")
        except subprocess.TimeoutExpired:
            pass
        finally:
            process.kill()
            process.wait()

    def test_ten_kills(self):
        seed = int(os.environ.get("MILLRACE_SEED", time.time_ns() % 1000000))
        print(f"MILLRACE_SEED={seed}", flush=True)
        chance = random.Random(seed)
        with tempfile.TemporaryDirectory(prefix="millrace_kills_") as folder:
            path = pathlib.Path(folder)
            inputs = job.generate(path / "in", UNIT_MS)
            started = time.monotonic()
            job.run(job.once_arguments(path / "whole", inputs, UNIT_MS, workers=2))
            whole_run = time.monotonic() - started
            once = job.once_arguments(path / "data", inputs, UNIT_MS, workers=2)
            forever = [word for word in once if word != "--once"]
            moments = [chance.uniform(0, whole_run / 2) for _ in range(KILLS)]
            for moment in moments:
                self.run_until_killed(forever, moment, path / "node.log")
            job.run(once)
            print(f"killed after {', '.join(f'{moment:.2f}' for moment in moments)} s; an undisturbed run takes {whole_run:.2f} s")
            self.assertEqual(job.differences(path / "data", inputs, job.TITLES), [])
            self.assertEqual(job.open_books(path / "data"), [])


if __name__ == "__main__":
    unittest.main()
