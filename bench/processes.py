"""Runs functions in fresh processes (to set OMP_NUM_THREADS or measure memory), and builds and loads C++ code.

    call("bench.tables.measure", "runs", {"models": 128}, {"OMP_NUM_THREADS": "2"})

The function must be at the top level of its module. Its keyword arguments and its result must be JSON values.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.machine import ROOT

PROGRAMS = ROOT / "build" / "bench" / "programs"
LAST_WORDS = 15  # number of output lines shown for a failed build
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "BLIS_NUM_THREADS": "1"}


def call(
    module: str,
    function: str,
    arguments: Mapping[str, Any],
    environment: Mapping[str, str | None] | None = None,
    most_seconds: float | None = None,
) -> Any:
    """Return the function's result; if the child fails or takes too long, exit and print the end of its output.

    An environment variable whose value is None is unset.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "bench.processes", module, function, json.dumps(arguments), str(answer)]
        own = {name: value for name, value in {**os.environ, **(environment or {})}.items() if value is not None}
        try:
            child = subprocess.run(
                command, cwd=ROOT, env=own, capture_output=True, text=True, check=False, timeout=most_seconds
            )
        except subprocess.TimeoutExpired:
            raise SystemExit(f"{module}.{function} in a fresh process: not done in {most_seconds:g} seconds") from None
        if child.returncode != 0:
            words = (child.stderr.strip() or child.stdout.strip()).splitlines()
            raise SystemExit(f"{module}.{function} in a fresh process: {words[-1] if words else child.returncode}")
        return json.loads(answer.read_text(encoding="utf-8"))


def peak_bytes() -> int:
    """Return the peak resident memory of this process: VmHWM, which unlike ru_maxrss is not inherited."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def forget_peak() -> None:
    """Reset the peak to the current resident memory, so that earlier peaks do not count."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def program(target: str, *definitions: str) -> Path:
    """Build a C++ program if necessary and return its path; `definitions` are passed to CMake, as -DNAME=value."""
    cmake = shutil.which("cmake")
    if cmake is None:
        raise SystemExit(f"{target} cannot be built: CMake is not installed (pip install '.[bench]')")
    definitions = ("-DCMAKE_BUILD_TYPE=Release", "-DASH_BENCH=ON", "-DASH_TESTS=OFF", *definitions)
    generator = [] if shutil.which("make") else ["-G", "Ninja"]
    build(target, [cmake, "-S", str(ROOT), "-B", str(PROGRAMS), *generator, *definitions])
    build(target, [cmake, "--build", str(PROGRAMS), "--target", target, "--parallel"])
    return PROGRAMS / target


def native() -> ctypes.CDLL:
    """Return the C++ library for benches: it has the ladder, and the products of all libraries that were found."""
    return ctypes.CDLL(str(program("bench_native").with_suffix(".so")))


def build(target: str, command: Sequence[str]) -> None:
    """Run a command that builds the target; if it fails, exit and print the end of its output."""
    found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if found.returncode != 0:
        words = "\n".join(found.stdout.splitlines()[-LAST_WORDS:])
        raise SystemExit(f"{words}\n{target} cannot be built: the lines above say why")


if __name__ == "__main__":
    module, function, given, path = sys.argv[1:]
    value = getattr(importlib.import_module(module), function)(**json.loads(given))
    Path(path).write_text(json.dumps(value, allow_nan=False), encoding="utf-8")
