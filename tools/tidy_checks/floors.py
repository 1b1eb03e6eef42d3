"""Who may include whom: floors, private subfolders, and one door per outside library."""

import re

from tidy_checks import cpp
from tidy_checks.tree import Finding, Rules, Tree

_STANDARD_HEADER = re.compile(r"^[a-z_0-9]+$|^(assert|ctype|errno|inttypes|limits|math|stdint|stdio|stdlib|string|time)\.h$")


def check(tree: Tree, rules: Rules) -> list[Finding]:
    found = []
    for path in tree.cpp("src/"):
        parts = path.split("/")
        if len(parts) < 3:
            found.append(Finding(path, 1, "floor", "a source file lives in a folder of src/"))
            continue
        folder = parts[1]
        if folder not in rules.floors:
            found.append(Finding(path, 1, "floor", f"folder '{folder}' stands on no floor; give it one in tools/floors.toml"))
            continue
        for line, header, angled in cpp.includes(tree.text(path)):
            of_project = not angled and header.split("/")[0] in rules.floors
            message = _inside(tree, folder, header, rules) if of_project else _outside(path, header, rules)
            if message:
                found.append(Finding(path, line, *message))
    return found + _check_leaks(tree, rules)


def _inside(tree: Tree, folder: str, header: str, rules: Rules) -> tuple[str, str] | None:
    target = header.split("/")[0]
    generated = header.endswith(".inc")  # made by the build from a file beside the one that includes it
    if not generated and not tree.exists(f"src/{header}"):
        return "include", f'"{header}" does not exist in src/'
    own, other = rules.floors[folder], rules.floors[target]
    if target == folder:
        return None
    if other >= own:
        where = "a sibling" if other == own else "up"
        return "floor", f"{folder} (floor {own}) may not include {target} (floor {other}): {where}"
    if header.count("/") > 1 and header not in rules.public_headers:
        return "private", f'"{header}" is in a private subfolder of {target}; include what {target} itself offers'
    return None


def _outside(path: str, header: str, rules: Rules) -> tuple[str, str] | None:
    if _STANDARD_HEADER.match(header):
        return None
    door = _door_of(header, rules)
    if door is None:
        return "door", (f"{header} is neither named from src/ nor of a library in tools/floors.toml; "
                        "a new dependency needs a door")
    if _may_use(path, door):
        return None
    return "door", f"{header}: the door to {door['library']} is {', '.join(door['folders']) or 'closed'}"


def _door_of(header: str, rules: Rules) -> dict | None:
    return next((door for door in rules.doors if re.match(door["header"], header)), None)


def _may_use(path: str, door: dict) -> bool:
    inner = path.removeprefix("src/")
    return door["folders"] == ["*"] or any(inner.startswith(folder + "/") for folder in door["folders"])


def _check_leaks(tree: Tree, rules: Rules) -> list[Finding]:
    """A hidden library stays behind its door: no file outside reaches its headers through headers of the project."""
    included = {path: cpp.includes(tree.text(path)) for path in tree.cpp("src/")}
    hidden = [door for door in rules.doors if door.get("hidden")]
    found = []
    for door in hidden:
        reaching = {path for path, lines in included.items() if any(_door_of(header, rules) is door for _, header, _ in lines)}
        grown = True
        while grown:
            more = {path for path, lines in included.items() if any(f"src/{header}" in reaching for _, header, _ in lines)}
            grown = not more <= reaching
            reaching |= more
        for path in reaching:
            if _may_use(path, door):
                continue
            for line, header, _ in included[path]:
                if f"src/{header}" in reaching and _may_use(f"src/{header}", door):
                    found.append(Finding(path, line, "leak", f"\"{header}\" brings in the headers of {door['library']}"))
    return found
