"""Rows with millions of keys, as fast as a node takes them: several connections, bodies of 10,000 rows that are made by replacing
two numbers in a text. Request r has the keys of one block, in all of its rows the value r + 1, and every request is sent again until
it is acked; so what views must hold follows from the number of requests alone."""

import http.client
import json
import threading
import time

BODY_ROWS = 10_000
STEP = 7919  # a prime: requests go through the blocks of keys in an order of their own
RETRY_SECONDS = 0.05
TEMPLATE = b"".join(b'{"k":#%04d,"v":@}\n' % row for row in range(BODY_ROWS))


def body_of(request, blocks):
    return TEMPLATE.replace(b"#", b"%d" % (block_of(request, blocks) + 1)).replace(b"@", b"%d" % (request + 1))


def block_of(request, blocks):
    return request * STEP % blocks


class KeyedLoad:
    """`allowed()`: how many requests may have been sent by now."""

    def __init__(self, port, seed, keys, connections, allowed):
        self.port, self.seed, self.blocks, self.allowed = port, seed, keys // BODY_ROWS, allowed
        self.lock = threading.Lock()
        self.next = 0
        self.acked_rows = 0
        self.statuses = {}
        self.wrong = []
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(connections)]
        for thread in self.threads:
            thread.start()

    def finish(self):
        """No new requests; those in hand are delivered."""
        self.ending.set()
        for thread in self.threads:
            thread.join()
        if self.wrong:
            raise AssertionError(f"answers that should not be: {self.wrong[:3]}")

    def _run(self):
        connection = None
        while not self.ending.is_set():
            with self.lock:
                request = self.next if self.next < self.allowed() else None
                self.next += request is not None
            if request is None:
                time.sleep(RETRY_SECONDS)
                continue
            body = body_of(request, self.blocks)
            status = None
            while status != 200:
                if status is not None:
                    time.sleep(RETRY_SECONDS)
                connection, status = self._post(connection, body, f"{self.seed}-{request}")
            with self.lock:
                self.acked_rows += BODY_ROWS
        if connection:
            connection.close()

    def _post(self, connection, body, key):
        status, text, waits = 0, b"", None
        try:
            connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
            connection.request("POST", "/v1/streams/events", body, {"Content-Type": "application/x-ndjson", "Idempotency-Key": key})
            answer = connection.getresponse()
            status, text, waits = answer.status, answer.read(), answer.getheader("Retry-After")
        except (OSError, http.client.HTTPException):
            if connection:
                connection.close()
            connection = None
        good = {0: True, 200: status == 200 and json.loads(text)["accepted"] == BODY_ROWS, 429: waits, 503: waits}
        with self.lock:
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if not good.get(status):
                self.wrong.append((status, text[:200]))
        return connection, status


class Expected:
    """What the views hold after these many requests."""

    def __init__(self, requests, keys):
        blocks = keys // BODY_ROWS
        visits = {}
        for request in range(requests):
            visits.setdefault(block_of(request, blocks), []).append(request + 1)
        low = sum(range(BODY_ROWS))
        sizes = {}
        self.keys = len(visits) * BODY_ROWS
        self.firsts = [self.keys, 0, 0]
        for block, values in visits.items():
            key_sum = (block + 1) * 10_000 * BODY_ROWS + low
            row = sizes.setdefault(len(values), [len(values), 0, 0, 0])
            row[1] += BODY_ROWS
            row[2] += key_sum
            row[3] += sum(values) * BODY_ROWS
            self.firsts[1] += key_sum
            self.firsts[2] += values[0] * BODY_ROWS
        self.sizes = [sizes[n] for n in sorted(sizes)]
