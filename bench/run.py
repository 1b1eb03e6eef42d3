#!/usr/bin/env python3
"""Measures each part of the main path beside its limit, in the same run, and writes build/bench/.

    bench/run.py [--out DIR]        after a build; `make bench` does both

Writes DIR/results.json and DIR/results.svg and prints the table. Every figure is the median of three runs, taken in
turns, so that a slow minute of the machine hits a figure and its limit alike. docs/benchmarks.md says what is compared.

MILLRACE_BENCH_SHORT=1                little data, one run: shows that it works, not how fast
MILLRACE_BUILD_DIR, MILLRACE_BINARY   what to measure; else build/release and build/millrace
"""

import argparse
import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import threading
from pathlib import Path

import http_load
import result_files

SOURCE = Path(__file__).resolve().parent.parent
PROGRAMS = Path(os.environ.get("MILLRACE_BUILD_DIR", SOURCE / "build/release")) / "bench"
BINARY = Path(os.environ.get("MILLRACE_BINARY", SOURCE / "build/millrace"))
SHORT = os.environ.get("MILLRACE_BENCH_SHORT", "") not in ("", "0")
ENGAGEMENT = SOURCE / "examples/engagement"

ROUNDS = 1 if SHORT else 3
UNIT_MS = 5_000 if SHORT else 200_000  # of play for 100,000 published hours; 200,000 gives 887,000 events
DECODE_BYTES = 1_000_000 if SHORT else 40_000_000
MIN_SECONDS = 0.01 if SHORT else 0.5  # of one benchmark of Google Benchmark
STEP_MB = 16  # of input that the pipeline takes at once; what `millrace run` takes too
HTTP_SECONDS = 0.3 if SHORT else 3
PROGRAM_SECONDS_MAX = 300

LOG_CASE = "1048576/16/real_time"  # 16 batches of 1 MiB a sync
RECORD_BYTES = 200  # in the log's benchmark

# What is measured: (key, what it is called, its limits' keys and names).
MEASURES = [
    ("decode", "decode JSON to columns", [("simdjson_dom", "simdjson DOM"), ("simdjson_ondemand", "simdjson on-demand")]),
    ("log_append", "log append + fdatasync", [("plain_write", "write + fdatasync")]),
    ("http_to_log", "HTTP to log", [("log_append_cpu", "log append, CPU only")]),
    ("engagement_1", "engagement pipeline, 1 worker",
     [("duckdb_1", "DuckDB, views only"), ("duckdb_load_1", "DuckDB, load + views")]),
    ("engagement_2", "engagement pipeline, 2 workers",
     [("duckdb_2", "DuckDB, views only"), ("duckdb_load_2", "DuckDB, load + views")]),
]
GOALS = {
    "decode": ("mb_per_core", 1000),
    "engagement_1": ("events_per_core", 300_000),
    "engagement_2": ("events_per_core", 300_000),
}


def run_program(words, environment):
    """Runs a program to its end; returns what it printed and its peak memory in MB."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        child = subprocess.Popen([str(word) for word in words], stdout=out, stderr=said, env={**os.environ, **environment})
        guard = threading.Timer(PROGRAM_SECONDS_MAX, child.kill)
        guard.start()
        _, status, usage = os.wait4(child.pid, 0)
        guard.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said.seek(0)
        if child.returncode != 0:
            raise SystemExit(f"bench: {words[0]} ended with {child.returncode}:\n{said.read().decode(errors='replace')[-2000:]}")
        return out.read().decode(), usage.ru_maxrss * 1024 / 1e6


def google_benchmark(program, name, environment):
    """One benchmark in a process of its own; its JSON entry and the process's peak memory."""
    words = [PROGRAMS / program, f"--benchmark_filter=^{name}$", f"--benchmark_min_time={MIN_SECONDS}", "--benchmark_format=json"]
    text, memory = run_program(words, environment)
    entries = json.loads(text)["benchmarks"]
    if len(entries) != 1 or entries[0].get("error_occurred"):
        raise SystemExit(f"bench: {program} has no result for {name}:\n{text[-2000:]}")
    return entries[0], memory


def rates(events_per_core, bytes_per_core, memory):
    return {"events_per_core": events_per_core, "mb_per_core": bytes_per_core / 1e6, "peak_memory_mb": memory}


def measure_decode(name, environment):
    entry, memory = google_benchmark("bench_decode", name, environment)  # its rates are per CPU second
    return rates(entry["items_per_second"], entry["bytes_per_second"], memory)


def measure_log(name, environment):
    """Two figures: per second of one thread, the disk's time included, and per CPU second of that thread."""
    entry, memory = google_benchmark("bench_log_append", f"{name}/{LOG_CASE}", environment)
    by_clock = entry["bytes_per_second"]
    by_cpu = by_clock * entry["real_time"] / entry["cpu_time"]
    return rates(by_clock / RECORD_BYTES, by_clock, memory), rates(by_cpu / RECORD_BYTES, by_cpu, memory)


