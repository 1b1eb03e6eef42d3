"""The first publication, and what later arrivals restate: both totals are the generator's truth, and every title that changes
between them comes out of the changelog as an update from the one figure to the other.

Events arrive in the order of server_ts. The first publication is what the view says once those up to a day after the window's
end are in (truth_asof.csv); devices that were offline send theirs later (truth.csv).
"""

import json
import pathlib
import tempfile
import unittest

import engagement_check
import engagement_inputs
import engagement_job as job
from node_process import NodeProcess

UNIT_MS = 20000
AS_OF_MS = 1751328000000 + 86_400_000  # a day after the window's end, as in docs/generators.md
SINK = """
CREATE SINK restated FROM title_time WITH (connector = 'file', format = 'ndjson', path = '{out}', mode = 'changes');
"""


def server_ts(line):
    """0 of what is no event: it has no time."""
    try:
        event = json.loads(line)
        return event["server_ts"] if isinstance(event, dict) else 0
    except (ValueError, KeyError):
        return 0


def truth_of(path):
    return {row["title_id"]: int(row["credited_ms"]) for row in engagement_check.read_rows(path)}


def fold(changes):
    """What the changes add up to; each takes away only what is there."""
    held = {}
    for change in changes:
        title, credited = change["title_id"], change["credited_ms"]
        if change["_op"] in ("-U", "-D"):
            assert held.pop(title) == credited, f"{change} takes away what is not there"
        else:
            assert title not in held, f"{change} comes on top of {held[title]}"
            held[title] = credited
    return held


class RestatementTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="millrace_restated_")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)

    def send(self, node, lines, name):
        for place, batch in enumerate(engagement_inputs.pieces(lines, seed=7)):
            node.append("playback", batch, f"{name} {place}")
        node.sql("SYNC")

    def assert_time(self, node, truth):
        rows = [{"title_id": title, "credited_ms": credited} for title, credited in node.sql("SELECT title_id, credited_ms FROM title_time")]
        self.assertEqual(engagement_check.compare_times("title_time", rows, engagement_check.read_rows(truth), ("title_id",)), [])

    def changes(self):
        rows = []
        for path in sorted((self.path / "changes").glob("*.ndjson")):
            rows += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return rows

    def restates(self, inputs, unit_ms):
        lines = engagement_inputs.read_lines(inputs / "events.ndjson")
        first = [line for line in lines if server_ts(line) <= AS_OF_MS]
        rest = [line for line in lines if server_ts(line) > AS_OF_MS]
        self.assertGreater(len(rest), 0)
        asof, truth = truth_of(inputs / "truth_asof.csv"), truth_of(inputs / "truth.csv")
        pipeline = self.path / "pipeline.sql"
        pipeline.write_text(job.PIPELINE.read_text(encoding="utf-8") + SINK.format(out=self.path / "changes"), encoding="utf-8")
        node = NodeProcess(self.path / "data", self.path / "node.log", workers=2)
        self.addCleanup(node.close)
        node.run(pipeline, {"events": "", "catalogue": inputs / "catalogue.ndjson", "unit_ms": unit_ms})

        self.send(node, first, "first")
        self.assert_time(node, inputs / "truth_asof.csv")
        published = node.json("GET", "/v1/status")["epoch"]
        self.send(node, rest, "rest")
        self.assert_time(node, inputs / "truth.csv")
        node.stop()

        changes = self.changes()
        self.assertEqual(fold(change for change in changes if change["_commit"] <= published), asof)
        self.assertEqual(fold(changes), truth)
        later = [change for change in changes if change["_commit"] > published]
        restated = {title for title in truth if truth[title] != asof.get(title)}
        self.assertGreater(len(restated), 0)
        self.assertEqual({change["title_id"] for change in later}, restated)
        in_both = {title for title in restated if title in asof}
        self.assertEqual({change["_op"] for change in later if change["title_id"] in in_both}, {"-U", "+U"})

    def test_shipped_titles(self):
        self.restates(job.generate(self.path / "in", UNIT_MS), UNIT_MS)


if __name__ == "__main__":
    unittest.main()
