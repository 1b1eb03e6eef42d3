"""Apache Flink in the race of Nexmark: its libraries from Maven, and the runs. Used by bench/nexmark.py."""

import json
import subprocess
from pathlib import Path

SOURCE = Path(__file__).resolve().parent
CODE = SOURCE / "flink"
HEAP = "-Xmx6g"
SECONDS_MAX = 900
# Java asks for leave to let libraries look into its own packages.
OPENED = [f"--add-opens=java.base/{package}=ALL-UNNAMED"
          for package in ("java.lang", "java.util", "java.nio", "java.net", "java.time", "sun.nio.ch")]


def classpath(build):
    """Fetches Flink and compiles our part into `build`."""
    build.mkdir(parents=True, exist_ok=True)
    listed = build / "classpath"
    subprocess.run(["mvn", "-q", "-f", CODE / "pom.xml", "dependency:build-classpath", f"-Dmdep.outputFile={listed}"], check=True,
                   stdout=subprocess.DEVNULL)
    libraries = listed.read_text().strip()
    classes = build / "classes"
    services = classes / "META-INF/services"
    services.mkdir(parents=True, exist_ok=True)
    for file in (CODE / "src/main/resources/META-INF/services").iterdir():
        (services / file.name).write_text(file.read_text())
    subprocess.run(["javac", "-nowarn", "-cp", libraries, "-d", classes, *CODE.glob("src/main/java/millrace/bench/*.java")], check=True)
    return f"{classes}:{libraries}"


def run(path, events_file, backend, workers, rounds, query):
    """Yields what Race prints of one query, a dictionary a run, in a process of its own: one that hangs spoils no other."""
    words = ["java", HEAP, *OPENED, "-cp", path, "millrace.bench.Race", events_file, CODE / "queries", backend, workers, rounds, query]
    try:
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
        results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        why = done.stderr.strip().splitlines()[-1:] or [f"java ended with {done.returncode}"]
    except subprocess.TimeoutExpired:
        results, why = [], [f"not done after {SECONDS_MAX} s"]
    yield from results or [{"query": query, "backend": backend, "error": why[0]}]


def runs(path, events_file, workers, rounds, queries):
    """Yields the runs of all queries that Flink knows, over both state backends."""
    for query in queries:
        if not (CODE / "queries" / f"{query}.sql").exists():
            continue
        for backend in ("hashmap", "rocksdb"):
            yield from run(path, events_file, backend, workers, rounds, query)
