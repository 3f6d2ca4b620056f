"""Several networks of one run that predict together: the weighted mean of their probabilities or targets.

    block of rows --encoded once--> network 0 -> outputs * weight 0  \
                                    network 1 -> outputs * weight 1   + -> float64, in order of members -> float32
                                    ...                              /

Same bits on any number of threads, since each network's are and the sum has one order. As many times the work of one
network as there are members.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash.models.file import FileParts, ensemble_parts
from ash.models.model import Model
from ash.models.network import Network

Weights = NDArray[np.float64]


class Ensemble(Model):
    """A weighted mean of trained networks.

    Comes from `Result.ensemble` or `ash.load`; it is not made by hand. It predicts, scores, is saved and pickled like a
    network. Averages of probabilities are probabilities; targets are averaged in the units of y.

    Attributes
    ----------
    members : tuple of Network
        The best first; all of one run, so of one encoding of the columns.
    weights : ndarray of shape (members,), float64
        The share of each, above 0; they sum to 1. Read-only.
    task, classes_, encoding, feature_names, target_names, n_features_in_, n_outputs_
        As those of each network.
    metric : str
        The metric of the run; "log_loss" or "rmse" where a function of the user's has scored the run.
    validation_score : float
        Its score in that metric on the rows that it was selected by, higher is better. It flatters, as the best score
        of a run does. After cross-validation it is that of the members' networks of the folds, on rows that these had
        not seen.
    """

    def __init__(self, members: Sequence[Network], weights: Weights, *, metric: str, validation_score: float) -> None:
        self.members = tuple(members)
        self.weights = np.array(weights, np.float64)
        self.weights.setflags(write=False)
        self.metric = metric
        self.validation_score = validation_score
        first = self.members[0]
        self.classes_, self.encoding, self.target_names = first.classes_, first.encoding, first.target_names

    @property
    def n_outputs_(self) -> int:
        """Return the number of columns of y."""
        return self.members[0].n_outputs_

    def weighted_networks(self) -> list[tuple[Network, float]]:
        """Return the members, each with its weight."""
        return list(zip(self.members, self.weights.tolist(), strict=True))

    def file_parts(self) -> FileParts:
        """Return the entries and tensors of the ensemble in a file."""
        members = [member.file_parts() for member in self.members]
        return ensemble_parts(members, self.weights, self.metric, self.validation_score)

    def _predict_rows(self, rows: NDArray[Any], threads: int) -> NDArray[np.float32]:
        return average((member.core.predict(rows, threads) for member in self.members), self.weights)

    def __repr__(self) -> str:
        """Return one line: how many networks, task and validation score."""
        count = len(self.members)
        kind = "regression" if self.classes_ is None else f"{len(self.classes_)} classes"
        score = f"validation {self.metric} {self.validation_score:.4g}"
        return f"Ensemble({count} network{'s' * (count > 1)}, {kind}, {score})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what pickle and copy need."""
        return _rebuild, (self.members, self.weights, self.metric, self.validation_score)


def average(outputs: Any, weights: Weights) -> NDArray[np.float32]:
    """Return the weighted mean of arrays of one shape, added up in float64 in their order.

    Parameters
    ----------
    outputs : iterable of float32 arrays
    weights : array [as many]
        They sum to 1.
    """
    total: Any = 0.0
    for each, weight in zip(outputs, weights.tolist(), strict=True):
        total = total + weight * each.astype(np.float64)
    return np.asarray(total, np.float32)


def _rebuild(members: tuple[Network, ...], weights: Weights, metric: str, validation_score: float) -> Ensemble:
    return Ensemble(members, weights, metric=metric, validation_score=validation_score)
