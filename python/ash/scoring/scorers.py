"""Calls scikit-learn's scorers and users' functions after each job.

    core thread -> GIL -> scorer(trained, X, y) -> score
                                    |
             predict(X), predict_proba(X): already computed for the validation rows

Errors: a scorer that fails is not called again. The run stops and raises the scorer's error, even SystemExit.
Threads: scorers are called by the core's threads, one call at a time, so a scorer may have state.
"""

import inspect
import math
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from numbers import Real
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import get_scorer, make_scorer

from ash import _core
from ash.data.frames import read_frame
from ash.errors import SettingError
from ash.models.ensemble import Member
from ash.models.model import Outputs, normalized
from ash.models.trees import Boosted

Scorer = Callable[..., Any]


class ValidationScorer:
    """Scores networks or boosted trees by their outputs on the validation rows.

    Parameters
    ----------
    scorer : callable
        `scorer(estimator, X, y)`.
    X, y
        The validation rows in the user's form.
    weights : array [rows] or None
        Passed as `sample_weight` to scikit-learn's scorers whose metric accepts it.
    network : callable
        Makes a public model from a model of the core. Scorers use the public model to predict rows other than `X`.
    lock : Lock
        Held during each call; shared by all folds of a run.

    Attributes
    ----------
    error : BaseException or None
        The error that a call raised, if any.
    has_scored : bool or None
        Whether any score was a finite number; None until the scorer has returned a score.
    """

    def __init__(
        self,
        scorer: Scorer,
        X: Any,
        y: NDArray[Any],
        weights: NDArray[np.float64] | None,
        network: Callable[[_core.Network | Boosted], Member],
        lock: AbstractContextManager[Any],
    ) -> None:
        self._scorer, self._x, self._y, self._network = scorer, X, y, network
        self._keywords = {"sample_weight": weights} if weights is not None and takes_weights(scorer) else {}
        self._lock = lock
        self._config = get_config()  # scikit-learn's settings in the calling thread, used in the core's threads
        self.error: BaseException | None = None
        self.has_scored: bool | None = None

    @property
    def is_of_sklearn(self) -> bool:
        """Whether this is a scorer of scikit-learn rather than a user's function."""
        return hasattr(self._scorer, "_score_func")

    def __call__(self, core: _core.Network | Boosted, outputs: Outputs) -> float:
        """Return the score; NaN if outputs are not finite, or if this or an earlier call has failed."""
        return self.score_of(self._network(core), outputs)

    def score_of(self, network: Member, outputs: Outputs) -> float:
        """Return the score of these outputs, as `__call__` does; `network` predicts rows other than `X`."""
        with self._lock:  # needed despite the GIL, since a scorer may release the GIL while it waits
            if self.error is not None or not np.isfinite(outputs).all():
                return math.nan  # scikit-learn's metrics refuse the predictions of a diverged network
            try:
                score = self._score(network, outputs)
            except BaseException as error:  # a user's function may raise anything; the run stops and raises it
                self.error = error
                return math.nan
            self.has_scored = bool(self.has_scored) or math.isfinite(score)
            return score

    def try_out(self, targets: NDArray[Any], task: str, argument: str) -> None:
        """Raise SettingError if a scorer of scikit-learn cannot score a constant prediction.

        A user's function is not called.
        """
        if not self.is_of_sklearn:
            return
        dummy = DummyRegressor() if task == "regression" else DummyClassifier(strategy="prior")
        constant = dummy.fit(np.zeros((len(targets), 1)), targets)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # warnings of metrics that are undefined for a constant prediction
                self._scorer(constant, np.zeros((len(self._y), 1)), self._y, **self._keywords)
        except Exception as error:
            raise SettingError(f"{argument} cannot score these rows: {error}") from error

    def _score(self, network: Member, outputs: Outputs) -> float:
        kind = TrainedRegressor if network.classes_ is None else TrainedClassifier
        with config_context(**self._config):
            score = self._scorer(kind(network, self._x, outputs), self._x, self._y, **self._keywords)
        if hasattr(score, "item"):
            score = score.item()
        if not isinstance(score, Real):
            raise SettingError(f"scoring must return a number, got {score!r} ({type(score).__name__}) instead.")
        return float(score)


def scorer_of(name: str, pos_label: Any) -> Scorer:
    """Return scikit-learn's scorer of this name, for the positive class `pos_label` if the scorer has such a class."""
    scorer: Any = get_scorer(name)
    function, settings = getattr(scorer, "_score_func", None), getattr(scorer, "_kwargs", {})
    parameters = {} if function is None else inspect.signature(function).parameters
    if pos_label is None or "pos_label" not in parameters or settings.get("average", "binary") != "binary":
        return cast(Scorer, scorer)
    own = {"response_method": scorer._response_method, "greater_is_better": scorer._sign > 0, "pos_label": pos_label}
    return cast(Scorer, make_scorer(function, **{**settings, **own}))


def takes_weights(scorer: Scorer, estimator: Any = None) -> bool:
    """Return whether a scorer of scikit-learn accepts sample_weight, in its metric or in the estimator's `score`."""
    is_own = estimator is not None and type(scorer).__name__ == "_PassthroughScorer"
    metric = getattr(estimator, "score", None) if is_own else getattr(scorer, "_score_func", None)
    return callable(metric) and "sample_weight" in inspect.signature(metric).parameters


class _Trained(BaseEstimator):  # type: ignore[misc]
    """A fitted estimator for a scorer, with precomputed outputs for the validation rows."""

    def __init__(self, network: Member, rows: Any = None, outputs: Any = None) -> None:
        self.network = network
        self.rows = rows
        self.outputs = outputs
        self.n_features_in_ = network.n_features_in_
        if network.classes_ is not None:
            self.classes_ = network.classes_

    def _outputs(self, X: Any) -> Outputs:
        return self.outputs if X is self.rows else self.network.predict_frame(read_frame(X), n_jobs=1)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the predicted labels or targets."""
        return self.network.decide(self._outputs(X))


class TrainedClassifier(ClassifierMixin, _Trained):  # type: ignore[misc]
    """A fitted classifier for a scorer, which predicts labels and probabilities."""

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return probabilities [rows, classes]."""
        return normalized(self._outputs(X))


class TrainedRegressor(RegressorMixin, _Trained):  # type: ignore[misc]
    """A fitted regressor for a scorer, which predicts targets."""
