"""Files and functions that are too long. What was too long before is in ratchet.toml and may only get shorter."""

import ast

from tidy_checks import cpp
from tidy_checks.tree import Finding, Rules, Tree

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70


def check(tree: Tree, rules: Rules) -> list[Finding]:
    files: dict[str, tuple[str, int, int]] = {}  # ratchet key: path, line, size
    functions: dict[str, tuple[str, int, int]] = {}
    for path in tree.cpp() + tree.matching("*.py"):
        files[path] = (path, 1, len(tree.lines(path)))
        for function in _functions(path, tree.text(path)):
            key = f"{path}: {function.name}"
            if key not in functions or functions[key][2] < function.lines:
                functions[key] = (path, function.line, function.lines)
    return (_compare("file", files, FILE_LINES_MAX, rules.ratchet_files)
            + _compare("function", functions, FUNCTION_LINES_MAX, rules.ratchet_functions))


def _functions(path: str, text: str) -> list[cpp.Function]:
    if not path.endswith(".py"):
        return cpp.functions(text)
    return [cpp.Function(node.name, node.lineno, node.end_lineno - node.lineno + 1)
            for node in ast.walk(ast.parse(text, filename=path))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def _compare(what: str, sizes: dict, limit: int, ratchet: dict[str, int]) -> list[Finding]:
    found = []
    for key, (path, line, size) in sizes.items():
        allowed = ratchet.get(key, limit)
        if size > allowed:
            name = "" if what == "file" else key.split(": ", 1)[1] + " "
            before = f", and it was {allowed}" if key in ratchet else ""
            found.append(Finding(path, line, f"{what}-size", f"{name}has {size} lines; the limit is {limit}{before}"))
    for key, allowed in ratchet.items():
        size = sizes[key][2] if key in sizes else 0
        if size <= limit:
            found.append(Finding("tools/ratchet.toml", 1, "ratchet", f"'{key}' is within the limit now; remove its line"))
        elif size < allowed:
            found.append(Finding("tools/ratchet.toml", 1, "ratchet", f"'{key}' has {size} lines now; write {size} for {allowed}"))
    return found
