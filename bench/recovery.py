#!/usr/bin/env python3
"""How long a node takes to come back after kill -9 under load, by how much state it has.

    bench/recovery.py [--megabytes 10,100,1000] [--kills 3] [--workers 2] [--memory 4GiB] [--out DIR]

A node keeps two views by key; rows are sent until its tables hold so many megabytes. Then, again and again: rows for keys that are
there are sent until the kill, which so comes in the middle of steps, commits and checkpoints. Prints one JSON object: for each size the
median over the kills of the seconds from the start of the process to /readyz (all that was committed is in the views again), to the
first new row that is in a view, and to the views holding all that was acked; each also as CPU seconds of the process, which another
program on the machine does not lengthen. MILLRACE_BINARY names the program.
"""

import argparse
import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from http_load import cpu_seconds, free_port

SOURCE = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("MILLRACE_BINARY", SOURCE / "build/millrace"))
PIPELINE = """
CREATE STREAM events (k BIGINT, v BIGINT, t VARCHAR) WITH (format = 'json', partitions = 4, key = 'k');
CREATE MATERIALIZED VIEW sums AS SELECT k, count(*) AS n, sum(v)::BIGINT AS s, max(v) AS high FROM events GROUP BY k;
CREATE MATERIALIZED VIEW firsts AS SELECT DISTINCT ON (k) k, v, t FROM events ORDER BY k, v;
"""
BODY_ROWS = 5_000
BODY = b"".join(b'{"k":#%04d,"v":@,"t":"some text of a row"}\n' % row for row in range(BODY_ROWS))
LOAD_SECONDS = (1.0, 2.5)  # before a kill
WAIT_SECONDS_MAX = 1800


class Node:
    def __init__(self, folder, options):
        self.folder, self.options, self.port = folder, options, free_port()
        self.process, self.started = None, 0.0
        (folder / "views.sql").write_text(PIPELINE)

    def start(self, *words):
        self.started = time.monotonic()
        command = [BINARY, *words, "--data", self.folder / "data", "--listen", f"127.0.0.1:{self.port}",
                   "--workers", self.options.workers, "--memory", self.options.memory]
        with open(self.folder / "log.txt", "ab") as log:
            self.process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log)

    def times(self):
        """(seconds, CPU seconds) since the start."""
        return time.monotonic() - self.started, cpu_seconds(self.process.pid)

    def ask(self, method, path, body=None, kind="application/json"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_SECONDS_MAX)
        try:
            connection.request(method, path, body, {"Content-Type": kind})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def sql(self, text):
        status, answer = self.ask("POST", "/v1/sql", json.dumps({"sql": text}))
        if status != 200:
            raise SystemExit(f"bench: {text}: {answer[:300]!r}")
        return json.loads(answer)["rows"]

    def status(self):
        return json.loads(self.ask("GET", "/v1/status")[1])

    def wait_until_ready(self):
        limit = time.monotonic() + WAIT_SECONDS_MAX
        while time.monotonic() < limit and self.process.poll() is None:
            try:
                if self.ask("GET", "/readyz")[0] == 200:
                    return self.times()
            except OSError:
                pass
            time.sleep(0.005)
        raise SystemExit(f"bench: not ready:\n{(self.folder / 'log.txt').read_text(errors='replace')[-2000:]}")

    def post(self, block, value):
        body = BODY.replace(b"#", b"%d" % (block + 1)).replace(b"@", b"%d" % value)
        return self.ask("POST", "/v1/streams/events", body, "application/x-ndjson")[0]


def fill(node, megabytes):
    """Sends rows of new keys until the tables are that large; how many blocks of keys there are."""
    block = 0
    while True:
        status = node.status()
        if status["lag_records"] > 40 * BODY_ROWS:
            time.sleep(0.05)
            continue
        if status["state_bytes"] >= megabytes * 1_000_000:
            return block
        for _ in range(4):
            if node.post(block, 1) != 200:
                raise SystemExit("bench: a request was refused")
            block += 1


def send_until_gone(node, blocks):
    value = 2
    try:
        while node.post(random.randrange(blocks), value) == 200:
            value += 1
    except (OSError, http.client.HTTPException):
        pass


def kill_under_load(node, blocks):
    senders = [threading.Thread(target=send_until_gone, args=(node, blocks)) for _ in range(2)]
    for sender in senders:
        sender.start()
    time.sleep(random.uniform(*LOAD_SECONDS))
    node.process.kill()
    node.process.wait()
    for sender in senders:
        sender.join()


def come_back(node):
    """The three times of one start."""
    node.start("start")
    found = {"ready": node.wait_until_ready()}
    rows_before = node.status()["rows_in"]
    node.ask("POST", "/v1/streams/events", b'{"k":1,"v":1,"t":""}\n', "application/x-ndjson")
    while node.status()["rows_in"] == rows_before:
        time.sleep(0.002)
    found["first_step"] = node.times()
    node.sql("SYNC")
    found["caught_up"] = node.times()
    return found


def measure(megabytes, options):
    with tempfile.TemporaryDirectory(prefix="millrace_recovery_", dir=options.out) as folder:
        node = Node(Path(folder), options)
        node.start("run", node.folder / "views.sql")
        try:
            node.wait_until_ready()
            for view in ("sums", "firsts"):  # so that their rows are kept
                node.sql(f"SELECT count(*) FROM {view}")
            blocks = fill(node, megabytes)
            node.sql("SYNC")
            state = node.status()["state_bytes"]
            runs = []
            for _ in range(options.kills):
                kill_under_load(node, blocks)
                runs.append(come_back(node))
            disk = sum(file.stat().st_size for file in (node.folder / "data/state").iterdir())
        finally:
            node.process.kill()
            node.process.wait()
    figures = {"state_megabytes": round(state / 1e6), "keys": blocks * BODY_ROWS, "state_on_disk_megabytes": round(disk / 1e6)}
    for name in ("ready", "first_step", "caught_up"):
        figures[f"{name}_seconds"] = round(statistics.median(run[name][0] for run in runs), 3)
        figures[f"{name}_cpu_seconds"] = round(statistics.median(run[name][1] for run in runs), 3)
    figures["each"] = runs
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", default="10,100,1000")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory", default="4GiB")
    parser.add_argument("--out", type=Path, default=None, help="where the data directories are made")
    options = parser.parse_args()
    sizes = []
    for megabytes in options.megabytes.split(","):
        print(f"bench: {megabytes} MB of state", file=sys.stderr, flush=True)
        sizes.append(measure(int(megabytes), options))
    print(json.dumps({"cores": os.cpu_count(), "workers": options.workers, "memory": options.memory, "kills": options.kills,
                      "sizes": sizes}, indent=1))


if __name__ == "__main__":
    main()
