"""Kafka clients as programs of their own: kcat, and the packages that tools/setup.sh puts into build/third_party/kafka."""

import os
import pathlib
import shutil
import subprocess
import sys

SECONDS_MAX = 60
ROOT = pathlib.Path(os.environ.get("MILLRACE_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
PACKAGES = pathlib.Path(os.environ.get("MILLRACE_KAFKA_CLIENTS", ROOT / "build" / "third_party" / "kafka"))


def kcat_missing():
    return "" if shutil.which("kcat") else "there is no kcat here: tools/setup.sh tests installs it"


def confluent_missing():
    if not (PACKAGES / "python").is_dir():
        return "there is no confluent-kafka here: tools/setup.sh tests installs it for Python 3.11"
    if str(PACKAGES / "python") not in sys.path:
        sys.path.insert(0, str(PACKAGES / "python"))
    try:
        import confluent_kafka  # noqa: F401
    except ImportError as reason:
        return f"confluent-kafka does not load: {reason}"
    return ""


def node_program():
    own = pathlib.Path(os.environ.get("MILLRACE_CACHE", pathlib.Path.home() / ".cache" / "millrace")) / "node" / "bin" / "node"
    return shutil.which("node") or (str(own) if own.exists() else None)


def kafkajs_missing():
    if not (PACKAGES / "kafkajs").is_dir():
        return "there is no kafkajs here: tools/setup.sh tests installs it"
    return "" if node_program() else "there is no node here"


def java_missing():
    if not (PACKAGES / "java").is_dir():
        return "there is no Kafka client for Java here: tools/setup.sh tests fetches it where Maven and a JDK are installed"
    return "" if shutil.which("java") and shutil.which("javac") else "there is no JDK here"


def kcat(port, *arguments, text=None):
    """What it prints; it must end well."""
    done = subprocess.run(["kcat", "-b", f"127.0.0.1:{port}", *arguments], input=text, capture_output=True, timeout=SECONDS_MAX,
                          check=False)
    if done.returncode != 0:
        raise AssertionError(f"kcat {' '.join(arguments)}: {done.returncode} {done.stderr.decode(errors='replace')}")
    return done.stdout


def run_kafkajs(port, script, *arguments):
    environment = dict(os.environ, KAFKAJS=str(PACKAGES / "kafkajs"), KAFKAJS_NO_PARTITIONER_WARNING="1")
    done = subprocess.run([node_program(), script, f"127.0.0.1:{port}", *arguments], capture_output=True, timeout=SECONDS_MAX,
                          env=environment, check=False)
    if done.returncode != 0:
        raise AssertionError(f"kafkajs: {done.returncode}\n{done.stdout.decode()}\n{done.stderr.decode()[-3000:]}")
    return done.stdout.decode()


def run_java(port, folder, *arguments):
    """The lines that KafkaJavaClient prints."""
    jars = ":".join(str(jar) for jar in sorted((PACKAGES / "java").glob("*.jar")))
    source = pathlib.Path(__file__).with_name("KafkaJavaClient.java")
    if not (folder / "KafkaJavaClient.class").exists():
        subprocess.run(["javac", "-cp", jars, "-d", folder, source], check=True, timeout=SECONDS_MAX)
    done = subprocess.run(["java", "-XX:TieredStopAtLevel=1", "-cp", f"{jars}:{folder}", "KafkaJavaClient", f"127.0.0.1:{port}",
                           *map(str, arguments)], capture_output=True, timeout=2 * SECONDS_MAX, check=False)
    if done.returncode != 0:
        raise AssertionError(f"java: {done.returncode}\n{done.stdout.decode()}\n{done.stderr.decode()[-3000:]}")
    return done.stdout.decode().split("\n")[:-1]
