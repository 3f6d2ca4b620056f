"""Computes the effect of each column on a model's predictions: permutation importance and partial dependence.

    cells of one column shuffled among the rows  ->  the score falls by the importance of the column
    one value in all rows of one column          ->  the mean prediction is the partial dependence for this value

Both are computed on a sample of the validation rows. A result has its own copy of the sample, so it does not keep the
user's table in memory. The sample is encoded once in each encoding of the model, and all features of a column are
shuffled together. If there are neighbor features, which depend on several columns, the sample is encoded again for each
change.

Sources: Breiman, Random Forests, Machine Learning 45, 2001; Friedman, Greedy Function Approximation, Annals of
Statistics 29, 2001.

Order:  the shuffles have a fixed seed, so equal models have equal results.
Cost:   importance takes REPEATS predictions of the sample per column, and partial dependence one prediction per value.
"""

import math
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ash._utils.aliases import Numbers
from ash.data.dates import date_text
from ash.data.frames import Frame
from ash.encoding.data_split import Split
from ash.encoding.encoding import blocks_for
from ash.encoding.kinds import ColumnSchema
from ash.metrics import LOSSES, native_or_loss
from ash.models.model import Model, Outputs

MOST_ROWS = 1_000
"""The maximum number of rows in a sample."""
MOST_COLUMNS = 200
"""The maximum number of columns of a sampled table, since the cost of importance grows with the square
of the number of columns."""
REPEATS = 5
VALUES, LEVELS = 20, 10
"""The maximum number of values in partial dependence: VALUES for numbers and dates, LEVELS for categories."""

Order = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows on which a model is inspected.

    Attributes
    ----------
    frame : Frame
    targets : float64 array [rows, outputs]
        The targets; for classification, class numbers in one column.
    weights : float64 array [rows] or None
    """

    frame: Frame
    targets: Numbers
    weights: Numbers | None


class PartialDependence(NamedTuple):
    """The mean prediction of a model when all rows have the same value in one column.

    Attributes
    ----------
    values : list of float, of str or of None
        Selected values of the column: numbers or dates (ISO 8601) in ascending order, or the most frequent levels. None
        is a missing cell.
    predictions : float64 array [values, outputs]
        Mean probabilities of the classes, or mean targets in the units of y.
    """

    values: list[float | str | None]
    predictions: Numbers


def sample_of(split: Split) -> Sample | None:
    """Return up to MOST_ROWS evenly spaced validation rows of all folds, or None for more than MOST_COLUMNS columns."""
    fold = split.folds[0]
    schema = fold.encoding.schema
    if len(schema.columns) > MOST_COLUMNS:
        return None
    frame, first = (fold.table.frame, 0) if fold.held_out is None else (fold.held_out, fold.table.rows)
    rows = np.unique(np.concatenate([each.validation for each in split.folds]))
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).astype(np.int64)]
    weights = None if fold.weights is None else fold.weights[rows]
    return Sample(frame.take(rows - first).copied(schema.reads), fold.y[rows], weights)


def importances(model: Model, sample: Sample, threads: int | None = None) -> Numbers:
    """Return the fall of the score when the cells of one column are shuffled: float64 [columns, REPEATS].

    The score is in the model's metric. If the metric is a user's function, or cannot be computed on the sample, the
    score is the negated log loss or root mean squared error.
    """
    cells = _Cells(model, sample, threads)
    metric = native_or_loss(model.metric, model.task, are_positive=model.is_exponential)
    whole = cells.score(metric)
    if math.isnan(whole):
        metric = LOSSES[model.task]
        whole = cells.score(metric)
    random = np.random.default_rng(0)
    orders = [random.permutation(sample.frame.rows) for _ in range(REPEATS)]
    columns = range(len(sample.frame.columns))
    return np.array([[whole - cells.score(metric, place, order) for order in orders] for place in columns])


def partial_dependence(model: Model, sample: Sample, place: int, threads: int | None = None) -> PartialDependence:
    """Return the partial dependence of a model on the column at index `place`; free text has no values."""
    cells, column = _Cells(model, sample, threads), model.encoding.schema.columns[place]
    if column.reads == "category" and not column.levels:
        return PartialDependence([], np.zeros((0, 0)))
    rows, values = (_levels if column.reads == "category" else _quantiles)(sample.frame, place, column)
    predictions = []
    for row in rows:
        outputs = cells.outputs(place, np.full(sample.frame.rows, row, np.int64)).astype(np.float64)
        predictions.append(np.average(outputs, axis=0, weights=sample.weights))
    return PartialDependence(values, np.array(predictions))


class _Cells:
    """The rows of a sample, predicted and scored after the cells of one column are replaced by cells of other rows."""

    def __init__(self, model: Model, sample: Sample, threads: int | None) -> None:
        self._model, self._sample, self._threads = model, sample, threads
        self._blocks: list[Numbers] | None = None
        if model.encoding.neighbors is None:
            self._blocks = blocks_for(model.encodings, sample.frame, slice(0, sample.frame.rows))

    def score(self, metric: str, place: int = 0, order: Order | None = None) -> float:
        """Return the score of the predictions that `outputs` returns for `place` and `order`."""
        sample = self._sample
        return self._model.score_outputs(metric, sample.targets, self.outputs(place, order), sample.weights)

    def outputs(self, place: int = 0, order: Order | None = None) -> Outputs:
        """Return predictions for the sample; with `order`, row i has the cell of row `order[i]` in column `place`."""
        frame, blocks = self._sample.frame, self._blocks
        if order is None:
            return self._model.predict_frame(frame, self._threads)
        if blocks is None:
            changed = frame.with_column(place, frame.columns[place].with_order(order))
            return self._model.predict_frame(changed, self._threads)
        features = self._model.encoding.features_of(place)
        own = [block[:, features].copy() for block in blocks]
        for block, cells in zip(blocks, own, strict=True):
            block[:, features] = cells[order]
        outputs = self._model.predict_blocks(blocks, self._threads)
        for block, cells in zip(blocks, own, strict=True):
            block[:, features] = cells
        return outputs


def _quantiles(frame: Frame, place: int, column: ColumnSchema) -> tuple[list[int], list[float | str | None]]:
    """Return rows at evenly spaced quantiles of a column, and the column's values in these rows, with dates as text."""
    numbers = frame.columns[place].numbers(slice(None))
    order = np.argsort(numbers, kind="stable")[: int(np.count_nonzero(~np.isnan(numbers)))]
    if not len(order):
        return [], []
    chosen = order[np.linspace(0, len(order) - 1, min(VALUES, len(order))).astype(np.int64)]
    values, first = np.unique(numbers[chosen], return_index=True)
    shown = values.tolist()
    return chosen[first].tolist(), list(map(date_text, shown)) if column.kind == "date" else shown


def _levels(frame: Frame, place: int, column: ColumnSchema) -> tuple[list[int], list[float | str | None]]:
    """Return one row for each of a column's most frequent levels, and these levels; missing cells count as a level."""
    cells = [None if column.is_missing(cell) else cell for cell in frame.columns[place].cells(slice(None))]
    counts = Counter(cells)
    levels = sorted(counts, key=lambda level: (-counts[level], level is None, level or ""))[:LEVELS]
    return [cells.index(level) for level in levels], list(levels)
