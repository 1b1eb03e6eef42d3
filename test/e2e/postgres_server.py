"""A PostgreSQL of its own for a test: a fresh data directory, a free port of 127.0.0.1, an unprivileged user."""

import glob
import json
import os
import pathlib
import pwd
import shutil
import subprocess

from node_process import free_port

USER = "millrace"


def programs():
    """The folder of initdb and pg_ctl, or None."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_ctl"), key=lambda path: int(path.split("/")[4]))
    path = shutil.which("pg_ctl") or (found[-1] if found else None)
    return pathlib.Path(path).resolve().parent if path else None


class PostgresServer:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.data, self.log = self.folder / "data", self.folder / "log"
        self.port = free_port()
        self.programs = programs()
        self.folder.mkdir(parents=True)
        self.user = None
        if os.getuid() == 0:  # PostgreSQL does not run as root
            self.user = "postgres" if any(entry.pw_name == "postgres" for entry in pwd.getpwall()) else "nobody"
            shutil.chown(self.folder, self.user)
            for parent in self.folder.parents:
                if parent.stat().st_uid == 0 and parent.name.startswith("millrace_"):
                    parent.chmod(0o755)
        self._run("initdb", "-D", self.data, "-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")

    def _run(self, program, *words):
        done = subprocess.run([str(self.programs / program), *map(str, words)], user=self.user, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.folder, text=True)
        if done.returncode != 0:
            raise AssertionError(f"{program}: {done.stdout}")

    def start(self):
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        self._run("pg_ctl", "-D", self.data, "-l", self.log, "-o", options, "-w", "start")

    def stop(self, mode="immediate"):
        """`immediate` is as good as kill -9: the next start recovers from the write-ahead log."""
        self._run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def close(self):
        if (self.data / "postmaster.pid").exists():
            self.stop()

    def url(self, password=""):
        return f"postgresql://{USER}{':' + password if password else ''}@127.0.0.1:{self.port}/postgres"

    def sql(self, text):
        """The lines of the answer."""
        command = [str(self.programs / "psql"), self.url(), "-X", "-At", "-v", "ON_ERROR_STOP=1", "-c", text]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise AssertionError(f"psql: {text}: {done.stderr}")
        return done.stdout.splitlines()

    def rows(self, table, columns):
        """All rows, each value as text or None."""
        values = ", ".join(f"{column}::text" for column in columns)
        return [json.loads(line) for line in self.sql(f"SELECT json_build_array({values}) FROM {table}")]
