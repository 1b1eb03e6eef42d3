"""The check of the engagement report finds what is planted, and the wrong pipelines can still be made."""
import contextlib
import io
import json
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import engagement_check as check  # noqa: E402
import engagement_inputs as inputs  # noqa: E402
import engagement_wrong as wrong  # noqa: E402

PUBLISHED = """kind,title,available_globally,release_date,runtime,hours_viewed,views
Show,"One, Two: Season 1",Yes,2025-01-02,2:00,1000000,500000
Show,Three // 셋,No,,1:00,400000,400000
Show,Same,No,,1:00,400000,400000
Movie,Monster,No,,1:40,500000,300000
Movie,Monster,No,,1:40,500000,300000
"""
REPORT = """kind,rank,title,available_globally,release_date,runtime_label,hours_viewed,views
Movie,1,Monster,No,,1:40,500000,300000
Show,2,Same,No,,1:00,400000,400000
Show,1,"One, Two: Season 1",Yes,2025-01-02,2:00,1000000,500000
Movie,1,Monster,No,,1:40,500000,300000
Show,2,Three // 셋,No,,1:00,400000,400000
"""
TRUTH = "title_id,credited_ms\nd000000,12\nt000001,1000\nt000002,2000\n"
TRUTH_WEEK = "title_id,week_start_ms,credited_ms\nt000001,1735516800000,400\nt000001,1736121600000,600\n"
MANIFEST = {"lines": 107, "malformed": 5, "unique_events": 100, "duplicates": 2, "unknown_title": 3,
            "unknown_title_events": 9, "titles": 3, "credited_ms_total": 3012}


class Compare(unittest.TestCase):
    def setUp(self):
        self.published = check.published_rows(check.parse_rows(PUBLISHED))

    def report(self, text=REPORT):
        rows = check.parse_rows(text)
        return check.compare_report(check.report_rows(rows), self.published) + check.compare_order(rows, self.published)

    def planted(self, old, new):
        self.assertIn(old, REPORT)
        return "\n".join(self.report(REPORT.replace(old, new, 1)))

    def test_equal(self):
        self.assertEqual(self.report(), [])

    def test_ndjson_with_null_equals_csv(self):
        rows = [dict(row, release_date=row["release_date"] or None, rank=int(row["rank"]), views=int(row["views"]),
                     hours_viewed=int(row["hours_viewed"])) for row in check.parse_rows(REPORT)]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        self.assertEqual(self.report(text), [])

    def test_wrong_figures(self):
        self.assertIn("published rows that the report lacks: 1", self.planted("1000000,500000", "1100000,500000"))
        self.assertIn("'One, Two: Season 1'", self.planted("1000000,500000", "1000000,600000"))
        self.assertIn("not published: 1", self.planted(",Yes,2025-01-02", ",No,2025-01-02"))
        self.assertIn("not published: 1", self.planted("2025-01-02", "2025-01-03"))
        self.assertIn("not published: 1", self.planted("2:00", "2:01"))

    def test_lost_and_repeated_rows(self):
        row = "Movie,1,Monster,No,,1:40,500000,300000\n"
        self.assertIn("report lacks: 1", self.planted(row, ""))
        self.assertIn("not published: 1", self.planted(row, row + row))

    def test_wrong_rank(self):
        self.assertIn("leaves the published order at place 1", self.planted('Show,1,"One', 'Show,4,"One'))
        self.assertIn("wrong rank", self.planted("Show,2,Same", "Show,3,Same"))

    def test_missing_column(self):
        with self.assertRaisesRegex(ValueError, "no column views"):
            self.report(REPORT.replace("views", "visits"))

    def test_half_is_picked(self):
        text = "half," + "\n2025H1,".join(PUBLISHED.strip().split("\n")) + "\n2024H2,Show,Old,No,,1:00,400000,400000\n"
        self.assertEqual(check.published_rows(check.parse_rows(text), "2025H1"), self.published)

    def test_wrong_titles(self):
        rows = check.report_rows(check.parse_rows(REPORT))
        self.assertEqual(check.wrong_titles(rows, self.published), 0)
        self.assertEqual(check.wrong_titles(rows[1:], self.published), 1)

    def times(self, old, new):
        truth = check.parse_rows(TRUTH)
        return "\n".join(check.compare_times("time", check.parse_rows(TRUTH.replace(old, new)), truth, ("title_id",)))

    def test_times(self):
        self.assertEqual(self.times("", ""), "")
        self.assertIn("t000002: 2001 ms for 2000 ms (+1)", self.times(",2000", ",2001"))
        self.assertIn("rows missing: 1", self.times("d000000,12\n", ""))
        self.assertIn("rows too many: 1", self.times("t000002", "t000003"))
        self.assertIn("more than once: 1", self.times("d000000,12\n", "d000000,12\nd000000,12\n"))

    def test_counters(self):
        right = {"stored": 107, "dead": 5, "decoded": 102, "counted": 100, "duplicate": 2, "titles": 3}
        self.assertEqual(check.compare_counters(right, MANIFEST), [])
        for name in right:
            found = check.compare_counters(dict(right, **{name: right[name] - 1}), MANIFEST)
            self.assertEqual(len(found), 1)
            self.assertIn(f"counter {name}: ", found[0])
            self.assertIn("(-1)", found[0])
        self.assertIn("none of this name", check.compare_counters({"lost": 0}, MANIFEST)[0])

    def test_unmatched(self):
        rows = check.parse_rows("title_id,events\nx000000,4\nx000001,5\n")
        self.assertEqual(check.compare_unmatched(rows, MANIFEST), [])
        self.assertIn("(-5)", check.compare_unmatched(rows[:1], MANIFEST)[0])
        self.assertIn("t000001", "".join(check.compare_unmatched([{"title_id": "t000001", "events": "9"}], MANIFEST)))


