"""Runs the engagement pipeline with the real program and checks what it says. Shared by the tests of the main job."""

import json
import os
import pathlib
import subprocess
import sys

import engagement_check

SOURCE = pathlib.Path(os.environ.get("MILLRACE_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
BINARY = pathlib.Path(os.environ.get("MILLRACE_BINARY", SOURCE / "build" / "millrace"))
PIPELINE = SOURCE / "examples" / "engagement" / "report.sql"
TITLES = SOURCE / "examples" / "engagement" / "titles.csv"
DATA = SOURCE.parent / "shared" / "data"
GIVEN_RUN = DATA / "playback_2025H1"
PUBLISHED = DATA / "netflix_engagement" / "engagement_all.csv.gz"

COUNTS = {
    "malformed": "SELECT count(*) FROM playback_dead",
    "lines": "SELECT sum(count)::BIGINT FROM _ledger WHERE hop = 'stored' AND stream = 'playback'",
    "unique_events": "SELECT count(*) FROM (SELECT DISTINCT session_id, seq FROM playback)",
}


def run(arguments, **options):
    """Runs the program to its end; a failure shows what it said."""
    done = subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"millrace {' '.join(map(str, arguments))}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def generate(folder, unit_ms, titles=TITLES, seed=1):
    """Events of the shipped titles, with their truth, in `folder`."""
    run(["generate", "playback", "--titles", titles, "--unit-ms", unit_ms, "--seed", seed, "--out", folder])
    return folder


def once_arguments(data, inputs, unit_ms, pipeline=PIPELINE, workers=1, partitions=4, events=None, more=()):
    inputs = pathlib.Path(inputs)
    if events is None:
        plain = inputs / "events.ndjson"
        events = plain if plain.exists() else inputs / "events.ndjson.gz"
    settings = {"events": events, "catalogue": inputs / "catalogue.ndjson", "unit_ms": unit_ms, "partitions": partitions}
    arguments = ["run", pipeline, "--data", data, "--workers", workers, "--once"]
    for name, value in settings.items():
        arguments += ["--set", f"{name}={value}"]
    return arguments + list(more)


def query(data, sql):
    return run(["sql", "--data", data, "--format", "csv", "-c", sql])


def number(data, sql):
    return int(query(data, sql).splitlines()[1])


def differences(data, inputs, published, half=None):
    """What the node in `data` says, against the published rows and the generator's truth."""
    data = pathlib.Path(data)
    results = {}
    for view in ("report", "title_time", "title_week", "unmatched"):
        results[view] = data / f"{view}.csv"
        order = " ORDER BY kind, rank" if view == "report" else ""
        results[view].write_text(query(data, f"SELECT * FROM {view}{order}"), encoding="utf-8")
    manifest = json.loads((pathlib.Path(inputs) / "manifest.json").read_text())
    counters = {name: number(data, sql) for name, sql in COUNTS.items() if name in manifest}
    has_unmatched = "unknown_title_events" in manifest
    return engagement_check.check(
        published=published, half=half, report=results["report"], data=inputs, title_time=results["title_time"],
        title_week=results["title_week"], unmatched=results["unmatched"] if has_unmatched else None, counters=counters)


def open_books(data):
    """Lines of the ledger that are not closed: neighbouring hops must hold the same rows."""
    totals = {}
    text = query(data, "SELECT stream, hop, sum(count)::BIGINT AS rows, sum(fingerprint::HUGEINT) % 18446744073709551616 AS print "
                       "FROM _ledger GROUP BY stream, hop")
    for line in text.splitlines()[1:]:
        stream, hop, rows, print_ = line.split(",")
        totals[stream, hop] = (int(rows), int(print_))
    wrong = []
    for stream in {name for name, _ in totals}:
        def total(hop):
            return totals.get((stream, hop), (0, 0))
        for left, rights in (("received", ["stored"]), ("stored", ["decoded", "dead"])):
            if (stream, left) not in totals:
                continue
            rows = sum(total(hop)[0] for hop in rights)
            prints = sum(total(hop)[1] for hop in rights) % 2**64
            if (rows, prints) != total(left):
                wrong.append(f"{stream}: {left} {total(left)} is not {'+'.join(rights)} {(rows, prints)}")
        for (name, hop), value in totals.items():
            if name == stream and hop.startswith(("view:", "table:")) and value != total("decoded"):
                wrong.append(f"{stream}: decoded {total('decoded')} is not {hop} {value}")
    return wrong


def need(path, why):
    """Tests of third-party data say that they skip when it is not there."""
    if not path.exists():
        print(f"skipped: {why} is not there ({path.name})", file=sys.stderr)
        return False
    return True
