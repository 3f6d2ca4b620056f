"""What all ways of training on have in common: rows, and an estimator under training."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from ash.sklearn.resumable.fitted_transformers import Heads

N_SAMPLES, EPOCHS = "n_samples", "epochs"
"""Resources that no parameter of an estimator counts: rows, and passes over them."""

AVERAGE, ROUNDS = "average", "rounds"
"""Laws of learning curves: an epoch is one more of what is averaged, or takes a share of what is left."""


@dataclass(frozen=True)
class Rows:
    """The rows that an estimator is trained on; y is None where it learns without.

    `params` go to its `fit`; of those with a value a row, the rows are chosen too. `classes` are all labels that there
    are, those of other rows included, None for regression. `heads` has transformers that are fitted to them.
    """

    X: Any
    y: Any
    params: dict[str, Any] = field(default_factory=dict)
    classes: Any = None
    heads: Heads | None = None

    @property
    def count(self) -> int:
        """Return how many there are."""
        return int(_num_samples(self.X))

    def at(self, places: NDArray[np.int64]) -> Self:
        """Return some of them, in this order."""
        y = None if self.y is None else _safe_indexing(self.y, places)
        params = params_at(self.params, places, self.count)
        return type(self)(_safe_indexing(self.X, places), y, params, self.classes)

    def fit(self, estimator: Any, **more: Any) -> Any:
        """Fit an estimator to them."""
        given = {**self.params, **more}
        return estimator.fit(self.X, **given) if self.y is None else estimator.fit(self.X, self.y, **given)


def params_at(params: dict[str, Any], places: NDArray[Any], count: int) -> dict[str, Any]:
    """Return parameters of which those with a value a row keep the values of these rows."""
    return {
        name: _safe_indexing(value, places) if _is_of_rows(value, count) else value for name, value in params.items()
    }


def _is_of_rows(value: Any, count: int) -> bool:
    if isinstance(value, str | bytes | dict) or not (hasattr(value, "__len__") or hasattr(value, "shape")):
        return False
    shape = getattr(value, "shape", None)
    return bool(shape[0] == count if shape else shape is None and len(value) == count)


class Continued:
    """An estimator under training.

    Parameters
    ----------
    estimator : estimator
        With its hyperparameters, not fitted; it is changed.
    parameter : str or None
        The parameter of it that counts epochs.

    Attributes
    ----------
    estimator : estimator
        What scores and predicts.
    done : int
        The epochs it has been trained for.
    why : str
        Why it does not go on from where it stands, "" if it does.
    law : str
        What its score follows with the epochs: AVERAGE, ROUNDS, "" if none is known.
    score : float or None
        For whoever measures it: the score that it had when it was last measured.
    """

    THREADS: ClassVar[str | None] = None
    """The parameter for the threads that the library starts itself."""

    why, law = "", ""
    score: float | None = None

    def __init__(self, estimator: Any, parameter: str | None) -> None:
        self.estimator = estimator
        self.parameter = parameter
        self.done = 0

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
