#!/usr/bin/env python3
"""Every query of Nexmark, by Millrace and by DuckDB over the same events; writes build/bench/nexmark.json and nexmark.svg.

    bench/nexmark.py [--events N] [--workers N ...] [--rounds N] [--flink] [QUERY ...]

Millrace keeps the view while it reads the events from its log (JSON), with durable commits and the ledger on; "with sink" is the same
with a stored changelog and a sink that drops the rows, "made" with records in the log that only name the events (format nexmark, three
streams): their rows are made when they are read, and no text is parsed. The goals are for "made". DuckDB runs the SELECT once, over
columns in memory, into a table. With --flink, Apache Flink (from Maven; Java 17 and mvn must be there) runs the same query over the same
events as objects in memory, warmed up, the better of its two state backends, without the time that a job takes to start. Figures are
the best of the rounds; "per core" is by CPU time of the process, its system time included. What is measured is written after each query.

MILLRACE_BENCH_SHORT=1                little data, one round: shows that it works, not how fast
MILLRACE_BUILD_DIR                    what to measure; else build/release
"""

import argparse
import datetime
import json
import os
import subprocess
import tempfile
from pathlib import Path

import flink
import nexmark_files

SOURCE = Path(__file__).resolve().parent.parent
PROGRAMS = Path(os.environ.get("MILLRACE_BUILD_DIR", SOURCE / "build/release")) / "bench"
PROGRAM = PROGRAMS / "bench_nexmark"
SHORT = os.environ.get("MILLRACE_BENCH_SHORT", "") not in ("", "0")
QUERIES = [f"q{number}" for number in range(24)]
SECONDS_MAX = 600
# Events a second and core that are wanted.
GOALS = {"q0": 3e6, "q1": 2.5e6, "q2": 4e6, "q3": 1.6e6, "q4": 4e5, "q5": 6e5, "q7": 8e5, "q8": 1.5e6, "q9": 2e5, "q11": 5e5, "q12": 1e6,
         "q15": 7.5e5, "q16": 2e5, "q17": 1.2e6, "q18": 6e5, "q19": 4.5e5, "q20": 2.5e5, "q21": 1.2e6, "q22": 1.4e6}


# What is run of each query: key, engine, where the events are, whether a sink follows the view's changes.
RUNS = [("json", "millrace", "json", 0), ("made", "millrace", "three", 0), ("duckdb", "duckdb", "json", 0), ("sink", "millrace", "json", 1)]


def measure(engine, query, events, workers, source, sink):
    """One run, or nothing and the reason when it fails."""
    words = [PROGRAM, engine, query, events, workers, source, sink]
    try:
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=SECONDS_MAX, check=False,
                              env={**os.environ, "MILLRACE_SOURCE_DIR": str(SOURCE)})
    except subprocess.TimeoutExpired:
        return None, f"not done after {SECONDS_MAX} s"
    if done.returncode != 0:
        return None, done.stderr.strip().splitlines()[0][:100] if done.stderr.strip() else str(done.returncode)
    return json.loads(done.stdout), None


def measure_query(query, workers, options, results):
    best = results["best"].setdefault(str(workers), {}).setdefault(query, {})
    for key, engine, source, sink in RUNS:
        result, why = measure(engine, query, options.events, workers, source, sink)
        if result is None:
            results["failed"][f"{query} {key}, {workers} worker(s)"] = why
        elif key not in best or result["cpu_seconds"] < best[key]["cpu_seconds"]:
            best[key] = result


def measure_flink(options, results):
    path = flink.classpath(SOURCE / "build/bench/flink")
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events"
        subprocess.run([PROGRAMS / "bench_nexmark_events", events, str(options.events)], check=True)
        for workers in options.workers:
            best = results["best"].setdefault(str(workers), {})
            for result in flink.runs(path, events, workers, options.rounds, options.queries):
                query = result["query"]
                if "error" in result:
                    results["failed"][f"{query} flink {result['backend']}, {workers} worker(s)"] = result["error"][:200]
                    continue
                before = best.setdefault(query, {}).get("flink")
                if before is None or result["cpu_seconds"] < before["cpu_seconds"]:
                    best[query]["flink"] = result
                write(options.out, results)


def write(out, results):
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=1) + "\n")
    out.with_suffix(".svg").write_text(nexmark_files.plot(results))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000 if SHORT else 1_000_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=1 if SHORT else 3)
    parser.add_argument("--flink", action="store_true")
    parser.add_argument("--out", type=Path, default=SOURCE / "build/bench/nexmark.json")
    parser.add_argument("queries", nargs="*", default=QUERIES)
    options = parser.parse_args()
    results = {"date": datetime.date.today().isoformat(), "events": options.events, "rounds": options.rounds, "goals": GOALS,
               "best": {}, "failed": {}}
    for _ in range(options.rounds):
        for query in options.queries:
            for workers in options.workers:
                measure_query(query, workers, options, results)
            write(options.out, results)
    if options.flink:
        measure_flink(options, results)
        write(options.out, results)
    print(nexmark_files.tables(results))


if __name__ == "__main__":
    main()
