"""How to spend a given time on a table: the ladder that `time_limit` gets where the user leaves it open.

    multiply-adds of a candidate's epoch (cpp/ash/cost.hpp) / multiply-adds a second (measured here, some 50 ms)
        -> seconds an epoch -> epochs that the time holds, B -> rungs R, and epochs of the highest, L = B / (4 R)

All rungs of a ladder cost alike, so a rung has B / R epochs, and with L of them a job, four candidates come to its end
in time: enough for an ensemble. The more rungs, the more candidates are tried, and the shorter each is trained; so
there are as many as leave the first rung with enough updates that its scores mean something.

Source: the first rung of at least one learning-rate cycle and a few hundred updates, from bench/quality.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ash import _core
from ash.options import whole
from ash.settings import Params, to_settings

LEAST_UPDATES = 256
"""Of the first rung."""
MOST_EPOCHS = 128
"""Of the highest rung: beyond it, more candidates bring more than longer training."""
MOST_RUNGS = 7
FINISHERS = 4
"""Candidates that come to the end of the highest rung in time."""
TYPICAL = 64
"""Candidates whose mean cost is that of an average one."""
_ROWS = 2048  # of the table on which a step is timed
_SECONDS = 0.01  # of each of the runs that are timed


@dataclass(frozen=True)
class Plan:
    """A ladder for a given time.

    Attributes
    ----------
    min_epochs, max_rungs, eta : int
        As for `ash.tune`.
    epoch_seconds : float
        Of an average candidate on one thread.
    epochs : float
        That the time holds.
    """

    min_epochs: int
    max_rungs: int
    eta: int
    epoch_seconds: float
    epochs: float


def plan(
    rows: int,
    features: int,
    candidates: Sequence[Params],
    *,
    time_limit: float,
    threads: int,
    outputs: int = 1,
    classes: int = 0,
    numbers: int | None = None,
    eta: int = 2,
) -> Plan:
    """Return the ladder for a table and a time, from the speed of this machine.

    Parameters
    ----------
    rows, features : int
        To train on; encoded columns.
    candidates : sequence of dict
        Some of those that will be trained, the default first, as `Space.sample` gives them.
    time_limit : float
        Seconds of training.
    threads : int
    outputs : int
        Columns of y.
    classes : int
        0: regression.
    numbers : int, optional
        Those of the features that are numbers; all by default.
    eta : int
        The reduction factor.

    Raises
    ------
    SettingError
        A number is not allowed.
    """
    rows, features = whole("rows", rows, 1, 2**32 - 1), whole("features", features, 1, 2**31 - 1)
    numbers = features if numbers is None else numbers
    shape = (features, classes or outputs, numbers)
    settings = [to_settings(params) for params in candidates[:TYPICAL]]
    costs = [_core.training_cost(each, *shape) for each in settings]
    row_seconds = float(np.mean(costs)) * _seconds_a_cost(settings[0], costs[0], features, classes, outputs)
    epochs = max(0.0, time_limit) * threads / (rows * row_seconds)
    updates = float(np.mean([-(-rows // (each.batch_size or rows)) for each in settings]))
    min_epochs, rungs = ladder(epochs, updates, eta)
    return Plan(min_epochs, rungs, eta, rows * row_seconds, epochs)


def ladder(epochs: float, updates: float, eta: int) -> tuple[int, int]:
    """Return the epochs of the first rung, and how many rungs, for so many epochs in all.

    Parameters
    ----------
    epochs : float
        That the time holds.
    updates : float
        Of an average candidate's epoch.
    eta : int
    """
    least = max(1, -(-LEAST_UPDATES // int(max(1, updates))))
    for rungs in range(MOST_RUNGS, 1, -1):
        highest = min(MOST_EPOCHS, epochs / (FINISHERS * rungs))
        first = int(highest / eta ** (rungs - 1))
        if first >= least:
            return first, rungs
    return max(1, min(least, int(epochs / FINISHERS))), 1


def _seconds_a_cost(settings: _core.Settings, cost: float, features: int, classes: int, outputs: int) -> float:
    """Return the seconds of one multiply-add in a step of these settings, on a table of random numbers."""
    random = np.random.default_rng(0)
    x = random.standard_normal((_ROWS, features))
    y = random.integers(0, classes, (_ROWS, 1)).astype(float) if classes else random.standard_normal((_ROWS, outputs))
    rows = np.arange(_ROWS, dtype=np.int64)
    data = _core.Data(x, y, classes, rows, rows[:64])
    first = _core.time_steps(data, settings, 1, 1)[0]
    steps = max(1, int(_SECONDS / max(first, 1e-6)))
    timed = _core.time_steps(data, settings, steps, 3)
    batch = settings.batch_size or _ROWS
    return float(np.median(timed)) / (min(batch, _ROWS) * cost)
