"""A memory limit of the kernel on one process: a group of control groups, version 1 or 2. What passes it is killed."""

import os
import pathlib

V1 = pathlib.Path("/sys/fs/cgroup/memory")
V2 = pathlib.Path("/sys/fs/cgroup")


class MemoryGroup:
    """`wrapper`: the words before a command that starts it inside. Remove it when the process has ended."""

    def __init__(self, place, limit_file, limit_bytes):
        self.place = place
        place.mkdir()
        try:
            (place / limit_file).write_text(str(limit_bytes), encoding="ascii")
        except OSError:
            place.rmdir()
            raise
        self.wrapper = ["sh", "-c", f'echo $$ > {place}/cgroup.procs && exec "$@"', "sh"]

    def remove(self):
        self.place.rmdir()


def make(limit_bytes):
    """(group, None) or (None, why there is none)."""
    if os.geteuid() != 0:
        return None, "a control group needs root"
    own = {}  # the controllers of a line → the path of this process
    for line in pathlib.Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            own[controller] = path.lstrip("/")
    name = f"millrace_fault_{os.getpid()}"
    try:
        if (V1 / "memory.limit_in_bytes").exists():
            for parent in (V1 / own.get("memory", ""), V1):
                if parent.exists():
                    return MemoryGroup(parent / name, "memory.limit_in_bytes", limit_bytes), None
        if "memory" in (V2 / "cgroup.subtree_control").read_text(encoding="ascii").split():
            return MemoryGroup(V2 / name, "memory.max", limit_bytes), None
        return None, "no control group for memory"
    except OSError as error:
        return None, f"no control group for memory: {error}"
