"""Contains `Trees`, the model of boosted trees. A library trains them, and the core predicts with them.

Trees get the same encoded rows as networks, but with unscaled numbers. They are immutable and thread-safe.
"""

import copyreg
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.models.catboost_model import CatBoostTrees
from ash.models.file import (
    CATBOOST_FORMAT,
    LEVEL_NUMBERS,
    FileParts,
    MalformedError,
    check_format,
    trees_arguments,
    trees_parts,
)
from ash.models.lightgbm_text import LOGARITHMS, predicting_part, read_trees
from ash.models.model import SingleModel


class Boosted(NamedTuple):
    """Trained trees in two forms: as an object of the core, and as the text from which this object was read."""

    core: _core.Trees | CatBoostTrees
    text: str | bytes
    """The trees in LightGBM's text format, or in CatBoost's own format if they are `CatBoostTrees`."""
    has_level_numbers: bool = False
    """Whether the features include the level numbers of categories."""


class Trees(SingleModel):
    """Boosted trees, trained by LightGBM, CatBoost or XGBoost, with the scaling of their target.

    It is returned by `Result.model` or `ash.load`, or is a member of an ensemble; do not construct it yourself. It
    predicts without the library that trained it.

    Attributes
    ----------
    task, classes_, encoding, feature_names, target_names, n_features_in_, n_outputs_
        As in `Network`.
    params : dict
        The hyperparameters with which the trees were trained.
    metric : str
        The metric of the run that trained the trees.
    validation_score : float
        The trees' score in that run; higher is better.
    core : ash._core.Trees
        The tables of the trees, and the scaling of the target. If CatBoost trained the trees with
        ``categories="native"``, an object with the same methods that predicts with CatBoost, which must be installed.
    text : str or bytes
        The trees in LightGBM's format, whichever library trained them; ``lightgbm.Booster(model_str=text)`` reads it.
        Its features are those of the encoding. Calibration, and the correction for weights of classes, are not part of
        it. If CatBoost trained the trees with ``categories="native"``, the model in CatBoost's own format, as bytes.
    record : RunRecord or None
        The record of the run, by which the model can be trained again. None for trees that were not the final model of
        a run, such as those of one fold in cross-validation.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> trees = ash.SearchConfig(models=["lightgbm"])
    >>> model = ash.tune(X, y, candidates=4, config=trees).model
    >>> model.predict_proba(X).shape
    (178, 3)
    """

    core: _core.Trees | CatBoostTrees

    def __init__(self, core: _core.Trees | CatBoostTrees, text: str | bytes, **about: Any) -> None:
        super().__init__(core, **about)
        self.text = predicting_part(text) if isinstance(text, str) else text

    @property
    def n_outputs_(self) -> int:
        """Return the number of columns of y, which is always 1."""
        return 1

    def file_parts(self) -> FileParts:
        """Return the metadata entries and the tensors that represent the trees in a file."""
        entries, tensors = trees_parts(
            self.core, self.text, self.params, self.metric, self.validation_score, self.quantile
        )
        entries |= {LEVEL_NUMBERS: True} if self.encoding.has_level_numbers else {}
        return entries | ({CATBOOST_FORMAT: True} if isinstance(self.core, CatBoostTrees) else {}), tensors

    def sharper(self, factor: float) -> "Trees":
        """Return the classifier with its scores multiplied by a factor.

        Parameters
        ----------
        factor : float
            Above 0. Probabilities change; predicted labels do not.
        """
        return self if factor == 1 else self._with_units(target_scale=factor * self.core.target_scale)

    def shifted(self, shift: NDArray[np.float64]) -> "Trees":
        """Return the classifier with numbers added to the scores of its classes, before `sharper` multiplies them.

        Parameters
        ----------
        shift : ndarray of shape (classes,), float64
        """
        return self._with_units(target_mean=self.core.target_mean + shift)

    def _with_units(self, **units: Any) -> "Trees":
        if isinstance(self.core, CatBoostTrees):
            return self._with(core=replace(self.core, **units))
        return self._with(core=_core.Trees(**{**trees_arguments(self.core), **units}))

    def __repr__(self) -> str:
        """Return one line with the number of trees, the task and the score."""
        return f"Trees({len(self.core.leaf_starts) - 1} trees, {self._about()})"


def _unpickled(arguments: dict[str, Any]) -> _core.Trees:
    return _core.Trees(**arguments)


copyreg.pickle(_core.Trees, lambda trees: (_unpickled, (trees_arguments(trees),)))


def core_of(
    text: str,
    *,
    classes: int,
    target_mean: Sequence[float] | NDArray[np.float64] = (),
    target_scale: Sequence[float] | NDArray[np.float64] = (),
    exponential: bool = False,
    target_least: Sequence[float] | NDArray[np.float64] = (),
    target_most: Sequence[float] | NDArray[np.float64] = (),
) -> _core.Trees:
    """Build the core's trees from a text in LightGBM's format.

    Parameters
    ----------
    text : str
        As returned by ``Booster.model_to_string()``.
    classes : int
        Number of classes; 0 for regression.
    target_mean, target_scale : array of shape (1,) or (classes,), optional
        A target is ``mean + scale * raw score``. The logit of a class is ``scale * (raw score + mean)``.
        By default, means are 0 and scales are 1.
    exponential : bool
        Whether a target is ``mean * exp(scale * raw score)``. If True, the mean must be above 0, and is 1 by default.
        It must be True for objectives whose scores are logarithms.
    target_least, target_most : array of shape (1,), optional
        Bounds of predicted targets.

    Raises
    ------
    MalformedError
        The text is malformed or not supported, or does not fit the arguments.
    """
    read, outputs = read_trees(text), max(classes, 1)
    objective, means = f"objective {read.objective!r} of the trees", len(target_mean)
    check_format(read.classes == classes, f"{objective} does not fit {classes or 'no'} classes")
    check_format(exponential or read.objective not in LOGARITHMS, f"{objective} needs exponential targets")
    check_format(means in (0, outputs), f"target_mean has {means} numbers, but the trees have {outputs} output(s)")
    try:
        return _core.Trees(
            read.features,
            **read.tables,
            classes=classes,
            target_mean=target_mean if len(target_mean) else np.full(outputs, float(exponential)),
            target_scale=target_scale if len(target_scale) else np.ones(outputs),
            exponential=exponential,
            target_least=target_least,
            target_most=target_most,
        )
    except ValueError as error:
        raise MalformedError(f"the core rejects the trees: {error}") from error
