"""Neighbor features: the targets of the training rows most similar to a row, in tables where some rows recur.

    numbers --center, scale, clip--> scaled row --the NEAREST distinct training rows--> weighted mean, closeness

A network, which is a smooth function, hardly recognizes a row that it has seen. Two kinds of features help the network:
a mean for each target, and a closeness. For each of the NEAREST distinct training rows, let d be its distance from the
given row, and let c and t be the total weight and the mean target of the training rows that equal this distinct row.
Let r be the largest d, and let the prior p be the mean target of all training rows:

    mean = p + (sum of v c (t - p)) / (sum of v c + 1)     v = (r^2 + SOFT^2) / (d^2 + SOFT^2) - 1
    closeness = 1 / (1 + sqrt(d))                          for the d of the nearest row; 1 if that row is equal

So an equal row counts about a thousand times as much as a near one. The farthest row has weight 0, so it does not
matter which of several rows at the largest distance is chosen. All features are continuous. During training, the sums
of a training row leave out the row itself, and equal rows of its group.

Only regressions without row weights, on tables of numbers, have these features, and only if rows recur (see
`with_neighbors`). In trials that are not part of `bench`, these features reduced accuracy in other cases. In a table
with these features, equal rows count as independent, even if chance does not explain them (equal_rows.py).

Bits:   after the search for the nearest rows, only products, quotients, roots and sums in a fixed order are computed,
        so the features have the same bits on every machine.
Cost:   one search in a k-d tree per row. In the worst case a search compares the row with all others. MOST_CELLS bounds
        the size of the table.
Memory: 8 bytes per cell of the distinct training rows, also in the model and its file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash._utils.cached import cached_property
from ash.data.table import Table
from ash.encoding.kinds import check_schema
from ash.encoding.schema import Schema
from ash.encoding.target_statistics import MOST_STATISTICS, Targets, prepare_targets

if TYPE_CHECKING:
    from sklearn.neighbors import KDTree

Doubles = NDArray[np.float64]

NEAREST = 20
"""Number of distinct training rows with which a row is compared, unless there are fewer."""
SOFT = 0.01
"""Rows at a smaller distance than this, in units of interquartile ranges, count almost like equal rows."""
LIMIT = 3.0
"""Scaled numbers are clipped smoothly to magnitudes below this, as in the network."""
FAR = 2.0**30
"""Scaled numbers of larger magnitude are reduced to this magnitude."""
MOST_CELLS = 2**17
"""The maximum number of cells of a table with neighbors. For a table of this size, all searches before training take a
few seconds in the worst case, on a CPU core of 2026."""
FEWEST_ROWS = 256
LEAST_RECURRING, MOST_RECURRING = 0.05, 0.5
"""The bounds for the share of rows that equal another row."""
AGREEING = 0.5
"""The maximum variance of targets among equal rows, as a share of the targets' variance among all recurring rows."""
CORRELATED = 4.0
"""The least correlation of a row's target with those of similar rows, in standard errors."""
_BLOCK = 4096  # rows whose neighbors are searched at a time


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The distinct training rows and their targets.

    Attributes
    ----------
    center, inverse : float64 array [columns]
        A cell x is scaled to z = (x - center) * inverse, then clipped to z / sqrt(1 + (z / LIMIT)^2). A missing cell
        becomes 0.
    rows : float64 array [n, columns]
        The distinct training rows, scaled, clipped and sorted; at least one. If there are fewer than NEAREST of them, a
        row is compared with all.
    weights : float64 array [n]
        Total weight of the training rows that equal each distinct row.
    deviations : float64 array [n, k]
        Sums of weight times (target - prior) over the training rows that equal each distinct row.
    priors : float64 array [k]
        Mean targets of all training rows.
    """

    center: Doubles
    inverse: Doubles
    rows: Doubles
    weights: Doubles
    deviations: Doubles
    priors: Doubles

    @property
    def features(self) -> int:
        """Number of features: k means and the closeness."""
        return len(self.priors) + 1

    @cached_property
    def _tree(self) -> "KDTree":
        from sklearn.neighbors import KDTree  # here, so that `import ash` stays fast

        return KDTree(self.rows)

    def of(self, numbers: Doubles, own: "Own | None" = None) -> Doubles:
        """Return the neighbor features of rows: array [rows, k + 1].

        Parameters
        ----------
        numbers : array [rows, columns]
            Finite or NaN.
        own : Own, optional
            The contributions of these rows to the sums. They are subtracted, so no row is its own neighbor.
        """
        found = np.empty((len(numbers), self.features))
        for first in range(0, len(numbers), _BLOCK):
            rows = slice(first, first + _BLOCK)
            found[rows] = self._of_block(placed(numbers[rows], self.center, self.inverse), own and own.part(rows))
        return found

    def _of_block(self, places: Doubles, own: "Own | None") -> Doubles:
        nearest = self._tree.query(places, min(NEAREST, len(self.rows)), return_distance=False)
        squares = np.zeros(nearest.shape)
        for column, values in enumerate(self.rows.T):
            squares += (values[nearest] - places[:, column, None]) ** 2
        weights, deviations = self.weights[nearest], self.deviations[nearest]
        if own is not None:
            is_own = nearest == own.places[:, None]
            weights -= is_own * own.weights[:, None]  # exactly 0 if no other row is equal
            deviations -= is_own[:, :, None] * own.deviations[:, None]
        shares = (squares.max(axis=1, keepdims=True) + SOFT**2) / (squares + SOFT**2) - 1.0
        total, sums = np.ones(len(places)), np.zeros((len(places), len(self.priors)))
        for place in range(nearest.shape[1]):  # in a fixed order, unlike NumPy's sum(), so the result is reproducible
            total += shares[:, place] * weights[:, place]
            sums += shares[:, place, None] * deviations[:, place]
        nearest_square = np.where(weights > 0, squares, np.inf).min(axis=1, keepdims=True)
        closeness = 1.0 / (1.0 + np.sqrt(np.sqrt(nearest_square)))
        return np.hstack([self.priors + sums / total[:, None], closeness])


@dataclass(frozen=True, eq=False)
class Own:
    """The contribution of each training row, with equal rows of its group, to the sums of its distinct row.

    Attributes
    ----------
    places : int64 array [rows]
        The index of the distinct row that each training row equals.
    weights : float64 array [rows]
    deviations : float64 array [rows, k]
    """

    places: NDArray[np.int64]
    weights: Doubles
    deviations: Doubles

    def part(self, rows: slice) -> "Own":
        """Return the contributions of the rows in a slice."""
        return Own(self.places[rows], self.weights[rows], self.deviations[rows])


def with_neighbors(schema: Schema, table: Table) -> Schema:
    """Return the schema of a table, with neighbors if it is a regression, enough rows recur and their targets agree.

    All columns must be numbers, with at most MOST_CELLS cells in all. There must be at least FEWEST_ROWS distinct rows.
    The share of rows that equal a row of another group must be from LEAST_RECURRING to MOST_RECURRING, and the variance
    of targets among equal rows must be at most AGREEING times the variance among all rows that recur. If more than
    MOST_RECURRING of the rows recur, either the table has few distinct rows, which a network sees often enough, or its
    rows were drawn with replacement, so new rows will not equal them. Similar rows must have similar targets as well;
    if only equal rows have, they are probably copies by mistake.
    """
    if not schema.is_numeric or table.classes or table.rows * len(schema.columns) > MOST_CELLS:
        return schema
    numbers, targets, groups = table.frame.all_numbers(), table.y, table.groups
    distinct, equal, counts = _distinct(numbers)
    if len(distinct) < FEWEST_ROWS:
        return schema
    recurs = counts[equal] > 1
    if groups is not None:
        once = np.unique(np.stack([equal, groups]), axis=1)[0]  # each distinct row once per group
        recurs = np.bincount(once, minlength=len(distinct))[equal] > 1
    if not LEAST_RECURRING <= recurs.mean() <= MOST_RECURRING:
        return schema
    group, values = equal[recurs], targets[recurs]
    means = np.stack([np.bincount(group, y, len(counts))[group] / counts[group] for y in values.T], axis=1)
    within = ((values - means) ** 2).sum(axis=0) / (len(values) - len(np.unique(group)))
    agree = within <= AGREEING * values.var(axis=0)
    if not agree.all() or not _do_similar_rows_predict(numbers, targets, equal):
        return schema
    return replace(schema, neighbors=True)


def _do_similar_rows_predict(numbers: Doubles, targets: Doubles, equal: NDArray[np.int64]) -> bool:
    """Return whether each target is correlated with its mean over the nearest unequal rows.

    `equal` [rows] has the same number for equal rows. One of them stands for all of them.
    """
    rows = np.arange(len(numbers))
    known = prepare_targets(targets, 0, rows)
    near = learn_neighbors(numbers, known, equal)[1][:, : len(known.priors)]
    first = np.unique(equal, return_index=True)[1]
    near, own = (values[first] - values[first].cumsum(axis=0)[-1] / len(first) for values in (near, known.deviations))
    product, left, right = (values.cumsum(axis=0)[-1] for values in (near * own, near**2, own**2))  # added in row order
    return bool((product > CORRELATED / np.sqrt(len(first)) * np.sqrt(left * right)).all())


def learn_neighbors(
    numbers: Doubles, targets: Targets, groups: NDArray[np.int64] | None = None
) -> tuple[Neighbors, Doubles]:
    """Return the neighbors learned from a table, and the features of all its rows for training: array [rows, k + 1].

    `numbers` [rows, columns] are finite or NaN. Training rows (the rows in `targets`) are not their own neighbors, nor
    those of equal rows that are in the same of the `groups` [rows].
    """
    training = numbers[targets.rows]
    found, own = _neighbors(training, targets, *_scaling(training))
    if groups is not None:
        own = _of_groups(own, groups[targets.rows])
    features = np.empty((len(numbers), found.features))
    features[targets.rows] = found.of(training, own)
    others = np.setdiff1d(np.arange(len(numbers)), targets.rows)
    features[others] = found.of(numbers[others])
    return found, features


def extended(neighbors: Neighbors, numbers: Doubles, targets: Targets) -> Neighbors:
    """Return neighbors learned from the rows in `targets`, scaled in the same way as those of `neighbors`."""
    return _neighbors(numbers[targets.rows], targets, neighbors.center, neighbors.inverse)[0]


def _neighbors(numbers: Doubles, targets: Targets, center: Doubles, inverse: Doubles) -> tuple[Neighbors, Own]:
    """Return the neighbors learned from rows, and each row's contribution; `numbers` has the order of `targets`."""
    rows, group, _ = _distinct(placed(numbers, center, inverse))
    weights = _sums(group, targets.weights, len(rows))
    deviations = np.stack([_sums(group, each, len(rows)) for each in targets.deviations.T], axis=1)
    found = Neighbors(center, inverse, rows, weights, deviations, targets.priors)
    return found, Own(group, targets.weights, targets.deviations)


