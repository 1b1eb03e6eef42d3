"""HTTP → log: a node as a child process with one stream that nothing reads, and threads that post NDJSON to it."""

import http.client
import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

EVENT_BYTES = 200  # with the newline
BODY_BYTES = 1_000_000
CLIENTS = 4
REQUESTS_MAX = 4000  # of all clients: four gigabytes at most
READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30
REQUEST_SECONDS_MAX = 30

STREAM = "CREATE STREAM events (id BIGINT, item VARCHAR, note VARCHAR) WITH (format = 'json', partitions = 4);\n"


def made_body():
    events = []
    for i in range(BODY_BYTES // EVENT_BYTES):
        head = f'{{"id":{i},"item":"item {i % 1000}","note":"'
        events.append(head + chr(ord("a") + i % 26) * (EVENT_BYTES - len(head) - 3) + '"}\n')
    return "".join(events).encode(), len(events)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pid):
    """Of all threads of a process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_memory_mb(pid):
    kilobytes = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(kilobytes.group(1)) * 1024 / 1e6


def wait_until_ready(process, port, log):
    limit = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < limit and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS_MAX)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.02)
        finally:
            connection.close()
    raise SystemExit(f"bench: the node was not ready:\n{log.read_text(errors='replace')[-2000:]}")


def post_until(deadline, port, body, budget, counts, failures):
    """One client: posts the body again and again over one connection, counts the answers that say it is stored."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS_MAX)
        stored = 0
        for _ in range(budget):
            connection.request("POST", "/v1/streams/events", body, {"Content-Type": "application/x-ndjson"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise OSError(f"status {answer.status}: {text[:300]!r}")
            stored += 1
            if time.monotonic() > deadline:
                break
        connection.close()
        counts.append(stored)
    except (OSError, http.client.HTTPException) as error:
        failures.append(error)


def post_from_all(port, seconds, body):
    """Returns (requests stored, seconds it took)."""
    counts, failures = [], []
    start = time.monotonic()
    clients = [
        threading.Thread(target=post_until, args=(start + seconds, port, body, REQUESTS_MAX // CLIENTS, counts, failures))
        for _ in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    if failures:
        raise SystemExit(f"bench: a request failed: {failures[0]}")
    return sum(counts), time.monotonic() - start


def measure(binary, folder, seconds):
    """Starts a node in `folder`, posts for about `seconds`, stops it. Rates are per CPU second of the node and per second."""
    folder.mkdir(parents=True)
    pipeline, log, port = folder / "stream.sql", folder / "log.txt", free_port()
    pipeline.write_text(STREAM)
    body, events_a_body = made_body()
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [str(binary), "run", str(pipeline), "--data", str(folder / "data"), "--listen", f"127.0.0.1:{port}"],
            stdout=out, stderr=out,
        )
    try:
        wait_until_ready(process, port, log)
        cpu = cpu_seconds(process.pid)
        requests, took = post_from_all(port, seconds, body)
        cpu = max(cpu_seconds(process.pid) - cpu, 1 / os.sysconf("SC_CLK_TCK"))
        memory = peak_memory_mb(process.pid)
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_SECONDS_MAX)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    megabytes, events = requests * len(body) / 1e6, requests * events_a_body
    return {
        "events_per_core": events / cpu, "mb_per_core": megabytes / cpu,
        "events_per_second": events / took, "mb_per_second": megabytes / took, "peak_memory_mb": memory,
    }
