"""Reads a model file, and checks all its contents before using them. ash/models/file.py describes the layout.

    tensors, metadata -> checksum -> metadata of each member -> encoding, labels -> tensors of each member -> the core

A file may be from an untrusted source, so no memory is allocated merely because the file states a size. Tensors are
read before they are checked, but in total they are no larger than the file. Labels are bounded by LARGEST_LABELS. Trees
in CatBoost's own format are read by CatBoost.
"""

import itertools
import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash._utils.checks import is_list_of
from ash.data.targets import positive_class
from ash.encoding.encoding import ARRAYS, Encoding, encoding_from_parts, with_statistics
from ash.errors import ModelFormatError, SettingError
from ash.metrics import ALIASES, METRICS
from ash.models.catboost_model import with_units
from ash.models.ensemble import Ensemble
from ash.models.file import (
    BOUNDS,
    CATBOOST_FORMAT,
    DECISION,
    DIGEST,
    ENSEMBLE_FORMAT,
    ESTIMATE,
    EXPONENTIAL,
    FOLD,
    FOLDS,
    FORMAT,
    KEY,
    LABEL_KINDS,
    LEVEL_NUMBERS,
    POSITIVE,
    QUANTILE,
    TREES,
    TREES_FORMAT,
    UNITS,
    VECTORS,
    VERSIONS,
    WEIGHTS,
    MalformedError,
    check_format,
    digest,
    is_trees,
)
from ash.models.lightgbm_text import CATEGORY
from ash.models.network import Network
from ash.models.trees import Trees, core_of
from ash.run_record import RunRecord
from ash.space.hyperparameters import ACTIVATIONS

FORMATS = (FORMAT, TREES_FORMAT, ENSEMBLE_FORMAT)
TREES_KEYS = {"params", "metric", "validation_score"}
NETWORK_KEYS = TREES_KEYS | {"activations", "numbers"}
"""The metadata entries that each member of an ensemble has separately: those in TREES_KEYS for boosted trees, and those
in NETWORK_KEYS for networks. EXPONENTIAL, QUANTILE and FOLD are optional entries of a member, and LEVEL_NUMBERS and
CATBOOST_FORMAT are optional entries of trees. All members share the other entries."""
CLIP = 3.0
"""The limit of a clipped input; the limit of other inputs is 0."""
EMBEDDED = 3
"""The number of inputs that the first layer has for each embedded number, in addition to the number itself."""
PARAMETERS = 83
"""The number of parameters of the embedding of one number (cpp/ash/kernels/embedding.hpp)."""
ROOM = 2**20
"""The number of bytes that are allocated as a test before a file is read."""
LARGEST_LABELS = 2**28
"""The maximum size of all labels in bytes, since a dtype such as <U100000000 makes even a few labels huge."""


def load(path: str | os.PathLike[str]) -> Network | Trees | Ensemble:
    """Read a model that `save` wrote.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    Network, Ensemble or Trees
        The model; its predictions equal those of the saved model bit for bit.

    Raises
    ------
    ModelFormatError
        The file is not an ash model, is damaged, or was written in a newer version of the format.
    MissingExtraError
        The file contains trees that CatBoost trained with ``categories="native"``, and CatBoost is not installed.
    SettingError
        `path` is not a path.
    OSError
        The file cannot be read.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> model = ash.tune(X, y, candidates=8).model
    >>> model.save("wine.safetensors")
    >>> bool((ash.load("wine.safetensors").predict(X) == model.predict(X)).all())
    True
    """
    if not isinstance(path, str | os.PathLike):
        raise SettingError(f"path must be the path of a file, got {path!r}")
    name = os.fspath(path)
    tensors, metadata = _read_tensors(name)
    try:
        text = metadata[KEY]
        about = _parse_metadata(text)
        check_format(metadata.get(DIGEST) == digest(text, tensors), "damaged: wrong checksum")
        model = _read_model(tensors, about)
        model.record = _read_record(about.get("record"))
        model.estimated_score, model.estimated_score_std_error = _read_estimate(about.get(ESTIMATE, [None, None]))
        return model
    except MalformedError as error:
        raise ModelFormatError(f"{name}: {error}") from error


