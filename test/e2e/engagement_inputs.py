#!/usr/bin/env python3
"""The same playback events as other deliveries would bring them: out of order within some days, or in pieces.

    engagement_inputs.py shuffle EVENTS OUT [--seed N] [--days 13]

A pipeline's result must not depend on any of it. Lines are moved whole and byte for byte; none is lost or made.
"""
import argparse
import random
import re

DAY_MS = 86_400_000
_SERVER_TS = re.compile(rb'"server_ts":(\d{1,15})}\s*$')


def shuffle(lines, seed=1, days=13):
    """The lines (bytes) in another order of arrival: each is delayed by up to `days`. A line without a time, a malformed
    one, has that of the line before it."""
    generator = random.Random(seed)
    keyed = []
    time = 0
    for place, line in enumerate(lines):
        match = _SERVER_TS.search(line)
        time = int(match.group(1)) if match else time
        keyed.append((time + generator.randrange(days * DAY_MS + 1), place))
    keyed.sort()
    return [lines[place] for _, place in keyed]


def pieces(lines, seed=1, most=5000):
    """The lines in batches of random size, from 1 to `most` lines."""
    generator = random.Random(seed)
    at = 0
    while at < len(lines):
        size = generator.choice((1, generator.randint(1, most)))
        yield lines[at:at + size]
        at += size


def read_lines(path):
    """The lines with their newlines. Only a newline ends one: bytes.splitlines would also split at a carriage return."""
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [line + b"\n" for line in lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["shuffle"])
    parser.add_argument("events")
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=13)
    arguments = parser.parse_args()
    with open(arguments.out, "wb") as out:
        out.writelines(shuffle(read_lines(arguments.events), arguments.seed, arguments.days))


if __name__ == "__main__":
    main()
