"""The judge: compares what was sent and acked with what a reader found. It knows nothing of the program under test.

A message that was acked must be there once. One that was sent and never acked may be there once or not at all. Anything else is a
phantom; a row that is no message of the seed, or not whole, is corrupt. Rows of one key must come in the order of their seqs.
"""

import collections
import dataclasses

import messages

SHOWN_MAX = 3


@dataclasses.dataclass
class Verdict:
    place: str
    rows: int = 0
    lost: list = dataclasses.field(default_factory=list)
    duplicate: list = dataclasses.field(default_factory=list)
    phantom: list = dataclasses.field(default_factory=list)
    corrupt: list = dataclasses.field(default_factory=list)
    disordered: list = dataclasses.field(default_factory=list)
    wrong: list = dataclasses.field(default_factory=list)  # of a view: (key, what it has, what it should have)

    KINDS = ("lost", "duplicate", "phantom", "corrupt", "disordered", "wrong")

    def clean(self):
        return not any(getattr(self, kind) for kind in self.KINDS)

    def __str__(self):
        found = [f"{len(getattr(self, kind))} {kind} (e.g. {getattr(self, kind)[:SHOWN_MAX]})" for kind in self.KINDS
                 if getattr(self, kind)]
        return f"{self.place}: {self.rows} rows, " + (", ".join(found) or "clean")


def judge_messages(place, seed, sent, acked, rows):
    """`rows`: dicts of columns in the order in which the place holds them (within a key)."""
    verdict = Verdict(place)
    seen = collections.Counter()
    newest = {}
    for row in rows:
        verdict.rows += 1
        message = messages.read(row)
        if message is None or message != messages.make(seed, *message.id):
            verdict.corrupt.append(row)
            continue
        if message.id not in sent:
            verdict.phantom.append(message.id)
            continue
        seen[message.id] += 1
        if message.seq < newest.get(message.key, -1):
            verdict.disordered.append(message.id)
        newest[message.key] = max(message.seq, newest.get(message.key, -1))
    verdict.lost = sorted(id for id in acked if id not in seen)
    verdict.duplicate = sorted(id for id, count in seen.items() if count > 1)
    return verdict


def totals_of(seed, ids):
    """What `totals` must hold for these messages: key → (count, sum of values, last seq, value of the last)."""
    totals = {}
    for id in sorted(ids):
        message = messages.make(seed, *id)
        count, sum_of_values, _, _ = totals.get(message.key, (0, 0, 0, 0))
        totals[message.key] = (count + 1, sum_of_values + message.value, message.seq, message.value)
    return totals


def judge_totals(place, expected, rows):
    """`rows`: (key, count, sum, last seq, last value) as the view holds them, in any order."""
    verdict = Verdict(place)
    found = {}
    for key, *values in rows:
        verdict.rows += 1
        values = tuple(int(value) for value in values)
        if key in found:
            verdict.duplicate.append(key)
        found[key] = values
        if key not in expected:
            verdict.phantom.append(key)
        elif values != expected[key]:
            verdict.wrong.append((key, values, expected[key]))
    verdict.lost = sorted(key for key in expected if key not in found)
    return verdict


def fold_changes(place, rows):
    """The rows that a list of changes leads to, and a verdict on the changes themselves: a delete without its insert, or two
    inserts of a row, is wrong. `rows`: (op, row) in order."""
    verdict = Verdict(place)
    held = collections.Counter()
    for op, row in rows:
        verdict.rows += 1
        held[row] += 1 if op[0] == "+" else -1
        if held[row] not in (0, 1):
            verdict.wrong.append((op, row, held[row]))
    return verdict, [row for row, count in held.items() if count > 0]