def _read_model(tensors: dict[str, NDArray[Any]], about: dict[str, Any]) -> Network | Trees | Ensemble:
    """Return the model with its weights of the decision and its positive class."""
    if about["format"] == ENSEMBLE_FORMAT:
        model: Network | Trees | Ensemble = _read_ensemble(tensors, about)
    else:
        _check_metadata(about)
        encoding = _read_encoding(tensors, about)
        model = _read_member(tensors, about, encoding, _read_labels(about["classes"]))
    positive = about.get(POSITIVE, positive_class(model.classes_, None))
    classes = 0 if model.classes_ is None else len(model.classes_)
    is_class = POSITIVE not in about or (type(positive) is int and 0 <= positive < classes == 2)
    check_format(is_class, f"positive is {positive!r}, which is not one of two classes")
    for each in (model, *getattr(model, "members", ())):
        each.positive = positive
    weights = about.get(DECISION)
    if weights is None:
        return model
    are_numbers = is_list_of(weights, float) and len(weights) == classes
    check_format(are_numbers and all(0 < each < math.inf for each in weights), "decision_weights are not one per class")
    return model.with_decision(np.array(weights))


def _read_record(facts: Any) -> RunRecord | None:
    """Return the record of the run, or None if the file has none. The record's options are checked when it is used."""
    if facts is None:
        return None
    try:
        return RunRecord.from_json(facts)
    except ValueError as error:
        raise MalformedError(str(error)) from error


def _read_estimate(given: Any) -> tuple[float, float]:
    """Return the estimated score and its standard error; NaN if unknown."""
    is_pair = isinstance(given, list) and len(given) == 2
    is_valid = is_pair and all(each is None or (type(each) is float and math.isfinite(each)) for each in given)
    check_format(is_valid, f"{ESTIMATE} is not a score and its standard error")
    score, std_error = given
    return _number(score), _number(std_error)


def _read_tensors(name: str) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return all tensors and the metadata; the library checks the header, sizes and offsets."""
    from safetensors import SafetensorError, safe_open

    with open(name, "rb"):  # raises Python's own OSError for a missing or unreadable file
        bytearray(ROOM)  # raises MemoryError if memory is short; safetensors would end the process
    try:
        with safe_open(name, framework="numpy") as file:
            metadata = file.metadata() or {}
            if KEY not in metadata:
                raise ModelFormatError(f"{name}: not an ash model (its metadata has no {KEY!r})")
            names = list(file.keys())
            for tensor in names:
                dtype = file.get_slice(tensor).get_dtype()
                if dtype not in (("U8",) if is_trees(tensor) else ("F32", "F64")):
                    raise ModelFormatError(f"{name}: tensor {tensor!r} has dtype {dtype}")
            return {tensor: file.get_tensor(tensor) for tensor in names}, metadata
    except (SafetensorError, ValueError, OverflowError) as error:
        if isinstance(error, ModelFormatError):
            raise
        raise ModelFormatError(f"{name}: not a valid safetensors file ({error})") from error


def _read_encoding(tensors: dict[str, NDArray[Any]], about: dict[str, Any]) -> Encoding:
    """Remove the encoding's tensors from `tensors`, and return the encoding."""
    tables = {name: tensors.pop(name) for name in sorted(tensors) if name.startswith(ARRAYS)}
    try:
        encoding = encoding_from_parts(about.get("encoding"), tables)
    except ValueError as error:
        raise MalformedError(f"invalid encoding: {error}") from error
    for column in encoding.schema.columns:
        needed = column.rules.file_version
        check_format(about["version"] >= needed, f"columns of {column.kind} need version {needed} of the format")
    return encoding


