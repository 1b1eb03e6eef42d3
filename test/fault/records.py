"""The oracle's durable books: what each producer has sent and what was acked, one file a producer.

A line `sent FIRST LAST` is written before a request goes out, `acked FIRST LAST` and an fsync follow the answer, before the next
request. A record is never taken back. A torn last line (the oracle itself was killed) counts as not there.
"""

import os
import pathlib


class Record:
    """Of one producer; used by its thread alone."""

    def __init__(self, folder, producer):
        self.file = open(path_of(folder, producer), "ab", buffering=0)

    def sent(self, first, last):
        self.file.write(b"sent %d %d\n" % (first, last))

    def acked(self, first, last):
        self.file.write(b"acked %d %d\n" % (first, last))
        os.fsync(self.file.fileno())

    def close(self):
        self.file.close()


def path_of(folder, producer):
    return pathlib.Path(folder) / f"producer-{producer}.record"


def load(folder):
    """(sent, acked): sets of (producer, seq)."""
    sent, acked = set(), set()
    for path in sorted(pathlib.Path(folder).glob("producer-*.record")):
        producer = int(path.stem.split("-")[1])
        for line in path.read_bytes().split(b"\n")[:-1]:
            word, first, last = line.split()
            (acked if word == b"acked" else sent).update((producer, seq) for seq in range(int(first), int(last) + 1))
    return sent, acked
