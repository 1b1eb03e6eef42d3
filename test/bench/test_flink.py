#!/usr/bin/env python3
"""The runs of Flink in bench/nexmark.py, with a stand-in for Java: one query that fails spoils no other."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
import flink  # noqa: E402

# The last word is the query.
JAVA = """#!/bin/sh
for query; do :; done
case $query in
  q1) echo "no heap" >&2; exit 1 ;;
  *) echo "starting"; echo "{\\"query\\": \\"$query\\", \\"events\\": 7, \\"seconds\\": 1, \\"cpu_seconds\\": 2}" ;;
esac
"""


real_run = subprocess.run


def run_but_q2(words, **options):
    if words[-1] == "q2":
        raise subprocess.TimeoutExpired(words, options["timeout"])
    return real_run(words, **options)


class Runs(unittest.TestCase):
    def test_a_query_that_fails_or_hangs_is_told_and_the_others_are_run(self):
        with tempfile.TemporaryDirectory() as folder:
            java = Path(folder) / "java"
            java.write_text(JAVA)
            java.chmod(0o755)
            path = f"{folder}{os.pathsep}{os.environ['PATH']}"
            with mock.patch.dict(os.environ, {"PATH": path}), mock.patch.object(subprocess, "run", run_but_q2):
                results = list(flink.runs("", "events", 1, 1, ["q0", "q1", "q2", "q6", "q3"]))
        told = [(result["query"], result.get("error")) for result in results]
        self.assertEqual(told, [("q0", None)] * 2 + [("q1", "no heap")] * 2 + [("q2", f"not done after {flink.SECONDS_MAX} s")] * 2 + [("q3", None)] * 2)
        self.assertEqual([result["backend"] for result in results if "error" in result], ["hashmap", "rocksdb"] * 2)


if __name__ == "__main__":
    unittest.main()
