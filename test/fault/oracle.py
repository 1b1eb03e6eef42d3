"""The oracle's producers, as a process of their own: it outlives every node under test and trusts none of them.

    oracle.py --port P --record FOLDER --seed S [--producers N] [--batch-max N] [--timeout SECONDS]

sends numbered messages over HTTP until its standard input ends, then finishes the requests in hand, prints one JSON object
of counts, and exits. Every request has an Idempotency-Key, and what was not answered with 200 is sent again under the same key until
it is, so a key's messages arrive in order. With --give-up SECONDS a request that was not acked after the end of the input is left
alone: its messages may be stored or not. How the judge sees it: judge.py.
"""

import argparse
import contextlib
import http.client
import json
import pathlib
import random
import sys
import threading
import time

import messages
import records

RETRY_SECONDS = 0.01


class Producer(threading.Thread):
    """One connection, one request at a time."""

    def __init__(self, number, options, ending):
        super().__init__(daemon=True)
        self.number, self.options, self.ending = number, options, ending
        self.chance = random.Random(f"{options.seed}/{number}")
        self.record = records.Record(options.record, number)
        self.connection = None
        self.next_seq = options.first_seq
        self.counts = {"requests": 0, "acked": 0, "retries": 0, "statuses": {}, "ack_seconds_max": 0.0, "gap_seconds_max": 0.0}
        self.deadline = None
        self.last_ack = time.monotonic()

    def run(self):
        while not self.ending.is_set():
            first, last = self.next_seq, self.next_seq + self.chance.randint(1, self.options.batch_max) - 1
            self.record.sent(first, last)
            if not self.deliver(first, last):
                return
            self.record.acked(first, last)
            self.next_seq = last + 1
            self.counts["acked"] += last - first + 1
            if self.options.pause:
                self.ending.wait(self.options.pause)

    def deliver(self, first, last):
        """True once it is acked, False when it was given up."""
        body = b"".join(messages.make(self.options.seed, self.number, seq).line() for seq in range(first, last + 1))
        self.counts["requests"] += 1
        while True:
            started = time.monotonic()
            status = self.post(body, f"{self.options.seed}-{self.number}-{first}", last - first + 1)
            now = time.monotonic()
            if status == 200:
                self.counts["ack_seconds_max"] = max(self.counts["ack_seconds_max"], now - started)
                self.counts["gap_seconds_max"] = max(self.counts["gap_seconds_max"], now - self.last_ack)
                self.last_ack = now
                return True
            if self.ending.is_set():
                self.deadline = self.deadline or now + self.options.give_up
                if now > self.deadline:
                    return False
            self.counts["retries"] += 1
            time.sleep(RETRY_SECONDS)

    def post(self, body, key, lines):
        """The status; 0 when there was no answer."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.options.port, timeout=self.options.timeout)
            self.connection.request("POST", "/v1/streams/messages", body,
                                    {"Content-Type": "application/x-ndjson", "Idempotency-Key": key})
            answer = self.connection.getresponse()
            text = answer.read()
            if answer.status == 200 and json.loads(text)["accepted"] != lines:
                raise SystemExit(f"the node took {text} of {lines} lines of {key}")
            status = answer.status
        except (OSError, http.client.HTTPException, ValueError):
            with contextlib.suppress(OSError):
                self.connection.close()
            self.connection = None
            status = 0
        self.counts["statuses"][status] = self.counts["statuses"].get(status, 0) + 1
        return status


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--record", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--producers", type=int, default=4)
    parser.add_argument("--batch-max", type=int, default=40)
    parser.add_argument("--first-seq", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=10.0)
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--give-up", type=float, default=60.0)
    return parser.parse_args()


def main():
    options = parse()
    options.record.mkdir(parents=True, exist_ok=True)
    ending = threading.Event()
    producers = [Producer(number, options, ending) for number in range(options.producers)]
    for producer in producers:
        producer.start()
    sys.stdin.read()
    ending.set()
    for producer in producers:
        producer.join()
    total = {"requests": 0, "acked": 0, "retries": 0, "statuses": {}, "ack_seconds_max": 0.0, "gap_seconds_max": 0.0}
    for producer in producers:
        for name in ("requests", "acked", "retries"):
            total[name] += producer.counts[name]
        for name in ("ack_seconds_max", "gap_seconds_max"):
            total[name] = max(total[name], producer.counts[name])
        for status, count in producer.counts["statuses"].items():
            total["statuses"][status] = total["statuses"].get(status, 0) + count
    print(json.dumps(total))


if __name__ == "__main__":
    main()
