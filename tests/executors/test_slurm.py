"""Tests the job scripts of examples/slurm with a substitute for `srun` that starts one copy per task."""

import contextlib
import json
import os
import random
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from ash.cli.command import main
from fault_help import HANG_SECONDS
from mpi_help import mpiexec, with_programs

SCRIPTS = Path(__file__).resolve().parents[2] / "examples" / "slurm"
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.sh"))
RUN = ("digits", "--candidates", "8")
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
exec {mpiexec} -n "$SLURM_NTASKS" "$@"
"""
OPTIONS = {
    *("array", "cpus-per-task", "job-name", "mem-per-cpu", "no-kill", "nodes", "ntasks", "ntasks-per-node"),
    *("requeue", "signal", "time"),
}
"""The options of sbatch that the scripts may use, from its manual."""


def text(name: str) -> str:
    return (SCRIPTS / f"{name}.sh").read_text(encoding="utf-8")


def free_port() -> int:
    """Return a port that dask.sh may use: 20000 plus the job number modulo 20000.

    The system assigns these ports only to programs that ask for a specific port.
    """
    for port in random.sample(range(20_000, 30_000), 1_000):
        with contextlib.suppress(OSError), socket.create_server(("", port)):
            return port
    raise AssertionError("no port is free")


def submitted(name: str, folder: Path, tasks: int, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a script in the way Slurm would. Each task has one CPU, or two CPUs with MPI."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "srun").write_text(SRUN.format(mpiexec=mpiexec()))
    (programs / "srun").chmod(0o755)
    environment = with_programs()
    environment["PATH"] = f"{programs}{os.pathsep}{environment['PATH']}"
    environment |= {"SLURM_NTASKS": str(tasks), "SLURM_JOB_NUM_NODES": str(tasks)}
    environment["SLURM_CPUS_PER_TASK"] = "2" if name == "mpi" else "1"
    environment |= {"SLURM_ARRAY_TASK_ID": "3", "SLURM_JOB_ID": str(free_port() - 20_000)}
    command = ["bash", str(SCRIPTS / f"{name}.sh"), *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=HANG_SECONDS, check=False
    )


@pytest.mark.parametrize(
    ("name", "tasks", "given"),
    [
        ("one_node", 1, []),
        ("array", 1, ["--seed", "3"]),
        ("mpi", 3, ["--virtual-workers", "64"]),
        ("dask", 2, ["--virtual-workers", "128"]),
    ],
)
def test_a_script_gives_the_same_result_as_the_command(name: str, tasks: int, given: list[str], tmp_path: Path) -> None:
    done = submitted(name, tmp_path, tasks, *RUN, "--json", "summary.json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "summary.json").read_text())
    assert main([*RUN, *given, "--quiet", "--out", str(tmp_path / "own"), "--json", str(tmp_path / "own.json")]) == 0
    assert found["digest"] == json.loads((tmp_path / "own.json").read_text())["digest"]
    assert found["settings"]["threads"] == (2 * (tasks - 1) if name == "mpi" else tasks)
    journal = tmp_path / ("ash-tune-out/seed-3/run.ash" if name == "array" else "run.ash")
    assert journal.exists() and done.stdout.count("8 candidates, ") == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_script_fails_like_the_command(name: str, tmp_path: Path) -> None:
    done = submitted(name, tmp_path, 2 if name == "mpi" else 1, "none.csv")
    # mpiexec, which replaces srun, may print that it has stopped a worker. Nothing about a run may be printed.
    assert done.returncode == 2 and "ash" not in done.stdout and "candidates" not in done.stdout
    assert done.stderr.count("ash-tune: error: none.csv: no such file") == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_script_is_valid(name: str) -> None:
    """Check that options precede the first command (else sbatch ignores them), and that errors end the script."""
    lines = text(name).splitlines()
    assert lines[0] == "#!/bin/bash" and os.access(SCRIPTS / f"{name}.sh", os.X_OK)
    options = [number for number, line in enumerate(lines) if line.startswith("#SBATCH")]
    found = [re.fullmatch(r"#SBATCH --([a-z-]+)(=\S+)?", lines[number]) for number in options]
    assert {each[1] for each in found if each} <= OPTIONS and all(found)
    assert lines[options[-1] + 1] == "set -euo pipefail"
    assert all(line.startswith("#") for line in lines[: options[-1]])
    subprocess.run(["bash", "-n", SCRIPTS / f"{name}.sh"], check=True)


def test_shellcheck_finds_nothing() -> None:
    shellcheck = shutil.which("shellcheck", path=with_programs()["PATH"])
    assert shellcheck is not None, "shellcheck is missing: pip install '.[test]'"
    subprocess.run([shellcheck, *SCRIPTS.glob("*.sh")], check=True)


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_mentions_every_script(name: str) -> None:
    page = (SCRIPTS.parents[1] / "docs" / "guide" / "cluster.md").read_text(encoding="utf-8")
    assert f"examples/slurm/{name}.sh" in page and f"`{name}.sh`" in (SCRIPTS.parent / "README.md").read_text()
