"""Decides which rows train and which validate, by a seeded shuffle or as the user says.

    validation = 0.2    -> split, split_rows
    cv = 5              -> drawn_folds: shuffled folds of the rows, stratified by class for classification
    cv = splitter, ...  -> given_folds: row numbers in the user's table -> sorted rows of the table, each as often as it
                           was named

scikit-learn draws rows without groups: a split by StratifiedShuffleSplit for classification and by ShuffleSplit for
regression, folds by StratifiedKFold and KFold. Every class keeps at least one training row, so the only row of a class
goes to training. If the training or the validation part is too small for all classes, or the stratified split leaves a
class without a training row, one row of each class is reserved for training, and all other rows are shuffled regardless
of class. In that case, a class may have no validation row.

If rows have groups, whole groups are drawn instead:

    groups  --shuffle, sort by most frequent class-->  an order  --each to the part that lacks rows most-->  parts

So each part has about its share of the rows and, for classification, of each class. This is done several times, and the
best result is taken: as few classes as possible are absent from training, and the numbers of rows per part and class
are as close to the shares as possible. If there are many groups, a single draw is close enough.
"""

import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.checks import check_seed, is_integer, is_number
from ash._utils.user_warnings import warn_user
from ash.data.frames import Frame
from ash.data.table import Codes, Rows, Table, count_groups, named, numbered
from ash.errors import DataError, SettingError

Pair = tuple[Rows, Rows]

MOST_DRAWS = 8
GROUPS_DRAWN = 20_000
"""The number of groups that all draws deal out together, unless a single draw has more."""
_STREAM = 2  # spawn key of the split's random numbers; the draw of candidates uses key 1


def split(table: Table, validation: float, seed: int) -> tuple[Rows, Rows]:
    """Split the rows at random, and return the sorted row numbers (int64) for training and for validation.

    For classification the split is stratified by class. Rows of one group are in the same part.

    Parameters
    ----------
    validation : float or int
        A share between 0 and 1 (rounded up to whole rows), or a number of rows. With groups of several rows, the number
        of validation rows is close to that, since whole groups are drawn.
    seed : int
        A non-negative integer. The same seed gives the same split.

    Raises
    ------
    SettingError
        ``validation`` leaves a part empty, or leaves fewer training rows than classes.
    DataError
        The groups cannot be split.

    Warns
    -----
    UserWarning
        There are classes with a single row or in a single group; these rows go to training.
    """
    parts = split_rows(table.labels, table.rows, validation, seed, table.groups)
    _warn_of_sole_rows(table)
    return parts


def split_rows(
    labels: NDArray[np.float64] | None, rows: int, validation: float, seed: int, groups: Rows | None = None
) -> tuple[Rows, Rows]:
    """Split `rows` rows in the same way as `split`, given their class numbers and groups instead of a table.

    Parameters
    ----------
    labels : array [rows], optional
        Class numbers, by which the split is stratified; None for a plain shuffle.
    groups : int64 array [rows], optional
        Group numbers 0, 1, ...
    """
    count = _validation_rows(validation, rows)
    state = _state(seed)
    everything = np.arange(rows, dtype=np.int64)
    if groups is not None:
        if count_groups(groups) < 2:
            raise DataError("groups has the same group in all rows: at least 2 are needed, to train and to validate")
        validates = grouped_split(groups, labels, count / rows, state)
        return np.flatnonzero(~validates), np.flatnonzero(validates)
    validating = _shuffled(everything, count, None, state) if labels is None else _by_class(labels, count, state)
    return np.setdiff1d(everything, validating, assume_unique=True), np.sort(validating)


def _state(seed: int) -> int:
    """Return the random state with which a run of this seed splits its rows."""
    return int(np.random.SeedSequence(check_seed("seed", seed), spawn_key=(_STREAM,)).generate_state(1)[0])


def _validation_rows(validation: Any, rows: int) -> int:
    if rows < 2:
        raise DataError(f"n_samples={rows}: at least 2 rows are needed, one to train and one to validate")
    if is_integer(validation):
        if not 1 <= validation < rows:
            raise SettingError(f"validation must be from 1 to {rows - 1} of the {rows} rows, got {validation}")
        return int(validation)
    if not is_number(validation) or not 0 < validation < 1:
        given = repr(validation) if isinstance(validation, float | str) else f"a {type(validation).__name__}"
        raise SettingError(
            f"validation must be a share between 0 and 1, a number of rows, or a tuple (X, y), got {given}"
        )
    return min(rows - 1, int(np.ceil(validation * rows)))


