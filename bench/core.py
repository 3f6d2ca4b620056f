"""The core without the Python face around it: settings, data, whole runs, what they cost, and the numpy oracle."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from bench.machine import ROOT

Array = NDArray[np.float64]


def core_settings(**values: Any) -> _core.Settings:
    """Make settings of the core with these attributes."""
    settings = _core.Settings()
    for name, value in values.items():
        setattr(settings, name, value)
    return settings


def core_data(
    x: Array, classes: NDArray[np.int64], count: int, *, standardize: bool = True, validation: int = 0
) -> _core.Data:
    """Make data with the last rows for validation; 0: all rows train, and the first validates too."""
    numbers = np.arange(len(x), dtype=np.int64)
    training, scoring = (numbers[:-validation], numbers[-validation:]) if validation else (numbers, numbers[:1])
    y = np.ascontiguousarray(classes[:, None], dtype=np.float64)
    x = np.ascontiguousarray(x, dtype=np.float64)
    return _core.Data(x, y, count, training.copy(), scoring.copy(), standardize)


def _whole_lines(columns: int) -> int:
    return -(-columns // 16) * 16


def prediction_cost(sizes: Sequence[int]) -> int:
    """Return the multiply-adds of a row, forward, as cpp/ash/cost.hpp counts them."""
    return sum(i * _whole_lines(o) for i, o in pairwise(sizes))


def training_cost(sizes: Sequence[int]) -> int:
    """Return the multiply-adds of a row that is trained on, as cpp/ash/cost.hpp counts them."""
    return 2 * prediction_cost(sizes) + sum(o * _whole_lines(i) for i, o in pairwise(sizes[1:]))


@dataclass(frozen=True)
class CoreRun:
    """What a run of the core's tuner took, and what it recorded."""

    wall: float  # seconds
    cpu: float  # seconds of all threads of this process
    jobs: Mapping[str, NDArray[Any]]


def run_core(data: _core.Data, candidates: Sequence[_core.Settings], **options: Any) -> CoreRun:
    """Run the core's tuner to its end."""
    tuner = _core.Tuner([data], candidates, **options)
    cpu, start = time.process_time(), time.perf_counter()
    tuner.start()
    while not tuner.wait(60.0):
        continue
    wall = time.perf_counter() - start
    return CoreRun(wall, time.process_time() - cpu, tuner.jobs())


def check_equal(what: str, runs: Sequence[CoreRun]) -> None:
    """End the script unless all runs decided alike and have trained the same weights."""
    for name in ("candidate", "rung", "score", "weights_hash"):
        if any(not np.array_equal(run.jobs[name], runs[0].jobs[name]) for run in runs):
            raise SystemExit(f"{what}: {name} differs between runs that must be equal: nothing to time")


def oracle() -> ModuleType:
    """Load tests/reference_network.py and its layers: the trainer in plain numpy, in double precision."""
    return [_load(name) for name in ("reference_layers", "reference_network")][-1]


def _load(name: str) -> ModuleType:
    """Load a module of the tests under its own name, by which the others import it."""
    path = ROOT / "tests" / f"{name}.py"
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module
