"""From a table to what the core trains on: two sweeps over blocks of rows, one to scale and one to fill.

    frame --block--> encoding --float64 block--> DataBuilder.observe (sweep 1), DataBuilder.fill (sweep 2) --> Data

Memory: the float32 matrix of the core, 4 bytes a cell of the encoded table (rows padded to 64 bytes), and a block of at
most BLOCK_CELLS cells; the table itself is never copied.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.data.arrays import check_memory
from ash.data.columns import blocks
from ash.encoding.data_split import Parts
from ash.options import Options
from ash.progress.views import PreparationBar

BLOCK_CELLS = 2**20
"""Float64, so 8 MiB."""


def prepare_all(folds: Sequence[Parts], options: Options) -> list[_core.Data]:
    """Return the data of each fold, with a bar where the progress of the run is shown."""
    with PreparationBar(options, len(folds) * len(folds[0].y)) as bar:
        return [
            prepare(
                fold,
                lambda share, done=done: bar((done + share) / len(folds)),  # type: ignore[misc]
                epoch_rows=options.epoch_rows,
            )
            for done, fold in enumerate(folds)
        ]


def prepare(
    parts: Parts, report: Callable[[float], None] = lambda share: None, *, epoch_rows: int | None = None
) -> _core.Data:
    """Return the rows of both parts, scaled by what the training rows tell: features by median and quartiles.

    Parameters
    ----------
    parts : Parts
    report : callable
        Called with the share that is done, 0 to 1.
    epoch_rows : int, optional
        Of an epoch at most; all by default.

    Raises
    ------
    DataError
        The encoded table would not fit into what memory is left.
    """
    encoding = parts.encoding.encoding
    check_memory(len(parts.y), encoding.features, "X")
    builder = _core.DataBuilder(
        encoding.scaled.tolist(),
        parts.y,
        parts.table.classes,
        parts.training,
        parts.validation,
        None if parts.weights is None else parts.weights[parts.training],
        None if parts.weights is None else parts.weights[parts.validation],
        epoch_rows or 0,
    )
    done = 0
    for take in (builder.observe, builder.fill):
        for block in _blocks(parts):
            take(block)
            done += len(block)
            report(done / (2 * len(parts.y)))
    return builder.finish()


def _blocks(parts: Parts) -> Iterator[NDArray[np.float64]]:
    encoding = parts.encoding.encoding
    size = max(1, BLOCK_CELLS // encoding.features)
    for first, stop in blocks(parts.table.rows, size):
        yield parts.encoding.fitting_block(slice(first, stop))
    if parts.held_out is not None:
        for first, stop in blocks(parts.held_out.rows, size):
            yield encoding.block(parts.held_out, slice(first, stop), encoding.schema.unknown)
