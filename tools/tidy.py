#!/usr/bin/env python3
"""Checks the house rules of CONTRIBUTING.md that a machine can check, and names each place that breaks one.

    tools/tidy.py [--root DIR] [--build DIR]

Exit status 0: all is well; 1: findings, one a line as path:line: rule: message. The rules' tables are floors.toml
(who may include whom, doors, banned calls) and ratchet.toml (old files and functions that are too long). With --build,
a configured build tree, it also checks that every test file is run.
"""

import argparse
import sys
from pathlib import Path

from tidy_checks import calls, docs, floors, run, sizes, words
from tidy_checks.tree import Rules, Tree


def findings_of(tree: Tree, rules: Rules, build: Path | None) -> list:
    found = []
    for check in (floors.check, calls.check, sizes.check, docs.check, words.check):
        found += check(tree, rules)
    if build is not None:
        found += run.check(tree, build)
    return sorted(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--build", type=Path, help="a configured build tree, to check that every test is run")
    arguments = parser.parse_args()

    tree = Tree(arguments.root)
    found = findings_of(tree, Rules.read(arguments.root), arguments.build)
    for finding in found:
        print(finding)
    print(f"tidy: {len(tree.paths)} files, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
