"""The base class of all models: it turns a table into labels, probabilities, targets or a score.

    any table -> schema checks -> blocks of encoded rows -> _predict_rows() of the model -> outputs -> labels, targets

To predict, a subclass only has to define `_predict_rows`, for a block of encoded rows. Models are immutable and
thread-safe.

Exports are methods, which ash/export implements. The code of each format is imported on first use. If a required
package is not installed, the error names the package.
"""

import contextlib
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash._utils.atomic_file import replace_file
from ash._utils.display import shown_estimate
from ash._utils.installation import require_extra
from ash._utils.machine import threads_of
from ash._utils.user_warnings import warn_user
from ash.data.columns import blocks
from ash.data.frames import Frame, read_frame
from ash.data.targets import no_positive_class, positive_class, read_labels, read_targets
from ash.encoding.encoding import Block, Encoding, blocks_for
from ash.errors import SettingError
from ash.export.description import TrainedMember, describe
from ash.metrics import ALIASES, METRIC_OF_LOSS, OF_LABELS, POSITIVE, metric_of
from ash.models.decision import decide
from ash.models.file import FileParts, decision_entries, model_digest, save
from ash.run_record import RunRecord

if TYPE_CHECKING:
    import torch
    from sklearn.pipeline import Pipeline

Outputs: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
"""Probabilities of classes in float32, or targets in float64."""
BLOCK_CELLS = 2**22
"""The number of float64 cells that are encoded at a time: 32 MiB."""
ROWS_WORTH_A_THREAD = 1024
"""For at most this many rows, a second thread costs more time than it saves."""