def _read_encodings(tensors: dict[str, NDArray[Any]], about: dict[str, Any]) -> list[Encoding]:
    """Remove the tensors of the encodings of all folds from `tensors`, and return these encodings."""
    folds = about.get(FOLDS, [])
    check_format(is_list_of(folds, dict), "folds is not a list of JSON objects")
    check_format(not folds or about["version"] > 3, "statistics of several folds need version 4 of the format")
    encodings = [_read_encoding(tensors, about)]
    for number, entries in enumerate(folds, start=1):
        start = f"{FOLD}.{number}."
        tables = {name.removeprefix(start): tensors.pop(name) for name in sorted(tensors) if name.startswith(start)}
        try:
            encodings.append(with_statistics(encodings[0], entries, tables))
        except ValueError as error:
            raise MalformedError(f"invalid statistics of fold {number}: {error}") from error
    return encodings


def _read_ensemble(tensors: dict[str, NDArray[Any]], about: dict[str, Any]) -> Ensemble:
    encodings, classes = _read_encodings(tensors, about), _read_labels(about["classes"])
    parts = _split_members(tensors, about)
    for _, entries in parts:
        _check_metadata(entries)
    folds = [_fold_of(entries, len(encodings)) for _, entries in parts]
    pairs = zip(parts, folds, strict=True)
    members = [_read_member(part, entries, encodings[fold], classes) for (part, entries), fold in pairs]
    outputs = {len(member.core.target_mean) for member in members}
    check_format(len(outputs) == 1, f"its members have {sorted(outputs)} outputs")
    weights, score = _read_weights(tensors, len(members)), _number(about.get("validation_score"))
    return Ensemble(members, weights, metric=about["metric"], validation_score=score)


def _read_member(
    tensors: dict[str, NDArray[Any]], about: dict[str, Any], encoding: Encoding, classes: NDArray[Any] | None
) -> Network | Trees:
    read = _read_trees if about["format"] == TREES_FORMAT else _read_network
    return read(tensors, about, encoding, classes)


def _read_network(
    tensors: dict[str, NDArray[Any]], about: dict[str, Any], encoding: Encoding, classes: NDArray[Any] | None
) -> Network:
    hidden = len(about["activations"])
    layers = hidden + 1
    _check_layers(tensors, layers, about["numbers"])
    outputs = len(tensors[f"bias.{layers - 1}"])
    _check_fit(tensors, about, encoding, classes, features=len(tensors["input_center"]), outputs=outputs)
    try:
        core = _core.Network(
            [tensors[f"weight.{layer}"] for layer in range(layers)],
            [tensors[f"bias.{layer}"] for layer in range(layers)],
            about["activations"],
            0 if classes is None else outputs,
            **{name: tensors[name] for name in (*VECTORS, *BOUNDS, "embedding") if name in tensors},
            numbers=about["numbers"],
            shares=[tensors[f"share.{layer}"] for layer in range(hidden) if f"share.{layer}" in tensors],
            exponential=EXPONENTIAL in about,
        )
    except ValueError as error:
        raise MalformedError(f"rejected by the core: {error}") from error
    return Network(core, encoding=encoding, classes=classes, **_facts(about))


def _read_trees(
    tensors: dict[str, NDArray[Any]], about: dict[str, Any], encoding: Encoding, classes: NDArray[Any] | None
) -> Trees:
    bounds = BOUNDS if BOUNDS[0] in tensors else ()
    names = (*UNITS, *bounds)
    _check_tensors(tensors, {TREES: ("uint8", 1), **dict.fromkeys(names, ("float64", 1))}, "boosted trees")
    _check_units(tensors)
    if LEVEL_NUMBERS in about:
        encoding = encoding.with_level_numbers
    content = tensors[TREES].tobytes()
    units: dict[str, Any] = {EXPONENTIAL: EXPONENTIAL in about, **{name: tensors[name] for name in names}}
    count, outputs = 0 if classes is None else len(classes), len(tensors["target_mean"])
    if CATBOOST_FORMAT in about:
        core: Any = with_units(content, encoding.features, count, units)
        check_format(outputs == max(count, 1), f"target_mean has {outputs} numbers")
        core.check()
        text: str | bytes = content
    else:
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise MalformedError("trees are not UTF-8 text") from error
        core = core_of(text, classes=count, **units)
    _check_fit(tensors, about, encoding, classes, features=core.features, outputs=outputs)
    if isinstance(core, _core.Trees):
        least = encoding.columns_end if encoding.has_level_numbers else core.features
        splits_numbers = bool((core.feature[core.missing == CATEGORY] < least).any())
        check_format(not splits_numbers, "trees split a feature into levels that is not a level number")
    return Trees(core, text, encoding=encoding, classes=classes, **_facts(about))


