#!/usr/bin/env python3
"""bench/run.py in short mode: every figure is there and positive, beside its limit; nothing is said about speed."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
FIGURES = ("events_per_core", "mb_per_core", "peak_memory_mb")
LIMITS = {
    "decode": ["simdjson_dom", "simdjson_ondemand"],
    "log_append": ["plain_write"],
    "http_to_log": ["log_append_cpu"],
    "engagement_1": ["duckdb_1", "duckdb_load_1"],
    "engagement_2": ["duckdb_2", "duckdb_load_2"],
}


class ShortRun(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.out = Path(cls.folder.name)
        words = [sys.executable, str(SOURCE / "bench/run.py"), "--out", str(cls.out)]
        cls.run_result = subprocess.run(words, env={**os.environ, "MILLRACE_BENCH_SHORT": "1"}, capture_output=True, text=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def setUp(self):
        self.assertEqual(self.run_result.returncode, 0, self.run_result.stderr[-4000:])

    def results(self):
        return json.loads((self.out / "results.json").read_text())

    def test_every_row_has_positive_figures_beside_its_limits(self):
        rows = {row["key"]: row for row in self.results()["rows"]}
        self.assertEqual({key: [limit["key"] for limit in row["limits"]] for key, row in rows.items()}, LIMITS)
        for row in rows.values():
            for entry in [row, *row["limits"]]:
                for figure in FIGURES:
                    self.assertGreater(entry[figure], 0, (row["key"], entry["key"], figure))
            for limit in row["limits"]:
                self.assertAlmostEqual(limit["ratio"], row["mb_per_core"] / limit["mb_per_core"], places=6)

    def test_the_table_names_every_measure_and_limit(self):
        for row in self.results()["rows"]:
            self.assertIn(row["name"], self.run_result.stdout)
            for limit in row["limits"]:
                self.assertIn(limit["name"], self.run_result.stdout)

    def test_the_plot_has_a_bar_for_each_figure(self):
        root = xml.etree.ElementTree.parse(self.out / "results.svg").getroot()
        bars = [shape for shape in root if shape.tag.endswith("rect")]
        self.assertEqual(len(bars), len(LIMITS) + sum(len(limits) for limits in LIMITS.values()))
        self.assertIn("prefers-color-scheme: dark", "".join(root.itertext()))

    def test_nothing_else_is_left(self):
        self.assertEqual(sorted(path.name for path in self.out.iterdir()), ["results.json", "results.svg"])


if __name__ == "__main__":
    unittest.main()
