"""`make fault`: runs every fault test and ends with the table of fault, how many, result.

MILLRACE_FAULT is the size: ci (default here) or hand. MILLRACE_SEED repeats a run. Names of tests as arguments run those alone.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("MILLRACE_BUILD_DIR", SOURCE / "build" / "release"))

# Rows that tests elsewhere hold: (fault, the ctest entry, what selects the tests in it).
ELSEWHERE = (
    ("whole-node simulation: all of this from a seed, on one thread", "simulation", "*"),
    ("power cut at random changes of a node's simulated disk", "engine", "*PowerCut*"),
    ("every operation on files fails once; power cut before every change (log)", "log", "FaultSweep.*"),
    ("model of commits: every interleaving, and mistakes planted in it", "engine", "*CommitModel*"),
    ("bit flips, zeroed pages, truncation, missing and swapped files, in every kind of file", "engine", "DamageTest.*"),
)


def run_script(path, table):
    before = len(read(table))
    environment = {"MILLRACE_FAULT": "ci", **os.environ, "MILLRACE_FAULT_TABLE": str(table)}
    started = time.monotonic()
    code = subprocess.run([sys.executable, str(path)], env=environment).returncode
    if code != 0 and not any(row["result"] == "FAILED" for row in read(table)[before:]):
        add(table, path.stem.removeprefix("test_").replace("_", " "), "", "FAILED", started)
    return code == 0


def run_gtest(fault, name, pattern, table):
    started = time.monotonic()
    program = BUILD / "test" / f"test_{name}"
    if not program.exists():
        add(table, fault, "0", f"skipped: {program.name} is not built", started)
        return True
    done = subprocess.run([str(program), f"--gtest_filter={pattern}"], capture_output=True, text=True, errors="replace")
    count = re.search(r"\[==========\] (\d+) tests? from", done.stdout)
    count = count.group(1) if count else "0"
    mutations = re.search(r"^(\d+) mutations, seeds from (\d+)$", done.stdout, re.MULTILINE)
    result = "FAILED" if done.returncode != 0 else "passed" if count != "0" else "no such test"
    if done.returncode != 0:
        print(done.stdout[-4000:])
    if mutations:
        add(table, fault, f"{mutations.group(1)} mutations", result, started, mutations.group(2))
    else:
        add(table, fault, f"{count} tests", result, started)
    return done.returncode == 0


def run_postgres(table):
    path = SOURCE / "test" / "e2e" / "test_postgres.py"
    fault = "sink's server killed, restarted, unreachable (PostgreSQL)"
    started = time.monotonic()
    if not path.exists():
        add(table, fault, "0", "no such test", started)
        return True
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, cwd=path.parent)
    said = done.stdout + done.stderr
    count = re.search(r"Ran (\d+) tests?", said)
    result = "FAILED" if done.returncode != 0 else "skipped" if "skipped" in said else "passed"
    if done.returncode != 0:
        print(said[-4000:])
    add(table, fault, f"{count.group(1) if count else 0} tests", result, started)
    return done.returncode == 0


def add(table, fault, how_many, result, started, seed=""):
    row = {"fault": fault, "how_many": how_many, "result": result, "seed": seed, "seconds": round(time.monotonic() - started, 1)}
    with open(table, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def read(table):
    return [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()] if table.exists() else []


def show(rows):
    print("\n| fault | how many | result | seed | seconds |\n|---|---|---|---|---|")
    for row in rows:
        print(f"| {row['fault']} | {row['how_many']} | {row['result']} | {row['seed']} | {row['seconds']} |")


def main():
    wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="millrace_fault_table_") as folder:
        table = pathlib.Path(folder) / "rows"
        good = True
        for path in sorted(HERE.glob("test_*.py")):
            if not wanted or path.stem.removeprefix("test_") in wanted:
                good &= run_script(path, table)
        if not wanted:
            for fault, name, pattern in ELSEWHERE:
                good &= run_gtest(fault, name, pattern, table)
            good &= run_postgres(table)
        show(read(table))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
