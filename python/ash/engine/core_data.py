"""Encodes a table and passes it to the core in blocks of rows: one sweep to find the scales, one to fill the matrix.

    frame --block--> encoding --float64 block--> DataBuilder.observe (sweep 1), DataBuilder.fill (sweep 2) --> Data

Memory: one block of at most BLOCK_CELLS cells, and the core's float32 matrix of the encoded table. A dense matrix takes
4 bytes per cell, with each row padded to a multiple of 64 bytes. A sparse matrix takes 8 bytes per nonzero cell. The
table itself is never copied.
"""

from collections.abc import Callable, Sequence

from ash import _core
from ash.encoding.data_split import Fold
from ash.options import Options, core_loss
from ash.progress.views import PreparationBar

BLOCK_CELLS = 2**20
"""The maximum number of cells in a block of rows: 8 MiB in float64."""


def prepare_all(folds: Sequence[Fold], options: Options) -> list[_core.Data]:
    """Return the core's data for each fold; show a progress bar if the run shows its progress."""
    with PreparationBar(options, len(folds) * len(folds[0].y)) as bar:
        return [
            prepare(fold, lambda share, at=at: bar((at + share) / len(folds)), options=options)  # type: ignore[misc]
            for at, fold in enumerate(folds)
        ]


def prepare(
    fold: Fold, report: Callable[[float], None] = lambda share: None, *, options: Options | None = None
) -> _core.Data:
    """Return the training and validation rows of a fold, scaled by the quartiles of its training rows.

    `report` is called with the share of the work that is done, from 0 to 1. Of `options`, only `epoch_rows` and the
    loss are used. Without options, an epoch has all rows, and the loss is the squared error.
    """
    encoding = fold.encoding
    loss, level = ("squared_error", 0.5) if options is None else core_loss(options)
    builder = _core.DataBuilder(
        encoding.scaled.tolist(),
        fold.y,
        fold.table.classes,
        fold.training,
        fold.validation,
        None if fold.weights is None else fold.weights[fold.training],
        None if fold.weights is None else fold.weights[fold.validation],
        0 if options is None else options.epoch_rows or 0,
        loss,
        level,
        fold.sparse_cells,
        1 if fold.table.positive is None else fold.table.positive,
    )
    done = 0
    for take in (builder.observe, builder.fill):
        for block in fold.blocks(BLOCK_CELLS):
            take(block)
            done += len(block)
            report(done / (2 * len(fold.y)))
    return builder.finish()
