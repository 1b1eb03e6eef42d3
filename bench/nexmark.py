#!/usr/bin/env python3
"""Every query of Nexmark, by Millrace and by DuckDB over the same events; writes build/bench/nexmark.json, prints a table.

    bench/nexmark.py [--events N] [--workers N] [--rounds N] [--flink] [QUERY ...]

Millrace keeps the view while it reads the events from its log (JSON), with durable commits and the ledger on; "with sink" is the same
with a stored changelog and a sink that drops the rows, "made" with records in the log that only name the events (format nexmark, three
streams): their rows are made when they are read, and no text is parsed. The goals are for "made". DuckDB runs the SELECT once, over columns in memory, into a table. With --flink,
Apache Flink (from Maven; Java 17 and mvn must be there) runs the same query over the same events as objects in memory, warmed up, the
better of its two state backends, without the time that a job takes to start. Figures are the best of the rounds; "per core" is by CPU
time of the process, its system time included.

MILLRACE_BENCH_SHORT=1                little data, one round: shows that it works, not how fast
MILLRACE_BUILD_DIR                    what to measure; else build/release
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

import flink

SOURCE = Path(__file__).resolve().parent.parent
PROGRAMS = Path(os.environ.get("MILLRACE_BUILD_DIR", SOURCE / "build/release")) / "bench"
PROGRAM = PROGRAMS / "bench_nexmark"
SHORT = os.environ.get("MILLRACE_BENCH_SHORT", "") not in ("", "0")
QUERIES = [f"q{number}" for number in range(24)]
SECONDS_MAX = 600
# Events a second and core that are wanted.
GOALS = {"q0": 3e6, "q1": 2.5e6, "q2": 4e6, "q3": 1.6e6, "q4": 4e5, "q5": 6e5, "q7": 8e5, "q8": 1.5e6, "q9": 2e5, "q11": 5e5, "q12": 1e6,
         "q15": 7.5e5, "q16": 2e5, "q17": 1.2e6, "q18": 6e5, "q19": 4.5e5, "q20": 2.5e5, "q21": 1.2e6, "q22": 1.4e6}


def measure(engine, query, events, workers, source="json", sink=0):
    """One run, or nothing and the reason when it fails."""
    words = [PROGRAM, engine, query, str(events), str(workers), source, str(sink)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS_MAX, check=False,
                          env={**os.environ, "MILLRACE_SOURCE_DIR": str(SOURCE)})
    if done.returncode != 0:
        return None, done.stderr.strip().splitlines()[0][:100] if done.stderr.strip() else str(done.returncode)
    return json.loads(done.stdout), None


def line_of(query, results):
    millrace, made, sink, duckdb = (results.get(key) for key in ("millrace", "made", "sink", "duckdb"))
    made_per_core = made["events"] / made["cpu_seconds"] if made else 0
    flink_run = results.get("flink")
    per_core = millrace["events"] / millrace["cpu_seconds"]
    goal = GOALS.get(query)
    return [query, f"{per_core / 1e3:,.0f}", f"{made_per_core / 1e3:,.0f}", f"{millrace['events'] / millrace['wall_seconds'] / 1e3:,.0f}",
            f"{sink['events'] / sink['cpu_seconds'] / 1e3:,.0f}" if sink else "-",
            f"{duckdb['events'] / duckdb['cpu_seconds'] / 1e3:,.0f}" if duckdb else "-",
            f"{millrace['cpu_seconds'] / duckdb['cpu_seconds']:.1f}" if duckdb else "-",
            f"{flink_run['events'] / flink_run['cpu_seconds'] / 1e3:,.0f}" if flink_run else "-",
            f"{flink_run['cpu_seconds'] / flink_run['events'] * per_core:.1f}" if flink_run else "-",
            f"{goal / 1e3:,.0f}" if goal else "-", "" if not goal else "yes" if made_per_core >= goal else "no",
            f"{millrace['rows']:,}", f"{millrace['state_bytes'] / 1e6:,.0f}", f"{millrace['peak_memory_kib'] / 1024:,.0f}"]


HEADINGS = ["query", "K events/s/core", "made", "by clock", "with sink", "DuckDB", "CPU ratio", "Flink", "times Flink", "goal", "met", "rows", "state MB", "peak MB"]


def print_table(lines):
    widths = [max(len(line[i]) for line in [HEADINGS, *lines]) for i in range(len(HEADINGS))]
    for line in [HEADINGS, ["-" * width for width in widths], *lines]:
        print("| " + " | ".join(text.rjust(width) for text, width in zip(line, widths)) + " |")


def measure_flink(options, best, failed):
    path = flink.classpath(SOURCE / "build/bench/flink")
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events"
        subprocess.run([PROGRAMS / "bench_nexmark_events", events, str(options.events)], check=True)
        found, why = flink.best(path, events, options.workers, options.rounds, options.queries)
    for query, result in found.items():
        best.setdefault(query, {})["flink"] = result
    failed.update(why)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000 if SHORT else 1_000_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1 if SHORT else 3)
    parser.add_argument("--flink", action="store_true")
    parser.add_argument("--out", type=Path, default=SOURCE / "build/bench/nexmark.json")
    parser.add_argument("queries", nargs="*", default=QUERIES)
    options = parser.parse_args()
    best, failed = {}, {}
    for _ in range(options.rounds):
        for query in options.queries:
            for key, engine, source, sink in (("millrace", "millrace", "json", 0), ("made", "millrace", "three", 0), ("duckdb", "duckdb", "json", 0),
                                              ("sink", "millrace", "json", 1)):
                result, why = measure(engine, query, options.events, options.workers, source, sink)
                if result is None:
                    failed[f"{query} {key}"] = why
                    continue
                before = best.setdefault(query, {}).get(key)
                if before is None or result["cpu_seconds"] < before["cpu_seconds"]:
                    best[query][key] = result
    if options.flink:
        measure_flink(options, best, failed)
    print(f"{options.events:,} events, {options.workers} worker(s), best of {options.rounds}")
    print_table([line_of(query, results) for query, results in best.items() if "millrace" in results])
    for name, why in failed.items():
        print(f"{name}: {why}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"best": best, "failed": failed}, indent=1) + "\n")


if __name__ == "__main__":
    main()
