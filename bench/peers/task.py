"""The code that all peers share: spaces, rows, the log of trainings and scores, and the measurement of one search.

A search runs in a fresh process. The clock runs from the call of the search to its return and includes everything that
the call starts, such as the processes of Ray's trials. It excludes imports, a first tiny training, scaling, joblib's
workers, `ray.init`, Dask's `Client` and Optuna's additional processes, which its users start by hand.

`ash`, scikit-learn and PyTorch can all express the spaces. One space has small networks. The other is the default space
of `ash` for such a table, without the parts that MLPClassifier lacks (silu, gelu, dropout, label smoothing, decoupled
weight decay). All peers get the candidates that `ash.Space.sample` draws with the seed.
"""

from __future__ import annotations

import importlib
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

import ash
from bench.datasets import digits
from bench.peers.memory import Peak, process_bytes
from bench.processes import call

VALIDATION = 0.2
LEAST_ACCURACY = 0.8  # a final model with less test accuracy has not learned, so its time is meaningless
LOG = "ASH_BENCH_PEERS_LOG"  # environment variable with the folder of the log, read by the processes of a peer
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
Rows = NDArray[np.float32]
Classes = NDArray[np.int64]
PENALTIES = (0.0, 1e-5, 1e-4, 1e-3)
ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic"}  # scikit-learn's names by ours
Params = dict[str, Any]


@dataclass(frozen=True)
class Shared:
    """A space that all peers can express. Rates are (low, high, levels), with equal ratios between levels."""

    hidden: tuple[tuple[int, ...], ...]
    activations: tuple[str, ...]
    batches: tuple[int, ...]
    adam_rates: tuple[float, float, int]
    nesterov_rates: tuple[float, float, int]
    beta2: tuple[float, ...]
    momentum: tuple[float, ...]

    def ours(self) -> ash.Space:
        """Return the space as an `ash.Space`."""
        return ash.Space(
            hidden=ash.choice(*self.hidden),
            activation=ash.choice(*self.activations),
            optimizer=ash.choice("adam", "nesterov"),
            learning_rate=[
                ash.loguniform(*self.adam_rates).when(optimizer="adam"),
                ash.loguniform(*self.nesterov_rates).when(optimizer="nesterov"),
            ],
            beta2=ash.choice(*self.beta2).when(optimizer="adam"),
            momentum=ash.choice(*self.momentum).when(optimizer="nesterov"),
            l2=ash.choice(*PENALTIES),
            batch_size=ash.choice(*self.batches),
        )


def as_scikit_learn(params: Mapping[str, Any]) -> Params:
    """Convert a candidate of ash into arguments of MLPClassifier."""
    adam = params["optimizer"] == "adam"
    return {
        "hidden_layer_sizes": params["hidden"],
        "activation": ACTIVATIONS[params["activation"]],
        "solver": "adam" if adam else "sgd",
        "learning_rate_init": params["learning_rate"],
        "batch_size": params["batch_size"],
        "alpha": params["l2"] * params["batch_size"],  # MLPClassifier divides the penalty by the batch size
        **({"beta_2": params["beta2"]} if adam else {"momentum": params["momentum"]}),
    }


SPACES = {
    "default, as far as shared": Shared(
        hidden=(
            *((128, 64), (128,), (64,), (32,), (128, 128), (64, 64), (32, 32), (128, 32), (64, 32)),
            *((32, 32, 32), (64, 64, 64), (128, 128, 128)),
        ),
        activations=("relu", "tanh"),
        batches=(32, 16, 64),
        adam_rates=(5e-4, 2e-2, 17),
        nesterov_rates=(1e-2, 3e-1, 16),
        beta2=(0.95, 0.99, 0.999),
        momentum=(0.9, 0.95),
    ),
    "small networks": Shared(
        hidden=((64,), (16,), (32,), (32, 16), (32, 32), (64, 32)),
        activations=("relu", "tanh", "sigmoid"),
        batches=(32, 16, 64),
        adam_rates=(1e-3, 2e-2, 14),
        nesterov_rates=(1e-2, 3e-1, 16),
        beta2=(0.999,),
        momentum=(0.9,),
    ),
}