def _check_fit(
    tensors: Mapping[str, NDArray[Any]],
    about: dict[str, Any],
    encoding: Encoding,
    classes: NDArray[Any] | None,
    *,
    features: int,
    outputs: int,
) -> None:
    """Raise MalformedError unless a network or trees fit the columns and labels of the file."""
    inputs, labels = encoding.features, outputs if classes is None else len(classes)
    means, targets = outputs if classes is not None else len(tensors["target_mean"]), about.get("target_names")
    named = 1 if classes is not None else outputs
    check_format(BOUNDS[0] not in tensors or about["version"] > 1, "bounds of targets need version 2 of the format")
    check_format(inputs == features, f"the model has {features} inputs, but its columns give {inputs}")
    check_format(labels == outputs, f"the model has {outputs} outputs, but another number of classes")
    check_format(means == outputs, "target_mean does not match the last layer")
    check_format(targets is None or len(targets) == named, "target_names do not match the outputs")


def _facts(about: dict[str, Any]) -> dict[str, Any]:
    """Return those constructor arguments, read from a file's metadata, that networks and trees have in common."""
    targets = about.get("target_names")
    return {
        "target_names": None if targets is None else tuple(targets),
        "params": {key: tuple(value) if isinstance(value, list) else value for key, value in about["params"].items()},
        "metric": about["metric"],
        "validation_score": _number(about.get("validation_score")),
        "quantile": about.get(QUANTILE),
    }


def _number(saved: float | None) -> float:
    return math.nan if saved is None else saved


def _parse_metadata(text: str) -> dict[str, Any]:
    """Return the metadata of a file as a dict; format and version are checked, but not the other entries."""

    def refuse(constant: str) -> None:
        raise MalformedError(f"metadata holds {constant}")

    try:
        about = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"metadata is not valid JSON ({error})") from error
    if not isinstance(about, dict) or about.get("format") not in FORMATS:
        raise MalformedError(f"metadata names none of the formats {', '.join(FORMATS)}")
    version = about.get("version")
    check_format(type(version) is int and version >= 1, f"invalid version {version!r}")
    newest = f"written in version {version} of the format; this ash reads up to {VERSIONS[-1]}: update ash"
    check_format(version in VERSIONS, newest)
    return about


def _check_metadata(about: dict[str, Any]) -> None:
    """Raise MalformedError unless the entries are valid for a network or trees; labels are checked later."""
    if about["format"] == TREES_FORMAT:
        check_format(about["version"] > 2, "boosted trees need version 3 of the format")
        check_format(about.get(LEVEL_NUMBERS, True) is True, "level_numbers is not true")
        check_format(LEVEL_NUMBERS not in about or about["version"] > 3, "level numbers need version 4 of the format")
        is_known = CATBOOST_FORMAT not in about or (about[CATBOOST_FORMAT] is True and LEVEL_NUMBERS in about)
        check_format(is_known, "catboost_format is not true, or lacks level_numbers")
    else:
        check_format(isinstance(about.get("activations"), list), "activations is not a list")
        for name in about["activations"]:
            check_format(name in ACTIVATIONS, f"unknown activation {name!r}")
        numbers = about.setdefault("numbers", [])  # absent in older files, whose networks have no embeddings
        check_format(is_list_of(numbers, int), "numbers is not a list of features")
        are_ascending = all(a < b for a, b in itertools.pairwise([-1, *numbers]))
        check_format(are_ascending, "numbers are not ascending feature numbers")
    names = about.get("target_names")
    check_format(names is None or is_list_of(names, str), "target_names is not a list of names")
    check_format(isinstance(about.get("params"), dict), "params is not a JSON object")
    check_format(about.get(EXPONENTIAL, True) is True, "exponential is not true")
    quantile = about.get(QUANTILE, 0.5)
    check_format(type(quantile) is float and 0 < quantile < 1, "quantile is not a number between 0 and 1")
    if EXPONENTIAL in about or QUANTILE in about:
        check_format(about["version"] > 1, "exponentials and quantiles need version 2 of the format")
        check_format(about.get("classes") is None, "a classifier cannot have an exponential or a quantile")
    _check_score(about)


