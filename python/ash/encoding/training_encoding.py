"""Learns the encoding of a training table, and computes the features of its training rows.

No row may see its own target. So a training row has the statistics of the other parts of the training rows
(target_statistics.py), and its neighbors are other training rows. All other rows have the features of `Encoding.block`.
After training, neighbors come from the training and validation rows of the table.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ash._utils.cached import cached_property
from ash.data.frames import Frame
from ash.encoding.encoding import Block, Encoding, is_many_level
from ash.encoding.neighbors import Neighbors, extended, learn_neighbors
from ash.encoding.schema import Schema
from ash.encoding.target_statistics import choose_targets, crossfit_statistics, prepare_targets, total_statistics


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingEncoding(Encoding):
    """An encoding with the table from which it was learned, and the features of its training rows.

    Attributes
    ----------
    frame : Frame
    crossfit : tuple of (array [rows, k + 1] or None)
        For each column with many levels, the statistics that each row of the table has in training; None for other
        columns.
    near : array [rows, k + 1] or None
        The neighbor features that each row of the table has in training.
    known : Neighbors or None
        The neighbors for prediction, which include validation rows.
    """

    frame: Frame
    crossfit: tuple[NDArray[np.float64] | None, ...]
    near: NDArray[np.float64] | None = None
    known: Neighbors | None = None

    @cached_property
    def predicting(self) -> Encoding:
        """The encoding for prediction, shared by all trained networks; it has no reference to the training frame."""
        return Encoding(
            self.schema, self.statistics, self.targets, self.neighbors if self.known is None else self.known
        )

    def fitting_block(self, rows: slice) -> Block:
        """Return the features of a block of rows for training: array [rows, features], new and C-ordered.

        A training row has cross-fitted statistics, and is not its own neighbor; every other row has the features of
        `Encoding.block`.
        """
        block = self.columns_block(self.frame, rows, "bucket", {})
        if self.near is not None:
            block[:, self.columns_end :] = self.near[rows]
        for place, statistics in enumerate(self.crossfit):
            if statistics is not None:
                block[:, self.statistics_of(place)] = statistics[rows]
        return block


def learn_encoding(
    schema: Schema,
    frame: Frame,
    *,
    targets: NDArray[np.float64],
    classes: int,
    training: NDArray[np.int64],
    weights: NDArray[np.float64] | None = None,
    validation: NDArray[np.int64] | None = None,
    groups: NDArray[np.int64] | None = None,
) -> TrainingEncoding:
    """Return the encoding of the table from which the schema was learned.

    Parameters
    ----------
    targets : array [rows, outputs]
        The targets; for classification, the class numbers are in the first column.
    classes : int
        Number of classes; 0 for regression.
    training : int64 array
        Row numbers without duplicates, in the order in which they are dealt out into parts for the target statistics.
        The order should be random.
    weights : array [rows], optional
        Row weights, at least 0; by default all 1.
    validation : int64 array, optional
        Rows of this table that become neighbors after training.
    groups : int64 array [rows], optional
        The group of each row; rows of one group never see each other's target in the statistics, and equal rows of one
        group are not neighbors.
    """
    many = [is_many_level(column) for column in schema.columns]
    if not any(many) and not schema.neighbors:
        nothing = (None,) * len(many)
        return TrainingEncoding(schema, nothing, (), frame=frame, crossfit=nothing)
    chosen = choose_targets(targets, classes, training, weights)
    prepared = prepare_targets(targets, classes, chosen, training, weights, groups)
    bare = Encoding(schema, (None,) * len(many), chosen)
    tables: list[NDArray[np.float64] | None] = [None] * len(many)
    crossfit = tables.copy()
    for place in np.flatnonzero(many).tolist():
        codes = bare.level_codes(frame, place)
        table = total_statistics(prepared, codes, len(schema.columns[place].levels))
        tables[place], crossfit[place] = table, crossfit_statistics(prepared, codes, table, place)
    learned = TrainingEncoding(schema, tuple(tables), chosen, frame=frame, crossfit=tuple(crossfit))
    if not schema.neighbors:
        return learned
    rows = training if validation is None else np.concatenate([training, np.setdiff1d(validation, training)])
    numbers = frame.all_numbers()
    neighbors, near = learn_neighbors(numbers, prepared, groups)
    known = extended(neighbors, numbers, prepare_targets(targets, classes, chosen, rows, weights))
    return replace(learned, neighbors=neighbors, near=near, known=known)
