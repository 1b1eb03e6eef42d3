"""What every check reads: the files of the project, and the tables that hold the rules."""

import subprocess
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

CPP_SUFFIXES = {".h", ".cpp"}


@dataclass(frozen=True, order=True)
class Finding:
    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


class Tree:
    """The project's own files: what git tracks, and what it would track. Paths are relative to the root, with '/'."""

    def __init__(self, root: Path):
        self.root = root
        self.paths = sorted(path for path in _git_files(root) if (root / path).is_file())

    def matching(self, *patterns: str) -> list[str]:
        """Paths that match one of the patterns, in which * also crosses '/'."""
        return [path for path in self.paths if any(fnmatch(path, pattern) for pattern in patterns)]

    def cpp(self, folder: str = "") -> list[str]:
        return [path for path in self.paths if path.startswith(folder) and Path(path).suffix in CPP_SUFFIXES]

    @cache
    def text(self, path: str) -> str:
        """The file's text; "" for a file that is not text."""
        try:
            return (self.root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            return ""

    def lines(self, path: str) -> list[str]:
        return self.text(path).splitlines()

    def exists(self, path: str) -> bool:
        return (self.root / path).exists()


def _git_files(root: Path) -> list[str]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, check=True, capture_output=True, text=True,
    )
    return [path for path in listing.stdout.split("\0") if path]


@dataclass
class Rules:
    floors: dict[str, int] = field(default_factory=dict)
    public_headers: list[str] = field(default_factory=list)
    doors: list[dict] = field(default_factory=list)
    bans: list[dict] = field(default_factory=list)
    ratchet_files: dict[str, int] = field(default_factory=dict)
    ratchet_functions: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def read(root: Path) -> "Rules":
        table = _toml(root / "tools/floors.toml")
        ratchet = _toml(root / "tools/ratchet.toml")
        return Rules(
            floors=table.get("floors", {}),
            public_headers=table.get("public_headers", []),
            doors=table.get("door", []),
            bans=table.get("ban", []),
            ratchet_files=ratchet.get("files", {}),
            ratchet_functions=ratchet.get("functions", {}),
        )


def _toml(path: Path) -> dict:
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
