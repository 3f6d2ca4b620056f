"""Tables and encodings for tests of what columns become."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash.data.frames import Frame, read_frame
from ash.encoding.schema import learn_schema
from ash.encoding.training_encoding import TrainingEncoding, learn_encoding

ROWS = 400


def learned(frame: Frame, y: NDArray[np.float64] | None = None, **options: Any) -> TrainingEncoding:
    targets = np.zeros((frame.rows, 1)) if y is None else y
    options = {"classes": 0, "training": np.arange(frame.rows)} | options
    return learn_encoding(learn_schema(frame, missing="indicator"), frame, targets=targets, **options)


def mixed(rows: list[list[Any]]) -> Frame:
    return read_frame(np.array(rows, object))


def cities(seed: int = 0, rows: int = ROWS) -> list[str | None]:
    """Return levels of very different frequency, more than have features of their own, some missing."""
    drawn = np.random.default_rng(seed).geometric(0.04, rows)
    return [None if number == 3 else f"city {number}" for number in drawn.tolist()]
