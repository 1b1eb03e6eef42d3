"""Compiles faulty_calls.c, and turns its faults on and off in a running node."""

import mmap
import pathlib
import shutil
import struct
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
FIELDS = ("fail_in", "delay_us", "clock_shift", "syncs", "failed", "again")


def compiler():
    """A C compiler, or None."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


class FaultyCalls:
    """Fields of struct control, read and written as attributes; `environment` is what a node needs."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        library, page = folder / "faulty_calls.so", folder / "faulty_calls.page"
        subprocess.run([compiler(), "-shared", "-fPIC", "-O1", "-o", library, HERE / "faulty_calls.c", "-ldl"], check=True)
        page.write_bytes(bytes(8 * len(FIELDS)))
        with open(page, "r+b") as file:
            self.__dict__["page"] = mmap.mmap(file.fileno(), 8 * len(FIELDS))
        self.__dict__["environment"] = {"LD_PRELOAD": str(library), "MILLRACE_FAULTY_CALLS": str(page)}

    def __getattr__(self, name):
        return struct.unpack_from("q", self.page, 8 * FIELDS.index(name))[0]

    def __setattr__(self, name, value):
        struct.pack_into("q", self.page, 8 * FIELDS.index(name), value)
