"""Runs commands and scripts under mpiexec as a user would, and finds programs installed beside this Python."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from fault_help import HANG_SECONDS, environment_of_tests


def with_programs() -> dict[str, str]:
    """Return an environment in which programs installed beside this Python are found first."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def mpiexec() -> str:
    found = shutil.which("mpiexec", path=with_programs()["PATH"])
    assert found is not None, "mpiexec is missing: pip install mpich"
    return found


def under_mpi(processes: int, *words: str) -> list[str]:
    """Return the command that runs a Python command line under mpi4py.futures in this many processes."""
    return [mpiexec(), "-n", str(processes), sys.executable, "-m", "mpi4py.futures", *words]


def run_script(processes: int, script: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a script that can import the test modules, and return its outcome; rank 0 decides, other ranks do jobs."""
    file = folder / "script.py"
    file.write_text(script, encoding="utf-8")
    return subprocess.run(
        under_mpi(processes, str(file), *words),
        env=environment_of_tests(),
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