def _shuffled(rows: Rows, count: int, labels: NDArray[np.float64] | None, state: int) -> Rows:
    """Draw ``count`` of these rows at random, stratified by the labels if they are given."""
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    kind = ShuffleSplit if labels is None else StratifiedShuffleSplit
    splitter = kind(n_splits=1, test_size=count, random_state=state)
    _, drawn = next(splitter.split(rows.reshape(-1, 1), labels))
    return np.asarray(rows[drawn], np.int64)


def _by_class(labels: NDArray[np.float64], count: int, state: int) -> Rows:
    """Draw ``count`` rows, stratified by class if possible; otherwise keep a random row of each class for training."""
    from sklearn.utils import check_random_state

    members = np.bincount(labels.astype(np.int64))
    single = members[labels.astype(np.int64)] == 1
    rows = np.flatnonzero(~single)
    classes, training = int((members > 1).sum()), len(labels) - count
    if training < int((members > 0).sum()):
        raise SettingError(
            f"validation leaves {training} rows to train, fewer than the {int((members > 0).sum())} classes: "
            "validate on fewer rows"
        )
    if classes <= count and classes <= len(rows) - count:
        drawn = _shuffled(rows, count, labels[rows], state)
        if len(np.unique(labels[np.setdiff1d(rows, drawn)])) == classes:
            return drawn
    order: Rows = check_random_state(state).permutation(len(rows))
    kept = np.unique(labels[rows][order], return_index=True)[1]
    return rows[np.delete(order, kept)[:count]]


def _warn_of_sole_rows(table: Table) -> None:
    """Warn about classes whose only row, or only group, is in each training part."""
    if table.classes_ is None:
        return
    labels = table.y[:, 0].astype(np.int64)

    def are_sole(numbers: Rows) -> NDArray[np.bool_]:
        distinct = np.unique(numbers * table.classes + labels)
        return np.asarray(np.bincount(distinct % table.classes, minlength=table.classes) == 1)

    is_single = are_sole(table.frame.numbers_of(np.arange(table.rows)))  # copies that stand for a weight count once
    if count := int(is_single.sum()):
        which = named(table.classes_[is_single])
        have = f"class {which} has a single row" if count == 1 else f"{count} classes ({which}) have a single row each"
        warn_user(f"{have}, which is used for training only")
    if table.groups is None:
        return
    is_sole = are_sole(table.groups) & ~is_single
    if count := int(is_sole.sum()):
        which = named(table.classes_[is_sole])
        whose = f"class {which} are in one group" if count == 1 else f"{count} classes ({which}) are in one group each"
        warn_user(
            f"all rows of {whose} or are copies of one row, so they are used for training only: how well "
            f"{'this class is' if count == 1 else 'these classes are'} predicted is not estimated"
        )