class Model(ABC):
    """The base class of `Network`, `Trees` and `Ensemble`; these subclasses describe the attributes.

    Attributes
    ----------
    classes_ : ndarray of shape (classes,) or None
    encoding : ash.encoding.encoding.Encoding
        The encoding of the columns; for an ensemble, that of its first member, with level numbers if any member
        has them.
    target_names : tuple of str or None
    metric : str
    validation_score : float
    estimated_score, estimated_score_std_error : float
    record : RunRecord or None
    decision_weights : float64 array [classes] or None
        The label of a row is the class with the largest product of this weight and its probability, the first one in a
        tie. None for equal weights.
    positive : int or None
        Of two classes, the number of the positive class; None if it is not known.
    """

    classes_: NDArray[Any] | None
    encoding: Encoding
    target_names: tuple[str, ...] | None
    metric: str
    validation_score: float
    estimated_score: float = math.nan
    estimated_score_std_error: float = math.nan
    record: RunRecord | None = None
    _called = "the model"
    """The model's name in error messages."""
    quantile: float | None = None
    """The level of the quantile that the model predicts; None if it was not trained with the quantile loss."""
    decision_weights: NDArray[np.float64] | None = None
    positive: int | None = None

    @property
    def task(self) -> str:
        """Return "classification" or "regression"."""
        return "regression" if self.classes_ is None else "classification"

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        """Return the distinct encodings of the members; they differ only in the target statistics of their folds.

        If any member has level numbers, they all have, and the other members get the features before these.
        """
        return (self.encoding,)

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

    @property
    @abstractmethod
    def is_exponential(self) -> bool:
        """Return whether predicted targets are exponentials of the raw outputs, and therefore positive."""

    @abstractmethod
    def weighted_members(self) -> Sequence[tuple[TrainedMember, float]]:
        """Return the model's networks and boosted trees, each with its weight in the output; used by exports."""

    def shown_score(self) -> str:
        """Return the estimated score with its standard error as text; the validation score if there is no estimate."""
        if math.isnan(self.estimated_score):
            return f"validation {self.metric} {self.validation_score:.4g}"
        return f"estimated {self.metric} {shown_estimate(self.estimated_score, self.estimated_score_std_error)}"

    def _about(self) -> str:
        """Return the task and the score as text."""
        return f"{'regression' if self.classes_ is None else f'{len(self.classes_)} classes'}, {self.shown_score()}"

    @abstractmethod
    def file_parts(self) -> FileParts:
        """Return the metadata entries and the tensors that represent the model in a file."""

    @abstractmethod
    def _predict_rows(self, rows: NDArray[Any], threads: int) -> Outputs:
        """Return probabilities or targets [rows, outputs] for encoded rows; raise ValueError for infinite numbers."""

    def _predict_blocks(self, blocks: Sequence[Block], threads: int) -> Outputs:
        """Return probabilities or targets [rows, outputs] for rows in each of `encodings`."""
        return self._predict_rows(blocks[0], threads)

    def predict(self, X: Any, *, n_jobs: int | None = None) -> NDArray[Any]:
        """Return labels in the dtype of y, or targets in the units of y.

        Parameters
        ----------
        X : array-like or DataFrame of shape (rows, n_features_in_)
            The same columns as in training, matched by name if both tables have column names, otherwise by position.
            Numbers must be finite or missing, unless infinite numbers were treated as missing in training.
        n_jobs : int or None
            The number of threads, as for `ash.tune`; but None means 1 if there are few rows.

        Returns
        -------
        ndarray
            Of shape (rows,), or (rows, outputs) in float64 for several targets. A label is the most probable class, or
            that of the tuned decision (`decision_threshold`). If several classes are equally good, it is the first.

        Raises
        ------
        DataError
            X does not fit the model.
        """
        return self.decide(self._outputs(X, n_jobs))

    def predict_proba(self, X: Any, *, n_jobs: int | None = None) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like or DataFrame of shape (rows, n_features_in_)
            As for `predict`.
        n_jobs : int or None
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
            The model is a regression model.
        """
        if self.classes_ is None:
            raise AttributeError("a regression model has no predict_proba")
        return normalized(self._outputs(X, n_jobs))

    def score(
        self, X: Any, y: Any, scoring: str | None = None, *, pos_label: Any = None, n_jobs: int | None = None
    ) -> float:
        """Return the score of the predictions for X against y; higher is better, errors are negated.

        Parameters
        ----------
        X : array-like or DataFrame of shape (rows, n_features_in_)
            As for `predict`.
        y : array-like of shape (rows,) or (rows, outputs)
            The true labels or targets. A label unknown to the model counts as wrong in "accuracy".
        scoring : str, optional
            A metric of the task; "accuracy" or "r2" by default, as in scikit-learn. The pinball loss is computed at the
            quantile that the model predicts, or at 0.5 if it does not predict a quantile. Metrics of labels score what
            `predict` returns.
        pos_label : label, optional
            The positive class of f1 and average_precision; by default that of the model's run, or 1.
        n_jobs : int or None
            As for `predict`.

        Returns
        -------
        float
            NaN, with a warning, if the metric is undefined (roc_auc of one class, r2 of one row).

        Raises
        ------
        DataError
            X or y does not fit the model.
        SettingError
            The metric is unknown, belongs to the other task, or takes one target only; or it needs a positive class,
            which is not known.
        """
        metric = metric_of(self.task, ALIASES.get(scoring or "", scoring))
        outputs = self._outputs(X, n_jobs)
        if metric == "accuracy" and self.classes_ is not None:
            return float(np.mean(self.decide(outputs) == read_labels(y, len(outputs))))
        positive = self.positive if pos_label is None else positive_class(self.classes_, pos_label)
        if metric in POSITIVE and self.classes_ is not None and len(self.classes_) == 2 and positive is None:
            raise no_positive_class(f"metric {metric!r}", self.classes_)
        targets = read_targets(y, len(outputs), self.classes_, self.n_outputs_)
        if metric == METRIC_OF_LOSS["poisson"] and self.n_outputs_ > 1:
            raise SettingError(f"scoring={metric!r} takes one target, but the model has {self.n_outputs_}: pass 'r2'")
        value = self.score_outputs(metric, targets, outputs, positive=positive)
        if math.isnan(value):
            warn_user(f"{metric} is undefined on these {len(outputs)} rows, so the score is NaN: choose another metric")
        return value

    def score_outputs(
        self,
        metric: str,
        targets: NDArray[np.float64],
        outputs: Outputs,
        weights: NDArray[np.float64] | None = None,
        positive: int | None = None,
    ) -> float:
        """Return the score of outputs, as `predict_frame` returns them; NaN if the metric is undefined.

        Parameters
        ----------
        metric : str
            A metric of the task.
        targets : ndarray of shape (rows, outputs), float64
            Class numbers in one column, or targets.
        outputs : ndarray of shape (rows, outputs)
            Probabilities in float32, or targets in float64.
        weights : ndarray of shape (rows,), optional
        positive : int, optional
            Of two classes, the number of the positive class; by default that of the model.

        Returns
        -------
        float
            Higher is better.
        """
        classes = 0 if self.classes_ is None else len(self.classes_)
        if metric in OF_LABELS and self.decision_weights is not None:
            outputs = np.eye(classes, dtype=np.float32)[decide(outputs, self.decision_weights)]
        positive = self.positive if positive is None else positive
        row_weights = [] if weights is None else weights.tolist()
        quantile, positive = 0.5 if self.quantile is None else self.quantile, 1 if positive is None else positive
        return _core.score(metric, targets, outputs, classes, row_weights, quantile, positive)

    @property
    def decision_threshold(self) -> float | NDArray[np.float64]:
        """Return the probability above which the positive class is predicted, or the weights of more than two classes.

        The positive class is the second one if it is not known (`positive`). With more than two classes, the label is
        the class with the largest product of weight and probability.
        """
        if self.classes_ is None:
            raise AttributeError("a regression model has no decision_threshold")
        classes = len(self.classes_)
        weights = np.full(classes, 1 / classes) if self.decision_weights is None else self.decision_weights
        return float(weights[0 if self.positive is None else 1 - self.positive]) if classes == 2 else weights.copy()

    def with_decision(self, weights: NDArray[np.float64] | None) -> Self:
        """Return the same model with other `decision_weights`.

        Parameters
        ----------
        weights : ndarray of shape (classes,), float64, or None
            Above 0.

        Returns
        -------
        Network, Trees or Ensemble
        """
        return self if weights is None and self.decision_weights is None else self._with(decision_weights=weights)

    def _with(self, **attributes: Any) -> Self:
        """Return a copy with other values of these attributes."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self), **attributes)
        return twin

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a safetensors file, which `ash.load` reads; ash/models/file.py has the layout.

        Parameters
        ----------
        path : path-like
            The file, usually named `*.safetensors`. An existing file is replaced. Only the file's owner can read it.

        Raises
        ------
        ModelFormatError
            The labels have a dtype that the format cannot hold (dates, mixed objects).
        OSError
            The file cannot be written; an existing file is unchanged.
        """
        estimate = self.estimated_score, self.estimated_score_std_error
        save(path, self._parts(), self.encodings, self.classes_, self.target_names, self.record, estimate)

    @property
    def digest(self) -> str:
        """Return a hash (64 hexadecimal digits) of all that predictions depend on. Equal models have equal hashes."""
        return model_digest(self._parts(), self.encodings, self.classes_, self.target_names)

    def _parts(self) -> FileParts:
        """Return the parts of a file with the entries of the decision."""
        about, tensors = self.file_parts()
        return {**about, **decision_entries(self.decision_weights, self.positive, self.classes_)}, tensors

    def encode(self, X: Any) -> NDArray[np.float32]:
        """Return the features that a network gets for a table: scaled and clipped numbers, one-hot levels, statistics.

        The module that `to_torch` returns accepts these features. `encoding.names` has their names.

        Parameters
        ----------
        X : array-like or DataFrame of shape (rows, n_features_in_)
            As for `predict`.

        Returns
        -------
        ndarray of shape (rows, encoding.features), float32
            In row-major order; a missing number is 0.

        Raises
        ------
        DataError
            X does not fit the model.
        SettingError
            The model contains boosted trees, or networks of several folds, which scale their inputs differently. The
            message says what to do.
        """
        schema, scaling = self.encoding.schema, describe(self, cells=False).only_scaling("scaled features")
        frame = schema.checked(schema.read(read_frame(X, wanted=schema.names), self._called))
        features = np.empty((frame.rows, self.encoding.features), np.float32)
        for first, stop in blocks(frame.rows, max(1, BLOCK_CELLS // features.shape[1])):
            rows = slice(first, stop)
            features[rows] = scaling.apply(self.encoding.block(frame, rows, schema.unknown))
        return features

    def to_torch(self) -> "torch.nn.Module":
        """Return a float32 PyTorch module that accepts the features of `encode` and can be trained further.

            module = model.to_torch()
            module(torch.from_numpy(model.encode(X)))

        The weights are copied. The module's parameters include all that the network has learned: an embedding of
        numbers, factors of the inputs, weights and biases, and parameters of the activations. The learned factors are
        already multiplied into the first layer, so the module's factors start at 1. Settings of the training, such as
        dropout and weight decay, are in `params`, not in the module. The module is returned in evaluation mode, which
        clips targets to their bounds. Call ``module.train()`` before training it further.

        Returns
        -------
        torch.nn.Module
            For classification it returns logits [rows, classes], for torch.nn.functional.cross_entropy; their softmax
            is `predict_proba`, in the order of `classes_`. `predict` returns the class with the largest product of that
            probability and `decision_weights`, if there are any. For regression it returns [rows, targets] in the units
            of y, in float32; targets far from 0, such as times in seconds since 1970, are rounded. The module of an
            ensemble has `members` and `weights`; its logits are the logarithms of the mean
            probabilities.

        Raises
        ------
        MissingExtraError
            PyTorch is not installed.
        SettingError
            The model contains boosted trees, or networks of several folds, which scale their inputs differently. The
            message says what to do.
        """
        require_extra("to_torch", "torch", "torch")
        from ash.export.torch_module import module_of

        return module_of(describe(self, cells=False))

    def to_onnx(self, path: str | os.PathLike[str], *, missing: str = "") -> None:
        """Write the model as an ONNX file, which takes the cells of a table and returns the predictions.

        If all columns are numbers, the input is `X`, double [rows, columns]. Otherwise each column is an input
        [rows, 1]. Numbers are double. Dates are double too, in days since 1970-01-01; times with a time zone in
        UTC, from which the graph computes the parts in the zone of training. Categories are strings,
        written as in training: a number as "3" or "2.5", a boolean as "True". An input has the name of its column, or
        x0, x1, ... if columns have no names. An underscore is added to names that are empty or equal to the name of an
        output. The metadata `columns` (JSON) lists the inputs in order.

        For classification, the outputs are `label` [rows], in the type of y (numbers in 64 bits), and `probabilities`,
        float [rows, classes]. For regression, the output is `target`, double [rows, targets].

        A missing number is NaN. A level that was not in the training data is treated as in `predict`. Some runtimes cut
        off texts at a NUL character. Depending on the options of training, `predict` refuses rows with infinite
        numbers, missing cells or unknown levels. The probabilities or targets of such rows are NaN, and their labels
        are meaningless.

        Boosted trees compare numbers in double precision, and so does onnxruntime. A runtime that rounds numbers to
        float may take the other branch if a number is close to a threshold.

        Parameters
        ----------
        path : path-like
            The file, usually named `*.onnx`. An existing file is replaced.
        missing : str
            The text that represents a missing cell of a category; it must not be a level.

        Raises
        ------
        MissingExtraError
            The package onnx is not installed.
        SettingError
            `missing` is a level, or ONNX cannot hold the model: it exceeds 2 GiB, or has text that is not Unicode.
        OSError
            The file cannot be written.
        """
        require_extra("to_onnx", "onnx", "onnx")
        from ash.export.onnx import onnx_bytes

        replace_file(Path(path), onnx_bytes(describe(self), missing))

    def to_cpp(self, path: str | os.PathLike[str], *, namespace: str = "model") -> None:
        """Write the model as one C++17 header that needs only the standard library and allocates no memory.

            #include "model.hpp"
            model::Row row{};                                       // one double per column, in order
            row[0] = 39.0;                                          // a number; model::kMissing is a missing cell
            row[1] = model::level(1, "Private");                    // a category: the number of its level
            row[2] = model::date(2026, 3, 31, 14.5);                // a date: days since 1970-01-01, UTC
            model::Outputs outputs{};                               // probabilities, or targets in units of y
            if (model::predict(row, outputs)) use(model::kClasses[model::decide(outputs)]);

        `model::level` looks up a level by its UTF-8 text and returns a number, so a row is one flat array of numbers.
        `model::kUnknown` is a level that was not in the training data, and `model::column("age")` is the index of a
        column. Depending on the options of training, `Model.predict` refuses rows with infinite numbers, missing cells
        or unknown levels. For such rows the header's `predict` returns false, and leaves the outputs unchanged. The
        function is thread-safe. Its buffers are on the stack: 4 bytes per feature and 8 per neuron of the widest layer,
        and 8 more per feature with boosted trees or the networks of several folds. Weights are exact. Sums are computed
        in float for networks and in double for trees, so outputs agree to about 1e-6.

        g++ 12 compiles a network of 256-256-256 on 50 features (145,000 weights, 2.5 MB of text) in about one second,
        an ensemble of four such networks (11 MB) in two, and 1500 trees of 31 leaves (3 MB) in two.

        Parameters
        ----------
        path : path-like
            The file, usually named `*.hpp`. An existing file is replaced.
        namespace : str
            The C++ namespace, such as "model" or "shop::price", so that a program can include several models.

        Raises
        ------
        SettingError
            `namespace` is not a C++ name.
        OSError
            The file cannot be written.
        """
        from ash.export.cpp import header

        replace_file(Path(path), header(describe(self), namespace).encode("ascii"))

    def to_sklearn(self) -> "Pipeline":
        """Return an equivalent scikit-learn pipeline, which takes the cells of the table and does not need ash.

        It consists only of scikit-learn's own classes: ColumnTransformer, StandardScaler, OneHotEncoder, MLPClassifier
        or MLPRegressor, TransformedTargetRegressor for targets with bounds or logarithms, VotingClassifier or
        VotingRegressor for an ensemble, FixedThresholdClassifier for a tuned threshold. So joblib or pickle can store
        the pipeline. It is meant for prediction; fitting it again trains a different model. Categories are passed as
        text, and missing cells as None or NaN. Each level is an input of the network, so the first layer is large if
        there are many levels.

        Raises
        ------
        SettingError
            scikit-learn cannot express the model: boosted trees, networks of several folds, activations other than
            relu, tanh, sigmoid and identity, different activations in one network, parametric activations,
            embeddings of numbers, ensembles for several targets, fractional labels, or a tuned decision between more
            than two classes. The message says what to do.
        """
        from ash.export.sklearn_pipeline import pipeline_of

        return pipeline_of(describe(self))

    def _outputs(self, X: Any, n_jobs: int | None) -> Outputs:
        return self.predict_frame(read_frame(X, wanted=self.feature_names), n_jobs)

    def predict_frame(self, frame: Frame, n_jobs: int | None = None, expecting: str | None = None) -> Outputs:
        """Return probabilities or targets, one column per output, for a table that has been read.

        Parameters
        ----------
        frame : Frame
        n_jobs : int or None
            As for `predict`.
        expecting : str, optional
            The model's name in an error about mismatched columns; by default a name such as "the network".

        Returns
        -------
        ndarray of shape (rows, outputs)
            Probabilities in float32, or targets in float64.
        """
        schema = self.encoding.schema
        frame = schema.read(frame, expecting or self._called)
        team = _team(frame.rows, n_jobs)
        if self.encoding.takes_rows_as_they_are(frame):
            with contextlib.suppress(ValueError):  # for infinite or too large numbers, which are checked below
                return self._predict_rows(frame.matrix_rows(slice(None)), team)
        frame = schema.checked(frame)
        cells = self.encoding.features * len(self.encodings)
        outputs = [
            self._predict_blocks(blocks_for(self.encodings, frame, slice(*each), schema.unknown), team)
            for each in blocks(frame.rows, max(ROWS_WORTH_A_THREAD, BLOCK_CELLS // cells))
        ]
        return joined(outputs)

    def predict_blocks(self, blocks: Sequence[Block], n_jobs: int | None = None) -> Outputs:
        """Return probabilities or targets for encoded rows, in the form that `predict_frame` returns.

        Parameters
        ----------
        blocks : sequence of ndarray of shape (rows, features), float64
            The rows in each of `encodings`, as returned by `ash.encoding.encoding.blocks_for`.
        n_jobs : int or None
            As for `predict`.

        Returns
        -------
        ndarray of shape (rows, outputs)
            Probabilities in float32, or targets in float64.
        """
        return self._predict_blocks(blocks, _team(len(blocks[0]), n_jobs))

    def decide(self, outputs: Outputs) -> NDArray[Any]:
        """Convert outputs to the labels or targets that `predict` returns.

        Parameters
        ----------
        outputs : ndarray of shape (rows, outputs)
            Probabilities of the classes, or targets.
        """
        if self.classes_ is not None:
            return np.asarray(self.classes_[decide(outputs, self.decision_weights)])
        targets = np.asarray(outputs, np.float64)
        return targets[:, 0] if targets.shape[1] == 1 else targets


class SingleModel(Model):
    """The base class of `Network` and `Trees`: models that can be the members of an ensemble.

    `core` is the model of the core, which predicts for rows in the model's encoding.
    """

    core: Any
    params: dict[str, Any]

    def __init__(
        self,
        core: Any,
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
    def is_exponential(self) -> bool:
        """Return whether the raw outputs are logarithms of the target."""
        return bool(self.core.exponential)

    def weighted_members(self) -> list[tuple[Self, float]]:
        """Return only this model, with weight 1."""
        return [(self, 1.0)]

    def _predict_rows(self, rows: NDArray[Any], threads: int) -> Outputs:
        return cast(Outputs, self.core.predict(rows, threads))


def joined(outputs: Sequence[Outputs]) -> Outputs:
    """Return the outputs of consecutive rows as one array."""
    whole: Any = np.concatenate(outputs) if len(outputs) > 1 else outputs[0]
    return cast(Outputs, whole)


def _team(rows: int, n_jobs: int | None) -> int:
    """Return the number of threads that predict this many rows: if they are few and `n_jobs` is None, 1."""
    return 1 if n_jobs is None and rows <= ROWS_WORTH_A_THREAD else threads_of("n_jobs", n_jobs)


def elementary(function: str, x: NDArray[Any]) -> NDArray[np.float64]:
    """Return "exp" or "log" of an array, computed by the core in float32, since NumPy's results depend on the CPU."""
    found = _core.evaluate_elementary(function, np.asarray(x, np.float32).ravel())
    return found.reshape(x.shape).astype(np.float64)


def normalized(probabilities: Outputs) -> NDArray[np.float64]:
    """Return the probabilities [rows, classes] in float64, scaled so that each row sums to 1 up to rounding."""
    result = probabilities.astype(np.float64)
    result /= result.sum(axis=1, keepdims=True)
    return result
