"""What every model does, a network or an ensemble: a table in; labels, probabilities, targets or a score out.

    any table -> schema checks -> blocks of encoded rows -> _predict_rows() of the model -> outputs -> labels, targets

A kind of model says only how it predicts a block of encoded rows. Immutable; any number of threads may predict with it.
"""

import math
import os
import warnings
from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash._utils.machine import resolve_threads
from ash.data.columns import blocks
from ash.data.frames import Frame, read_frame
from ash.data.targets import read_labels, read_targets
from ash.encoding.encoding import Encoding
from ash.metrics import metric_of
from ash.models.exports import BLOCK_CELLS, Exports
from ash.models.file import FileParts, save

ROWS_WORTH_A_THREAD = 1024
"""Below that many rows a second thread costs more than it brings."""


class Model(Exports):
    """What networks and ensembles have in common; see there.

    Attributes
    ----------
    classes_ : ndarray of shape (classes,) or None
    encoding : ash.encoding.encoding.Encoding
    target_names : tuple of str or None
    metric : str
    validation_score : float
    """

    classes_: NDArray[Any] | None
    encoding: Encoding
    target_names: tuple[str, ...] | None
    metric: str
    validation_score: float

    @property
    def task(self) -> str:
        """Return "classification" or "regression"."""
        return "regression" if self.classes_ is None else "classification"

    @property
    def n_features_in_(self) -> int:
        """Return the number of columns of X."""
        return len(self.encoding.schema.columns)

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Return the column names of X."""
        return self.encoding.schema.names

    @property
    @abstractmethod
    def n_outputs_(self) -> int:
        """Return the number of columns of y."""

    @abstractmethod
    def file_parts(self) -> FileParts:
        """Return the entries and tensors of the model in a file."""

    @abstractmethod
    def _predict_rows(self, rows: NDArray[Any], threads: int) -> NDArray[np.float32]:
        """Return probabilities or targets [rows, outputs] for encoded rows, or raise ValueError for infinite ones."""

    def predict(self, X: Any, *, threads: int | None = None) -> NDArray[Any]:
        """Return labels in the dtype of y, or targets in the units of y.

        Parameters
        ----------
        X : array-like or DataFrame of shape (rows, n_features_in_)
            Columns of the same names, order and kinds as in training; numbers are finite or missing.
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
            X does not fit the model.
        """
        return self.decide(self._outputs(X, threads))

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
            X does not fit the model.
        AttributeError
            It is a model of regression.
        """
        if self.classes_ is None:
            raise AttributeError("a model of regression has no predict_proba")
        return normalized(self._outputs(X, threads))

    def score(self, X: Any, y: Any, metric: str | None = None, *, threads: int | None = None) -> float:
        """Return the score of the predictions for X against y; higher is better, errors are negated.

        Parameters
        ----------
        X : array-like or DataFrame of shape (rows, n_features_in_)
            As for `predict`.
        y : array-like of shape (rows,) or (rows, outputs)
            The true labels or targets. A label unknown to the model counts as wrong in "accuracy".
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
            X or y does not fit the model.
        SettingError
            The metric is unknown or belongs to the other task.
        """
        metric = metric_of(self.task, metric)
        outputs = self._outputs(X, threads)
        if metric == "accuracy" and self.classes_ is not None:
            return float(np.mean(self.classes_[outputs.argmax(axis=1)] == read_labels(y, len(outputs))))
        classes = 0 if self.classes_ is None else len(self.classes_)
        targets = read_targets(y, len(outputs), self.classes_, self.n_outputs_)
        value = _core.score(metric, targets, outputs, classes)
        if math.isnan(value):
            warnings.warn(f"{metric} is undefined on these {len(outputs)} rows", UserWarning, stacklevel=2)
        return value

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a safetensors file; see `ash.models.file.save`."""
        save(self, path)

    def _outputs(self, X: Any, threads: int | None) -> NDArray[np.float32]:
        return self.predict_frame(read_frame(X), threads)

    def predict_frame(
        self, frame: Frame, threads: int | None = None, expecting: str | None = None
    ) -> NDArray[np.float32]:
        """Return probabilities or targets, a column an output, for a table that has been read.

        Parameters
        ----------
        frame : Frame
        threads : int, optional
            As for `predict`.
        expecting : str, optional
            Who is said to expect other columns, if they do not fit; "the network" or "the ensemble" by default.

        Returns
        -------
        ndarray of shape (rows, outputs), float32
        """
        schema = self.encoding.schema
        schema.check_columns(frame, expecting or f"the {type(self).__name__.lower()}")
        direct = self.encoding.takes_rows_as_they_are(frame)
        if not direct:
            schema.check_cells(frame)
        few = threads is None and frame.rows <= ROWS_WORTH_A_THREAD
        team = 1 if few else resolve_threads(threads)
        size = frame.rows if direct else max(ROWS_WORTH_A_THREAD, BLOCK_CELLS // self.encoding.features)
        parts = []
        for first, stop in blocks(frame.rows, size):
            rows = slice(first, stop)
            block = frame.matrix_rows(rows) if direct else self.encoding.block(frame, rows, schema.unknown)
            parts.append(self._predict_block(block, team, frame))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _predict_block(self, block: NDArray[Any], team: int, frame: Frame) -> NDArray[np.float32]:
        """Let the core predict, which refuses numbers that have not been checked before."""
        try:
            return self._predict_rows(block, team)
        except ValueError:
            self.encoding.schema.check_cells(frame)
            raise

    def decide(self, outputs: NDArray[np.float32]) -> NDArray[Any]:
        """Return labels or targets for outputs [rows, outputs]; see `predict`."""
        if self.classes_ is not None:
            return np.asarray(self.classes_[outputs.argmax(axis=1)])
        targets = outputs.astype(np.float64)
        return targets[:, 0] if targets.shape[1] == 1 else targets


def normalized(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return probabilities [rows, classes] in float64, whose rows sum to 1 as well as float64 can."""
    wide = probabilities.astype(np.float64)
    wide /= wide.sum(axis=1, keepdims=True)
    return wide
