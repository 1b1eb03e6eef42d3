#!/usr/bin/env python3
"""What a node loses when its state is many times --memory: the same rows, with enough memory and with little.

    bench/beyond_memory.py [--megabytes 640] [--times 10] [--rows 200000] [--workers 2] [--out DIR]

Fills two views by key until the tables hold so many megabytes, then sends rows whose keys are spread evenly over those there are:
the worst case, nearly every row finds nothing of its key in memory. Prints one JSON object: rows per CPU second of the node (user and
system), for filling and for updating, with 4 GiB and with a `times`-th of the state, and their ratios. MILLRACE_BINARY names the program.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from recovery import BODY_ROWS, Node, fill

ENOUGH = "4GiB"


def wait_for_lag(node, rows_max):
    while node.status()["lag_records"] > rows_max:
        time.sleep(0.05)


def send(node, blocks):
    for value, block in enumerate(blocks):
        if value % 20 == 0:
            wait_for_lag(node, 40 * BODY_ROWS)
        if node.post(block, value + 2) != 200:
            raise SystemExit("bench: a request was refused")
    wait_for_lag(node, 0)


def measure(options, memory, blocks):
    """`blocks`: of keys; None: as many as make the wanted size."""
    with tempfile.TemporaryDirectory(prefix="millrace_beyond_", dir=options.out) as folder:
        options.memory = memory
        node = Node(Path(folder), options)
        node.start("run", node.folder / "views.sql")
        try:
            node.wait_until_ready()
            before = node.times()[1]
            if blocks is None:
                blocks = fill(node, options.megabytes)
                wait_for_lag(node, 0)
            else:
                send(node, range(blocks))
            filled, status = node.times()[1], node.status()
            order = [random.randrange(blocks) for _ in range(options.rows // BODY_ROWS)]
            send(node, order)
            updated, after = node.times()[1], node.status()
        finally:
            node.process.kill()
            node.process.wait()
    read = after["state_blocks_read"] - status["state_blocks_read"]
    figures = {
        "memory": memory, "keys": blocks * BODY_ROWS, "tables_megabytes": round(status["state_bytes"] / 1e6),
        "resident_megabytes": round(after["memory_bytes"] / 1e6),
        "fill_rows_per_cpu_second": round(blocks * BODY_ROWS / (filled - before)),
        "update_rows_per_cpu_second": round(len(order) * BODY_ROWS / (updated - filled)),
        "blocks_read_a_row": round(read / (len(order) * BODY_ROWS), 2),
    }
    print(f"bench: {json.dumps(figures)}", file=sys.stderr, flush=True)
    return figures, blocks


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=640)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=None, help="where the data directories are made")
    options = parser.parse_args()
    whole, blocks = measure(options, ENOUGH, None)
    part, _ = measure(options, str(options.megabytes * 1_000_000 // options.times), blocks)
    ratios = {f"{name}_ratio": round(part[f"{name}_rows_per_cpu_second"] / whole[f"{name}_rows_per_cpu_second"], 3)
              for name in ("fill", "update")}
    print(json.dumps({"cores": os.cpu_count(), "workers": options.workers, "times": options.times, **ratios, "runs": [whole, part]},
                     indent=1))


if __name__ == "__main__":
    main()
