"""Evaluates the winner on the validation rows that scored it: confusion matrix, calibration and errors.

    class probabilities -> confusion (by true and predicted class), calibration (share of correct rows by confidence)
    targets             -> true and predicted values of an output

The winner was selected by its score on these rows, so all of these results are optimistic. Each row counts with its
sample weight.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ash._utils.aliases import Numbers
from ash._utils.checks import is_integer
from ash.errors import SettingError

if TYPE_CHECKING:
    from ash.history.history import History
    from ash.models.model_pool import Kept

BINS = 10
"""Number of equally wide bins from confidence 0 to 1."""

MOST_CLASSES = 26
"""The maximum number of classes in a confusion matrix; if there are more, the rarest classes are merged into one."""

OTHERS = "others"


@dataclass(frozen=True, eq=False)
class Confusion:
    """How often rows of each class were predicted as each class.

    Attributes
    ----------
    labels : list of str
        Labels of the classes; the last is `OTHERS` if classes were merged.
    counts : float64 array [true, predicted]
        Number of rows, or their total weight.
    """

    labels: list[str]
    counts: Numbers


@dataclass(frozen=True, eq=False)
class Calibration:
    """How often the predicted class was right, by its predicted probability (reliability diagram).

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 2.

    Attributes
    ----------
    confidence, right, weight : float64 arrays [bins]
        For each bin that has rows: the mean probability of the predicted class, the share of rows whose predicted class
        is right, and the total weight of the rows.
    error : float
        The expected calibration error: the mean of ``|confidence - right|``, weighted by `weight`.
    """

    confidence: Numbers
    right: Numbers
    weight: Numbers
    error: float


@dataclass(frozen=True, eq=False)
class Residuals:
    """True and predicted values of one output, in the units of y, and any row weights; all are float64 [rows]."""

    name: str
    true: Numbers
    predicted: Numbers
    weights: Numbers | None

    @property
    def rmse(self) -> float:
        """Return the root of the mean squared error."""
        return float(np.sqrt(np.average((self.true - self.predicted) ** 2, weights=self.weights)))

    @property
    def bias(self) -> float:
        """Return the weighted mean of predicted minus true values."""
        return float(np.average(self.predicted - self.true, weights=self.weights))


def winner_on_held_out(result: "History", what: str) -> "Kept":
    """Return the run's kept models, the winner first.

    Raises
    ------
    SettingError
        The predictions were left out when the result was pickled; `what` names the feature in the message.
    """
    pool = result.validation_pool
    if pool is None:
        why = "needs the predictions of validation rows, which the pickle of an estimator leaves out"
        raise SettingError(f"{what} {why}: call it before pickling")
    return pool


def _labels(kept: "Kept", what: str) -> list[str]:
    """Return the class labels as text; raise SettingError for a regression."""
    classes = kept.networks[0].classes_
    if classes is None:
        raise SettingError(f"{what} needs probabilities of classes, which a regression run does not have")
    return [str(label) for label in classes.tolist()]


def confusion_of(result: "History") -> Confusion:
    """Return the confusion matrix of the winner; raise the same errors as `Result.plot_held_out`."""
    kept = winner_on_held_out(result, "plot_held_out")
    labels = _labels(kept, "plot_held_out")
    true, predicted = kept.targets[:, 0].astype(np.int64), kept.predictions[0].argmax(axis=1)
    counts = np.zeros((len(labels), len(labels)))
    np.add.at(counts, (true, predicted), 1.0 if kept.weights is None else kept.weights)
    if len(labels) <= MOST_CLASSES:
        return Confusion(labels, counts)
    shown = np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[: MOST_CLASSES - 1])
    group = np.full(len(labels), len(shown))
    group[shown] = np.arange(len(shown))
    merged = np.zeros((len(shown) + 1,) * 2)
    np.add.at(merged, np.ix_(group, group), counts)
    return Confusion([*(labels[index] for index in shown), OTHERS], merged)


def calibration_of(result: "History") -> Calibration:
    """Return the calibration of the winner; raise the same errors as `Result.plot_calibration`."""
    kept = winner_on_held_out(result, "plot_calibration")
    _labels(kept, "plot_calibration")
    probabilities = kept.predictions[0].astype(np.float64)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == kept.targets[:, 0]
    weights = np.ones(len(confidence)) if kept.weights is None else kept.weights
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    sums = [np.bincount(bins, each, BINS) for each in (weights, weights * confidence, weights * right)]
    weight, confidences, rights = (each[sums[0] > 0] for each in sums)
    mean, share = confidences / weight, rights / weight
    error = float(np.average(np.abs(mean - share), weights=weight))
    return Calibration(mean, share, weight.astype(np.float64), error)


def residuals_of(result: "History", output: int = 0) -> Residuals:
    """Return the true and predicted values of an output, which must exist (see `check_output`)."""
    kept = winner_on_held_out(result, "plot_held_out")
    name = "target" if (names := kept.networks[0].target_names) is None else names[output]
    return Residuals(name, kept.targets[:, output], kept.predictions[0][:, output].astype(np.float64), kept.weights)


def check_output(kept: "Kept", output: int) -> None:
    """Raise SettingError if there is no such output; class probabilities count as one output."""
    outputs = kept.targets.shape[1]
    if not is_integer(output) or not 0 <= output < outputs:
        raise SettingError(f"output must be an integer from 0 to {outputs - 1}, got {output!r}")