def measure_engagement(inputs, workers, environment):
    settings = [workers, STEP_MB, f"unit_ms={UNIT_MS}"]
    text, memory = run_program([PROGRAMS / "bench_engagement", ENGAGEMENT / "report.sql", *inputs, *settings], environment)
    result = json.loads(text)
    if not result["books_closed"]:
        raise SystemExit("bench: the ledger of the engagement pipeline is not closed")
    size = sum(path.stat().st_size for path in inputs)
    return {**rates(result["rows"] / result["cpu_seconds"], size / result["cpu_seconds"], memory),
            "events_per_second": result["rows"] / result["seconds"], "mb_per_second": size / 1e6 / result["seconds"],
            "catch_up_events_per_second": result["rows"] / (result["seconds"] - result["log_seconds"])}


def measure_duckdb(inputs, threads, environment):
    """Two figures: the views alone over rows in tables, and with the loading of the tables."""
    settings = [threads, f"unit_ms={UNIT_MS}"]
    text, memory = run_program([PROGRAMS / "bench_duckdb_batch", ENGAGEMENT / "report.sql", *inputs, *settings], environment)
    result = json.loads(text)
    size = sum(path.stat().st_size for path in inputs)
    views, load = result["query_cpu_seconds"], result["load_cpu_seconds"]
    clock = {"events_per_second": result["rows"] / result["query_seconds"]}
    return ({**rates(result["rows"] / views, size / views, memory), **clock},
            rates(result["rows"] / (views + load), size / (views + load), memory))


def measure_all(work, inputs, decode_file, round_number):
    """One run of everything: key → figures."""
    environment = {"TMPDIR": str(work), "MILLRACE_BENCH_DIR": str(work), "MILLRACE_BENCH_EVENTS": str(decode_file)}
    found = {
        "decode": measure_decode("decode", environment),
        "simdjson_dom": measure_decode("simdjson_dom_alone", environment),
        "simdjson_ondemand": measure_decode("simdjson_ondemand_alone", environment),
    }
    found["log_append"], found["log_append_cpu"] = measure_log("append_with_fdatasync", environment)
    found["plain_write"], _ = measure_log("write_and_fdatasync", environment)
    folder = work / f"http_{round_number}"
    found["http_to_log"] = http_load.measure(BINARY, folder, HTTP_SECONDS)
    shutil.rmtree(folder)
    for threads in (1, 2):
        found[f"engagement_{threads}"] = measure_engagement(inputs, threads, environment)
        found[f"duckdb_{threads}"], found[f"duckdb_load_{threads}"] = measure_duckdb(inputs, threads, environment)
    return found


def speedup(figures):
    """Two workers against one, by the clock: the whole job, and catching up with events that are in the log already."""
    one, two = figures["engagement_1"], figures["engagement_2"]
    return {figure: two[figure] / one[figure] for figure in ("events_per_second", "catch_up_events_per_second")}


def make_inputs(work):
    words = [BINARY, "generate", "playback", "--titles", ENGAGEMENT / "titles.csv", "--unit-ms", UNIT_MS, "--out", work / "input"]
    run_program(words, {})
    events = work / "input/events.ndjson"
    decode_file = work / "decode.ndjson"
    with open(events, "rb") as source:
        head = source.read(DECODE_BYTES)
    decode_file.write_bytes(head[: head.rindex(b"\n") + 1])
    return [events, work / "input/catalogue.ndjson"], decode_file


def medians(rounds):
    def median(key, figure):
        return statistics.median(found[key][figure] for found in rounds)

    return {key: {figure: median(key, figure) for figure in figures} for key, figures in rounds[0].items()}


def rows_of(figures):
    rows = []
    for key, name, limits in MEASURES:
        row = {"key": key, "name": name, **figures[key], "limits": []}
        for limit_key, limit_name in limits:
            ratio = figures[key]["mb_per_core"] / figures[limit_key]["mb_per_core"]
            row["limits"].append({"key": limit_key, "name": limit_name, **figures[limit_key], "ratio": ratio})
        if key in GOALS and not SHORT:
            figure, goal = GOALS[key]
            row["goal"] = {"figure": figure, "at_least": goal, "reached": row[figure] >= goal}
        rows.append(row)
    return rows


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=SOURCE / "build/bench")
    out = parser.parse_args().out.resolve()
    work = out / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        inputs, decode_file = make_inputs(work)
        rounds = []
        for number in range(ROUNDS):
            print(f"bench: run {number + 1} of {ROUNDS}", flush=True)
            rounds.append(measure_all(work, inputs, decode_file, number))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    figures = medians(rounds)
    results = {
        "date": datetime.date.today().isoformat(), "cores": os.cpu_count(), "processor": processor(), "runs": ROUNDS,
        "short": SHORT, "rows": rows_of(figures), "speedup_of_two_workers": speedup(figures), "each_run": rounds,
    }
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (out / "results.svg").write_text(result_files.plot(results))
    print(result_files.table(results))
    whole, catch_up = results["speedup_of_two_workers"].values()
    print(f"two workers against one, by the clock: {whole:.2f} x for the whole job, {catch_up:.2f} x from the log on")
    print(f"bench: wrote {out}/results.json and results.svg")


if __name__ == "__main__":
    main()