def _of_groups(own: Own, groups: NDArray[np.int64]) -> Own:
    """Return contributions that include those of equal rows of the same group."""
    group = np.unique(np.stack([own.places, groups]), axis=1, return_inverse=True)[1].reshape(-1)
    count = int(group.max()) + 1
    deviations = [_sums(group, each, count)[group] for each in own.deviations.T]
    return Own(own.places, _sums(group, own.weights, count)[group], np.stack(deviations, axis=1))


def _sums(group: NDArray[np.int64], values: Doubles, groups: int) -> Doubles:
    return np.bincount(group, values, groups).astype(np.float64)


def placed(numbers: Doubles, center: Doubles, inverse: Doubles) -> Doubles:
    """Return rows of numbers after scaling and clipping (see `Neighbors`); missing numbers become 0."""
    z = np.clip((numbers - center) * inverse, -FAR, FAR)
    z = z / np.sqrt(1.0 + (z / LIMIT) ** 2)
    return np.where(np.isnan(z), 0.0, z) + 0.0  # turns -0.0 into 0.0


def neighbors_parts(neighbors: Neighbors | None) -> dict[str, Doubles]:
    """Return the arrays by which a model file represents the neighbors."""
    names = ("center", "inverse", "rows", "weights", "deviations", "priors")
    return {} if neighbors is None else {f"neighbors.{name}": getattr(neighbors, name) for name in names}


