"""Splits rows that belong to groups: all rows of a group go to the same part.

    groups  --shuffle, sort by most frequent class-->  an order  --each to the part that lacks rows most-->  parts

So each part has about its share of the rows and, for classification, of each class. This is done several times, and the
best result is taken: as few classes as possible are absent from training, and the numbers of rows per part and class
are as close to the shares as possible. If there are many groups, a single draw is close enough.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash.data.arrays import as_array, is_missing, refuse_type
from ash.errors import DataError, SettingError

Codes = NDArray[np.int64]
MOST_DRAWS = 8
GROUPS_DRAWN = 20_000
"""The number of groups that all draws deal out together, unless a single draw has more."""


def read_groups(groups: Any, rows: int) -> Codes | None:
    """Return the group of each row as a number from 0, in order of first occurrence; None without groups.

    `groups` has one label per row of the table: text, or a number. DataError is raised if the shape is wrong or a label
    is missing.
    """
    if groups is None:
        return None
    refuse_type(groups, "groups")
    array = as_array(groups, "groups")
    if array.shape != (rows,):
        raise DataError(f"groups has the shape {array.shape}, but X has {rows} rows: pass one group per row of X")
    labels, unset = array.tolist(), np.isnat(array).tolist() if array.dtype.kind in "mM" else None
    for row, label in enumerate(labels):
        if is_missing(label) or (unset and unset[row]):
            raise DataError(f"groups is missing in row {row}: give each row a group, if necessary one of its own")
    try:
        numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    except TypeError as error:
        raise DataError(f"groups must hold text or numbers ({error}): pass one group per row of X") from None
    return np.array([numbers[label] for label in labels], np.int64)


def numbered(codes: NDArray[Any]) -> Codes:
    """Return codes renumbered 0, 1, ... in order of first occurrence, so that they do not depend on labels."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    places = np.empty(len(first), np.int64)
    places[np.argsort(first)] = np.arange(len(first))
    return np.asarray(places[inverse.reshape(-1)], np.int64)


def count_groups(groups: Codes) -> int:
    """Return the number of groups, which are numbered 0, 1, ..."""
    return int(groups.max()) + 1


def is_apart(groups: Codes, training: NDArray[np.int64], validation: NDArray[np.int64]) -> bool:
    """Return whether no group has rows in both `training` and `validation`."""
    trains = np.zeros(count_groups(groups), bool)
    trains[groups[training]] = True
    return not trains[groups[validation]].any()


def divided(fold: int) -> SettingError:
    """Return the error for a splitter, or pairs of row numbers, that divide a group."""
    return SettingError(
        f"fold {fold} of cv has rows of one group in both parts: pass a splitter that keeps groups together, such as "
        "GroupKFold(), or a number of folds, such as cv=5"
    )


def grouped_split(groups: Codes, labels: NDArray[np.float64] | None, share: float, state: int) -> NDArray[np.bool_]:
    """Return which rows validate: about a `share` of the rows, in whole groups.

    `groups` [rows] are the numbers 0, 1, ... of at least two groups. The split is stratified by the class numbers
    `labels` [rows], and each class keeps a training row. `state` is the seed. DataError is raised if no group is left
    to validate on, since each of them has the only rows of a class.
    """
    table = _Counts(groups, labels)
    shares, random = (1.0 - share, share), np.random.default_rng(state)
    sole = table.of_sole_classes()
    parts = _best(table, shares, random, sole, validating=(1,))
    if table.absent(parts, (1,)):
        parts = _best(table, shares, random, sole | table.of_each_class(random), validating=(1,))
    if not parts.any():
        raise no_other_groups()
    return np.asarray(parts[groups] == 1)


def no_other_groups() -> DataError:
    """Return the error for groups of which none can be held out."""
    return DataError("groups leave no rows to validate on, since each group has all rows of a class: pass more groups")


def grouped_folds(groups: Codes, labels: NDArray[np.float64] | None, count: int, state: int) -> Codes:
    """Return the fold in which each row validates, or -1; the folds have about the same number of rows of each class.

    The parameters are those of `grouped_split`. A group that has all rows of a class validates in no fold; there must
    be at least `count` other groups.
    """
    folds, others = np.full(len(groups), -1, np.int64), ~of_sole_classes(groups, labels)[groups]
    own, classes = groups if others.all() else numbered(groups[others]), None if labels is None else labels[others]
    table, shares = _Counts(own, classes), (1.0 / count,) * count
    nowhere = np.zeros(table.groups, bool)
    folds[others] = _best(table, shares, np.random.default_rng(state), nowhere, tuple(range(count)))[own]
    return folds


