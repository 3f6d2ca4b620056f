"""Contains `Network`, the public model of a trained network.

The core's network holds only numbers: weights and standardization. `Network` adds classes, names and facts about the
training. It is immutable and thread-safe.
"""

import copyreg
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.models.file import FileParts, core_parts, network_parts
from ash.models.model import SingleModel


class Network(SingleModel):
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

    core: _core.Network
    _called = "the network"

    @property
    def n_outputs_(self) -> int:
        """Return the number of columns of y."""
        return len(self.core.target_mean) if self.classes_ is None else 1

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
        return self if factor == 1 else self._with(core=sharpen(self.core, factor))

    def shifted(self, shift: NDArray[np.float64]) -> "Network":
        """Return the classifier with numbers added to the logits of its classes.

        Parameters
        ----------
        shift : ndarray of shape (classes,), float64
        """
        parts = core_parts(self.core)
        *before, last = parts["biases"]
        parts["biases"] = [*before, last + shift.astype(np.float32)]
        return self._with(core=_core.Network(**parts))

    def __repr__(self) -> str:
        """Return one line with the widths, activations, task and score."""
        widths = [self.n_features_in_, *(len(bias) for bias in self.core.biases)]
        activations = ", ".join(dict.fromkeys(self.core.activations)) or "linear"
        return f"Network({'-'.join(map(str, widths))}, {activations}, {self._about()})"


def sharpen(core: _core.Network, factor: float) -> _core.Network:
    """Return a core network with its logits multiplied by a factor."""
    if factor == 1:
        return core
    parts = core_parts(core)
    for name in ("weights", "biases"):
        *before, last = parts[name]
        parts[name] = [*before, last * np.float32(factor)]
    return _core.Network(**parts)


def _unpickled(parts: dict[str, Any]) -> _core.Network:
    return _core.Network(**parts)


copyreg.pickle(_core.Network, lambda network: (_unpickled, (core_parts(network),)))
