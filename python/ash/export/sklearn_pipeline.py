"""Exports a model as a pipeline of scikit-learn's own classes, so that neither unpickling nor predicting needs ash.

    numbers ---------------------> StandardScaler, arctan, sin, SimpleImputer --+
    numbers with NaN or levels --> OneHotEncoder -------------------------------+--> MLP, or Voting of MLPs
    text ------------------------> OneHotEncoder -------------------------------+

A FixedThresholdClassifier around the predictor decides between two classes by the model's tuned threshold. A
TransformedTargetRegressor around an MLP exponentiates predicted logarithms and clips targets to their bounds.

The clip z / sqrt(1 + (z / 3)^2) equals 3 sin(arctan(z / 3)). So the scaler also divides by 3, and the first layer
multiplies by 3. The table row of a level is a linear function of the level's one-hot code. So the first layer's weights
contain the table rows minus the row of unknown levels. An unknown level is encoded as all zeros, and its table row
is added to the biases. For two classes scikit-learn's MLP has a single output, which is the difference of the model's
two outputs. All steps are first fitted to a few artificial rows, so that they are complete in any scikit-learn version.
Then their public attributes are set to the model's numbers.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils.multiclass import type_of_target

from ash.errors import SettingError
from ash.export.description import CLIP, Description, Doubles, ExportColumn, Member, NetworkMember, Scaling

_ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic", "identity": "identity"}
_TODO = "use to_onnx, or tune in a space with"


class _Part(NamedTuple):
    """A group of inputs of the MLP: the steps that compute them, and how the network's features depend on them.

    The steps compute the inputs from the table's `columns`. The network's features with the indices `features` are the
    inputs times `matrix` [inputs, features] plus `offset` [features]. `mean` and `scale` are the parameters of the
    StandardScaler, if there is one.
    """

    steps: Pipeline
    columns: list[int]
    features: list[int]
    matrix: Doubles
    offset: Doubles
    mean: Doubles | None = None
    scale: Doubles | None = None


def pipeline_of(description: Description) -> Pipeline:
    """Return a model as a fitted pipeline.

    Raises
    ------
    SettingError
        A part of the model has no counterpart in scikit-learn; the error names the first such part and a remedy.
    """
    scaling = description.only_scaling("scikit-learn form")
    obstacle = next(chain(_obstacles(description), *map(_obstacles_of, description.networks)), None)
    if obstacle is not None:
        raise SettingError(f"scikit-learn cannot express {obstacle}")
    parts = list(_parts(description, scaling))
    return Pipeline([("prepare", _preparation(description, parts)), ("predict", _predictor(description, parts))])


def _preparation(description: Description, parts: list[_Part]) -> ColumnTransformer:
    table = np.array([[0.0 if column.is_number else column.levels[0] for column in description.columns]], object)
    names = [f"part{place}" for place in range(len(parts))]
    steps = [(name, part.steps, part.columns) for name, part in zip(names, parts, strict=True)]
    prepare = ColumnTransformer(steps).fit(table)
    for name, part in zip(names, parts, strict=True):
        if part.scale is not None:
            scaler = prepare.named_transformers_[name]["scale"]
            scaler.mean_, scaler.scale_, scaler.var_ = part.mean, part.scale, part.scale**2
    columns = [each.name for each in description.inputs if each.name is not None]
    if columns:
        prepare.feature_names_in_ = np.array(columns, object)
    return prepare


def _obstacles(description: Description) -> Iterator[str]:
    """Yield a description of each property of the model as a whole that scikit-learn cannot express."""
    if any(each.kind == "date" for each in description.inputs):
        yield "dates: use to_onnx, or train with their parts as columns of numbers"
    if description.neighbors is not None:
        yield "neighbors, which a table with recurring rows has: use to_onnx"
    classes = description.classes
    if len(description.networks) > 1 and classes is None and description.outputs > 1:
        yield "an ensemble of several targets: use to_onnx, or export one of its members"
    if description.decision_weights is not None and description.outputs > 2:
        yield "the tuned decision between more than two classes: use to_onnx, or fit with decision_threshold=None"
    if classes is not None and type_of_target(classes) not in ("binary", "multiclass"):
        yield "labels that are fractions: use to_onnx, or train with labels that are text"


def _obstacles_of(member: NetworkMember) -> Iterator[str]:
    """Yield a description of each property of a network that scikit-learn cannot express."""
    if member.embedding is not None:
        yield f"an embedding of numbers: {_TODO} embedding='none'"
    names = list(dict.fromkeys(layer.activation for layer in member.layers[:-1]))
    others = [name for name in names if name not in _ACTIVATIONS]
    if others:
        yield f"the activation {others[0]!r}: {_TODO} activation=ash.choice({', '.join(map(repr, _ACTIVATIONS))})"
    if len(names) > 1:
        yield f"several activations ({', '.join(names)}): {_TODO} one for all hidden layers"
    shares = [layer.shares for layer in member.layers if layer.shares is not None]
    if names != ["identity"] and any((share != 1).any() for share in shares):
        yield f"learned shares of activations: {_TODO} parametric_activation=False"


def _parts(description: Description, scaling: Scaling) -> Iterator[_Part]:
    for clips in (True, False):
        chosen = [i for i, c in enumerate(description.columns) if c.is_number and scaling.clips[c.first] == clips]
        if chosen:
            yield _numbers(description, scaling, chosen, clips)
    for place, column in enumerate(description.columns):
        if column.table.shape[1]:
            yield _levels(description, scaling, place, column)


def _numbers(description: Description, scaling: Scaling, chosen: list[int], clips: bool) -> _Part:
    """Return the part with the values of the chosen numeric columns. If `clips`, all of them are clipped, else none."""
    features = [description.columns[place].first for place in chosen]
    center, inverse = scaling.center[features], scaling.inverse[features]
    limit = CLIP if clips else 1.0
    steps: list[tuple[str, Any]] = [("floats", _floats(description)), ("scale", StandardScaler())]
    if clips:
        steps += [("angle", FunctionTransformer(np.arctan)), ("clip", FunctionTransformer(np.sin))]
    if not description.refuses_missing:
        steps.append(("missing", SimpleImputer(strategy="constant", fill_value=0.0)))
    count = len(chosen)
    return _Part(Pipeline(steps), chosen, features, limit * np.eye(count), np.zeros(count), center, limit / inverse)


def _levels(description: Description, scaling: Scaling, place: int, column: ExportColumn) -> _Part:
    """Return the part that one-hot encodes the levels of a column and its missing cells."""
    table, levels = column.scaled_table(scaling).astype(np.float64), len(column.levels)
    gaps: list[Any] = [np.nan] if column.is_number else [*column.gaps, None, np.nan]
    missing = [] if description.refuses_missing else gaps
    codes = [*range(levels), *[levels] * len(missing)]
    unknown = "error" if description.refuses_unknown and not column.is_number else "ignore"
    encoder = OneHotEncoder(categories=[[*column.levels, *missing]], handle_unknown=unknown)
    cells = _floats(description) if column.is_number else _as_array(object)
    features = list(range(column.table_first, column.table_first + table.shape[1]))
    offset = table[levels + 1]
    return _Part(Pipeline([("cells", cells), ("levels", encoder)]), [place], features, table[codes] - offset, offset)


def _floats(description: Description) -> Any:
    """Return a transformer that converts cells to numbers, and infinity to NaN if it counts as missing."""
    if not description.infinite_is_missing:
        return _as_array(float)
    finite = FunctionTransformer(np.nan_to_num, kw_args=dict.fromkeys(("nan", "posinf", "neginf"), np.nan))
    return make_pipeline(_as_array(float), finite)


def _as_array(dtype: type) -> FunctionTransformer:
    return FunctionTransformer(np.asarray, kw_args={"dtype": dtype})


def _predictor(description: Description, parts: list[_Part]) -> Any:
    """Return the MLP, or the voting estimator of several MLPs, that takes the inputs of all parts."""
    networks = [_network(description, member, parts) for member in description.networks]
    predictor = networks[0]
    if len(networks) > 1:
        vote, more = (VotingRegressor, {}) if description.classes is None else (VotingClassifier, {"voting": "soft"})
        estimators = [(f"network{place}", FrozenEstimator(network)) for place, network in enumerate(networks)]
        voting = vote(estimators, weights=[member.weight for member in description.networks], **more)
        predictor = voting.fit(*_made_up(description, parts))
    if description.classes is None or description.decision_weights is None:
        return predictor
    positive = 1 if description.positive is None else description.positive
    decided = FixedThresholdClassifier(
        FrozenEstimator(predictor),
        threshold=float(description.decision_weights[1 - positive]),
        pos_label=description.classes[positive],
        response_method="predict_proba",
    )
    return decided.fit(*_made_up(description, parts))


def _network(description: Description, member: NetworkMember, parts: list[_Part]) -> Any:
    """Return an MLPClassifier or MLPRegressor with a member's weights, wrapped if targets have a log link or bounds."""
    weights = [layer.weights.astype(np.float64) for layer in member.layers]
    biases = [layer.biases.astype(np.float64) for layer in member.layers]
    first = weights[0]
    biases[0] = biases[0] + sum(part.offset @ first[part.features] for part in parts)
    weights[0] = np.vstack([part.matrix @ first[part.features] for part in parts])
    hidden = [layer.activation for layer in member.layers[:-1]]
    activation = _ACTIVATIONS[hidden[0] if hidden else "identity"]
    settings = {"hidden_layer_sizes": tuple(map(len, biases[:-1])), "activation": activation, "random_state": 0}
    X, y = _made_up(description, parts)
    if description.classes is None:
        weights[-1], biases[-1] = weights[-1] * member.target_scale, biases[-1] * member.target_scale
        biases[-1] = biases[-1] + (np.log(member.target_mean) if member.exponential else member.target_mean)
        network = MLPRegressor(**settings).partial_fit(X, y)
    else:
        if description.outputs == 2:
            weights[-1], biases[-1] = np.diff(weights[-1]), np.diff(biases[-1])
        network = MLPClassifier(**settings).partial_fit(X, y, classes=description.classes)
    network.coefs_, network.intercepts_ = weights, biases
    vars(network).pop("_optimizer", None)  # the optimizer is as large as the weights, and no longer needed
    return _in_units(network, member).fit(X, y) if member.exponential or member.bounded else network


def _in_units(network: Any, member: Member) -> TransformedTargetRegressor:
    """Return a network wrapped so that predicted logarithms are exponentiated and predictions clipped to the bounds."""
    bounds = {"a_min": member.target_least, "a_max": member.target_most}
    steps = [FunctionTransformer(inverse_func=np.clip, inv_kw_args=bounds, check_inverse=False)]
    if member.exponential:
        steps.append(FunctionTransformer(inverse_func=np.exp, check_inverse=False))
    return TransformedTargetRegressor(FrozenEstimator(network), transformer=make_pipeline(*steps), check_inverse=False)


def _made_up(description: Description, parts: list[_Part]) -> tuple[Doubles, Any]:
    """Return artificial rows and targets: one row for regression, two per class for classification.

    With a single row per class scikit-learn might take the labels for regression targets.
    """
    inputs = sum(len(part.matrix) for part in parts)
    if description.classes is None:
        return np.zeros((1, inputs)), np.zeros((1, description.outputs) if description.outputs > 1 else 1)
    labels = np.repeat(description.classes, 2)
    return np.zeros((len(labels), inputs)), labels