def drawn_folds(table: Table, cv: int, seed: int, counts: bool) -> list[Pair]:
    """Return the training and validation rows of `cv` shuffled folds of the table, without dividing groups.

    Each class is in all training parts: rows of a missing class are moved there. So a class with a single row is never
    validated. If `counts`, targets above 0 count as a class, since a fold cannot train without them. If rows have
    groups, whole groups are moved.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # its rows are moved
        pairs = list(_drawn(table, cv, seed))
    _warn_of_sole_rows(table)
    if not table.classes and not counts:
        return pairs
    kinds = table.y[:, 0] if table.classes else table.y[:, 0] > 0
    found = []
    for training, validation in pairs:
        missing = np.setdiff1d(kinds, kinds[training])
        moved = np.isin(kinds[validation], missing)
        if moved.any() and table.groups is not None:
            moved = np.isin(table.groups[validation], table.groups[validation][moved])
        if moved.any() and not moved.all():
            training, validation = np.sort(np.concatenate([training, validation[moved]])), validation[~moved]
        found.append((training, validation))
    return found


def _drawn(table: Table, cv: int, seed: int) -> Iterator[Pair]:
    from sklearn.model_selection import KFold, StratifiedKFold

    most = most_folds(table)
    if not 2 <= cv <= most:
        which = ""
        if table.groups is not None:
            own = count_groups(table.groups)
            if most < 2 <= own:
                raise _no_other_groups()
            which = f" (the number of groups{' without those that have all rows of a class' * (most < own)})"
        raise SettingError(
            f"cv must be a number of folds from 2 to {most}{which}, a splitter, or pairs of row numbers, got {cv}"
        )
    if table.groups is not None:
        fold_of = grouped_folds(table.groups, table.labels, int(cv), _state(seed))
        yield from ((np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)) for fold in range(int(cv)))
        return
    kind = StratifiedKFold if table.classes else KFold
    splitter = kind(int(cv), shuffle=True, random_state=_state(seed))
    try:
        for training, validation in splitter.split(np.empty((table.rows, 0)), table.y[:, 0]):
            yield np.asarray(training, np.int64), np.asarray(validation, np.int64)
    except ValueError as error:
        raise SettingError(f"cv={cv} cannot split this table: {error}") from None


def most_folds(table: Table) -> int:
    """Return the number of rows; with groups, that of the groups that need not train in every fold."""
    if table.groups is None:
        return table.rows
    return int((~_Counts(table.groups, table.labels).of_sole_classes()).sum())


def given_folds(table: Table, cv: Any, X: Any, y: Any, groups: Any) -> Iterator[Pair]:
    """Yield the training and validation rows of each fold that the splitter or the pairs `cv` define."""
    from sklearn.model_selection import check_cv

    count = len(y)
    rows = np.empty((count, 0)) if isinstance(X, Frame) else X  # a splitter does not need the cells of a file
    try:
        pairs = list(check_cv(cv, y, classifier=table.classes > 0).split(rows, y, groups))
    except (TypeError, ValueError) as error:
        raise SettingError(f"cv={cv!r} cannot split this table: {error}") from error
    if not pairs:
        raise SettingError(f"cv must have at least one pair of row numbers, got none from {cv!r}")
    numbers = user_numbers(table, X)
    for place, pair in enumerate(pairs):
        training, validation = (_rows(given, numbers, count, f"fold {place} of cv") for given in pair)
        if table.groups is not None and not is_apart(table.groups, training, validation):
            if groups is not None:
                raise divided(place)
            if place == 0:
                warn_user(
                    "cv has copies of rows in both parts of a fold, so scores may be too high: pass a number of folds, "
                    "such as cv=5, or remove the copies"
                )
        yield training, validation


def user_numbers(table: Table, X: Any) -> Rows:
    """Return the index that each row of the table has in the user's X."""
    numbers = table.frame.numbers_of(np.arange(table.rows))
    if isinstance(X, Frame) and X.order is not None:  # `numbers` are indices in the file's rows: make them indices in X
        places = np.empty(int(X.order.max()) + 1, np.int64)
        places[X.order] = np.arange(X.rows)
        numbers = places[numbers]
    return numbers


def _rows(given: Any, numbers: NDArray[np.int64], count: int, where: str) -> Rows:
    """Return the table's rows for the user's row numbers `given`, each row as often as its number is in `given`."""
    try:
        chosen = np.arange(count)[given] if len(given) else np.empty(0, np.int64)
        times = np.bincount(chosen, minlength=count)
    except (IndexError, TypeError, ValueError) as error:
        raise SettingError(
            f"{where} must hold row numbers from 0 to {count - 1}, or one bool per row ({error})"
        ) from None
    rows = np.repeat(np.arange(len(numbers)), times[numbers])
    if len(rows) == 0:
        raise DataError(
            f"{where} has a part without rows (n_samples=0): each fold needs rows to train on and to validate on"
        )
    return rows


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
        raise _no_other_groups()
    return np.asarray(parts[groups] == 1)


def _no_other_groups() -> DataError:
    """Return the error for groups of which none can be held out."""
    return DataError("groups leave no rows to validate on, since each group has all rows of a class: pass more groups")


def grouped_folds(groups: Codes, labels: NDArray[np.float64] | None, count: int, state: int) -> Codes:
    """Return the fold in which each row validates, or -1; the folds have about the same number of rows of each class.

    The parameters are those of `grouped_split`. A group that has all rows of a class validates in no fold; there must
    be at least `count` other groups.
    """
    folds, others = np.full(len(groups), -1, np.int64), ~_Counts(groups, labels).of_sole_classes()[groups]
    own, classes = groups if others.all() else numbered(groups[others]), None if labels is None else labels[others]
    table, shares = _Counts(own, classes), (1.0 / count,) * count
    nowhere = np.zeros(table.groups, bool)
    folds[others] = _best(table, shares, np.random.default_rng(state), nowhere, tuple(range(count)))[own]
    return folds


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
