"""What the seed's tables are measured on: two settings, their candidates, and the file that brings them to `ash_bench`.

    seed       the student project's: 64-64-10 and its like, an activation for each layer, L2, plain gradient descent at
               a constant rate with one update an epoch; a job of rung k trains 2^k epochs from scratch
    default    plain networks (plain_space.py), and jobs that go on from where they stand

The sweep file (little endian, no padding; a name is 16 bytes of ASCII, filled up with zeros; integers are int64,
numbers are doubles):

    name "ash sweep 1"; name of the data; rows, features, classes, training rows, validation rows, settings
    x [rows][features]; y [rows]; numbers of the training rows; numbers of the validation rows
    for each setting:   name; name of `training`; candidates
        for each candidate:   layers, width [layers], name of the activation [layers], the names of NAMES, the numbers
                              of NUMBERS, batch size (0: full)

The candidates are those that ash.tune draws with seed 0. The first k of them are what it draws for k candidates, so one
list serves all numbers of models.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ash
from ash import _core
from ash.settings import Params, to_settings
from ash.splits import split_rows
from bench.datasets import Digits
from bench.plain_space import plain_space

SETTINGS = ("seed", "default")
MOST_MODELS = 2048
SEED = 0
VALIDATION = 0.2  # ash.tune's
ROWS, FEATURES, CLASSES = 1077, 64, 10
MAGIC = "ash sweep 1"
NAMES = ("optimizer", "learning_rate_schedule", "initialization")
NUMBERS = (
    *("learning_rate", "momentum", "beta1", "beta2", "epsilon", "l2", "weight_decay", "dropout", "label_smoothing"),
)
SEED_ACTIVATIONS = ("relu", "sigmoid", "tanh")
ONE_LAYER = ((64,), (32,), (128,))
TWO_LAYERS = ((32, 32), (64, 32), (64, 64), (128, 64))


def settings(name: str) -> ash.Space:
    """Return the space of a setting; it holds more than 2,048 configurations."""
    if name == "default":
        return plain_space()
    pairs = [(first, second) for first in SEED_ACTIVATIONS for second in SEED_ACTIVATIONS]
    return ash.Space(
        hidden=ash.choice(*ONE_LAYER, *TWO_LAYERS),
        activation=[
            ash.choice(*((one,) for one in SEED_ACTIVATIONS)).when(hidden=ONE_LAYER),
            ash.choice(*pairs).when(hidden=TWO_LAYERS),
        ],
        optimizer="sgd",
        learning_rate=ash.log(0.03, 1.0, levels=16),
        learning_rate_schedule="constant",
        l2=ash.choice(0.0, 1e-4, 1e-3, 1e-2),
        batch_size="full",
    )


def options(name: str) -> dict[str, Any]:
    """Return the arguments of ash.tune that make the setting; all others have their defaults."""
    return {"training": "restart" if name == "seed" else "resume"}


def candidates(name: str, count: int) -> list[Params]:
    """Return the first candidates of a setting, as ash.tune draws them."""
    return settings(name).sample(count, SEED)


def rows(digits: Digits) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of the training and of the validation rows, as ash.tune splits them."""
    return split_rows(digits.y.astype(np.float64), len(digits.y), VALIDATION, SEED)


def write(path: Path, digits: Digits) -> Path:
    """Write the sweep file of this table and return its path; a file that is already so is not touched."""
    training, validation = rows(digits)
    shape = (*digits.x.shape, CLASSES, len(training), len(validation), len(SETTINGS))
    arrays = (digits.x.astype("<f8"), digits.y.astype("<f8"), training.astype("<i8"), validation.astype("<i8"))
    parts = [_names(MAGIC, digits.name), _integers(*shape), *(array.tobytes() for array in arrays)]
    for name in SETTINGS:
        drawn = candidates(name, MOST_MODELS)
        parts += [_names(name, options(name)["training"]), _integers(len(drawn))]
        parts += [_candidate(to_settings(params)) for params in drawn]
    content = b"".join(parts)
    if not path.is_file() or path.read_bytes() != content:  # who embeds the file is built anew only when it must be
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return path


def outcome_digest(jobs: Mapping[str, Sequence[Any] | NDArray[Any]]) -> str:
    """Return XXH64 (seed 0) of a run's jobs in order of decision, as the C++ program counts it, in hexadecimal.

    Parameters
    ----------
    jobs : dict of columns
        candidate, rung, score and weights_hash, as `_core.Tuner.jobs()` and `bench.core.CoreRun.jobs` give them. A job
        is 32 bytes: these four as int64, int64, double (every NaN alike) and uint64, little endian.
    """
    table = np.empty((len(jobs["candidate"]), 4), np.uint64)
    table[:, 0] = np.asarray(jobs["candidate"], np.int64).view(np.uint64)
    table[:, 1] = np.asarray(jobs["rung"], np.int64).view(np.uint64)
    score = np.array(jobs["score"], np.float64)
    score[np.isnan(score)] = np.nan
    table[:, 2] = score.view(np.uint64)
    table[:, 3] = jobs["weights_hash"]
    return f"{_xxh64(table.tolist()):016x}"


_P1, _P2, _P3, _P4 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63
_MASK = 2**64 - 1


def _xxh64(stripes: Sequence[Sequence[int]]) -> int:
    """Return XXH64 of at least one stripe of four words, and of nothing behind them."""
    lanes = [(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK]
    for words in stripes:
        lanes = [_taken_in(lane, word) for lane, word in zip(lanes, words, strict=True)]
    value = sum(_rotated(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
    for lane in lanes:
        value = ((value ^ _taken_in(0, lane)) * _P1 + _P4) & _MASK
    value = (value + 32 * len(stripes)) & _MASK
    value = (value ^ value >> 33) * _P2 & _MASK
    value = (value ^ value >> 29) * _P3 & _MASK
    return value ^ value >> 32


def _rotated(word: int, by: int) -> int:
    return (word << by | word >> (64 - by)) & _MASK


def _taken_in(lane: int, word: int) -> int:
    return _rotated((lane + word * _P2) & _MASK, 31) * _P1 & _MASK


def _names(*names: str) -> bytes:
    return b"".join(struct.pack("16s", name.encode("ascii")) for name in names)


def _integers(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


def _candidate(one: _core.Settings) -> bytes:
    layers = _integers(len(one.hidden), *one.hidden) + _names(*one.activations)
    numbers = struct.pack(f"<{len(NUMBERS)}d", *(getattr(one, name) for name in NUMBERS))
    return layers + _names(*(getattr(one, name) for name in NAMES)) + numbers + _integers(one.batch_size)
