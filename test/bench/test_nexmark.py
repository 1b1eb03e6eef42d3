#!/usr/bin/env python3
"""bench/nexmark.py with little data: queries have figures for both engines, and both the same number of rows."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]


class ShortRun(unittest.TestCase):
    def test_both_engines_give_figures_and_the_same_number_of_rows(self):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "nexmark.json"
            words = [sys.executable, str(SOURCE / "bench/nexmark.py"), "--out", str(out), "--events", "5000", "q2", "q5", "q13"]
            done = subprocess.run(words, env={**os.environ, "MILLRACE_BENCH_SHORT": "1"}, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr[-4000:])
            results = json.loads(out.read_text())
            plot = xml.etree.ElementTree.parse(out.with_suffix(".svg")).getroot()
        self.assertEqual(results["failed"], {})
        self.assertEqual(list(results["best"]), ["1", "2"])
        for workers, queries in results["best"].items():
            self.assertEqual(sorted(queries), ["q13", "q2", "q5"])
            for query, runs in queries.items():
                self.assertIn(query, done.stdout)
                for run in runs.values():
                    self.assertEqual(str(run["workers"]), workers)
                    self.assertGreater(run["cpu_seconds"], 0)
                    self.assertEqual(run["rows"], runs["duckdb"]["rows"], query)
                self.assertGreater(runs["duckdb"]["rows"], 0)
                self.assertGreaterEqual(runs["made"]["step_p99_ms"], runs["made"]["step_p50_ms"])
                self.assertGreater(runs["made"]["step_p50_ms"], 0)
        texts = [text.text for text in plot.iter("{http://www.w3.org/2000/svg}text")]
        self.assertIn("q5, made", texts)


if __name__ == "__main__":
    unittest.main()
