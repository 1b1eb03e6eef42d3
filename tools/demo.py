#!/usr/bin/env python3
"""The engagement report from a million raw events, with a crash half-way, in five short screens.

Everything it makes stays in build/demo; the report with pictures is build/demo/report.html. Ends by itself, and fails when
anything differs from the published figures.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "test" / "e2e"), str(ROOT / "tools")]
import demo_page  # noqa: E402
import engagement_check  # noqa: E402
import engagement_wrong  # noqa: E402

BINARY = pathlib.Path(os.environ.get("MILLRACE_BINARY", ROOT / "build" / "millrace"))
EXAMPLE = ROOT / "examples" / "engagement"
DEMO = ROOT / "build" / "demo"
INPUT = DEMO / "input"
UNIT_MS = 200000
WORKERS = min(os.cpu_count() or 1, 4)
SHORTCUTS = {"no_dedup": ("no dedup", "as they arrive, copies included"), "arrival_order": ("arrival", "ordered by arrival, not by seq"),
             "paused_counted": ("paused", "paused time counts")}
BOLD, DIM, OFF = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


RUNNING = []  # nodes, so that a failure leaves none behind


def fail(reason):
    for process in RUNNING:
        process.kill()
    print(f"\nThe demo failed: {reason}", file=sys.stderr)
    sys.exit(1)


def screen(number, title):
    print(f"\n{BOLD}── {number} of 5 · {title} {'─' * max(3, 84 - len(title))}{OFF}\n", flush=True)


def say(sentence):
    print(textwrap.fill(sentence, 97, initial_indent="   ", subsequent_indent="   "))


def millrace(*arguments):
    done = subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        fail(f"millrace {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}")
    return done.stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def settings(inputs=INPUT):
    pairs = {"events": inputs / "events.ndjson", "catalogue": inputs / "catalogue.ndjson", "unit_ms": UNIT_MS}
    return [word for name, value in pairs.items() for word in ("--set", f"{name}={value}")]


class Node:
    """The running program, asked over HTTP."""

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = open(DEMO / "node.log", "a", encoding="utf-8")
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [str(BINARY), "run", str(EXAMPLE / "report.sql"), "--data", str(DEMO / "data"), "--listen", f"127.0.0.1:{self.port}",
             "--workers", str(WORKERS), *settings(), "--set", f"out={DEMO / 'out'}"],
            stdout=self.log, stderr=self.log)
        RUNNING.append(self.process)

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.load(answer)

    def sql(self, text):
        request = urllib.request.Request(self.url + "/v1/sql", json.dumps({"sql": text}).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                got = json.load(answer)
        except urllib.error.HTTPError as error:
            fail(f"{text}: {error.read().decode(errors='replace')}")
        return [dict(zip(got["columns"], row)) for row in got["rows"]]

    def wait_until_ready(self):
        while True:
            if self.process.poll() is not None:
                fail(f"the node stopped with status {self.process.returncode}; see {DEMO / 'node.log'}")
            try:
                if self.get("/v1/status")["ready"]:
                    return time.monotonic() - self.started
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                if time.monotonic() - self.started > 120:
                    fail("the node does not answer")
                time.sleep(0.02)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=60) != 0:
            fail("the node did not stop cleanly")
        self.log.close()


def generate():
    """Events, catalogue and truth; kept from the last time when nothing about them changed."""
    stamp = f"{BINARY.stat().st_mtime_ns} {UNIT_MS}\n"
    made = INPUT / "stamp"
    if not made.exists() or made.read_text() != stamp:
        shutil.rmtree(INPUT, ignore_errors=True)
        INPUT.mkdir(parents=True)
        millrace("generate", "playback", "--titles", EXAMPLE / "titles.csv", "--unit-ms", UNIT_MS, "--out", INPUT)
        made.write_text(stamp)
    return json.loads((INPUT / "manifest.json").read_text())


def watch(node, lines, until, rates, started):
    """Prints what the node says of itself until `until` events are stored and processed; returns the last status."""
    last = 0.0
    while True:
        status = node.get("/v1/status")
        stream = next((s for s in status["streams"] if s["name"] == "playback"), None)
        stored = stream["records"] if stream else 0
        lag = stream["lag_records"] if stream else 0
        done = stored - lag
        now = time.monotonic() - started
        rates.append((now, done))
        if now - last > 0.5 or done >= until:
            last = now
            recent = [entry for entry in rates if entry[0] > now - 1.0]
            span = now - recent[0][0] if len(recent) > 1 else 0
            rate = (done - recent[0][1]) / span if span > 0.05 else 0
            print(f"   {now:5.1f} s   {done:>9,} of {lines:,} events   {rate:>9,.0f}/s   {lag:>8,} waiting   "
                  f"{status['memory_bytes'] / 2**20:>6,.0f} MiB   commit {status['epoch']}", flush=True)
        if status.get("failure"):
            fail(status["failure"])
        if done >= until and (until < lines or lag == 0):
            return status
        time.sleep(0.03)


def heart_of_the_sql():
    text = (EXAMPLE / "report.sql").read_text(encoding="utf-8")
    start = text.index("CREATE MATERIALIZED VIEW events")
    end = text.index("-- The same per week")
    body = re.sub(r"\$\{(\w+):-[^}]*\}", r"\1", text[start:end])
    lines = [line for line in re.sub(r"(?m)^--.*\n", "", body).splitlines() if line.strip()]
    return "\n".join(lines)


def first_titles(report, kind, count):
    return [row for row in report if row["kind"] == kind][:count]


def top_table(report, published, shortcuts):
    """The first five shows and films: hours and views, published and computed, and the views that shortcuts give."""
    wanted = {(row["kind"], row["title"]): row for row in published}
    print(f"   {'in millions':24} {'hours viewed':>19}   {'views':>18}   views with a usual shortcut")
    print(f"   {'':24}" + f" {'published':>9} {'computed':>9} " * 2 + "".join(f" {shortcut['head']:>9}" for shortcut in shortcuts))
    for kind in ("Show", "Movie"):
        for row in first_titles(report, kind, 5):
            right = wanted.get((kind, row["title"]), {"hours_viewed": 0, "views": 0})
            line = f"   {row['title'].split(' // ')[0][:24]:24}"
            for column in ("hours_viewed", "views"):
                line += f" {int(right[column]) / 1e6:>9,.1f} {int(row[column]) / 1e6:>9,.1f} "
            for shortcut in shortcuts:
                line += f" {shortcut['views'].get((kind, row['title']), 0) / 1e6:>9,.1f}"
            print(line)


def run_shortcuts(published):
    """The same job with a usual mistake, over the same events: how many titles come out wrong, and by how much."""
    results = []
    for name, (head, label) in SHORTCUTS.items():
        pipeline = DEMO / "shortcuts" / f"{name}.sql"
        pipeline.parent.mkdir(parents=True, exist_ok=True)
        pipeline.write_text(engagement_wrong.make_all()[name], encoding="utf-8")
        data = DEMO / "shortcuts" / name
        shutil.rmtree(data, ignore_errors=True)
        millrace("run", pipeline, "--data", data, "--workers", WORKERS, "--once", *settings())
        text = millrace("sql", "--data", data, "--format", "csv", "-c", "SELECT * FROM report ORDER BY kind, rank")
        rows = engagement_check.parse_rows(text)
        got = engagement_check.report_rows(rows)
        hours = sum(int(row["hours_viewed"]) for row in rows) - sum(int(row["hours_viewed"]) for row in published)
        results.append({"head": head, "label": label, "wrong": engagement_check.wrong_titles(got, engagement_check.published_rows(published)),
                        "hours": hours, "views": {(row["kind"], row["title"]): int(row["views"]) for row in rows}})
        shutil.rmtree(data, ignore_errors=True)
    return results


def show_input(manifest):
    say(f"{manifest['lines']:,} events of players: start, heartbeat, pause, resume, stop, for {manifest['sessions']:,} plays of 200 films and "
        "seasons (and of 500 titles that must not be listed).")
    say(f"{manifest['duplicates']:,} are sent twice, {manifest['offline_sessions']:,} plays arrive up to 13 days late and out of order, "
        f"{manifest['bad_clock_sessions']:,} come from devices with wrong clocks, {manifest['malformed']} lines are garbage.")
    say("They are generated from Netflix's published figures, so a correct pipeline must return them and a sloppy one cannot.")


def run_job(lines):
    """Screens 2 and 3. Returns the node, the events done over time, when it was killed and was back, and how long all took."""
    screen(2, "the SQL, and the job at work")
    print("\n".join(f"   {DIM}{line}{OFF}" for line in heart_of_the_sql().splitlines()) + "\n", flush=True)
    rates = []
    started = time.monotonic()
    node = Node()
    node.wait_until_ready()
    print(f"   {DIM}{node.url}/ shows the pipeline while it runs{OFF}", flush=True)
    watch(node, lines, lines // 2, rates, started)

    screen(3, "kill -9, and start again")
    node.kill()
    killed = time.monotonic() - started
    node = Node()
    back = node.wait_until_ready()
    recovered = time.monotonic() - started
    print(f"   killed after {killed:.1f} s; the node was back {back:.2f} s after its new start, where its last commit was\n", flush=True)
    watch(node, lines, lines, rates, started)
    node.sql("SYNC")
    return node, rates, (killed, recovered), time.monotonic() - started


def show_report(node, published):
    """Screen 4. Returns the report, how it differs from what was published, and what the shortcuts gave."""
    screen(4, "what comes out, beside what was published")
    report = node.sql("SELECT * FROM report ORDER BY kind, rank, title")
    print(f"   {DIM}the same job with three usual shortcuts, over the same events, each once …{OFF}\n", flush=True)
    shortcuts = run_shortcuts(published)
    top_table(report, published, shortcuts)
    wanted, got = engagement_check.published_rows(published), engagement_check.report_rows(report)
    differences = engagement_check.compare_report(got, wanted) + engagement_check.compare_order(report, wanted)
    print(f"\n   {'report.sql':31} titles wrong: {BOLD}{engagement_check.wrong_titles(got, wanted):>3} of {len(published)}{OFF}")
    for shortcut in shortcuts:
        print(f"   {shortcut['label']:31} titles wrong: {shortcut['wrong']:>3} of {len(published)}   hours {shortcut['hours'] / 1e6:+,.0f} million")
    for line in differences[:5]:
        print("   " + line)
    return report, differences, shortcuts


def show_books(node, manifest):
    """Screen 5. Returns what does not balance, as lines."""
    screen(5, "the books")
    ledger = node.get("/v1/ledger")
    totals = {total["hop"]: total["count"] for total in ledger["totals"] if total["stream"] == "playback"}
    distinct = node.sql("SELECT count(*) AS n FROM (SELECT DISTINCT session_id, seq FROM playback)")[0]["n"]
    dead, late = totals.get("dead", 0), sum(view["late"] for view in node.get("/v1/status")["views"])
    duplicates = totals["decoded"] - distinct
    for name, value in (("sent", manifest["lines"]), ("stored", totals["stored"]), ("counted", distinct), ("duplicate", duplicates),
                        ("late", late), ("dead letters", dead)):
        print(f"   {name:14} {value:>10,}")
    balanced = manifest["lines"] == totals["stored"] == distinct + duplicates + late + dead
    closed = balanced and ledger["closed"]
    print(f"\n   sent = stored = counted + duplicate + late + dead: {BOLD}{'the books are closed' if closed else 'NOT CLOSED'}{OFF}")
    counted = {"duplicates": duplicates, "malformed": dead, "unique_events": distinct}
    wrong = [f"{name}: {value:,} counted, {manifest[name]:,} generated" for name, value in counted.items() if manifest[name] != value]
    return wrong if closed else wrong + [f"the books are open: {ledger['open'][:3]}"]


def main():
    if not BINARY.exists():
        fail(f"{BINARY} is not there; run make build")
    DEMO.mkdir(parents=True, exist_ok=True)
    for leftover in ("data", "out", "shortcuts"):
        shutil.rmtree(DEMO / leftover, ignore_errors=True)
    (DEMO / "node.log").write_text("")
    print(f"{DIM}making the events …{OFF}", flush=True)
    manifest = generate()
    published = engagement_check.read_rows(EXAMPLE / "titles.csv")
    screen(1, "what goes in")
    show_input(manifest)
    node, rates, crash, seconds = run_job(manifest["lines"])
    report, differences, shortcuts = show_report(node, published)
    wrong = show_books(node, manifest)
    node.stop()
    demo_page.write(DEMO / "report.html", manifest, published, report, shortcuts, rates, crash, seconds)
    print(f"""
   {manifest['lines']:,} events in {seconds:.1f} s, a crash and a new start included.
   build/demo/report.html                        the report with pictures
   build/millrace start --data build/demo/data   the node again, http://127.0.0.1:8780/
   build/millrace sql --data build/demo/data     ask it yourself
""")
    if differences or wrong:
        fail("; ".join(wrong + differences[:3]))
    if not all(shortcut["wrong"] for shortcut in shortcuts):
        fail("a shortcut that is wrong was not noticed")


if __name__ == "__main__":
    main()
