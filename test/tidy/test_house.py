"""The project itself keeps its house rules: tools/tidy.py finds nothing, and every test file is run."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    command = [sys.executable, str(ROOT / "tools/tidy.py"), "--root", str(ROOT)]
    if "MILLRACE_BUILD_DIR" in os.environ:
        command += ["--build", os.environ["MILLRACE_BUILD_DIR"]]
    sys.exit(subprocess.run(command, check=False).returncode)
