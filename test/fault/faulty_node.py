"""A node under fault, the oracle that feeds it, and the judgement of all places where its messages can be seen."""

import csv
import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import engagement_job as job  # noqa: E402
import judge  # noqa: E402
import parquet_files  # noqa: E402
import records  # noqa: E402
from node_process import NodeProcess  # noqa: E402

COLUMNS = ("producer", "seq", "key", "value", "payload", "digest")
WAIT_SECONDS_MAX = 60
POLL_SECONDS = 0.01
PART_ROWS = 200_000


def wait_until(condition, what, seconds_max=WAIT_SECONDS_MAX):
    """Polls; an AssertionError that says `what` did not happen."""
    limit = time.monotonic() + seconds_max
    while not condition():
        if time.monotonic() > limit:
            raise AssertionError(f"not within {seconds_max} s: {what}")
        time.sleep(POLL_SECONDS)


class FaultyNode(NodeProcess):
    """`environment` and `wrapper` (words before the command) are read at each launch, so a test can change them between."""

    def __init__(self, folder, workers=2, pipeline=HERE / "pipeline.sql"):
        folder = pathlib.Path(folder)
        super().__init__(folder / "data", folder / "node.log", workers)
        self.out = folder / "out"
        self.pipeline = pipeline
        self.environment = {}
        self.wrapper = []
        self.arguments = []

    def run_pipeline(self):
        self.run(self.pipeline, {"out": self.out})

    def _launch(self, arguments):
        self.launch(arguments)
        self._wait_until_ready()

    def launch(self, arguments):
        """Starts the process and does not wait for it."""
        self.disconnect()
        command = [*self.wrapper, job.BINARY, *arguments, "--data", self.data, "--listen", f"127.0.0.1:{self.port}",
                   "--workers", self.workers, *self.arguments]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log,
                                            env={**os.environ, **self.environment})

    def process_dies_after(self, seconds):
        """Lets it run so long and kills it; it must not end by itself."""
        try:
            code = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return
        raise AssertionError(f"the node ended with {code} by itself:\n{self.said()}")

    def ended(self):
        return self.process.poll() is not None


class Oracle:
    """The oracle process, feeding `port`."""

    def __init__(self, folder, port, seed, **options):
        self.record, self.seed = pathlib.Path(folder) / "record", seed
        command = [sys.executable, HERE / "oracle.py", "--port", port, "--record", self.record, "--seed", seed]
        for name, value in options.items():
            command += ["--" + name.replace("_", "-"), value]
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.counts = None

    def finish(self):
        """No new requests; those in hand are delivered. The counts."""
        if self.counts is None:
            said, _ = self.process.communicate()
            if self.process.returncode != 0:
                raise AssertionError(f"the oracle ended with {self.process.returncode}")
            self.counts = json.loads(said)
        return self.counts

    def acked(self):
        return len(records.load(self.record)[1])

    def acked_bytes(self):
        """Grows with every ack; cheap."""
        return sum(path.stat().st_size for path in self.record.glob("*.record"))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def read_appended(node):
    """The rows of the append sink, in the order of the changelog, which the files' names give."""
    for path in sorted((node.out / "appended").glob("copies-*.ndjson")):
        for line in path.read_bytes().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                yield {"file": path.name, "line": line[:80].decode(errors="replace")}


def read_changed(node):
    for path in sorted((node.out / "changed").glob("totals-*.csv")):
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                yield row["_op"], (row["key"], row["messages"], row["value"], row["seq"], row["latest"])


def read_stream(node):
    """In parts: an answer has a million rows at most."""
    ends = node.sql("SELECT _partition, min(_offset), max(_offset) FROM messages GROUP BY _partition ORDER BY _partition")
    for partition, first, last in ends:
        for offset in range(first, last + 1, PART_ROWS):
            rows = node.sql(f"SELECT {', '.join(COLUMNS)} FROM messages WHERE _partition = {partition} AND _offset >= {offset} "
                            f"AND _offset < {offset + PART_ROWS} ORDER BY _offset")
            yield from (dict(zip(COLUMNS, row)) for row in rows)


def judge_running(node, oracle, acked=None):
    """The stream and the views, by SQL, of a node that runs and that nobody feeds. `acked`: else what the record says now."""
    sent, acked_now = records.load(oracle.record)
    acked = acked_now if acked is None else acked
    node.sql("SYNC")
    stream = list(read_stream(node))
    verdicts = [judge.judge_messages("stream", oracle.seed, sent, acked, stream)]
    stored = {(row["producer"], row["seq"]) for row in stream}
    expected = judge.totals_of(oracle.seed, stored)
    totals = node.sql("SELECT key, messages, value, seq, latest FROM totals")
    verdicts.append(judge.judge_totals("view totals", expected, totals))
    in_windows = node.sql("SELECT sum(messages)::BIGINT FROM seconds")[0][0] or 0
    windows = judge.Verdict("view seconds", rows=in_windows)
    if in_windows != len(stream):
        windows.wrong.append(("count over all windows", in_windows, len(stream)))
    verdicts.append(windows)
    ledger = node.json("GET", "/v1/ledger")
    books = judge.Verdict("ledger", rows=len(ledger["totals"]))
    if not ledger["closed"]:
        books.wrong.extend(ledger["open"])
    verdicts.append(books)
    return verdicts, stored, expected


def judge_sinks(node, oracle, stored, expected):
    """The sinks' files, after a clean stop: no row that the stream has may be missing."""
    sent, _ = records.load(oracle.record)
    verdicts = [judge.judge_messages("append sink", oracle.seed, sent, stored, read_appended(node))]
    changes, held = judge.fold_changes("changes sink, its changes", read_changed(node))
    verdicts += [changes, judge.judge_totals("changes sink, folded", expected, held)]
    snapshot = []
    path = node.out / "replaced" / "totals.ndjson"
    if path.exists():
        snapshot = [json.loads(line) for line in path.read_bytes().splitlines()]
    rows = [(row["key"], row["messages"], row["value"], row["seq"], row["latest"]) for row in snapshot]
    verdicts.append(judge.judge_totals("snapshot sink", expected, rows))
    return verdicts + judge_parquet(node, oracle, sent, stored, expected)


def judge_parquet(node, oracle, sent, stored, expected):
    """The same of the sinks that write Parquet; nothing without DuckDB's library."""
    if not parquet_files.available():
        print("Parquet sinks are not judged: there is no libduckdb.so", flush=True)
        return []
    duckdb = parquet_files.Duckdb()
    try:
        paths = sorted((node.out / "archived").glob("copies-*.parquet"))
        rows = [row for path in paths for row in duckdb.rows(path)]
        verdicts = [judge.judge_messages("append sink in Parquet", oracle.seed, sent, stored, rows)]
        path = node.out / "replaced" / "totals.parquet"
        totals = duckdb.rows(path) if path.exists() else []
        rows = [(row["key"], row["messages"], row["value"], row["seq"], row["latest"]) for row in totals]
        return [*verdicts, judge.judge_totals("snapshot sink in Parquet", expected, rows)]
    finally:
        duckdb.close()


def judge_all(node, oracle):
    """Judges what a running node shows, stops it cleanly, judges its sinks. The verdicts."""
    verdicts, stored, expected = judge_running(node, oracle)
    node.stop()
    return verdicts + judge_sinks(node, oracle, stored, expected)
