"""Defines `Resumable`, the base class of all ways to resume training, its training `Rows`, and `TransformerCache`."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Self

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

N_SAMPLES, EPOCHS = "n_samples", "epochs"
"""Resources that are not parameters of an estimator: rows, and passes over all rows."""

AVERAGE, ROUNDS = "average", "rounds"
"""Laws of learning curves. AVERAGE: each epoch adds a member to an average. ROUNDS: each epoch closes a share of the
gap to the final score."""

KINDS = 2
ROWS_BYTES = 2**26


class FittedTransformers(NamedTuple):
    """Fitted transformers and the rows that they returned; `rows` is None if the rows are too large to be kept."""

    transformers: Any
    rows: Any

    def transformed(self, X: Any) -> Any:
        """Return the training rows X, transformed, in a new table that the caller may change."""
        return self.transformers.transform(X) if self.rows is None else self.rows.copy()


class TransformerCache:
    """Fitted transformers that candidates share, so that equal transformers need not be fitted again in the same fold.

        hash of the parameters of all steps but the last --> fitted transformers, and the transformed training rows

    Invariants: (1) only transformers whose `fit_transform` equals `fit` followed by `transform` are kept; (2) a cache
    belongs to one fold, whose rows and `fit` parameters do not change; (3) entries are never changed: transformers
    only transform, possibly in several threads at the same time, and rows are copied. Transformers whose
    `random_state` is None get the candidate's seed, so their hash differs between candidates.
    Cost: one hash per candidate and fold, and one copy of the rows per job and fold. Memory: the rows of at most KINDS
    entries, each of at most ROWS_BYTES.
    """

    def __init__(self) -> None:
        self._kinds: OrderedDict[str, FittedTransformers] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> "tuple[type[TransformerCache], tuple[()]]":
        return TransformerCache, ()  # another process fits its own transformers

    def find(self, key: str | None) -> FittedTransformers | None:
        """Return the transformers with this hash, or None if they are not cached."""
        with self._lock:
            if key is None or key not in self._kinds:
                return None
            self._kinds.move_to_end(key)
            return self._kinds[key]

    def keep(self, key: str | None, transformers: Any, rows: Any) -> None:
        """Keep fitted transformers for other candidates."""
        if key is None:
            return
        with self._lock:
            self._kinds[key] = FittedTransformers(transformers, rows.copy() if _bytes_of(rows) <= ROWS_BYTES else None)
            self._kinds.move_to_end(key)
            while len(self._kinds) > KINDS:
                self._kinds.popitem(last=False)

    def clear(self) -> None:
        """Remove all entries."""
        with self._lock:
            self._kinds.clear()


@dataclass(frozen=True)
class Rows:
    """The rows on which an estimator is trained; y is None for unsupervised learning.

    `params` are passed to the estimator's `fit`; parameters with one value per row are indexed like the rows. `classes`
    are all labels, including labels that occur only in other rows; None for regression. `cache` has transformers that
    are fitted to these rows. `held` are the rows on which the library stops early; None unless the estimator stops
    early, and if the user passed such rows to `fit`.
    """

    X: Any
    y: Any
    params: dict[str, Any] = field(default_factory=dict)
    classes: Any = None
    cache: TransformerCache | None = None
    held: "Rows | None" = None

    @property
    def count(self) -> int:
        """Return the number of rows."""
        return int(_num_samples(self.X))

    def at(self, indices: NDArray[np.int64]) -> Self:
        """Return the rows with these indices, in this order."""
        y = None if self.y is None else _safe_indexing(self.y, indices)
        params = params_at(self.params, indices, self.count)
        return type(self)(_safe_indexing(self.X, indices), y, params, self.classes)

    def fit(self, estimator: Any, **more: Any) -> Any:
        """Fit an estimator to the rows."""
        given = {**self.params, **more}
        return estimator.fit(self.X, **given) if self.y is None else estimator.fit(self.X, self.y, **given)


class Resumable:
    """An estimator in training.

    The estimator is passed unfitted, with its hyperparameters set, and may be changed in place. `parameter` is the name
    of the estimator's parameter that counts epochs, or None.

    Attributes
    ----------
    estimator : estimator
        The estimator that is trained.
    done : int
        The number of epochs for which the estimator has been trained.
    stops : bool
        Whether the library's early stopping is used.
    stopped : bool
        Whether training has stopped early, so that the estimator is not trained further.
    why : str
        Why training cannot be resumed from the state; "" if it can.
    law : str
        The law of the score as a function of the epochs: AVERAGE, ROUNDS, or "" if no law is known.
    score : float or None
        The last measured score, set by the caller.
    """

    THREADS: ClassVar[str | None] = None
    """The estimator's parameter for the number of threads that the library starts; None if there is none."""
    ALIASES: ClassVar[tuple[str, ...]] = ()
    """Other names of the parameter that counts epochs. If one is set, it must be used instead of the usual name."""

    why = ""
    score: float | None = None
    stops = stopped = False

    def __init__(self, estimator: Any, parameter: str | None) -> None:
        self.estimator, self.parameter, self.done = estimator, parameter, 0
        self.law = self.law_of(estimator)

    @property
    def rounds(self) -> int | None:
        """Return the best number of rounds, or None without early stopping."""
        return None

    @property
    def kept(self) -> int:
        """Return the epochs after which the estimator is scored: all epochs, or with early stopping the best number."""
        return self.done

    @property
    def predictor(self) -> Any:
        """Return the estimator as it was after `kept` epochs, for predictions and scores."""
        return self.estimator

    @staticmethod
    def refuses(estimator: Any) -> str:
        """Return why an estimator cannot be trained further; "" if it can."""
        return ""

    @staticmethod
    def law_of(estimator: Any) -> str:
        """Return the `law` of an estimator."""
        return ""

    @staticmethod
    def wants_process(estimator: Any) -> bool:
        """Return whether concurrent jobs should run in processes rather than in threads."""
        return False

    @staticmethod
    def is_on_gpu(estimator: Any) -> bool:
        """Return whether an estimator is trained on a GPU, which concurrent jobs would share."""
        return False

    def more(self, rows: Rows, epochs: int) -> None:
        """Train for `epochs` more epochs on these rows, which must be the same in each call."""
        raise NotImplementedError

    def at(self, epochs: int) -> Any:
        """Return an estimator that predicts as this one did after its first `epochs` epochs, or None if impossible."""
        return None

    def rest(self) -> None:
        """Free memory that is not needed until the next job."""


