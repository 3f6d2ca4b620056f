"""Transformers that candidates have in common: fitted once a fold, though each candidate is a pipeline of its own.

    parameters of all steps but the last, as a hash --> fitted transformers, and the training rows as they gave them

Invariants: (1) only transformers that give the rows they were fitted to what `transform` gives; (2) what is kept is of
one fold, whose rows and parameters of `fit` do not change; (3) nobody changes what is kept: transformers transform,
in several threads at a time, and rows are copies. A candidate whose transformers have a random state of their own has a
hash of its own.
Cost: a hash for each candidate and fold, a copy of the rows for each job. Memory: rows of KINDS kinds, each of no more
than ROWS_BYTES.
"""

import threading
from collections import OrderedDict
from typing import Any, NamedTuple

import joblib
import numpy as np

KINDS = 2
ROWS_BYTES = 2**26


class Head(NamedTuple):
    """Fitted transformers, and the rows that they gave, None where these are too large."""

    transformers: Any
    rows: Any

    def transformed(self, X: Any) -> Any:
        """Return the rows, for somebody who may change them; X is what they are made of."""
        return self.transformers.transform(X) if self.rows is None else self.rows.copy()


class Heads:
    """Those of a fold, the last few kinds."""

    def __init__(self) -> None:
        self._kinds: OrderedDict[str, Head] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> "tuple[type[Heads], tuple[()]]":
        return Heads, ()  # another process fits its own

    def find(self, key: str | None) -> Head | None:
        """Return those of a kind, if they are there."""
        with self._lock:
            if key is None or key not in self._kinds:
                return None
            self._kinds.move_to_end(key)
            return self._kinds[key]

    def keep(self, key: str | None, transformers: Any, rows: Any) -> None:
        """Keep them for others."""
        if key is None:
            return
        with self._lock:
            self._kinds[key] = Head(transformers, rows.copy() if _bytes_of(rows) <= ROWS_BYTES else None)
            self._kinds.move_to_end(key)
            while len(self._kinds) > KINDS:
                self._kinds.popitem(last=False)

    def clear(self) -> None:
        """Let go of all."""
        with self._lock:
            self._kinds.clear()


def key_of_head(transformers: Any) -> str | None:
    """Return a hash of transformers that are not fitted; None where they cannot be compared."""
    try:
        return str(joblib.hash(transformers))
    except Exception:  # parameters that cannot be pickled
        return None


def _bytes_of(rows: Any) -> float:
    """Return the size of rows in memory; of a kind that is not known, infinite."""
    if hasattr(rows, "memory_usage"):  # a frame of pandas
        return float(rows.memory_usage(deep=True).sum())
    if hasattr(rows, "tocsr"):  # a sparse matrix of SciPy
        sparse = rows.tocsr()
        return float(sparse.data.nbytes + sparse.indices.nbytes + sparse.indptr.nbytes)
    return float(rows.nbytes) if isinstance(rows, np.ndarray) else float("inf")