class CommandLine(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        for name, text in (("published.csv", PUBLISHED), ("report.csv", REPORT), ("truth.csv", TRUTH), ("time.csv", TRUTH),
                           ("truth_week.csv", TRUTH_WEEK), ("week.csv", TRUTH_WEEK), ("manifest.json", json.dumps(MANIFEST)),
                           ("unmatched.csv", "title_id,events\nx000000,9\n")):
            self.write(name, text)

    def write(self, name, text):
        pathlib.Path(self.folder, name).write_text(text, encoding="utf-8")

    def run_check(self, *more):
        path = lambda name: os.path.join(self.folder, name)  # noqa: E731
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = check.main(["--published", path("published.csv"), "--report", path("report.csv"), "--data", self.folder,
                               "--title-time", path("time.csv"), "--title-week", path("week.csv"),
                               "--unmatched", path("unmatched.csv"), "--counter", "dead=5", *more])
        return code, out.getvalue()

    def test_equal(self):
        self.assertEqual(self.run_check(), (0, "equal\n"))

    def test_each_file_counts(self):
        for name, text in (("report.csv", REPORT.replace("Same", "Other")), ("time.csv", TRUTH.replace("2000", "2001")),
                           ("week.csv", TRUTH_WEEK.replace("600\n", "601\n")), ("unmatched.csv", "title_id,events\n")):
            with self.subTest(name):
                before = pathlib.Path(self.folder, name).read_text(encoding="utf-8")
                self.write(name, text)
                code, printed = self.run_check()
                self.write(name, before)
                self.assertEqual(code, 1)
                self.assertTrue(printed.endswith("DIFFERENT\n"))
        self.assertEqual(self.run_check("--counter", "stored=106")[0], 1)


class WrongPipelines(unittest.TestCase):
    def test_each_can_be_made_and_differs(self):
        right = wrong.REPORT_SQL.read_text(encoding="utf-8")
        made = wrong.make_all(right)
        self.assertEqual(len(made), 11)
        self.assertEqual(sum(not variant.publishes for variant in wrong.VARIANTS), 9)
        self.assertEqual(len(set(made.values()) | {right}), 12)

    def test_a_changed_report_is_noticed(self):
        with self.assertRaisesRegex(ValueError, "paused_counted: report.sql has this 0 times"):
            wrong.make_all(wrong.REPORT_SQL.read_text(encoding="utf-8").replace("state = 'playing'", "state = 'PLAYING'"))


class OtherDeliveries(unittest.TestCase):
    LINES = [b'{"seq":%d,"server_ts":%d}\n' % (i, i * inputs.DAY_MS) for i in range(200)] + [b"{ no event\n"]

    def test_shuffled_within_days(self):
        shuffled = inputs.shuffle(self.LINES, seed=3)
        self.assertEqual(sorted(shuffled), sorted(self.LINES))
        self.assertEqual(shuffled, inputs.shuffle(self.LINES, seed=3))
        self.assertNotEqual(shuffled, inputs.shuffle(self.LINES, seed=4))
        moved = [abs(shuffled.index(line) - place) for place, line in enumerate(self.LINES)]
        self.assertGreater(max(moved), 5)
        self.assertLessEqual(max(moved), 13)

    def test_pieces_lose_nothing(self):
        batches = list(inputs.pieces(self.LINES, seed=5, most=20))
        self.assertEqual([line for batch in batches for line in batch], self.LINES)
        self.assertGreater(len(set(map(len, batches))), 3)

    def test_only_a_newline_ends_a_line(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"a\rb\x0bc\n\xff\nlast")
            file.flush()
            self.assertEqual(inputs.read_lines(file.name), [b"a\rb\x0bc\n", b"\xff\n", b"last\n"])


if __name__ == "__main__":
    unittest.main()