def _check_score(about: dict[str, Any]) -> None:
    """Replace an alias of the metric; raise MalformedError if the score is invalid or the metric unfit for the task."""
    metric = about["metric"] = ALIASES.get(str(about.get("metric")), about.get("metric"))
    others = METRICS["classification" if about.get("classes") is None else "regression"]
    check_format(isinstance(metric, str) and metric not in others, f"metric {metric!r} does not fit the task")
    score = about.get("validation_score")
    check_format(score is None or (type(score) is float and math.isfinite(score)), "validation_score is not a number")


def _split_members(
    tensors: Mapping[str, NDArray[Any]], about: dict[str, Any]
) -> list[tuple[dict[str, NDArray[Any]], dict[str, Any]]]:
    """Return the unchecked tensors and entries of each ensemble member, in the form of a single model."""
    members = about.get("members")
    if not is_list_of(members, dict) or not members:
        raise MalformedError("members is not a list of networks and trees")
    _check_score(about)
    parts: dict[str, dict[str, NDArray[Any]]] = {str(number): {} for number in range(len(members))}
    for name, tensor in tensors.items():
        number, _, own = name.partition(".")
        check_format(number in parts or name == WEIGHTS, f"tensor {name!r} belongs to none of {len(members)} member(s)")
        if name != WEIGHTS:
            parts[number][own] = tensor
    found = []
    for part, entries in zip(parts.values(), members, strict=True):
        has_trees = TREES in part
        optional = {EXPONENTIAL, QUANTILE, FOLD, *([LEVEL_NUMBERS, CATBOOST_FORMAT] if has_trees else [])}
        is_known = entries.keys() - optional == (TREES_KEYS if has_trees else NETWORK_KEYS)
        check_format(is_known, "a member has missing or unexpected entries")
        found.append((part, {**about, **entries, "format": TREES_FORMAT if has_trees else FORMAT}))
    return found


def _fold_of(entries: dict[str, Any], folds: int) -> int:
    """Return the index of the encoding of an ensemble's member."""
    fold: int = entries.get(FOLD, 0)
    check_format(type(fold) is int and 0 <= fold < folds, f"a member is of fold {fold!r}, but there are {folds} folds")
    return fold


def _read_weights(tensors: Mapping[str, NDArray[Any]], members: int) -> NDArray[np.float64]:
    """Return the weight of each member of an ensemble."""
    check_format(WEIGHTS in tensors, f"there is no tensor {WEIGHTS!r}")
    weights = tensors[WEIGHTS]
    fits = weights.dtype == np.float64 and weights.shape == (members,)
    check_format(fits, f"weights are {weights.dtype} {weights.shape}")
    are_shares = bool((weights > 0).all()) and abs(float(weights.sum()) - 1) < 1e-9
    check_format(are_shares, "weights are not positive shares of 1")
    return weights


