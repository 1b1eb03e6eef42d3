"""Docs that stay true: the paths they name exist, and the map shows every folder."""

import posixpath
import re

from tidy_checks.tree import Finding, Rules, Tree

MAP = "docs/architecture.md"
_LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")
_SPAN = re.compile(r"`([^`\n]+)`")
_WORD = re.compile(r"[\w./-]*\w/[\w./-]*|[\w-]+\.md\b")
_PLACEHOLDER = re.compile(r"[<>*{}$…]")
_TOP_FILES = re.compile(r"^(README|CONTRIBUTING|NOTICE|LICENSE)(\.md)?$")


def check(tree: Tree, rules: Rules) -> list[Finding]:
    found = []
    for path in tree.matching("*.md"):
        for line, text in enumerate(tree.lines(path), start=1):
            for name in _paths_named(text):
                if not _exists(tree, path, name, rules):
                    found.append(Finding(path, line, "doc-path", f"'{name}' does not exist"))
    return found + _check_map(tree, rules)


def _paths_named(text: str) -> list[str]:
    """The words that look like paths: targets of links, and words in code spans and code blocks."""
    names = [target for target in _LINK.findall(text) if "://" not in target and not target.startswith("mailto:")]
    spans = _SPAN.findall(text)
    code_block_line = [text] if text.startswith(("    ", "millrace ", "build/", "curl ", "cat ", "make ")) else []
    for span in spans + code_block_line:
        for word in span.split():
            if not _PLACEHOLDER.search(word) and "://" not in word:
                names += _WORD.findall(word)
    return names


def _exists(tree: Tree, doc: str, name: str, rules: Rules) -> bool:
    """Whether the file or folder is there. A name that is not under a folder of the project is no path."""
    name = name.rstrip(".,:;")
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(doc), name))
    if tree.exists(beside) or tree.exists(name):
        return True
    first = name.split("/")[0]
    if first in rules.floors:
        is_path = name.endswith("/") or "." in posixpath.basename(name)
        return not is_path or tree.exists(f"src/{name}")
    top_folders = {path.split("/")[0] for path in tree.paths if "/" in path}
    return not (first in top_folders or _TOP_FILES.match(name) or name.startswith("."))


def _check_map(tree: Tree, rules: Rules) -> list[Finding]:
    folders = {path.split("/")[1] for path in tree.paths if path.startswith("src/") and path.count("/") > 1}
    if not tree.exists(MAP):
        return [Finding(MAP, 1, "map", "is missing; it describes every folder of src/")] if folders else []
    text = tree.text(MAP)
    return [Finding(MAP, 1, "map", f"src/{folder}/ is not described")
            for folder in sorted(folders) if not re.search(rf"(?<![\w/])({folder}/(?!\w)|src/{folder}(?![\w/]\w)(?!\w))", text)]
