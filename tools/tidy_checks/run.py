"""Every test file is run: compares what is in test/ with what ctest of a configured build tree would run."""

import json
import re
import subprocess
from pathlib import Path

from tidy_checks import cpp
from tidy_checks.tree import Finding, Tree

# Files that a test program finds by scanning its folder: pattern, and the ctest entry that scans.
_SCANNED = [("test/sql/*.slt", "sql"), ("test/sql/*.test", "sql")]
_OFF = re.compile(r"\bDISABLED_\w+|^\s*@unittest\.skip\b", re.MULTILINE)


def check(tree: Tree, build: Path) -> list[Finding]:
    entries = _ctest_entries(build)
    compiled = _compiled_files(build)
    commands = {argument for command in entries.values() for argument in command}
    programs = {Path(argument).name for argument in commands}
    found = []

    for path in tree.matching("test/*.cpp"):
        folder, stem = path.split("/")[1], Path(path).stem
        program = f"fuzz_{stem}" if folder == "fuzz" else f"test_{folder}"
        if str(tree.root / path) not in compiled or program not in programs:
            found.append(Finding(path, 1, "not-run", "is not part of a program that ctest runs"))
    for path in tree.matching("test/*/test_*.py"):
        if str(tree.root / path) not in commands:
            found.append(Finding(path, 1, "not-run", "is not run by ctest"))
    scanned = set()
    for pattern, entry in _SCANNED:
        files = tree.matching(pattern)
        scanned.update(files)
        if entry not in entries:
            found += [Finding(path, 1, "not-run", f"needs the ctest entry '{entry}', which is not there") for path in files]
    for path in set(tree.matching("test/*.slt", "test/*.test")) - scanned:
        found.append(Finding(path, 1, "not-run", "lies outside the folders that a test scans"))
    return found + _switched_off(tree)


def _switched_off(tree: Tree) -> list[Finding]:
    found = []
    for path in tree.matching("test/*.cpp", "test/*.py"):
        text = cpp.code(tree.text(path)) if path.endswith(".cpp") else tree.text(path)
        for match in _OFF.finditer(text):
            found.append(Finding(path, cpp.line_of(text, match.start()), "not-run", f"`{match.group(0).strip()}` is switched off"))
    return found


def _ctest_entries(build: Path) -> dict[str, list[str]]:
    output = subprocess.run(["ctest", "--test-dir", str(build), "--show-only=json-v1"],
                            check=True, capture_output=True, text=True).stdout
    tests = json.loads(output[output.index("{"):])["tests"]
    return {test["name"]: test.get("command", []) for test in tests}


def _compiled_files(build: Path) -> set[str]:
    return {entry["file"] for entry in json.loads((build / "compile_commands.json").read_text())}
