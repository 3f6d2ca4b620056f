"""An estimator under training, the base of every way to train further, with its rows and fitted transformers."""

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
"""Resources that no parameter of an estimator counts: rows, and passes over them."""

AVERAGE, ROUNDS = "average", "rounds"
"""Laws of learning curves: an epoch is one more of what is averaged, or takes a share of what is left."""

KINDS = 2
ROWS_BYTES = 2**26


class FittedTransformers(NamedTuple):
    """Fitted transformers, and the rows that they gave, None where these are too large."""

    transformers: Any
    rows: Any

    def transformed(self, X: Any) -> Any:
        """Return the rows, for somebody who may change them; X is what they are made of."""
        return self.transformers.transform(X) if self.rows is None else self.rows.copy()


class TransformerCache:
    """Transformers that candidates have in common: fitted once a fold, though each candidate is a pipeline of its own.

        parameters of all steps but the last, as a hash --> fitted transformers, and the training rows as they gave them

    Invariants: (1) only transformers that give the rows they were fitted to what `transform` gives; (2) what is kept is
    of one fold, whose rows and parameters of `fit` do not change; (3) nobody changes what is kept: transformers
    transform, in several threads at a time, and rows are copies. A candidate whose transformers have a random state of
    their own has a hash of its own.
    Cost: a hash for each candidate and fold, a copy of the rows for each job. Memory: rows of KINDS kinds, each of no
    more than ROWS_BYTES.
    """

    def __init__(self) -> None:
        self._kinds: OrderedDict[str, FittedTransformers] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> "tuple[type[TransformerCache], tuple[()]]":
        return TransformerCache, ()  # another process fits its own

    def find(self, key: str | None) -> FittedTransformers | None:
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
            self._kinds[key] = FittedTransformers(transformers, rows.copy() if _bytes_of(rows) <= ROWS_BYTES else None)
            self._kinds.move_to_end(key)
            while len(self._kinds) > KINDS:
                self._kinds.popitem(last=False)

    def clear(self) -> None:
        """Let go of all."""
        with self._lock:
            self._kinds.clear()


@dataclass(frozen=True)
class Rows:
    """The rows that an estimator is trained on; y is None where it learns without.

    `params` go to its `fit`; of those with a value a row, the rows are chosen too. `classes` are all labels that there
    are, those of other rows included, None for regression. `cache` has transformers that are fitted to them, and `held`
    the rows that the estimator is scored on, for early stopping.
    """

    X: Any
    y: Any
    params: dict[str, Any] = field(default_factory=dict)
    classes: Any = None
    cache: TransformerCache | None = None
    held: "Rows | None" = None

    @property
    def count(self) -> int:
        """Return how many there are."""
        return int(_num_samples(self.X))

    def at(self, indices: NDArray[np.int64]) -> Self:
        """Return some of them, in this order."""
        y = None if self.y is None else _safe_indexing(self.y, indices)
        params = params_at(self.params, indices, self.count)
        return type(self)(_safe_indexing(self.X, indices), y, params, self.classes)

    def fit(self, estimator: Any, **more: Any) -> Any:
        """Fit an estimator to them."""
        given = {**self.params, **more}
        return estimator.fit(self.X, **given) if self.y is None else estimator.fit(self.X, self.y, **given)


class Continued:
    """An estimator under training.

    It begins with its hyperparameters, not fitted, and is changed; `parameter` is the one that counts epochs, if there
    is one.

    Attributes
    ----------
    estimator : estimator
        What is trained.
    done : int
        The epochs it has been trained for.
    stops : bool
        Whether it stops early, by the rows that it is scored on.
    stopped : bool
        Whether it has stopped: it is not trained further.
    why : str
        Why it does not go on from where it stands, "" if it does.
    law : str
        What its score follows with the epochs: AVERAGE, ROUNDS, "" if none is known.
    score : float or None
        For whoever measures it: the score that it had when it was last measured.
    """

    THREADS: ClassVar[str | None] = None
    """The parameter for the threads that the library starts itself."""

    why = ""
    score: float | None = None
    stops = stopped = False

    def __init__(self, estimator: Any, parameter: str | None) -> None:
        self.estimator, self.parameter, self.done = estimator, parameter, 0
        self.law = self.law_of(estimator)

    @property
    def rounds(self) -> int | None:
        """Return the best number of rounds, None if it does not stop early."""
        return None

    @property
    def kept(self) -> int:
        """Return the epochs after which it is scored: the best ones, if it stops early."""
        return self.done

    @property
    def predictor(self) -> Any:
        """Return what predicts and is scored: the estimator as it was after `kept` epochs."""
        return self.estimator

    @staticmethod
    def refuses(estimator: Any) -> str:
        """Return why this one cannot be trained on, "" if it can."""
        return ""

    @staticmethod
    def law_of(estimator: Any) -> str:
        """Return the `law` of this one."""
        return ""

    @staticmethod
    def wants_process(estimator: Any) -> bool:
        """Return whether jobs at a time are better done in processes than in threads of one."""
        return False

    def more(self, rows: Rows, epochs: int) -> None:
        """Train so many epochs more on these rows, which are the same each time."""
        raise NotImplementedError

    def at(self, epochs: int) -> Any:
        """Return what predicts as `estimator` did after its first epochs, None where that cannot be had."""
        return None

    def rest(self) -> None:
        """Let go of what the next job does not need."""


def is_a(estimator: Any, name: str, package: str = "") -> bool:
    """Return whether an estimator is of a class of this name, of this package if one is given."""
    classes = [each for each in type(estimator).__mro__ if each.__name__ == name]
    return any(package in ("", each.__module__.partition(".")[0]) for each in classes)


def params_at(params: dict[str, Any], indices: NDArray[Any], count: int) -> dict[str, Any]:
    """Return parameters of which those with a value a row keep the values of these rows."""
    return {
        name: _safe_indexing(value, indices) if _is_of_rows(value, count) else value for name, value in params.items()
    }


def _is_of_rows(value: Any, count: int) -> bool:
    if isinstance(value, str | bytes | dict) or not (hasattr(value, "__len__") or hasattr(value, "shape")):
        return False
    shape = getattr(value, "shape", None)
    return bool(shape[0] == count if shape else shape is None and len(value) == count)


def key_of_transformers(transformers: Any) -> str | None:
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
