"""Calls a function of a bench in a fresh process: for another OMP_NUM_THREADS, or to see its memory alone.

    call("bench.tables_run", "measure", {"models": 128}, {"OMP_NUM_THREADS": "2"})

The function must be at the top of its module, take keyword arguments that JSON can hold, and return such a value.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.machine import ROOT


def call(module: str, function: str, arguments: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Any:
    """Return what the function returns; a child that fails ends this process with its last words."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "bench.child", module, function, json.dumps(arguments), str(answer)]
        child = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
        )
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
    """Let the peak begin anew from what is resident now: what was there before for a moment has no part in it."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


if __name__ == "__main__":
    module, function, given, path = sys.argv[1:]
    value = getattr(importlib.import_module(module), function)(**json.loads(given))
    Path(path).write_text(json.dumps(value, allow_nan=False), encoding="utf-8")
