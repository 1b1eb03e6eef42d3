"""docs/sql/limits.md and the source agree: every refusal of a view's query has its row with an example that is refused, with
position and advice, and every row has a refusal."""

import json
import pathlib
import re
import tempfile
import unittest

import engagement_job as job
from node_process import NodeProcess

PAGE = job.SOURCE / "docs/sql/limits.md"
PIPELINE = """
CREATE STREAM plays (title VARCHAR, seconds INTEGER, ts TIMESTAMP, tags JSON, WATERMARK FOR ts AS ts);
CREATE TABLE titles (title VARCHAR PRIMARY KEY, name VARCHAR);
CREATE TABLE bag (title VARCHAR);
CREATE STREAM days (title VARCHAR, d TIMESTAMPTZ, WATERMARK FOR d AS d);
CREATE VIEW plain AS SELECT * FROM titles;
CREATE MATERIALIZED VIEW sums AS SELECT title, max(ts) AS ts FROM plays GROUP BY title;
"""
# Files whose refusals are of statements, not of the query of a view.
NOT_OF_VIEWS = ("catalog", "parser", "macros", "options", "flink")
TEMPORAL = "SELECT p.title FROM plays p JOIN {} FOR SYSTEM_TIME AS OF {} AS t ON {}"
# A row of the page may tell of several refusals: these queries lead to the others.
OTHERS = [
    "SELECT count(*) AS n FROM session(sums, ts, INTERVAL 1 MINUTE) GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
    "SELECT window_start, count(*) AS n FROM (SELECT w.* FROM tumble(plays, ts, INTERVAL 1 MINUTE) w JOIN titles t ON t.title = w.title)"
    " GROUP BY window_start EMIT ON WINDOW CLOSE",
    "SELECT * FROM titles FOR SYSTEM_TIME AS OF now()",
    TEMPORAL.format("bag", "p.ts", "p.title = t.title"),
    TEMPORAL.format("days", "p.ts", "p.title = t.title"),
    TEMPORAL.format("plain", "now()", "p.title = t.title"),
    TEMPORAL.format("titles", "p.ts", "p.title = t.title AND t.name > 'a'"),
    TEMPORAL.format("plays", "p.ts", "true"),
    "SELECT s.title FROM sums s JOIN titles FOR SYSTEM_TIME AS OF s.ts AS t ON s.title = t.title",
]
# Guards against what a later DuckDB may plan: no query is known that leads to them.
UNREACHED = ["this kind of join (", "this correlated subquery", "this kind of IN or EXISTS", "duckdb::StringUtil",
             "FOR SYSTEM_TIME AS OF in this place", "column "]
# Of the expression of a watermark, and of a query.
UNREACHED += ["expected a scalar expression over the row's columns: ", "a query does not see the former rows of a table: "]


def rows():
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def refusals():
    """The texts of all refusals in the source, up to their first variable part."""
    found = []
    for path in sorted((job.SOURCE / "src/sql").glob("*.cpp")):
        text = path.read_text(encoding="utf-8")
        found += [(path.name, words or other) for words, other in re.findall(r'\brefuse\((?:"([^"]+)"|(duckdb::StringUtil))', text)]
        found += [(path.name, words) for words in re.findall(r'(?:kNotSupported|"42701"|"42P18"),\s*"([^"]+)', text)]
        found += [(path.name, words) for words in re.findall(r'\brefuse_at\(\w+, "([^"]+)"', text)]
        found += [(path.name, words) for words in re.findall(r'"42501", "([^"]+)"', text)]
    return [(name, words) for name, words in found if not name.startswith(NOT_OF_VIEWS)]


class LimitsTest(unittest.TestCase):
    def refused(self, node, query):
        statement = "CREATE MATERIALIZED VIEW v AS " + query
        status, body = node.request("POST", "/v1/sql", json.dumps({"sql": statement}), {"Content-Type": "application/json"})
        self.assertEqual(status, 400, statement)
        error = json.loads(body)["error"]
        self.assertIsNotNone(error["position"], (statement, error))
        self.assertGreaterEqual(error["position"]["offset"], statement.index(query), (statement, error))
        self.assertTrue(error["hint"], (statement, error))
        return error["message"]

    def test_the_page_and_the_source_agree(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "p.sql").write_text(PIPELINE)
            node = NodeProcess(folder / "data", folder / "log")
            try:
                node.run(folder / "p.sql", {})
                examples = [re.fullmatch(r"`(.+)`", row[3]).group(1) for row in rows()]
                messages = [self.refused(node, query) for query in examples + OTHERS]
            finally:
                node.close()
        self.assertEqual(len(examples), 23)
        self.assertEqual(len(set(messages[:len(examples)])), len(examples), "two rows tell of one refusal")
        source = refusals()
        self.assertGreater(len(source), 23, "the search no longer finds the refusals")
        without_row = [(place, words) for place, words in source
                       if words not in UNREACHED and not any(words in message for message in messages)]
        self.assertEqual(without_row, [], "these refusals have no row in docs/sql/limits.md")
        strangers = [message for message in messages if not any(words in message for _, words in source)]
        self.assertEqual(strangers, [], "these rows lead to no refusal of src/sql")


if __name__ == "__main__":
    unittest.main()
