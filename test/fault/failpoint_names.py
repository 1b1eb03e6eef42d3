"""All places where the program can be made to end, read from its source: the points that are named there, and those on both sides
of every file operation, by kind of file (src/base/file_faults.cpp)."""

import itertools
import re

import faulty_node

SOURCE = faulty_node.job.SOURCE / "src"

# No run comes here: what such a file never has done to it, or what only an error leads to.
NEVER = {
    "file.catalog.truncate": "replaced whole",
    "file.catalog.remove": "removed after an error only",
    "file.stream.truncate": "replaced whole",
    "file.stream.remove": "goes with its folder",
    "file.directory.append": "no file",
    "file.directory.truncate": "no file",
    "file.directory.rename": "folders are never renamed",
}
# Passed only when an earlier end left something to cut off or to clear away.
SOMETIMES = {f"file.{name}.{side}" for name in ("segment.truncate", "other.truncate", "state.truncate", "other.remove", "state.remove")
             for side in ("before", "after")}
# What test_compaction.py goes through: full segments, and what becomes of them.
OF_COMPACTION = {"log.roll", "log.compact.written", "log.compact.replaced"} | {
    f"file.segment.{operation}.{side}" for operation in ("remove", "rename") for side in ("before", "after")}
# What the pipeline of test_failpoints.py does not do; of the rest: a row that a destination refuses, and a Kafka client that reads a
# view (test/engine/view_topic_test.cpp).
OTHER_TESTS = {"engine.sink.dead", "engine.topic.durable"} | OF_COMPACTION
ROWS_ONLY = {"ledger.decoded", "ledger.view", "ledger.sink"}  # they drop, repeat and swap rows; nothing ends there


def named():
    found = set()
    for path in sorted(SOURCE.rglob("*.cpp")):
        found.update(re.findall(r'failpoints\(?\)?\.point\("([a-z_.]+)"\)', path.read_text(encoding="utf-8")))
    return found - ROWS_ONLY


def of_files():
    text = (SOURCE / "base" / "file_faults.cpp").read_text(encoding="utf-8")
    kinds = re.findall(r'\(failpoints, "(\w+)"\)', text)
    operations = re.findall(r'"(\w+)"', re.search(r"kOperationNames\[.*?\}", text, re.DOTALL).group())
    return {f"file.{kind}.{operation}" for kind, operation in itertools.product(kinds, operations)}


def all_points():
    """Sorted names, without those where no run comes."""
    sides = {f"{name}.{side}" for name in of_files() - set(NEVER) for side in ("before", "after")}
    return sorted((named() | sides) - OTHER_TESTS)


if __name__ == "__main__":
    print("\n".join(all_points()))
