"""Small file systems for a test: a tmpfs that gets full, and ext4 on an image whose copy is what a power cut leaves."""

import contextlib
import os
import pathlib
import shutil
import subprocess


def call(*words):
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


def why_not(*tools):
    """The reason why this machine cannot mount, or None."""
    if os.geteuid() != 0:
        return "mounting needs root"
    for tool in ("mount", "umount", *tools):
        if shutil.which(tool) is None:
            return f"no {tool}"
    return None


@contextlib.contextmanager
def mounted(place, *words):
    """Mounts with these words at `place`; unmounted at the end, even when a process still holds it."""
    place = pathlib.Path(place)
    place.mkdir(parents=True, exist_ok=True)
    call("mount", *words, place)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)


def make_image(path, size_mib):
    with open(path, "wb") as file:
        file.truncate(size_mib << 20)
    call("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", path)
