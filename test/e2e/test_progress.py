"""The progress line of a node at work: rewritten in place on a terminal, and nowhere else."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import engagement_job as job
from terminal import Screen, Terminal

UNIT_MS = 20000
LINE = re.compile(r"(\d+ % loaded  )?[\d,]+ rows  [\d,]+ rows/s  lag [\d,]+  [\d.]+ [KMG]iB")
REWRITE = "\r\x1b[K"
CREATE = "CREATE STREAM s (a BIGINT) WITH (connector = 'log');\nCREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM s;\n"


class ProgressTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="millrace_progress_")
        cls.addClassCleanup(folder.cleanup)
        cls.path = pathlib.Path(folder.name)
        job.generate(cls.path, UNIT_MS)

    def command(self):
        out = self.path / self.id()
        return [job.BINARY, *job.once_arguments(out / "data", self.path, UNIT_MS, more=["--set", f"out={out}"])]

    def test_one_line_is_rewritten_and_gone_at_the_end(self):
        for columns in (100, 30):
            terminal = Terminal(self.serve(), columns)
            self.addCleanup(terminal.close)
            terminal.wait_until(lambda: terminal.raw.count(REWRITE) >= 3, "three lines of progress")
            below = terminal.screen.row
            terminal.wait_until(lambda: terminal.raw.count(REWRITE) >= 5, "five lines of progress")
            self.assertEqual(terminal.screen.row, below, "the line stays where it is")
            shown = [part.split("\r")[0] for part in terminal.raw.split(REWRITE)[1:-1]]
            if columns == 100:
                self.assertTrue(all(LINE.fullmatch(line) for line in shown), shown)
            else:
                self.assertTrue(all(len(line) == columns - 3 and line.endswith("…") for line in shown), shown)
            terminal.send("\x03")
            self.assertEqual(terminal.wait_end(), 0)
            self.assertNotIn("rows/s", terminal.screen.text())
            self.assertRegex(terminal.screen.text(), r"(?s)^ready: .*data\nstopped$")

    def serve(self):
        pipeline = self.path / "p.sql"
        pipeline.write_text(CREATE)
        folder = tempfile.mkdtemp(dir=self.path)
        return [job.BINARY, "run", pipeline, "--data", folder + "/data", "--listen", "127.0.0.1:0"]

    def test_a_run_says_what_it_did(self):
        terminal = Terminal(self.command(), 100)
        self.addCleanup(terminal.close)
        self.assertEqual(terminal.wait_end(), 0)
        self.assertRegex(terminal.screen.text(), r"(?m)\Adone: [\d,]+ rows in [\d.]+ s, [\d,]+ rows/s$")
        for part in terminal.raw.split(REWRITE)[1:-1]:
            self.assertRegex(part, LINE)

    def test_no_line_where_nothing_can_be_rewritten(self):
        done = subprocess.run(list(map(str, self.command())), capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"\Adone: [^\r\x1b]*\n\Z")
        terminal = Terminal(self.serve(), environment={"TERM": "dumb"})
        self.addCleanup(terminal.close)
        terminal.wait_for("ready: ")
        terminal.send("\x03")
        self.assertEqual(terminal.wait_end(), 0)
        self.assertNotIn("\x1b", terminal.raw)


if __name__ == "__main__":
    unittest.main()
