"""Contains `Network`, the public model of a trained network.

The core's network holds only numbers: weights and standardization. `Network` adds classes, names and facts about the
training. It is immutable and thread-safe.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.encoding.encoding import Encoding
from ash.models.file import FileParts, core_parts, network_parts
from ash.models.model import Model, Outputs


class Network(Model):
    """A trained multilayer perceptron with the scaling of its inputs and targets.

    It is returned by `Result.model` or `ash.load`; do not construct it yourself.

    Attributes
    ----------
    task : str
        "classification" or "regression".
    classes_ : ndarray of shape (classes,) or None
        The sorted labels in their own dtype; None for regression.
    encoding : ash.encoding.encoding.Encoding
        The columns of X in training, and their encoding as features of the network.
    feature_names : tuple of str or None
        Column names of the DataFrame on which the network was trained; None if X had no names.
    target_names : tuple of str or None
        Names of the columns of y.
    n_features_in_ : int
        Number of columns of X.
    n_outputs_ : int
        Number of columns of y.
    params : dict
        The hyperparameters with which the network was trained.
    metric : str
        The metric of the run that trained the network.
    validation_score : float
        The network's score in that run; higher is better.
    record : RunRecord or None
        The record of the run, by which the model can be trained again. None for a network that was not the final model
        of a run, such as that of one fold in cross-validation, and for files of older versions.
    core : ash._core.Network
        Weights, biases and scaling.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> model = ash.tune(X, y, candidates=8).model
    >>> model.predict_proba(X).shape
    (178, 3)
    """

    _called = "the network"

    def __init__(
        self,
        core: _core.Network,
        *,
        encoding: Encoding,
        classes: NDArray[Any] | None,
        target_names: tuple[str, ...] | None,
        params: Mapping[str, Any],
        metric: str,
        validation_score: float,
        quantile: float | None = None,
    ) -> None:
        self.core = core
        self.encoding = encoding
        self.classes_ = classes
        self.target_names = target_names
        self.params = dict(params)
        self.metric = metric
        self.validation_score = validation_score
        self.quantile = quantile

    @property
    def n_outputs_(self) -> int:
        """Return the number of columns of y."""
        return len(self.core.target_mean) if self.classes_ is None else 1

    @property
    def is_exponential(self) -> bool:
        """Return whether the network's outputs are logarithms of the target."""
        return self.core.exponential

    def weighted_members(self) -> "list[tuple[Network, float]]":
        """Return only this network, with weight 1."""
        return [(self, 1.0)]

    def file_parts(self) -> FileParts:
        """Return the metadata entries and the tensors that represent the network in a file."""
        return network_parts(self.core, self.params, self.metric, self.validation_score, self.quantile)

    def sharper(self, factor: float) -> "Network":
        """Return the classifier with its logits multiplied by a factor.

        Parameters
        ----------
        factor : float
            Above 0. Probabilities change; predicted labels do not.
        """
        twin = Network.__new__(Network)
        vars(twin).update(vars(self), core=sharpen(self.core, factor))
        return twin

    def shifted(self, shift: NDArray[np.float64]) -> "Network":
        """Return the classifier with numbers added to the logits of its classes.

        Parameters
        ----------
        shift : ndarray of shape (classes,), float64
        """
        parts = core_parts(self.core)
        *before, last = parts["biases"]
        parts["biases"] = [*before, last + shift.astype(np.float32)]
        twin = Network.__new__(Network)
        vars(twin).update(vars(self), core=_core.Network(**parts))
        return twin

    def _predict_rows(self, rows: NDArray[Any], threads: int) -> Outputs:
        return self.core.predict(rows, threads)

    def __repr__(self) -> str:
        """Return one line with the widths, activations, task and score."""
        widths = [self.n_features_in_, *(len(bias) for bias in self.core.biases)]
        activations = ", ".join(dict.fromkeys(self.core.activations)) or "linear"
        kind = "regression" if self.classes_ is None else f"{len(self.classes_)} classes"
        return f"Network({'-'.join(map(str, widths))}, {activations}, {kind}, {self.shown_score()})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the state for pickle and copy, with the core's network as arrays."""
        return _rebuild, (core_parts(self.core), {**vars(self), "core": None})


def sharpen(core: _core.Network, factor: float) -> _core.Network:
    """Return a core network with its logits multiplied by a factor."""
    if factor == 1:
        return core
    parts = core_parts(core)
    for name in ("weights", "biases"):
        *before, last = parts[name]
        parts[name] = [*before, last * np.float32(factor)]
    return _core.Network(**parts)


def _rebuild(parts: dict[str, Any], attributes: dict[str, Any]) -> Network:
    network = Network.__new__(Network)
    vars(network).update(attributes, core=_core.Network(**parts))
    return network
