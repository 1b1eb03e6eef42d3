#!/usr/bin/env python3
"""Checks an engagement report against the published figures and against the generator's truth, and names what differs.

    engagement_check.py --published titles.csv --report report.csv --data DIR --title-time title_time.csv
                        --title-week title_week.csv --unmatched unmatched.csv --counter dead=180 …

The results are CSV with a header or NDJSON, as `millrace sql --format csv|json` prints them. DIR is what
`millrace generate playback` wrote. A missing option leaves its check out; the exit code is 0 only when all that was asked
for is equal, to the millisecond. Only Python's standard library is used.
"""
import argparse
import collections
import csv
import gzip
import io
import json
import pathlib
import sys

REPORT_COLUMNS = ("kind", "title", "available_globally", "release_date", "runtime_label", "hours_viewed", "views")
PUBLISHED_COLUMNS = ("kind", "title", "available_globally", "release_date", "runtime", "hours_viewed", "views")
SHOWN = 10

# A counter of a pipeline, and what it is in the manifest.
COUNTERS = {
    "stored": lambda m: m["lines"],
    "dead": lambda m: m["malformed"],
    "decoded": lambda m: m["lines"] - m["malformed"],
    "counted": lambda m: m["unique_events"],
    "duplicate": lambda m: m["duplicates"],
    "unmatched_titles_events": lambda m: m["unknown_title_events"],
    "titles": lambda m: m["titles"],
}


def read_rows(path):
    """A list of {column: text} from CSV (with a header) or NDJSON, gzip or not. NULL and the empty text are one."""
    opened = gzip.open(path, "rb") if str(path).endswith(".gz") else open(path, "rb")
    with opened as file:
        return parse_rows(file.read().decode("utf-8"))


def parse_rows(text):
    if text.lstrip().startswith("{"):
        rows = (json.loads(line) for line in text.split("\n") if line.strip())
        return [{key: "" if value is None else str(value) for key, value in row.items()} for row in rows]
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def _tuples(rows, columns, numbers):
    found = []
    for row in rows:
        missing = [column for column in columns if row.get(column) is None]
        if missing:
            raise ValueError(f"no column {', '.join(missing)} in a row with {', '.join(map(str, row))}")
        found.append(tuple(int(row[column]) if column in numbers else row[column] for column in columns))
    return found


def report_rows(rows):
    return _tuples(rows, REPORT_COLUMNS, ("hours_viewed", "views"))


def published_rows(rows, half=None):
    """The published rows in their published order; `half` picks one half-year of a file that holds several."""
    if half:
        rows = [row for row in rows if row["half"] == half]
    return _tuples(rows, PUBLISHED_COLUMNS, ("hours_viewed", "views"))


def _some(what, items):
    items = list(items)
    lines = [f"{what}: {len(items)}"]
    lines += [f"    {item}" for item in items[:SHOWN]]
    if len(items) > SHOWN:
        lines.append(f"    … {len(items) - SHOWN} more")
    return lines


def compare_report(got, published):
    """Differences of two bags of rows."""
    got, published = collections.Counter(got), collections.Counter(published)
    differences = []
    missing, extra = published - got, got - published
    if missing:
        differences += _some("published rows that the report lacks", sorted(missing.elements()))
    if extra:
        differences += _some("report rows that were not published", sorted(extra.elements()))
    return differences


def compare_order(rows, published):
    """Differences in rank: within a kind, (views, hours) by rank is the published sequence, and equals share a rank."""
    differences = []
    wanted = collections.defaultdict(list)
    for row in published:
        wanted[row[0]].append((row[6], row[5]))
    got = collections.defaultdict(list)
    for row in rows:
        got[row["kind"]].append((int(row["rank"]), int(row["views"]), int(row["hours_viewed"])))
    for kind in sorted(set(wanted) | set(got)):
        ranked = sorted(got[kind], key=lambda item: (item[0], -item[1], -item[2]))
        sequence = [(views, hours) for _, views, hours in ranked]
        if sequence != wanted[kind]:
            place = next((i for i, (a, b) in enumerate(zip(sequence, wanted[kind])) if a != b),
                         min(len(sequence), len(wanted[kind])))
            differences.append(f"{kind}: (views, hours) by rank leaves the published order at place {place + 1}: "
                               f"{sequence[place:place + 1]} for {wanted[kind][place:place + 1]}")
        first = {}
        for place, item in enumerate(sorted(sequence, reverse=True)):
            first.setdefault(item, place + 1)
        wrong = [(rank, views, hours) for rank, views, hours in ranked if first[(views, hours)] != rank]
        if wrong:
            differences += _some(f"{kind}: rows with a wrong rank (rank, views, hours)", wrong)
    return differences


