"""Counts the bytes allocated by 2 to 32 models of the full-batch setting on one thread (the student project's table).

The core allocates all memory with operator new. A small counting library is compiled here and preloaded into a fresh
process. For a run of the tuner, from its construction to its end, it counts all bytes allocated and the maximum held at
once. It then counts the bytes that a further epoch of a job allocates; there must be none.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ash import _core
from ash.data.row_split import split_rows
from ash.space.hyperparameters import to_settings
from bench.machine import ROOT
from bench.processes import build, call
from bench.tables.settings import SEED, candidates, read

SOURCE = Path(__file__).with_name("count.cpp")
LIBRARY = ROOT / "build" / "bench" / "libcount.so"
VALIDATION, CLASSES = 0.2, 10  # share of validation rows in ash.tune, and classes of the table
FEW, MANY = 2, 10  # epochs of the two compared jobs


def measure(folder: str | None, models: Sequence[int]) -> Any:
    """Return one row per number of models; if there is no C++ compiler, say so."""
    compiler = shlex.split(os.environ.get("CXX") or "c++")
    if shutil.which(compiler[0]) is None:
        return {"skipped": f"{compiler[0]}, a C++ compiler for the library that counts, was not found"}
    LIBRARY.parent.mkdir(parents=True, exist_ok=True)
    build(LIBRARY.name, [*compiler, "-std=c++20", "-O2", "-shared", "-fPIC", str(SOURCE), "-o", str(LIBRARY)])
    given = {"folder": folder, "models": list(models)}
    return call("bench.tables.memory", "count", given, {"LD_PRELOAD": str(LIBRARY), "OMP_NUM_THREADS": "1"})


def count(folder: str | None, models: Sequence[int]) -> dict[str, Any]:
    """Count allocations in this process, into which the library was preloaded."""
    table = read(folder)
    training, validation = split_rows(table.y.astype(np.float64), len(table.y), VALIDATION, SEED)
    y = np.ascontiguousarray(table.y[:, None], np.float64)
    data = _core.Data(np.ascontiguousarray(table.x, np.float64), y, CLASSES, training, validation)
    drawn = [to_settings(params) for params in candidates("full-batch", max(models))]
    runs = {}
    for number in models:
        further = max(_further_epoch(data, one) for one in drawn[:number])
        total, peak, jobs = _counted(data, drawn[:number])
        epochs = int(jobs["epochs"].sum())
        runs[str(number)] = {"trainings": len(jobs["epochs"]), "epochs": epochs, "bytes": total, "peak": peak}
        runs[str(number)]["further_epoch"] = further
    return runs


def _further_epoch(data: _core.Data, one: _core.Settings) -> float:
    """Return the bytes that one more epoch allocates, from the difference between two jobs."""
    few, many = (_counted(data, [one], max_rungs=1, min_epochs=epochs)[0] for epochs in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def _counted(data: _core.Data, drawn: Sequence[_core.Settings], **options: Any) -> tuple[int, int, Any]:
    """Run the tuner and return the bytes allocated, the maximum held at once, and the jobs."""
    counter = ctypes.CDLL(str(LIBRARY))
    counter.count_bytes.restype = counter.count_peak.restype = ctypes.c_int64
    counter.count_start()
    tuner = _core.Tuner([data], drawn, training="restart", threads=1, seed=SEED, **options)
    tuner.start()
    while not tuner.wait(60.0):
        continue
    counter.count_stop()
    total, peak = int(counter.count_bytes()), int(counter.count_peak())
    if not total:
        raise SystemExit("no allocation was counted: the core does not take its memory from the preloaded operator new")
    return total, peak, tuner.jobs()
