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
from ash.data.table import Table
from ash.encoding.encoding import Block, Encoding
from ash.encoding.neighbors import Neighbors, extended, learn_neighbors
from ash.encoding.schema import Schema
from ash.encoding.target_statistics import level_statistics, prepare_targets


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
        return Encoding(self.schema, self.statistics, self.targets, self.known or self.neighbors)

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
    table: Table, schema: Schema, training: NDArray[np.int64], validation: NDArray[np.int64] | None = None
) -> TrainingEncoding:
    """Return the encoding of the table from which the schema was learned.

    Rows of one of the table's groups never see each other's target in the statistics, and equal rows of one group are
    not neighbors.

    Parameters
    ----------
    training : int64 array
        Row numbers without duplicates, in the order in which they are dealt out into parts for the target statistics.
        The order should be random.
    validation : int64 array, optional
        Rows of this table that become neighbors after training.
    """
    many = [place for place, column in enumerate(schema.columns) if column.is_many_level]
    tables: list[NDArray[np.float64] | None] = [None] * len(schema.columns)
    crossfit = tables.copy()
    bare = Encoding(schema, tuple(tables), ())
    if not many and not schema.neighbors:
        return TrainingEncoding(schema, bare.statistics, (), frame=table.frame, crossfit=bare.statistics)
    targets = prepare_targets(table.y, table.classes, training, table.weights, table.groups)
    for place in many:
        codes = bare.level_codes(table.frame, place)
        tables[place], crossfit[place] = level_statistics(targets, codes, len(schema.columns[place].levels), place)
    learned = TrainingEncoding(schema, tuple(tables), targets.chosen, frame=table.frame, crossfit=tuple(crossfit))
    if not schema.neighbors:
        return learned
    rows = training if validation is None else np.concatenate([training, np.setdiff1d(validation, training)])
    numbers = table.frame.all_numbers()
    neighbors, near = learn_neighbors(numbers, targets, table.groups)
    known = extended(neighbors, numbers, prepare_targets(table.y, table.classes, rows, table.weights))
    return replace(learned, neighbors=neighbors, near=near, known=known)
