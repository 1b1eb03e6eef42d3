"""Apache Flink in the race of Nexmark: its libraries from Maven, and the runs. Used by bench/nexmark.py."""

import json
import subprocess
from pathlib import Path

SOURCE = Path(__file__).resolve().parent
CODE = SOURCE / "flink"
HEAP = "-Xmx6g"
SECONDS_MAX = 3600
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


def run(path, events_file, backend, workers, runs, queries):
    """Yields what Race prints, a dictionary a run."""
    words = ["java", HEAP, *OPENED, "-cp", path, "millrace.bench.Race", events_file, CODE / "queries", backend, workers, runs, *queries]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def best(path, events_file, workers, runs, queries):
    """Query → its fastest run by CPU time over both state backends, and query → why it has none."""
    found, failed = {}, {}
    known = [query for query in queries if (CODE / "queries" / f"{query}.sql").exists()]
    for backend in ("hashmap", "rocksdb"):
        for result in run(path, events_file, backend, workers, runs, known):
            query = result["query"]
            if "error" in result:
                failed[f"{query} flink {backend}"] = result["error"][:200]
            elif query not in found or result["cpu_seconds"] < found[query]["cpu_seconds"]:
                found[query] = result
    return found, failed
