"""Tables whose rows recur, for tests of neighbors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash.data.frames import read_frame
from ash.encoding.neighbors import with_neighbors
from ash.encoding.schema import Schema, learn_schema
from ash.encoding.training_encoding import TrainingEncoding, learn_encoding

Doubles = NDArray[np.float64]
ROWS = 600


def recurring(rows: int = ROWS, share: float = 0.2, columns: int = 3, seed: int = 0) -> tuple[Doubles, Doubles]:
    """Return rows of which a share are copies, and targets: a smooth function, and what each row has alone."""
    random = np.random.default_rng(seed)
    fresh = rows - int(share * rows)
    x = random.normal(size=(fresh, columns)).round(3)
    y = np.sin(2 * x[:, 0]) + random.normal(size=fresh)
    chosen = np.concatenate([np.arange(fresh), random.choice(fresh, rows - fresh)])
    order = random.permutation(rows)
    return x[chosen][order], (y[chosen] + 0.1 * random.normal(size=rows))[order]


def schema_of(x: Any, y: Any) -> Schema:
    """Return what the border makes of a table."""
    frame = read_frame(x)
    schema = learn_schema(frame, missing="indicator")
    y = np.reshape(np.asarray(y, float), (len(y), -1))
    return with_neighbors(schema, frame.all_numbers(), y)


def learned(x: Any, y: Any, training: Any = None, **options: Any) -> TrainingEncoding:
    order = np.random.default_rng(1).permutation(len(x)) if training is None else training
    targets = np.reshape(np.asarray(y, float), (len(y), -1))
    return learn_encoding(schema_of(x, y), read_frame(x), targets=targets, classes=0, training=order, **options)
