#!/usr/bin/env python3
"""The usual mistakes of an engagement report, each made in examples/engagement/report.sql by text substitution.

Nine of them count the time wrongly, two publish it wrongly. A test that accepts the report of any of these is no test.

    engagement_wrong.py --list
    engagement_wrong.py --out DIR      writes DIR/<name>.sql
"""
import argparse
import collections
import pathlib

REPORT_SQL = pathlib.Path(__file__).resolve().parents[2] / "examples/engagement/report.sql"

Variant = collections.namedtuple("Variant", "name mistake publishes substitutions")

EVENTS_COLUMNS = "session_id, seq, title_id, play_kind, state, session_epoch_ms + mono_ms AS at_ms\n"
DEDUP = "SELECT DISTINCT ON (session_id, seq)\n"
LEAD = """SELECT
  title_id, play_kind, state,
  at_ms AS from_ms,
  lead(at_ms) OVER (PARTITION BY session_id ORDER BY seq) AS to_ms
FROM events;"""
BY_SEQ = "(PARTITION BY session_id ORDER BY seq)"
BY_ARRIVAL = "(PARTITION BY session_id ORDER BY server_ts, seq)"
EVENT_TIME = "session_epoch_ms + mono_ms AS at_ms"
COUNTED = "WHERE play_kind = 'main' AND state = 'playing' AND from_ms < to_ms;"
CLIPPED = ("least(to_ms, ${window_end_ms:-1751328000000}) - greatest(from_ms, ${window_start_ms:-1735689600000})")
IN_WINDOW = "  WHERE from_ms < ${window_end_ms:-1751328000000} AND to_ms > ${window_start_ms:-1735689600000}\n"

KEEP_ARRIVAL = (EVENTS_COLUMNS, EVENTS_COLUMNS.replace("AS at_ms", "AS at_ms, server_ts"))


def _event_time(column):
    return [(EVENT_TIME, column + " AS at_ms")]


VARIANTS = [
    Variant("no_dedup", "events as they arrive, second copies included", False,
            [(DEDUP, "SELECT\n"), KEEP_ARRIVAL, (BY_SEQ, BY_ARRIVAL)]),
    Variant("arrival_order", "a session's events in the order of arrival", False,
            [KEEP_ARRIVAL, (BY_SEQ, BY_ARRIVAL)]),
    Variant("paused_counted", "paused time counts as watched", False,
            [(COUNTED, COUNTED.replace("state = 'playing'", "state IN ('playing', 'paused')"))]),
    Variant("stop_only", "what the stop event says, so a play without one is lost", False,
            [(EVENTS_COLUMNS, EVENTS_COLUMNS.replace("AS at_ms", "AS at_ms, type, played_ms")),
             (LEAD, """SELECT
  title_id, play_kind, 'playing' AS state, at_ms - played_ms AS from_ms, at_ms AS to_ms
FROM events
WHERE type = 'stop';""")]),
    Variant("previews_counted", "previews count as plays", False,
            [(COUNTED, COUNTED.replace("play_kind = 'main' AND ", ""))]),
    Variant("device_clock", "the device's clock as event time", False, _event_time("client_ts")),
    Variant("arrival_clock", "the time of arrival as event time", False, _event_time("server_ts")),
    Variant("session_maximum", "the highest played_ms of a session, not clipped to the window", False,
            [(EVENTS_COLUMNS, EVENTS_COLUMNS.replace("AS at_ms", "AS at_ms, played_ms")),
             (LEAD, """SELECT
  title_id, play_kind, 'playing' AS state, min(at_ms) AS from_ms, min(at_ms) + max(played_ms) AS to_ms
FROM events
GROUP BY session_id, title_id, play_kind;"""),
             (CLIPPED, "to_ms - from_ms"), (IN_WINDOW, "")]),
    Variant("whole_sessions", "a session counts whole in the window that it starts in", False,
            [(EVENTS_COLUMNS, EVENTS_COLUMNS.replace("AS at_ms", "AS at_ms, session_epoch_ms")),
             (LEAD, LEAD.replace("play_kind, state,", "play_kind, state, session_epoch_ms,")),
             ("SELECT title_id, from_ms, to_ms\nFROM spans", "SELECT title_id, from_ms, to_ms, session_epoch_ms\nFROM spans"),
             (CLIPPED, "to_ms - from_ms"),
             (IN_WINDOW, IN_WINDOW.replace("from_ms <", "session_epoch_ms <").replace("to_ms >", "session_epoch_ms >="))]),
    Variant("rounded_down", "hours rounded down", True,
            [("(2 * credited_ms + ${unit_ms:-200000}) // (2 * ${unit_ms:-200000}) * 100000",
              "credited_ms // ${unit_ms:-200000} * 100000")]),
    Variant("no_threshold", "titles below 50,000 views are listed", True,
            [("WHERE views >= 100000;", "WHERE views >= 0;")]),
]


def make(variant, report_sql):
    """The text of report.sql with this mistake in it. Raises ValueError when report.sql no longer has the place."""
    text = report_sql
    for old, new in variant.substitutions:
        if text.count(old) != 1:
            raise ValueError(f"{variant.name}: report.sql has this {text.count(old)} times, not once: {old!r}")
        text = text.replace(old, new)
    return text


def make_all(report_sql=None):
    """{name: SQL text} of all variants."""
    if report_sql is None:
        report_sql = REPORT_SQL.read_text(encoding="utf-8")
    return {variant.name: make(variant, report_sql) for variant in VARIANTS}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="show the mistakes")
    parser.add_argument("--out", help="folder that gets one .sql file for each")
    arguments = parser.parse_args()
    if arguments.list or not arguments.out:
        for variant in VARIANTS:
            print(f"{variant.name:18} {variant.mistake}")
    if arguments.out:
        folder = pathlib.Path(arguments.out)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in make_all().items():
            (folder / f"{name}.sql").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