def _check_layers(tensors: dict[str, NDArray[Any]], layers: int, numbers: list[int]) -> None:
    """Raise MalformedError unless the tensors are finite and fit each other, `layers` and the embedded `numbers`."""
    bounds = BOUNDS if BOUNDS[0] in tensors else ()
    wanted = {name: ("float64", 1) for name in (*VECTORS, *bounds)}
    if numbers:
        wanted["embedding"] = ("float32", 2)
    for layer in range(layers):
        wanted[f"weight.{layer}"] = ("float32", 2)
        wanted[f"bias.{layer}"] = ("float32", 1)
        if "share.0" in tensors and layer + 1 < layers:  # either all hidden layers have parametric activations, or none
            wanted[f"share.{layer}"] = ("float32", 1)
    _check_tensors(tensors, wanted, f"{layers} layer(s)")
    features = len(tensors["input_center"])
    if numbers:
        check_format(numbers[-1] < features, f"a feature in numbers is not one of the {features} features")
        shape, fit = tensors["embedding"].shape, (PARAMETERS, len(numbers))
        check_format(shape == fit, f"embedding has shape {shape} instead of {fit}")
    inputs = features + EMBEDDED * len(numbers)
    for layer in range(layers):
        outputs = len(tensors[f"bias.{layer}"])
        shape = tensors[f"weight.{layer}"].shape
        check_format(shape == (inputs, outputs), f"weight.{layer} has shape {shape} instead of ({inputs}, {outputs})")
        shares = len(tensors.get(f"share.{layer}", tensors[f"bias.{layer}"]))
        check_format(shares == outputs, f"share.{layer} has {shares} numbers instead of {outputs}")
        inputs = outputs
    for name in ("input_scale", "input_limit"):
        check_format(tensors[name].shape == tensors["input_center"].shape, f"{name} does not match input_center")
    check_format(bool((tensors["input_scale"] > 0).all()), "a scale is not positive")
    are_limits = bool(np.isin(tensors["input_limit"], (0.0, CLIP)).all())
    check_format(are_limits, "input_limit holds a value other than 0 and 3")
    _check_units(tensors)


def _check_tensors(tensors: dict[str, NDArray[Any]], wanted: Mapping[str, tuple[str, int]], what: str) -> None:
    """Raise MalformedError unless the tensors have these names, dtypes and numbers of axes, and hold valid numbers."""
    check_format(tensors.keys() == wanted.keys(), f"tensors {sorted(tensors)} are not those of {what}")
    for name, (dtype, axes) in wanted.items():
        tensor = tensors[name]
        check_format(tensor.dtype == dtype and tensor.ndim == axes, f"{name} is {tensor.dtype} of shape {tensor.shape}")
        check_format(tensor.size > 0, f"{name} is empty")
        are_numbers = ~np.isnan(tensor) if name in BOUNDS else np.isfinite(tensor)
        check_format(bool(are_numbers.all()), f"{name} holds {'NaN' if name in BOUNDS else 'NaN or infinity'}")


def _check_units(tensors: Mapping[str, NDArray[Any]]) -> None:
    """Raise MalformedError unless targets' scales and bounds have the shape of `target_mean`, and scales exceed 0."""
    for name in ("target_scale", *BOUNDS):
        fits = name not in tensors or tensors[name].shape == tensors["target_mean"].shape
        check_format(fits, f"{name} does not match target_mean")
    check_format(bool((tensors["target_scale"] > 0).all()), "a scale is not positive")


def _read_labels(saved: Any) -> NDArray[Any] | None:
    """Return the sorted labels in the user's dtype, None for regression; raise MalformedError for invalid labels."""
    if saved is None:
        return None
    check_format(isinstance(saved, dict) and saved.keys() == {"dtype", "values"}, "classes are not labels")
    try:
        dtype = np.dtype(saved["dtype"]) if isinstance(saved["dtype"], str) else None
    except (TypeError, ValueError):
        dtype = None
    if dtype is None or dtype.kind not in LABEL_KINDS:
        raise MalformedError(f"classes have the unsupported dtype {saved['dtype']!r}")
    check_format(is_list_of(saved["values"], LABEL_KINDS[dtype.kind]), f"classes are not labels of dtype {dtype}")
    check_format(dtype.itemsize * len(saved["values"]) <= LARGEST_LABELS, f"classes of dtype {dtype} are too large")
    try:
        labels = np.array(saved["values"], dtype=dtype)
    except (OverflowError, ValueError) as error:
        raise MalformedError(f"classes do not fit dtype {dtype}") from error
    check_format(labels.tolist() == saved["values"], f"classes do not fit dtype {dtype}")
    check_format(labels.tolist() == sorted(set(labels.tolist())), "classes are not sorted and unique")
    return labels
