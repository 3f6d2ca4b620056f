"""Plans the ladder for a time limit or work limit, and chooses the default space of a table.

If the user does not set the ladder, it is derived from `time_limit`:

    multiply-adds of a candidate's epoch (cpp/ash/model/cost.hpp) / multiply-adds per second (measured, about 50 ms)
        -> seconds per epoch -> epochs that fit into the time, B -> rungs R, epochs of the highest rung, L = B / (F R)

All rungs of a ladder cost the same, so each gets B / R epochs. F is the number of candidates that finish the highest
rung. It is two per thread, but at least four, which is enough for an ensemble. With more rungs, more candidates are
tried, and each is trained for less time. The ladder has as many rungs as possible while the first rung still has enough
updates for meaningful scores.

A `work_limit` is already a number of multiply-adds, so nothing is measured. F is then half the number of virtual
workers, but at least four. A run that is given no limit and no number of candidates has `default_work` as its
`work_limit`. So it is planned like a timed one, and yet has the same bits on any machine.

If one pass over the rows would take too much of the time, an epoch has fewer rows (cpp/ash/data/epoch_cut.hpp), and the
first rung has one epoch, since early scores are better than none. The plan includes the time for scoring after each
job. A short time limit never makes an epoch faster than scoring, since this would save little.

Ranks after a few hundred updates say little about the final ranks. At commit 9abf357, `python -m bench ablation
--variants rungs` compared numbers of epochs in the first rung, and reduction factors, on two tables. The total number
of epochs was the same. No factor was better than 2 on both tables. MOST_RUNGS, FINISHERS and FIRST_SHARE were chosen
without measurements.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash._utils.arguments import explained
from ash._utils.checks import is_number, whole
from ash.encoding.data_split import FEW_ROWS, Fold, Split
from ash.engine.deadline import SELECTION
from ash.errors import SettingError
from ash.models.model_pool import networks_to_keep
from ash.options import LARGEST, RunPlan
from ash.space.boosters import BOOSTERS, is_boosted
from ash.space.defaults import default_space
from ash.space.hyperparameters import Params, to_settings
from ash.space.space import Space

_USUAL: Params = {"hidden": (256, 256, 256), "batch_size": 64}
"""A network whose cost determines the rounds of boosted trees in a space without networks."""
WORK = 5e11
"""The multiply-adds of a run without a limit, for tables with fewer than `FEW_ROWS` rows: about 20 s of one CPU core.
The number was chosen so that `ash-tune digits` takes no longer than with 128 random networks and a single split."""
MOST_WHOLE = 100_000
"""An epoch has all rows of a table with up to this many training rows, unless the user asks for fewer or the
time limit is short."""
PART = 65_536
"""The maximum number of rows in an epoch of larger tables. An epoch of this size has several hundred updates, after
which scores can be compared."""
LEAST_UPDATES = 512
"""The minimum number of updates in the first rung, unless time is short."""
MOST_EPOCHS = 256
"""The maximum number of passes over the rows in the highest rung. If there is time for more passes, more candidates are
tried instead."""
MOST_RUNGS = 7
FINISHERS, FINISHERS_A_THREAD = 4, 2
"""The minimum number of candidates that finish the highest rung, and their number per thread. With more than one
per thread, the threads stay busy while the longest jobs run."""
FIRST_SHARE = 1 / 64
"""The maximum time of a one-epoch job, as a share of the time of all threads, so that several candidates can be
compared."""
FEWEST_UPDATES, FEWEST_ROWS = 16, 1024
"""A short time limit does not reduce an epoch below these numbers of updates and rows."""
SCORING = 1 / 3
"""The cost of predicting a row, as a share of the cost of training on it. Training takes three matrix products where
predicting takes one."""
TYPICAL = 64
"""The number of candidates over which costs are averaged."""
_ROWS, _CELLS = 2048, 2**22
"""The maximum numbers of rows and cells of the random table on which a training step is timed."""
_SECONDS = 0.01
"""The approximate duration of each timing."""
SKEWED = 1.0
"""The logarithm of a target is tried if the target's skewness exceeds SKEWED. An exponential distribution has skewness
2."""
MOST_OF_SKEWNESS = 10_000
"""The maximum number of targets from which skewness is computed."""


@dataclass(frozen=True)
class Plan:
    """A ladder that fits a given time.

    Attributes
    ----------
    min_epochs, max_rungs, eta : int
        As for `ash.tune`.
    epoch_rows : int
        The maximum number of rows in an epoch, as for `ash.tune`; an epoch of a smaller table has all rows.
    epoch_seconds : float
        Seconds that one thread takes for an epoch of an average candidate.
    scoring_seconds : float
        Seconds that one thread takes to score an average candidate on the validation rows.
    epochs : float
        Number of epochs that would fit into the time if scoring took no time.
    two_rungs : float
        The smallest number of epochs, in the same sense, for which the ladder has two rungs.

    Examples
    --------
    >>> import ash
    >>> space = ash.Space(hidden=[(32,), (64,)])
    >>> found = ash.plan(1000, 20, space.sample(2), time_limit=10, threads=2)
    >>> found.eta, found.epoch_rows
    (2, 1000)
    """

    min_epochs: int
    max_rungs: int
    eta: int
    epoch_rows: int
    epoch_seconds: float
    scoring_seconds: float
    epochs: float
    two_rungs: float


@explained()
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
    epoch_rows: int | None = None,
    validation: int = 0,
) -> Plan:
    """Return the ladder for a table and a time limit, based on the measured speed of this machine.

    Parameters
    ----------
    rows, features : int
        Numbers of training rows and of encoded columns.
    candidates : sequence of dict
        Some of the candidates that will be trained, the default candidate first, as `Space.sample` returns them.
    time_limit : float
        Seconds of training.
    threads : int
    outputs : int
        Number of columns of y.
    classes : int
        Number of classes; 0 for regression.
    numbers : int, optional
        Number of numeric features; all by default.
    eta : int
        The reduction factor.
    epoch_rows : int, optional
        The maximum number of rows in an epoch, as for `ash.tune`. If None, it is the default number, or fewer rows if a
        one-epoch job would otherwise take more than a 64th of the time of all threads. An epoch that is reduced in
        this way still has at least 1024 rows and 16 updates, and takes at least as long as scoring.
    validation : int
        Number of rows on which a candidate is scored after each job.

    Raises
    ------
    SettingError
        An argument has a wrong type or value.

    Examples
    --------
    >>> import ash
    >>> space = ash.Space(hidden=[(32,), (64,)])
    >>> found = ash.plan(1000, 20, space.sample(2), time_limit=10, threads=2)
    >>> config = ash.SearchConfig(min_epochs=found.min_epochs, max_rungs=found.max_rungs)
    """
    rows, features = whole("rows", rows, 1, 2**32 - 1), whole("features", features, 1, LARGEST)
    threads, outputs = whole("threads", threads, 1, LARGEST), whole("outputs", outputs, 1, LARGEST)
    classes, eta = whole("classes", classes, 0, LARGEST), whole("eta", eta, 2, LARGEST)
    validation = whole("validation", validation, 0, LARGEST)
    most = None if epoch_rows is None else whole("epoch_rows", epoch_rows, 1, LARGEST)
    numbers = features if numbers is None else whole("numbers", numbers, 0, features)
    if not is_number(time_limit):
        raise SettingError(f"time_limit must be a number of seconds, got {time_limit!r}")
    if not candidates:
        raise SettingError(
            f"candidates must be a sequence of at least one, such as those of Space.sample, got {candidates!r}"
        )
    table = _Shape(rows, validation, (features, classes or outputs, numbers), classes)
    return _timed(time_limit, threads, table, _networks_of(candidates[:TYPICAL]), eta, most)


def _networks_of(candidates: Sequence[Params]) -> list[_core.Settings]:
    """Return the settings of the candidates that are networks, or of a typical network if none is."""
    return [to_settings(params) for params in candidates if not is_boosted(params)] or [to_settings(_USUAL)]


class _Shape(NamedTuple):
    """The numbers of training and validation rows; the shape of the network, as of `Fold.shape`; and the classes."""

    rows: int
    validation: int
    inner: tuple[int, int, int]
    classes: int


def _timed(
    seconds: float, threads: int, table: _Shape, settings: Sequence[_core.Settings], eta: int, epoch_rows: int | None
) -> Plan:
    """Return the ladder that fits `seconds` of training on this machine."""
    cost_seconds = _seconds_a_cost(settings[0], table)
    finishers = max(FINISHERS, FINISHERS_A_THREAD * threads)
    work = max(0.0, seconds) * threads / cost_seconds
    return _plan_for(work, table, settings, finishers, eta, epoch_rows, cost_seconds)


def _plan_for(
    work: float,
    table: _Shape,
    settings: Sequence[_core.Settings],
    finishers: int,
    eta: int,
    epoch_rows: int | None,
    cost_seconds: float = 1.0,
) -> Plan:
    """Return the ladder that fits `work` multiply-adds if `finishers` candidates finish its highest rung.

    A multiply-add takes `cost_seconds`; by default the seconds of the plan are numbers of multiply-adds.
    """
    rows = table.rows
    costs = [_core.training_cost(each, *table.inner) for each in settings]
    row_work = float(np.mean(costs))
    scoring_work = SCORING * table.validation * row_work
    held = (FIRST_SHARE * work - scoring_work) / row_work
    usual = parts_of_pass(rows, default_epoch_rows(rows) if epoch_rows is None else epoch_rows)
    parts = usual if epoch_rows is not None else _parts(table, settings, usual, held)
    cut = parts > usual
    taken = [rows // parts if each.batch_size else rows for each in settings]
    epoch_work = float(np.mean(np.multiply(costs, taken)))
    updates = float(np.mean([-(-own // (each.batch_size or own)) for each, own in zip(settings, taken, strict=True)]))
    scoring, shortest = scoring_work / epoch_work, shortest_job(1 if cut else LEAST_UPDATES, updates)
    most = MOST_EPOCHS * parts
    first, rungs = ladder(work / epoch_work, shortest, eta, finishers=finishers, most=most, scoring=scoring)
    return Plan(
        min_epochs=1 if cut else first,
        max_rungs=rungs,
        eta=eta,
        epoch_rows=-(-rows // parts),
        epoch_seconds=epoch_work * cost_seconds,
        scoring_seconds=scoring_work * cost_seconds,
        epochs=work / epoch_work,
        two_rungs=finishers * (2 * eta * shortest + scoring * (eta + 1)),
    )


def _parts(table: _Shape, settings: Sequence[_core.Settings], usual: int, held: float) -> int:
    """Return the number of epochs in a pass, at least `usual`.

    An epoch has at most `held` rows if possible. But there are more than `usual` epochs only if each has enough rows,
    given the mean batch size of these candidates and the rows to score.
    """
    rows = table.rows
    batch = float(np.mean([min(each.batch_size, rows) for each in settings if each.batch_size] or [rows]))
    enough = max(FEWEST_ROWS, math.ceil(FEWEST_UPDATES * batch), math.ceil(SCORING * table.validation))
    return max(usual, min(-(-rows // max(1, int(min(held, rows)))), rows // min(rows, enough)))


def shortest_job(least: int, updates: float) -> int:
    """Return the number of epochs that have `least` updates, if an average candidate's epoch has `updates`."""
    return max(1, -(-least // int(max(1, updates))))


def ladder(
    epochs: float,
    shortest: int,
    eta: int,
    *,
    finishers: int = FINISHERS,
    most: int = MOST_EPOCHS,
    scoring: float = 0.0,
) -> tuple[int, int]:
    """Return the epochs of a first-rung job and the number of rungs, given the number of epochs that fit into the time.

    `scoring` is the cost of scoring after a job, in epochs. `finishers` is the number of candidates that finish the
    highest rung. A ladder of several rungs has at least `shortest` epochs in the first rung, and at most `most` epochs
    in the highest rung.
    """
    for rungs in range(MOST_RUNGS, 1, -1):
        jobs = (eta**rungs - 1) / (eta - 1)  # jobs per candidate that finishes the highest rung
        highest = min(most, (epochs / finishers - scoring * jobs) / rungs)
        first = int(highest / eta ** (rungs - 1))
        if first >= shortest:
            return first, rungs
    return max(1, int(min(shortest, epochs / finishers))), 1


def _seconds_a_cost(settings: _core.Settings, table: _Shape) -> float:
    """Measure the seconds per multiply-add in a training step with these settings, on a random table of this shape."""
    count = int(np.clip(_CELLS // table.inner[0], 1, _ROWS))
    data = _random_table(count, table.inner, table.classes)
    first = _core.time_steps(data, settings, 1, 1)[0]
    steps = max(1, int(_SECONDS / max(first, 1e-6)))
    timed = _core.time_steps(data, settings, steps, 3)
    rows = min(settings.batch_size or count, count)
    return float(np.median(timed)) / (rows * _core.training_cost(settings, *table.inner))


def _random_table(count: int, shape: tuple[int, int, int], classes: int) -> _core.Data:
    """Return a table of random rows.

    `shape` is (features, outputs, numbers); only the first `numbers` features are scaled.
    """
    features, outputs, numbers = shape
    random = np.random.default_rng(0)
    x = random.standard_normal((count, features))
    y = random.integers(0, classes, (count, 1)).astype(float) if classes else random.uniform(1, 2, (count, outputs))
    rows = np.arange(count, dtype=np.int64)
    builder = _core.DataBuilder([column < numbers for column in range(features)], y, classes, rows, rows[:1])
    builder.observe(x)
    builder.fill(x)
    return builder.finish()


def planned(draft: RunPlan, space: Space, split: Split, seconds: float) -> RunPlan:
    """Return the plan: the draft with `epoch_rows` and, if `draft.planned` is set, also the ladder and `keep`.

    The ladder is planned for `seconds` of training or, if the draft has a `work_limit`, for that limit.
    """
    fold = split.folds[0]
    rows = len(fold.training)
    if not draft.planned:
        return replace(draft, epoch_rows=draft.epoch_rows or default_epoch_rows(rows))
    if draft.work_limit is None:
        found, budget = _plan_of(draft, space, split, seconds, draft.epoch_rows), seconds * draft.threads
    else:
        finishers, budget = max(FINISHERS, draft.virtual_workers // 2), draft.work_limit
        work = budget / len(split.folds)  # the folds are similar, and a job trains on each of them
        found = _plan_for(work, *_typical(draft, space, split), finishers, draft.eta, draft.epoch_rows)
    scorings = SELECTION * budget / found.scoring_seconds
    usual = networks_to_keep(None, len(fold.validation), fold.shape[1])
    return replace(
        draft,
        min_epochs=min(found.min_epochs, draft.max_total_epochs or found.min_epochs),  # at least one job must fit
        max_rungs=found.max_rungs,
        epoch_rows=draft.epoch_rows or (found.epoch_rows if found.epoch_rows < rows else None),
        keep=draft.keep or max(1, int(min(usual, scorings))),
        fuller=found.two_rungs / found.epochs if found.max_rungs == 1 and found.epochs else None,
    )


def _typical(draft: RunPlan, space: Space, split: Split) -> tuple[_Shape, list[_core.Settings]]:
    """Return the shape of the first fold, and the settings of typical networks of the space."""
    fold = split.folds[0]
    shape = _Shape(len(fold.training), len(fold.validation), fold.shape, split.table.classes)
    return shape, _networks_of(space.sample(min(TYPICAL, space.size), draft.seed))


def _plan_of(draft: RunPlan, space: Space, split: Split, seconds: float, epoch_rows: int | None) -> Plan:
    """Return the plan for a run with `seconds` of training."""
    typical = _typical(draft, space, split)
    return _timed(seconds / len(split.folds), draft.threads, *typical, draft.eta, epoch_rows)


def first_job_seconds(draft: RunPlan, space: Space, split: Split) -> float:
    """Return the approximate seconds of a first-rung job on one thread.

    Call it only after the ladder has been planned.
    """
    found = _plan_of(draft, space, split, 1.0, draft.epoch_rows or len(split.folds[0].training))
    return len(split.folds) * (draft.min_epochs * found.epoch_seconds + found.scoring_seconds)


def default_work(rows: int) -> float:
    """Return the `work_limit` of a planned run without a limit, for a table with this many rows."""
    return WORK * max(1.0, rows / FEW_ROWS)


def default_epoch_rows(rows: int) -> int | None:
    """Return the maximum rows of an epoch for a table with `rows` training rows, or None if an epoch has all rows."""
    return None if rows <= MOST_WHOLE else PART


def parts_of_pass(rows: int, most: int | None) -> int:
    """Return the number of epochs in a pass over `rows` rows.

    An epoch has at most `most` rows (None for no maximum).
    """
    return 1 if most is None else -(-rows // min(most, rows))


def rows_of_epoch(rows: int, most: int | None) -> int:
    """Return the rows of an epoch after the core has cut a pass over `rows` rows into epochs of at most `most` rows."""
    return rows // parts_of_pass(rows, most)


def without_logarithms(folds: Sequence[Fold], draft: RunPlan) -> str | None:
    """Return why networks cannot be trained on the logarithms of the targets, or None if they can."""
    least, most = (pick(float(pick_of(fold.y)) for fold in folds) for pick, pick_of in ((min, np.min), (max, np.max)))
    if draft.task != "regression":
        return "is for regression, but y has classes"
    if folds[0].y.shape[1] > 1:
        return f"takes one target, but y has {folds[0].y.shape[1]} columns"
    if draft.loss == "poisson":
        return "cannot be combined with loss='poisson', whose networks already predict logarithms"
    float32 = np.finfo(np.float32)
    # As in data.cpp: the smallest target, and its ratio to the largest target, must both be normal float32 numbers.
    if least < max(1.0, most) * float(float32.tiny) or most > float32.max:
        return f"needs targets above 0 within the range of float32, but y ranges from {least:g} to {most:g}"
    return None


def space_of(folds: Sequence[Fold], draft: RunPlan) -> Space:
    """Return the default space of a table."""
    fold = folds[0]
    table, encoding = fold.table, fold.encoding
    return default_space(
        len(fold.training),
        encoding.features,
        table.y.shape[1],
        table.classes,
        numbers=fold.shape[2],
        metric=draft.metric,
        models=usable_models(fold, draft),
        skewed=without_logarithms(folds, draft) is None and _is_skewed(fold.y[fold.training, 0]),
        has_categories=bool(encoding.categories),
    )


def usable_models(fold: Fold, draft: RunPlan) -> tuple[str, ...]:
    """Return the requested kinds of model that can be trained on this table; raise SettingError if there are none."""
    reason = without_trees(fold)
    if reason is None:
        return draft.models
    left = tuple(model for model in draft.models if model not in BOOSTERS)
    if not left:
        asked = f"models={list(draft.models)!r} cannot be trained on this table"
        raise SettingError(f"{asked}: boosted trees {reason}; add 'network' to models")
    return left


def without_trees(fold: Fold) -> str | None:
    """Return why boosted trees cannot be trained on a table, or None if they can."""
    if not fold.table.classes and fold.y.shape[1] > 1:
        return f"support one target, but y has {fold.y.shape[1]} columns"
    if fold.table.frame.stored is not None:
        return "need a dense table, such as X.toarray()"
    return None


def epoch_cost(draft: RunPlan, space: Space, split: Split) -> float:
    """Return the multiply-adds of an average network's epoch, summed over all folds.

    Call it only after the ladder has been planned.
    """
    costs, (_, settings) = 0.0, _typical(draft, space, split)
    for fold in split.folds:
        row_cost = float(np.mean([_core.training_cost(each, *fold.shape) for each in settings]))
        costs += rows_of_epoch(len(fold.training), draft.epoch_rows) * row_cost
    return costs


def _is_skewed(y: NDArray[np.float64]) -> bool:
    """Return whether the skewness of a target, computed from at most MOST_OF_SKEWNESS rows, is above SKEWED."""
    y = y[:: -(-len(y) // MOST_OF_SKEWNESS)]
    mean = math.fsum(y.tolist()) / len(y)
    squares, cubes = (math.fsum(((y - mean) ** power).tolist()) / len(y) for power in (2, 3))
    return squares > 0 and cubes / squares**1.5 > SKEWED
