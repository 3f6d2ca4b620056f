"""Direct access to the native core for benches: settings, data, runs, the cost of a step, and the oracle."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from bench.machine import ROOT

Array = NDArray[np.float64]


def core_settings(**values: Any) -> _core.Settings:
    """Return the core's default settings with these attributes changed."""
    settings = _core.Settings()
    for name, value in values.items():
        setattr(settings, name, value)
    return settings


def core_data(
    x: Array, classes: NDArray[np.int64], count: int, *, standardize: bool = True, validation: int = 0
) -> _core.Data:
    """Return core data whose last `validation` rows are scored; with 0, all rows train, and the first is scored."""
    numbers = np.arange(len(x), dtype=np.int64)
    training, scoring = (numbers[:-validation], numbers[-validation:]) if validation else (numbers, numbers[:1])
    y = np.ascontiguousarray(classes[:, None], dtype=np.float64)
    x = np.ascontiguousarray(x, dtype=np.float64)
    return _core.Data(x, y, count, training.copy(), scoring.copy(), standardize)


def training_cost(sizes: Sequence[int]) -> int:
    """Return the multiply-adds of a training step per row, as cpp/ash/model/cost.hpp counts them."""

    def padded(columns: int) -> int:
        return -(-columns // 16) * 16

    forward = sum(i * padded(o) for i, o in pairwise(sizes))
    return 2 * forward + sum(o * padded(i) for i, o in pairwise(sizes[1:]))


def run_core(data: _core.Data, candidates: Sequence[_core.Settings], **options: Any) -> Mapping[str, NDArray[Any]]:
    """Run the core's tuner until it has finished, and return the columns of its jobs."""
    tuner = _core.Tuner([data], candidates, **options)
    tuner.start()
    while not tuner.wait(60.0):
        continue
    return tuner.jobs()


def oracle() -> ModuleType:
    """Load tests/oracles/reference_network.py and its layers, a plain numpy trainer in double precision."""
    return [_load(name) for name in ("reference_layers", "reference_network")][-1]


def _load(name: str) -> ModuleType:
    """Load a test module under its own name, since other test modules import it by that name."""
    path = ROOT / "tests" / "oracles" / f"{name}.py"
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module