def compare_times(what, got_rows, truth_rows, keys):
    """Differences of credited_ms by key, to the millisecond."""
    def keyed(rows):
        found = collections.defaultdict(list)
        for row in rows:
            found[tuple(row[key] for key in keys)].append(int(row["credited_ms"]))
        return found

    got, truth = keyed(got_rows), keyed(truth_rows)
    differences = []
    missing = sorted(set(truth) - set(got))
    extra = sorted(set(got) - set(truth))
    twice = sorted(key for key, values in got.items() if len(values) > 1)
    wrong = sorted(key for key in set(got) & set(truth) if got[key] != truth[key])
    if missing:
        differences += _some(f"{what}: rows missing", (f"{' '.join(key)}: {truth[key][0]} ms" for key in missing))
    if extra:
        differences += _some(f"{what}: rows too many", (f"{' '.join(key)}: {got[key][0]} ms" for key in extra))
    if twice:
        differences += _some(f"{what}: keys more than once", (" ".join(key) for key in twice))
    if wrong:
        error = sum(sum(got[key]) - sum(truth[key]) for key in wrong)
        differences += _some(f"{what}: wrong by {error / 3.6e6:+.4f} hours in all, rows wrong", (
            f"{' '.join(key)}: {sum(got[key])} ms for {truth[key][0]} ms ({sum(got[key]) - truth[key][0]:+d})" for key in wrong))
    return differences


def compare_counters(counters, manifest):
    """Differences of {name: value} from the manifest; a name is one of COUNTERS or of the manifest's own."""
    differences = []
    for name, value in counters.items():
        if name not in COUNTERS and name not in manifest:
            differences.append(f"counter {name}: the manifest has none of this name")
            continue
        wanted = COUNTERS[name](manifest) if name in COUNTERS else manifest[name]
        if value != wanted:
            differences.append(f"counter {name}: {value} for {wanted} ({value - wanted:+d})")
    return differences


def compare_unmatched(rows, manifest):
    """Differences of the view unmatched. A manifest without unknown_title_events is only asked for its sessions' titles."""
    wrong = sorted(row["title_id"] for row in rows if not row["title_id"].startswith("x"))
    differences = _some("unmatched: titles that are not unknown", wrong) if wrong else []
    events = sum(int(row["events"]) for row in rows)
    if "unknown_title_events" in manifest:
        return differences + compare_counters({"unknown_title_events": events}, manifest)
    if (manifest["unknown_title"] > 0) != (events > 0):
        differences.append(f"unmatched: {events} events for {manifest['unknown_title']} sessions")
    return differences


def wrong_titles(report, published):
    """How many published titles the report does not show exactly as published."""
    return sum((collections.Counter(published) - collections.Counter(report)).values())


def check(published=None, half=None, report=None, data=None, title_time=None, title_week=None, unmatched=None,
          counters=None, asof=False):
    """All differences of the given result files, as lines; an empty list means equal. The arguments are paths."""
    differences = []
    data = pathlib.Path(data) if data else None
    manifest = json.loads((data / "manifest.json").read_text()) if data else {}
    if report:
        rows, wanted = read_rows(report), published_rows(read_rows(published), half)
        differences += compare_report(report_rows(rows), wanted)
        differences += compare_order(rows, wanted)
    if title_time:
        truth = read_rows(data / ("truth_asof.csv" if asof else "truth.csv"))
        differences += compare_times("title_time", read_rows(title_time), truth, ("title_id",))
        if not asof:
            total = sum(int(row["credited_ms"]) for row in truth)
            differences += compare_counters({"credited_ms_total": total}, manifest)
    if title_week:
        truth = read_rows(data / "truth_week.csv")
        differences += compare_times("title_week", read_rows(title_week), truth, ("title_id", "week_start_ms"))
    if unmatched:
        differences += compare_unmatched(read_rows(unmatched), manifest)
    if counters:
        differences += compare_counters(counters, manifest)
    return differences


def _counter(text):
    name, _, value = text.partition("=")
    try:
        return name, int(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not NAME=NUMBER: {text}") from None


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--published", help="titles file with the published figures")
    parser.add_argument("--half", help="the half-year to take from a file of several, e.g. 2025H1")
    parser.add_argument("--report", help="rows of the view report")
    parser.add_argument("--data", help="folder with truth.csv, truth_week.csv, truth_asof.csv and manifest.json")
    parser.add_argument("--title-time", help="rows of the view title_time")
    parser.add_argument("--title-week", help="rows of the view title_week")
    parser.add_argument("--asof", action="store_true", help="title_time is that of the first publication")
    parser.add_argument("--unmatched", help="rows of the view unmatched")
    parser.add_argument("--counter", action="append", default=[], type=_counter, metavar="NAME=NUMBER",
                        help="a counter of the pipeline: " + ", ".join(COUNTERS) + ", or any of the manifest")
    options = parser.parse_args(arguments)
    if options.report and not options.published:
        parser.error("--report needs --published")
    if (options.title_time or options.title_week or options.unmatched or options.counter) and not options.data:
        parser.error("--title-time, --title-week, --unmatched and --counter need --data")
    if not (options.report or options.title_time or options.title_week or options.unmatched or options.counter):
        parser.error("nothing to check")
    differences = check(options.published, options.half, options.report, options.data, options.title_time,
                        options.title_week, options.unmatched, dict(options.counter), options.asof)
    for line in differences:
        print(line)
    print("DIFFERENT" if differences else "equal")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
