"""Fresh processes and C++ programs: for another OMP_NUM_THREADS, to measure memory separately, or without Python.

    call("bench.tables.measure", "runs", {"models": 128}, {"OMP_NUM_THREADS": "2"})

The function must be at the top of its module, take keyword arguments that JSON can hold, and return such a value.
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
LAST_WORDS = 15  # lines of a failed build that are shown
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "BLIS_NUM_THREADS": "1"}


def call(
    module: str,
    function: str,
    arguments: Mapping[str, Any],
    environment: Mapping[str, str | None] | None = None,
    most_seconds: float | None = None,
) -> Any:
    """Return what the function returns; if the child fails or takes too long, end this process with its last words.

    An environment variable that is None is unset.
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
    """Return the most resident memory that this process has had: VmHWM, which no parent hands on, unlike ru_maxrss."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def forget_peak() -> None:
    """Reset the peak to the memory that is resident now, so that earlier peaks do not count."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def program(target: str, *definitions: str) -> Path:
    """Return the path of an up-to-date C++ program; definitions: further ones for CMake, as -DNAME=value."""
    cmake = shutil.which("cmake")
    if cmake is None:
        raise SystemExit(f"{target} cannot be built: CMake is not installed (pip install '.[bench]')")
    definitions = ("-DCMAKE_BUILD_TYPE=Release", "-DASH_BENCH=ON", "-DASH_TESTS=OFF", *definitions)
    generator = [] if shutil.which("make") else ["-G", "Ninja"]
    build(target, [cmake, "-S", str(ROOT), "-B", str(PROGRAMS), *generator, *definitions])
    build(target, [cmake, "--build", str(PROGRAMS), "--target", target, "--parallel"])
    return PROGRAMS / target


def native() -> ctypes.CDLL:
    """Return the C++ that benches call: the ladder, and products of all libraries that were found."""
    return ctypes.CDLL(str(program("bench_native").with_suffix(".so")))


def build(target: str, command: Sequence[str]) -> None:
    """Run a command that builds this; one that fails ends the script with its last words."""
    found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if found.returncode != 0:
        words = "\n".join(found.stdout.splitlines()[-LAST_WORDS:])
        raise SystemExit(f"{words}\n{target} cannot be built: the lines above say why")


if __name__ == "__main__":
    module, function, given, path = sys.argv[1:]
    value = getattr(importlib.import_module(module), function)(**json.loads(given))
    Path(path).write_text(json.dumps(value, allow_nan=False), encoding="utf-8")