def is_a(estimator: Any, name: str, package: str = "") -> bool:
    """Return whether the class of an estimator, or a base class, has this name and, if given, is from this package."""
    classes = [each for each in type(estimator).__mro__ if each.__name__ == name]
    return any(package in ("", each.__module__.partition(".")[0]) for each in classes)


def params_at(params: dict[str, Any], indices: NDArray[Any], count: int) -> dict[str, Any]:
    """Return the parameters of `fit` for the rows with these indices, out of `count` rows.

    Parameters with one value per row keep only the values of these rows.
    """
    return {
        name: _safe_indexing(value, indices) if _is_of_rows(value, count) else value for name, value in params.items()
    }


def _is_of_rows(value: Any, count: int) -> bool:
    if isinstance(value, str | bytes | dict) or not (hasattr(value, "__len__") or hasattr(value, "shape")):
        return False
    shape = getattr(value, "shape", None)
    return bool(shape[0] == count if shape else shape is None and len(value) == count)


def key_of_transformers(transformers: Any) -> str | None:
    """Return a hash of unfitted transformers, or None if they cannot be hashed."""
    try:
        return str(joblib.hash(transformers))
    except Exception:  # parameters that cannot be pickled
        return None


def _bytes_of(rows: Any) -> float:
    """Return the size of rows in memory, infinite for unknown types."""
    if hasattr(rows, "memory_usage"):  # a pandas DataFrame
        return float(rows.memory_usage(deep=True).sum())
    if hasattr(rows, "tocsr"):  # a SciPy sparse matrix
        sparse = rows.tocsr()
        return float(sparse.data.nbytes + sparse.indices.nbytes + sparse.indptr.nbytes)
    return float(rows.nbytes) if isinstance(rows, np.ndarray) else float("inf")