def of_sole_classes(groups: Codes, labels: NDArray[np.float64] | None) -> NDArray[np.bool_]:
    """Return which groups have all rows of a class, although other groups have other classes; none without labels."""
    return _Counts(groups, labels).of_sole_classes()


class _Counts:
    """The number of rows of each group and class."""

    def __init__(self, groups: Codes, labels: NDArray[np.float64] | None) -> None:
        classes = np.zeros(len(groups), np.int64) if labels is None else labels.astype(np.int64)
        self.groups, self.classes = count_groups(groups), int(classes.max()) + 1
        self.sizes = np.bincount(groups, minlength=self.groups)
        pairs, self.rows = np.unique(groups * self.classes + classes, return_counts=True)
        self.group, self.class_ = pairs // self.classes, pairs % self.classes
        self.totals = np.bincount(classes, minlength=self.classes)
        order = np.lexsort((-self.class_, self.rows))  # the last one of a group is its most frequent class
        self.main = np.empty(self.groups, np.int64)
        self.main[self.group[order]] = self.class_[order]

    def of_sole_classes(self) -> NDArray[np.bool_]:
        """Return which groups have all rows of a class, although other groups have other classes."""
        found = np.zeros(self.groups, bool)
        if self.classes > 1 and self.groups > 1:
            found[self.group[np.bincount(self.class_, minlength=self.classes)[self.class_] == 1]] = True
        return found

    def of_each_class(self, random: np.random.Generator) -> NDArray[np.bool_]:
        """Return a mask of groups in which each class occurs, chosen at random."""
        found, order = np.zeros(self.groups, bool), random.permutation(len(self.group))
        found[self.group[order[np.unique(self.class_[order], return_index=True)[1]]]] = True
        return found

    def table(self, parts: Codes, count: int) -> NDArray[np.float64]:
        """Return the number of rows in each of `count` parts of each class."""
        cells = np.bincount(parts[self.group] * self.classes + self.class_, self.rows, count * self.classes)
        return np.asarray(cells.reshape(count, self.classes), np.float64)

    def absent(self, parts: Codes, validating: Sequence[int]) -> int:
        """Return how many classes are absent from training, over all parts that validate."""
        counts = self.table(parts, max(validating) + 1)[list(validating)]
        return int(((counts == self.totals) & (self.totals > 0)).sum())


def _best(
    table: _Counts,
    shares: Sequence[float],
    random: np.random.Generator,
    training: NDArray[np.bool_],
    validating: Sequence[int],
) -> Codes:
    """Return the part of each group, by the best of several draws; groups in the mask `training` are in part 0."""
    expected = np.multiply.outer(np.array(shares), table.totals.astype(np.float64))
    best, least = np.zeros(table.groups, np.int64), (math.inf, math.inf)
    for _ in range(max(1, min(MOST_DRAWS, GROUPS_DRAWN // table.groups))):
        order = random.permutation(table.groups)
        order = order[~training[order]]
        order = order[np.argsort(table.main[order], kind="stable")]
        parts = _dealt(order, table, shares, int(table.sizes[training].sum()))
        counts = table.table(parts, len(shares))
        off = (counts - expected) ** 2 / np.where(expected > 0, expected, 1.0)
        empty = int((counts.sum(axis=1) == 0).sum())
        error = (empty * table.classes + table.absent(parts, validating), math.fsum(off.ravel().tolist()))
        if error < least:
            best, least = parts, error
    return best


def _dealt(order: Codes, table: _Counts, shares: Sequence[float], reserved: int) -> Codes:
    """Deal out groups in the given order, each to the part that is then least ahead of its share; return the parts.

    `reserved` rows are in part 0 already.
    """
    rows = [float(reserved)] + [0.0] * (len(shares) - 1)
    numbers, dealt = range(len(shares)), []
    for size in table.sizes[order].tolist():
        half = size / 2
        part = min(numbers, key=lambda each: (rows[each] + half) / shares[each])
        rows[part] += size
        dealt.append(part)
    parts = np.zeros(table.groups, np.int64)
    parts[order] = dealt
    return parts
