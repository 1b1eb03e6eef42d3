"""`millrace sql` as a person sees it: typed at a terminal, judged by what stands on its screen."""

import json
import os
import pathlib
import re
import signal
import stat
import tempfile
import unittest

import engagement_job as job
from node_process import NodeProcess
from terminal import Screen, Terminal

PROMPT, MORE = "millrace> ", "     ...> "
UP, DOWN, LEFT, ERASE, CTRL_C, CTRL_D = "\x1b[A", "\x1b[B", "\x1b[D", "\x7f", "\x03", "\x04"
LONG = "a very long name " * 20
PIPELINE = """CREATE STREAM plays (title VARCHAR, seconds BIGINT) WITH (connector = 'log');
CREATE MATERIALIZED VIEW totals AS SELECT title, count(*) AS plays, sum(seconds) AS seconds FROM plays GROUP BY title;
"""


class ShellTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="millrace_shell_")
        cls.addClassCleanup(folder.cleanup)
        cls.path = pathlib.Path(folder.name)
        pipeline = cls.path / "p.sql"
        pipeline.write_text(PIPELINE)
        cls.node = NodeProcess(cls.path / "data", cls.path / "node.log")
        cls.addClassCleanup(cls.node.close)
        cls.node.run(pipeline, {})
        cls.play("Ozark", "오징어 게임", "Käse", LONG)

    @classmethod
    def play(cls, *titles):
        lines = [json.dumps({"title": title, "seconds": 60}).encode() + b"\n" for title in titles]
        cls.node.append("plays", lines, os.urandom(16).hex())
        cls.node.sql("SYNC")

    def setUp(self):
        self.home = self.path / self.id()
        self.home.mkdir()
        self.history = self.home / ".millrace_history"

    def open(self, *more, where=None, columns=80, environment=None):
        """A shell, not yet at its prompt."""
        command = [job.BINARY, "sql", *(where or ["--url", f"http://127.0.0.1:{self.node.port}"]), *more]
        self.terminal = Terminal(command, columns, environment={"HOME": str(self.home), **(environment or {})})
        self.addCleanup(self.terminal.close)
        return self.terminal

    def shell(self, *more, **options):
        terminal = self.open(*more, **options)
        self.wait_at(PROMPT)
        self.assertIn("Connected to http://", terminal.screen.text())
        return terminal

    def wait_at(self, line, below=-1):
        screen = self.terminal.screen
        self.terminal.wait_until(lambda: screen.row > below and screen.last_line() == line, f"a line {line!r}")

    def ask(self, text, prompt=PROMPT):
        """Types a line; what stands between it and the next prompt."""
        screen = self.terminal.screen
        before = screen.row
        self.terminal.send(text + "\r")
        self.wait_at(prompt, before)
        return "\n".join(screen.lines()[before + 1 : screen.row])

    def leave(self):
        self.terminal.send(CTRL_D)
        self.assertEqual(self.terminal.wait_end(), 0)

    def test_the_history_is_kept_for_the_next_shell_and_for_its_owner_alone(self):
        self.shell()
        self.ask("SELECT 1;")
        self.ask("SELECT 'Käse 오징어';")
        self.ask("SELECT 'Käse 오징어';")
        self.leave()
        self.assertEqual(stat.S_IMODE(self.history.stat().st_mode), 0o600)
        self.shell()
        for line in ("SELECT 'Käse 오징어';", "SELECT 1;"):
            self.terminal.send(UP)
            self.wait_at(PROMPT + line)
        self.terminal.send(DOWN)
        self.wait_at(PROMPT + "SELECT 'Käse 오징어';")
        self.assertIn(" Käse 오징어\n(1 row)", self.ask(""))

    def test_a_line_is_in_the_history_also_when_the_shell_is_killed(self):
        self.shell()
        self.ask("SELECT 7;")
        self.terminal.process.kill()
        self.terminal.wait_end()
        self.assertEqual(self.history.read_text(), "SELECT 7;\n")

    def test_a_long_history_is_cut(self):
        self.history.write_text("".join(f"SELECT {number};\n" for number in range(2500)))
        self.history.chmod(0o644)
        self.shell()
        self.terminal.send(UP)
        self.wait_at(PROMPT + "SELECT 2499;")
        kept = self.history.read_text().splitlines()
        self.assertEqual((len(kept), kept[0]), (1000, "SELECT 1500;"))
        self.assertEqual(stat.S_IMODE(self.history.stat().st_mode), 0o600)

    def test_a_statement_takes_many_lines_until_its_semicolon(self):
        self.shell()
        self.assertEqual(self.ask("SELECT title, ';' AS \"what; now\"", MORE), "")
        self.assertEqual(self.ask("-- a comment;", MORE), "")
        answer = self.ask("FROM totals WHERE title = 'Ozark';")
        self.assertEqual(answer, " title | what; now\n-------+-----------\n Ozark | ;\n(1 row)")

    def test_ctrl_c_drops_the_line_and_the_statement_and_does_not_quit(self):
        self.shell()
        self.terminal.send("SELECT nonsense")
        self.wait_at(PROMPT + "SELECT nonsense")
        self.terminal.send(LEFT * 4 + CTRL_C)
        self.terminal.wait_for("SELECT nonsense^C")
        self.wait_at(PROMPT)
        self.ask("SELECT 'open", MORE)
        self.terminal.send(CTRL_C)
        self.wait_at(PROMPT)
        self.assertIn(" 2\n(1 row)", self.ask("SELECT 2;"))
        self.leave()

    def test_ways_to_leave(self):
        for text in ("\\q\r", "quit\r", "exit\r", CTRL_D):
            self.shell()
            self.terminal.send(text)
            self.assertEqual(self.terminal.wait_end(), 0)
        for number in (signal.SIGTERM, signal.SIGHUP):
            self.shell()
            self.assertFalse(self.terminal.is_cooked(), "lines are edited by the shell")
            os.kill(self.terminal.process.pid, number)
            self.assertEqual(self.terminal.wait_end(), 0)
            self.assertTrue(self.terminal.is_cooked(), "the terminal is as it was")

    def test_backslash_commands(self):
        self.shell()
        self.assertRegex(self.ask("\\d"), r"plays +\| stream[^\n]*\n totals +\| materialized view +\| plays\n\(2 rows\)$")
        self.assertRegex(self.ask("\\d totals"), r"title +\| VARCHAR +\| key\n plays +\| BIGINT")
        self.assertIn("\\d NAME", self.ask("\\?"))
        self.assertIn("no shell command \\nonsense", self.ask("\\nonsense"))
        self.assertRegex(self.ask("\\d nothing"), r'ERROR: .*"?nothing"?.*\nLINE 1: DESCRIBE nothing\n {17}\^{7}\nHINT: ')
        self.ask("\\f json")
        self.assertEqual(self.ask("SELECT 1 AS a;"), '[{"a":1}]')
        self.assertIn("--format", self.ask("\\f xml"))

    def test_formats(self):
        self.shell("--format", "csv")
        self.assertEqual(self.ask("SELECT 1 AS a, 'x,y' AS b, NULL AS c;"), 'a,b,c\n1,"x,y",')
        self.leave()
        self.shell("--format", "json")
        self.assertEqual(self.ask("SELECT 1 AS a, NULL AS c UNION ALL SELECT 2, 'é';"), '[{"a":1,"c":null},\n{"a":2,"c":"é"}]')

    def test_a_table_fits_the_terminal(self):
        for columns in (60, 200):
            self.shell(columns=columns)
            lines = self.ask("SELECT * FROM totals WHERE title > '0';").splitlines()
            self.assertEqual(len(lines), 7, "a line wraps:\n" + self.terminal.screen.text())
            bars = {re.sub("[^|+]", "", line) for line in lines[:6]}
            self.assertEqual(bars, {"||", "++"})
            at = {tuple(place for place, cell in enumerate(self.cells(line)) if cell in "|+" and cell) for line in lines[:6]}
            self.assertEqual(len(at), 1, "the columns stand under each other, wide characters too")
            cut = [line for line in lines if "…" in line]
            self.assertEqual(len(cut), 1, "a value that does not fit is cut, and shows it")
            self.assertLessEqual(max(len(self.cells(line)) for line in lines), columns)
            self.leave()
        self.terminal = self.shell(columns=200)
        self.terminal.resize(60)
        os.kill(self.terminal.process.pid, signal.SIGWINCH)
        self.assertLessEqual(max(map(len, self.ask("SELECT * FROM totals;").splitlines())), 60)

    def cells(self, line):
        screen = Screen(1000)
        screen.feed(line)
        return screen.rows[0]

    def test_the_caret_stands_under_what_is_wrong(self):
        self.shell(columns=60)
        self.caret(self.ask("SELECT nam FROM totals;"), "nam")
        self.caret(self.ask("SELECT 'Käse', nam FROM totals;"), "nam")
        self.caret(self.ask("SELECT '오징어 게임', nam FROM totals;"), "nam")
        self.caret(self.ask("SELECT 1;\tSELECT 2,\tnam FROM totals;"), "nam")
        self.caret(self.ask("SELECT '" + "x" * 100 + "', nam, '" + "y" * 100 + "' FROM totals;"), "nam")
        self.ask("SELECT title,", MORE)
        self.ask("  'é' AS e, nam", MORE)
        answer = self.ask("FROM totals;")
        self.assertIn("LINE 2:   'é' AS e, nam\n", answer)
        self.caret(answer, "nam")

    def caret(self, answer, wrong):
        """The carets' columns on the screen are those of `wrong`, in the line above."""
        lines = answer.splitlines()
        marks = next(at for at, line in enumerate(lines) if re.fullmatch(r" +\^+", line))
        shown, under = self.cells(lines[marks - 1]), self.cells(lines[marks])
        self.assertTrue(lines[marks - 1].startswith("LINE "), answer)
        self.assertEqual([at for at, mark in enumerate(under) if mark == "^"][0], "".join(cell[:1] or "-" for cell in shown).index(wrong), answer)

    def test_pasted_text(self):
        self.shell()
        before = self.terminal.screen.row
        long = "z" * 6000  # more than the terminal itself keeps of a line
        self.terminal.send(f"SELECT 11; SELECT 12;\nSELECT\n\t13;\nSELECT length('{long}') AS long;\nSELECT 'last' AS l;\n")
        self.terminal.wait_for(" last\n(1 row)")
        self.wait_at(PROMPT, before)
        text = self.terminal.screen.text()
        for value in ("11", "12", "13"):
            self.assertIn(f" {value}\n(1 row)", text)
        self.assertIn(" 6000\n(1 row)", text)
        self.assertEqual(text.count("SELECT 'last'"), 1, "each line stands there once")
        self.assertEqual(self.terminal.screen.bells, 0)

    def subscribe(self):
        """Leaves SUBSCRIBE running; it has shown something."""
        self.terminal.send("SUBSCRIBE TO totals;\r")
        self.play_until_shown("#first")

    def play_until_shown(self, title):
        """A subscription shows what is committed after it began."""
        def shown():
            self.play(title)
            return f"title={title}  " in self.terminal.screen.text()
        self.terminal.wait_until(shown, title)

    def test_what_is_typed_while_a_statement_runs_comes_after_it(self):
        self.shell()
        self.subscribe()
        self.terminal.send("SELECT 'nothing shows yet'")
        self.play_until_shown("#more")
        self.assertNotIn("nothing shows", self.terminal.screen.text())

    def test_a_line_longer_than_the_terminal(self):
        self.shell(columns=60)
        self.terminal.send("SELECT '" + "x" * 150 + "' AS long;")
        self.wait_at("x" * 48 + "' AS long;")
        self.terminal.send(LEFT * 100)
        self.wait_at("x" * 18)
        self.terminal.send(ERASE * 2 + "YZ")
        self.wait_at("x" * 16 + "YZ")
        self.terminal.send(CTRL_C)
        self.terminal.wait_for("^C")
        self.wait_at(PROMPT)
        text = self.terminal.screen.text()
        self.assertIn("\n" + "x" * 16 + "YZ" + "x" * 42 + "\n", text)
        self.assertTrue(text.endswith("x' AS long;^C\n" + PROMPT.rstrip()), "nothing is written over the line")

    def test_text_in_any_language_without_a_locale(self):
        self.shell(environment={"LC_ALL": "C"})
        self.assertIn(" Käse 오징어 🎬\n(1 row)", self.ask("SELECT 'Käse 오징어 🎬' AS t;"))
        self.terminal.send("SELECT '오징어'" + LEFT + ERASE + ERASE + "é")
        self.wait_at(PROMPT + "SELECT '오é")
        self.assertIn(" 오é\n(1 row)", self.ask("\x05 AS t;"))

    def test_subscribe_ends_with_ctrl_c(self):
        self.shell()
        self.subscribe()
        self.assertRegex(self.terminal.screen.text(), r"\ntitle=#first  plays=\d+  seconds=\d+  _op=\+[IU]  _commit=\d+$")
        self.terminal.send(CTRL_C)
        self.wait_at(PROMPT)
        self.assertIn(" 1\n(1 row)", self.ask("SELECT 1;"))

    def test_a_node_that_is_not_there(self):
        for where in (["--url", "http://127.0.0.1:1"], ["--data", str(self.home / "none")]):
            terminal = self.open(where=where)
            self.assertEqual(terminal.wait_end(), 1)
            self.assertRegex(terminal.screen.text(), r"(?s)^millrace: .*(Connection refused|no data directory).*\nHINT: ")
            self.assertNotIn("Connected", terminal.screen.text())

    def test_a_node_that_dies_and_comes_back(self):
        self.shell()
        self.ask("SELECT 1;")
        self.node.kill()
        answer = self.ask("SELECT 2;")
        self.assertRegex(answer, r"ERROR: .*Connection refused\nHINT: is a node running there")
        self.node.start()
        self.assertIn(" 3\n(1 row)", self.ask("SELECT 3;"))
        self.node.kill()
        self.node.start()
        self.assertIn(" 4\n(1 row)", self.ask("SELECT 4;"), "a restart that the shell did not see")
        self.subscribe()
        self.node.kill()
        self.terminal.wait_for("ERROR: ")
        self.wait_at(PROMPT)
        self.node.start()
        self.leave()


if __name__ == "__main__":
    unittest.main()
