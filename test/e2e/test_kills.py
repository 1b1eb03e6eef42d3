"""Ten kills -9 at random moments of the engagement job, each followed by a start: the report is still exact.

MILLRACE_SEED repeats a run; the seed is printed.
"""

import os
import pathlib
import random
import subprocess
import tempfile
import time
import unittest

import engagement_job as job

KILLS = 10


class KillTest(unittest.TestCase):
    def test_ten_kills(self):
        seed = int(os.environ.get("MILLRACE_SEED", time.time_ns() % 1000000))
        print(f"MILLRACE_SEED={seed}")
        chance = random.Random(seed)
        with tempfile.TemporaryDirectory(prefix="millrace_kills_") as folder:
            path = pathlib.Path(folder)
            inputs = job.generate(path / "in", 20000)
            data = path / "data"
            arguments = job.once_arguments(data, inputs, 20000, workers=2)
            started = time.monotonic()
            job.run(job.once_arguments(path / "whole", inputs, 20000, workers=2))
            whole_run = time.monotonic() - started
            killed = 0
            for _ in range(KILLS):
                process = subprocess.Popen([str(job.BINARY), *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                try:
                    process.wait(timeout=chance.uniform(0.02, whole_run * 0.8))
                    self.assertEqual(process.returncode, 0, process.stderr.read())
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    killed += 1
                process.stderr.close()
            job.run(arguments)
            print(f"killed {killed} of {KILLS} times; an undisturbed run takes {whole_run:.2f} s")
            self.assertGreaterEqual(killed, 3)
            self.assertEqual(job.differences(data, inputs, job.TITLES), [])
            self.assertEqual(job.open_books(data), [])


if __name__ == "__main__":
    unittest.main()
