"""Words that no file of the project may hold: hosts of package registries, paths of one machine, notes to self."""

import re

from tidy_checks.tree import Finding, Rules, Tree

# Written so that this file does not match itself.
_RULES = [
    ("registry", re.compile(r"\b(registry\.npm\w+\.\w+|(?:files\.)?py(?:pi|thonhosted)\.org|static\.crates\.io|proxy\.golang\.org"
                            r"|repo\d?\.maven\.\w+|(?:deb|snapshot|security)\.debian\.org|archive\.ubuntu\.com)\b"),
     "names a registry's host; name the registry's client instead"),
    ("machine-path", re.compile(r"(?<![\w.$})/*-])/(?:work|root|tmp|home/\w+|Users/\w+)/[\w.-]"),
     "is a path of one machine; use a folder that the caller gives, or a temporary one that the system gives"),
    ("note", re.compile(r"\b(?:FIX[M]E|X[X]X|TO[D]O)\b"), "is a note to self; do it, or write down the limit"),
]
_FREE = ("LICENSE", "console/package-lock.json")


def check(tree: Tree, _: Rules) -> list[Finding]:
    found = []
    for path in tree.paths:
        if path in _FREE:
            continue
        for number, line in enumerate(tree.lines(path), start=1):
            for rule, pattern, message in _RULES:
                match = pattern.search(line)
                if match:
                    found.append(Finding(path, number, rule, f"`{match.group(0)}` {message}"))
    return found