def neighbors_from_parts(arrays: Mapping[str, NDArray[Any]], columns: int, targets: int) -> Neighbors:
    """Return the neighbors from a model file, which is not trusted; raise ValueError if they are invalid."""
    rows = len(arrays["neighbors.weights"]) if "neighbors.weights" in arrays else 0
    check_schema(rows > 0, "neighbors have no rows")
    check_schema(0 < targets <= MOST_STATISTICS, "neighbors have no targets")
    shapes = {
        "center": (columns,),
        "inverse": (columns,),
        "rows": (rows, columns),
        "weights": (rows,),
        "deviations": (rows, targets),
        "priors": (targets,),
    }
    for name, shape in shapes.items():
        given = arrays.get(f"neighbors.{name}", np.zeros(()))
        fits = given.dtype == np.float64 and given.shape == shape and bool(np.isfinite(given).all())
        check_schema(fits, f"neighbors.{name} is not finite float64 of shape {shape}")
    found = Neighbors(**{name: arrays[f"neighbors.{name}"] for name in shapes})
    check_schema(
        bool((found.weights >= 0).all() and (found.inverse >= 0).all()), "neighbors have negative weights or scales"
    )
    check_schema(bool((np.abs(found.rows) <= LIMIT).all()), "neighbors exceed the limit at which numbers are clipped")
    return found


def _distinct(rows: Doubles) -> tuple[Doubles, NDArray[np.int64], NDArray[np.int64]]:
    """Return the sorted distinct rows, the index of each row among them, and how often each of them occurs."""
    filled = np.where(np.isnan(rows), np.inf, rows)  # unlike NaN, infinities are equal to each other
    distinct, group, counts = np.unique(filled, axis=0, return_inverse=True, return_counts=True)
    return distinct, group.reshape(-1), counts


def _scaling(numbers: Doubles) -> tuple[Doubles, Doubles]:
    """Return each column's center and inverse scale, by the core's rule for features (cpp/ash/data/quartiles.hpp).

    The inverse of a scale that is (nearly) 0 is 0.
    """
    center, scale = _core.robust_scaling(np.ascontiguousarray(numbers))
    usable = scale >= np.finfo(np.float32).tiny
    return center, usable / np.where(usable, scale, 1.0)
