"""A trained network as its user sees it: labels in, labels out.

The core's network holds weights and standardization and knows only numbers; this one adds the classes, the names and
where it came from. Immutable; any number of threads may predict with one.
"""

import math
import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.arrays import as_array, check_finite, refuse_type, to_float
from ash.cpus import resolve_threads
from ash.data import read_features
from ash.errors import DataError
from ash.metrics import metric_of

ROWS_WORTH_A_THREAD = 1024
"""Below that many rows a second thread costs more than it brings."""


class Network:
    """A trained multilayer perceptron with the scaling of its inputs and targets.

    Comes from `Result.model` or `ash.load`; it is not made by hand.

    Attributes
    ----------
    task : str
        "classification" or "regression".
    classes_ : ndarray of shape (classes,) or None
        The sorted labels in their own dtype; None for regression.
    feature_names : tuple of str or None
        Of the DataFrame it was trained on.
    target_names : tuple of str or None
        Of the columns of y.
    n_features_in_ : int
        Columns of X.
    n_outputs_ : int
        Columns of y.
    params : dict
        The hyperparameters it was trained with.
    metric : str
        The metric of the run that it comes from.
    validation_score : float
        Its score there, higher is better.
    core : ash._core.Network
        Weights, biases and scaling.
    """

    def __init__(
        self,
        core: _core.Network,
        *,
        classes: NDArray[Any] | None,
        feature_names: tuple[str, ...] | None,
        target_names: tuple[str, ...] | None,
        params: Mapping[str, Any],
        metric: str,
        validation_score: float,
    ) -> None:
        self.core = core
        self.classes_ = classes
        self.feature_names = feature_names
        self.target_names = target_names
        self.params = dict(params)
        self.metric = metric
        self.validation_score = validation_score

    @property
    def task(self) -> str:
        """Return "classification" or "regression"."""
        return "regression" if self.classes_ is None else "classification"

    @property
    def n_features_in_(self) -> int:
        """Return the number of columns of X."""
        return len(self.core.input_mean)

    @property
    def n_outputs_(self) -> int:
        """Return the number of columns of y."""
        return len(self.core.target_mean) if self.classes_ is None else 1

    def predict(self, X: Any, *, threads: int | None = None) -> NDArray[Any]:
        """Return labels in the dtype of y, or targets in the units of y.

        Parameters
        ----------
        X : array-like or DataFrame of shape (rows, n_features_in_)
            Numbers, finite; columns named as in training, if they were named there.
        threads : int, optional
            As for `ash.tune`; one while the rows are few.

        Returns
        -------
        ndarray
            Of shape (rows,), or (rows, outputs) in float64 for several targets. Of equal probabilities the first
            class wins.

        Raises
        ------
        DataError
            X does not fit the network.
        """
        outputs = self._outputs(X, threads)
        if self.classes_ is not None:
            return np.asarray(self.classes_[outputs.argmax(axis=1)])
        targets = outputs.astype(np.float64)
        return targets[:, 0] if targets.shape[1] == 1 else targets

    def predict_proba(self, X: Any, *, threads: int | None = None) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like or DataFrame of shape (rows, n_features_in_)
            As for `predict`.
        threads : int, optional
            As for `predict`.

        Returns
        -------
        ndarray of shape (rows, classes), float64
            In the order of `classes_`; rows sum to 1.

        Raises
        ------
        DataError
            X does not fit the network.
        AttributeError
            It is a regression network.
        """
        if self.classes_ is None:
            raise AttributeError("a regression network has no predict_proba")
        probabilities = self._outputs(X, threads).astype(np.float64)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        return probabilities

    def score(self, X: Any, y: Any, metric: str | None = None, *, threads: int | None = None) -> float:
        """Return the score of the predictions for X against y; higher is better, errors are negated.

        Parameters
        ----------
        X : array-like or DataFrame of shape (rows, n_features_in_)
            As for `predict`.
        y : array-like of shape (rows,) or (rows, outputs)
            The true labels or targets. A label unknown to the network counts as wrong in "accuracy".
        metric : str, optional
            A metric of the task; "accuracy" or "r2" by default, as in scikit-learn.
        threads : int, optional
            As for `predict`.

        Returns
        -------
        float
            NaN, with a warning, where the metric is undefined (auc of one class, r2 of one row).

        Raises
        ------
        DataError
            X or y does not fit the network.
        SettingError
            The metric is unknown or belongs to the other task.
        """
        metric = metric_of(self.task, metric)
        outputs = self._outputs(X, threads)
        if metric == "accuracy" and self.classes_ is not None:
            return float(np.mean(self.classes_[outputs.argmax(axis=1)] == _column(y, len(outputs))))
        classes = 0 if self.classes_ is None else len(self.classes_)
        targets = read_targets(y, len(outputs), self.classes_, self.n_outputs_)
        value = _core.score(metric, targets, outputs, classes)
        if math.isnan(value):
            warnings.warn(f"{metric} is undefined on these {len(outputs)} rows", UserWarning, stacklevel=2)
        return value

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a safetensors file; see `ash.model_file.save`."""
        from ash.model_file import save  # here, since that module imports this one

        save(self, path)

    def _outputs(self, X: Any, threads: int | None) -> NDArray[np.float32]:
        x = read_features(X, self.n_features_in_, self.feature_names)
        few = threads is None and len(x) <= ROWS_WORTH_A_THREAD
        return self.core.predict(x, 1 if few else resolve_threads(threads))

    def __repr__(self) -> str:
        """Return one line: widths, activations, task and validation score."""
        widths = [self.n_features_in_, *(len(bias) for bias in self.core.biases)]
        activations = ", ".join(dict.fromkeys(self.core.activations)) or "linear"
        kind = "regression" if self.classes_ is None else f"{len(self.classes_)} classes"
        return (
            f"Network({'-'.join(map(str, widths))}, {activations}, {kind}, "
            f"validation {self.metric} {self.validation_score:.4g})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what pickle and copy need: the core's network travels as arrays."""
        return _rebuild, (core_parts(self.core), {**vars(self), "core": None})


def core_parts(core: _core.Network) -> dict[str, Any]:
    """Return the arguments from which the core makes an equal network."""
    names = (
        "weights",
        "biases",
        "activations",
        "classes",
        "input_mean",
        "input_scale",
        "target_mean",
        "target_scale",
    )
    return {name: getattr(core, name) for name in names}


def _rebuild(parts: dict[str, Any], attributes: dict[str, Any]) -> Network:
    network = Network.__new__(Network)
    vars(network).update(attributes, core=_core.Network(**parts))
    return network


def read_targets(y: Any, rows: int, classes: NDArray[Any] | None, outputs: int) -> NDArray[np.float64]:
    """Return y as the core scores it.

    Parameters
    ----------
    y : array-like of shape (rows,) or (rows, outputs)
        Labels out of `classes`, or finite targets.
    rows : int
        How many there must be.
    classes : ndarray of shape (classes,) or None
        The sorted labels; None for regression.
    outputs : int
        Columns that there must be.

    Returns
    -------
    ndarray of shape (rows, outputs), float64, C-contiguous
        Class numbers in one column, or targets.

    Raises
    ------
    DataError
        Wrong shape, a label that is not in `classes`, a target that is not a finite number.
    """
    if classes is not None:
        labels = _column(y, rows)
        known = np.isin(labels, classes)
        if not known.all():
            unknown = [str(label) for label in np.unique(labels[~known])[:5]]
            raise DataError(f"y holds labels that were not trained: {', '.join(unknown)}")
        return np.searchsorted(classes, labels).astype(np.float64).reshape(rows, 1)
    targets = _array(y)
    if targets.shape != (rows, outputs) and (outputs != 1 or targets.shape != (rows,)):
        raise DataError(f"y has shape {targets.shape}, but ({rows}, {outputs}) is expected: a target for each row of X")
    numbers = to_float(targets.reshape(rows, outputs), "y", None)
    check_finite(numbers, "y", None)
    return numbers


def _array(y: Any) -> NDArray[Any]:
    refuse_type(y, "y")
    values = as_array(y, "y")
    return np.array(values.tolist()) if values.dtype.kind == "O" else values


def _column(y: Any, rows: int) -> NDArray[Any]:
    labels = _array(y)
    if labels.shape not in ((rows,), (rows, 1)):
        raise DataError(f"y has shape {labels.shape}, but ({rows},) is expected: one label for each row of X")
    return labels.reshape(rows)