@dataclass(frozen=True)
class Tables:
    """Rows to train on, to score candidates by, and to test the final model on."""

    x: NDArray[Any]
    y: Classes
    x_validation: NDArray[Any]
    y_validation: Classes
    x_test: NDArray[Any]
    y_test: Classes

    def scaled(self) -> Tables:
        """Return the rows standardized by the training rows, in single precision as in `ash`."""
        mean, deviation = self.x.mean(axis=0), self.x.std(axis=0)
        deviation[deviation == 0] = 1

        def scale(rows: NDArray[Any]) -> Rows:
            return np.ascontiguousarray((rows - mean) / deviation, dtype=np.float32)

        return Tables(
            scale(self.x), self.y, scale(self.x_validation), self.y_validation, scale(self.x_test), self.y_test
        )

    def together(self) -> tuple[NDArray[Any], Classes, NDArray[np.int64]]:
        """Return the training and validation rows as one table, and PredefinedSplit's -1 (train) or 0 for each row."""
        fold = np.repeat([-1, 0], [len(self.y), len(self.y_validation)])
        x, y = np.concatenate([self.x, self.x_validation]), np.concatenate([self.y, self.y_validation])
        return x, y, fold


@dataclass(frozen=True)
class Task:
    """The task of a search: its rows, space and candidates; the peer's module interprets `setting`."""

    data: str | None
    space: str
    seed: int
    candidates: int
    setting: str
    workers: int

    @property
    def most_epochs(self) -> int:
        """The epochs of the last rung, if the ladder starts at one epoch and ends with two candidates."""
        return self.candidates // 2

    @property
    def shared(self) -> Shared:
        """The space of the task."""
        return SPACES[self.space]

    @cached_property
    def configurations(self) -> list[Params]:
        """The candidates as ash's hyperparameters."""
        return self.shared.ours().sample(self.candidates, self.seed)

    def tables(self) -> Tables:
        """Read the table and split it by the seed, with 20 % of each class for validation."""
        from sklearn.model_selection import train_test_split

        table = digits(self.data)
        x, x_validation, y, y_validation = train_test_split(
            table.x, table.y, test_size=VALIDATION, random_state=self.seed, stratify=table.y
        )
        return Tables(x, y, x_validation, y_validation, table.x_test, table.y_test)


@dataclass(frozen=True)
class Found:
    """The outcome of a search: its best score, and a function that returns the predicted labels of the test rows."""

    validation: float
    predicted: Callable[[], Sequence[int] | NDArray[Any]]
    log: Sequence[dict[str, Any]] | None = None  # a log made by the search, with `time` in seconds since the start


def note(**entry: Any) -> None:
    """Append a line to the log. All processes may do this at once, since the system appends each write whole."""
    folder = os.environ.get(LOG)
    if folder is None:
        return
    line = json.dumps({"time": time.time(), **entry}) + "\n"
    file = os.open(Path(folder) / "log.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def _notes(folder: Path, start: float) -> list[dict[str, Any]]:
    path = folder / "log.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [{**entry, "time": entry["time"] - start} for entry in map(json.loads, lines) if entry["time"] >= start]


def improvements(entries: Iterable[dict[str, Any]]) -> list[tuple[float, float]]:
    """Return (seconds, score) of each entry that scores higher than all earlier entries."""
    scored = sorted((entry["time"], entry["score"]) for entry in entries if entry.get("score") is not None)
    best: list[tuple[float, float]] = []
    for seconds, score in scored:
        if not best or score > best[-1][1]:
            best.append((seconds, score))
    return best


def search(peer: str, **given: Any) -> dict[str, Any]:
    """Run one search in this process and return its cost and outcome."""
    warnings.simplefilter("ignore")
    task = Task(**given)
    module = importlib.import_module(f"bench.peers.{peer}")
    tables = task.tables()
    before = process_bytes(psutil.Process())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ[LOG] = folder
        with module.ready(task, tables, Path(folder)) as run, Peak() as peak:
            start, clock = time.time(), time.perf_counter()
            found = run()
            seconds = time.perf_counter() - clock
            entries = _notes(Path(folder), start) if found.log is None else found.log
            test = float(np.mean(np.asarray(found.predicted()) == tables.y_test))
        if test < LEAST_ACCURACY:
            raise SystemExit(f"{peer}, {task.setting}: the final model has a test accuracy of {test:.3f} only")
    return {
        "seconds": seconds,
        "validation": found.validation,
        "test": test,
        "epochs": sum(entry.get("epochs", 0) for entry in entries),
        "path": improvements(entries),
        "peak_bytes": peak.bytes - before,
    }


def in_child(peer: str, task: dict[str, Any], threads: int | None) -> dict[str, Any]:
    """Run one search in a fresh process; `threads` is for BLAS and PyTorch, None for their defaults."""
    environment = {"PYTHONWARNINGS": "ignore", **dict.fromkeys(THREADS, None if threads is None else str(threads))}
    found: dict[str, Any] = call("bench.peers.task", "search", {"peer": peer, **task}, environment)
    return found
