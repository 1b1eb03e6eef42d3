"""Calls that only some folders may make: the clock, randomness, files, sockets, the console."""

import re
from fnmatch import fnmatch

from tidy_checks import cpp
from tidy_checks.tree import Finding, Rules, Tree


def check(tree: Tree, rules: Rules) -> list[Finding]:
    found = []
    for ban in rules.bans:
        pattern = re.compile(ban["pattern"], re.MULTILINE)
        for path in tree.cpp("src/"):
            if any(fnmatch(path, allowed) for allowed in ban["allowed"]):
                continue
            code = cpp.code(tree.text(path))
            for match in pattern.finditer(code):
                message = f"`{' '.join(match.group(0).split())}` is not allowed here; {ban['instead']}"
                found.append(Finding(path, cpp.line_of(code, match.start()), ban["rule"], message))
    return found
