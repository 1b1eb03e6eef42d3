"""The main job: raw playback events in, the published report out, row for row, with the books closed.

MILLRACE_E2E=full adds four half-years, more seeds, workers and partitions.
"""

import gzip
import os
import pathlib
import tempfile
import unittest

import engagement_inputs
import engagement_job as job
import engagement_wrong

FULL = os.environ.get("MILLRACE_E2E") == "full"


class EngagementTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="millrace_e2e_")
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)

    def exact(self, name, inputs, unit_ms, published, half=None, **options):
        data = self.path / name
        job.run(job.once_arguments(data, inputs, unit_ms, **options))
        self.assertEqual(job.differences(data, inputs, published, half), [], name)
        self.assertEqual(job.open_books(data), [], name)
        return data

    def need_given(self):
        if not job.need(job.GIVEN_RUN, "the given run of 2025H1"):
            self.skipTest("the given run is not there")

    def test_shipped_titles(self):
        inputs = job.generate(self.path / "in", 10000)
        data = self.exact("plain", inputs, 10000, job.TITLES)
        out = self.path / "out"
        job.run(job.once_arguments(self.path / "again", inputs, 10000, workers=2, partitions=1, more=["--set", f"out={out}"]))
        self.assertTrue((out / "report.parquet").stat().st_size > 1000)
        self.assertEqual([name for name in os.listdir(out) if name.endswith(".tmp")], [])
        # The same run again on the same directory changes nothing.
        job.run(job.once_arguments(data, inputs, 10000))
        self.assertEqual(job.differences(data, inputs, job.TITLES), [])

    def test_shuffled_within_13_days(self):
        inputs = job.generate(self.path / "in", 10000)
        lines = engagement_inputs.read_lines(inputs / "events.ndjson")
        shuffled = self.path / "shuffled.ndjson"
        shuffled.write_bytes(b"\n".join(engagement_inputs.shuffle(lines, seed=3)) + b"\n")
        self.exact("shuffled", inputs, 10000, job.TITLES, events=shuffled, workers=2, partitions=8)

    def test_given_run(self):
        self.need_given()
        for workers, partitions in ((1, 1), (2, 8)):
            data = self.exact(f"w{workers}p{partitions}", job.GIVEN_RUN, 3600, job.PUBLISHED, "2025H1", workers=workers,
                              partitions=partitions)
            self.assertEqual(job.number(data, "SELECT count(*) FROM report"), 16182)

    def test_wrong_pipelines_are_noticed(self):
        self.need_given()
        for name, text in engagement_wrong.make_all().items():
            pipeline = self.path / f"{name}.sql"
            pipeline.write_text(text, encoding="utf-8")
            data = self.path / name
            job.run(job.once_arguments(data, job.GIVEN_RUN, 3600, pipeline=pipeline))
            self.assertNotEqual(job.differences(data, job.GIVEN_RUN, job.PUBLISHED, "2025H1"), [], f"{name} is taken for right")

    @unittest.skipUnless(FULL, "MILLRACE_E2E=full is not set")
    def test_all_half_years(self):
        if not job.need(job.PUBLISHED, "the published reports"):
            self.skipTest("the published reports are not there")
        with gzip.open(job.PUBLISHED, "rt", encoding="utf-8", newline="") as file:
            header, *rows = file.read().splitlines()
        windows = {"2023H2": (1688169600000, 1704067200000), "2024H1": (1704067200000, 1719792000000),
                   "2024H2": (1719792000000, 1735689600000), "2025H1": (1735689600000, 1751328000000)}
        for half, (start, end) in windows.items():
            titles = self.path / f"{half}.csv"
            titles.write_text("\n".join([header] + [row for row in rows if row.startswith(half)]) + "\n", encoding="utf-8")
            for seed in (1, 2):
                inputs = self.path / f"{half}-{seed}"
                job.run(["generate", "playback", "--titles", titles, "--unit-ms", 3600, "--seed", seed, "--window-start-ms", start,
                         "--window-end-ms", end, "--out", inputs])
                window = ["--set", f"window_start_ms={start}", "--set", f"window_end_ms={end}"]
                self.exact(f"data-{half}-{seed}", inputs, 3600, job.PUBLISHED, half, workers=seed, partitions=8, more=window)


if __name__ == "__main__":
    unittest.main()
