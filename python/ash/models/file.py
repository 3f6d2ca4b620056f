"""Writes a model as one safetensors file: tensors for numbers, and a JSON text in the metadata for everything else.

    tensors    weight.0 [inputs, outputs] float32, bias.0 [outputs] float32, weight.1, ...
               embedding [parameters, e] float32, if e features are embedded; the entry "numbers" lists them
               share.0 [outputs] float32, ... for each hidden layer, if activations are parametric: the factor a of each
               neuron (space/hyperparameters.py)
               input_center, input_scale, input_limit [features] float64: scale > 0; limit 3 (smooth clip) or 0 (none)
               target_mean, target_scale [outputs] float64
               target_least, target_most [outputs] float64, if predictions have bounds
               statistics.3 [levels + 2, k + 1] float64 of column 3, ..., for the columns with many levels
               (encoding/target_statistics.py)
               learned.3.keys [grams] float64, .idf, .components [grams, 64] float32 of column 3, ..., for columns of
               free text (encoding/text_features.py)
               neighbors.rows [n, columns] float64, .weights [n], ... for a table in which rows recur
               (encoding/neighbors.py)
    metadata   "ash": {"format": "ash-network", "version": 1 to 5, "activations": [...], "classes": {...} or null,
               "encoding": {"schema", "targets"} (encoding/encoding.py), "params", "metric", "target_names",
               "record": {...} or null (ash/run_record.py), "estimated_score": [score, standard error], ...}
               "decision_weights": a weight per class, if labels are decided by weights (models/decision.py)
               "positive": the number of the positive class, if it is not that of the label 1
               "sha256": the hash of that text and of the tensors

    trees      trees [bytes] uint8: the trees in LightGBM's text format, in UTF-8 (lightgbm_text.py); the tensors of
               targets, statistics and neighbors as above; format "ash-trees", version 3; no "activations" or "numbers"
               with "level_numbers": true and version 4, the last features are the level numbers of the categories; with
               "catboost_format": true as well, `trees` holds a model in CatBoost's own format, which CatBoost reads

    ensemble   the tensors of its members as 0.weight.0, 0.bias.0, ..., 1.trees, ...; weights [members] float64;
               statistics and neighbors once; format "ash-ensemble", in which "members" has the entries of each member.
               If members of several folds have statistics or text of their own (from version 4 on), "encoding",
               statistics.3 and learned.3.* are those of fold 0; fold.1.statistics.3, ... are those of fold 1;
               "folds": [{"targets"}, ...] has an entry for each fold from 1 on; and "fold" of a member is the number of
               its fold, absent if it is 0

Invariants: (1) loading runs no code from the file, and uses its contents only after checking all names, dtypes and
shapes (which must fit each other and the metadata), and that all numbers are finite, except bounds, which may be
infinite; (2) a malformed file raises ModelFormatError, whose message names the path, and a missing or unreadable file
raises OSError; (3) saving writes a temporary file next to the target, flushes it to disk and then renames it, so a
crash leaves the old file intact; (4) equal models have equal bytes.
"""

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash._utils.atomic_file import replace_file
from ash._utils.checks import is_list_of
from ash.data.targets import positive_class
from ash.encoding.encoding import Encoding, encoding_parts, statistics_parts
from ash.encoding.kinds import kind_named
from ash.errors import ModelFormatError
from ash.run_record import RunRecord

FORMAT, TREES_FORMAT, ENSEMBLE_FORMAT = "ash-network", "ash-trees", "ash-ensemble"
VERSIONS = (1, 2, 3, 4, 5)
"""Versions of the format. Version 2 adds exponentials, bounds of targets and quantiles; version 3 adds trees; version 4
adds the statistics of several folds, decision weights, positive classes, shifts of the class scores of trees, and trees
that split categories; version 5 adds columns of free text. A file has the lowest version that can represent its model,
so that older versions of ash can read as many files as possible."""
KEY, DIGEST = "ash", "sha256"
"""Metadata keys of ash's JSON text and of the checksum."""
HEAD = 8
"""Size in bytes of the header length at the start of a safetensors file."""
WEIGHTS = "weights"
"""The name of the tensor with the weight of each member of an ensemble."""
TREES = "trees"
"""The name of the tensor with the text of boosted trees."""
EXPONENTIAL = "exponential"
"""The metadata entry of a network or trees whose targets are target_mean * exp(target_scale * output)."""
DECISION, POSITIVE = "decision_weights", "positive"
"""The metadata entries with the weights of the decision and the number of the positive class."""
QUANTILE = "quantile"
"""The metadata entry with the level of the quantile that a model predicts."""
FOLD, FOLDS = "fold", "folds"
"""The metadata entries for members with the statistics of several folds. Names of these tensors start with FOLD."""
ESTIMATE = "estimated_score"
"""The metadata entry with the estimated score and its standard error, each null if unknown; older files lack it."""
LEVEL_NUMBERS = "level_numbers"
"""The metadata entry of trees whose last features are the level numbers of categories."""
CATBOOST_FORMAT = "catboost_format"
"""The metadata entry of trees that are stored in CatBoost's own format instead of LightGBM's text format."""
UNITS = ("target_mean", "target_scale")
VECTORS = ("input_center", "input_scale", "input_limit", *UNITS)
BOUNDS = ("target_least", "target_most")
"""The names of the tensors with the bounds of predicted targets; they are present if a bound is finite."""
LABEL_KINDS = {"b": bool, "i": int, "u": int, "f": float, "U": str, "O": str}
"""NumPy's dtype kinds of labels that can be saved, each with the Python type of the values that are written as JSON."""

FileParts: TypeAlias = tuple[dict[str, Any], dict[str, NDArray[Any]]]
"""Entries of the metadata, and tensors by name."""


class MalformedError(Exception):
    """Raised if a file is malformed. The message lacks the file's path, which the caller adds."""


def check_format(condition: bool, wrong: str) -> None:
    """Raise MalformedError with the message `wrong` unless the condition holds."""
    if not condition:
        raise MalformedError(wrong)


def save(
    path: str | os.PathLike[str],
    parts: FileParts,
    encodings: Sequence[Encoding],
    classes: NDArray[Any] | None,
    target_names: tuple[str, ...] | None,
    record: RunRecord | None,
    estimate: tuple[float, float],
) -> None:
    """Write a model with these parts and `Model.encodings` to `path`, replacing an existing file; see `Model.save`.

    `estimate` is the estimated score and its standard error; NaN if unknown.
    """
    from safetensors.numpy import save as serialize

    about, tensors = _whole(parts, encodings, target_names)
    about |= {
        "version": _version(about, tensors),
        "ash_version": _core.build_info()["version"],
        "classes": _write_labels(classes, path),
        "record": None if record is None else record.to_json(),
        ESTIMATE: [float(each) if math.isfinite(each) else None for each in estimate],
    }
    text = json.dumps(about, allow_nan=False, default=_plain)
    content = serialize(tensors, metadata={KEY: text, DIGEST: digest(text, tensors)})
    replace_file(Path(path), _with_sorted_metadata(content))


def _version(about: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> int:
    """Return the lowest version of the format that can represent a model."""
    entries = {name for each in (about, *about.get("members", ())) for name in each}
    kinds = [kind_named(column["kind"]) for column in about["encoding"]["schema"]["columns"]]
    if (version := max(kind.file_version for kind in kinds)) > 4:
        return version
    means = [tensors[name.removesuffix(TREES) + UNITS[0]] for name in tensors if is_trees(name)]
    has_shifts = any(len(mean) > 1 and mean.any() for mean in means)  # something is added to the scores of classes
    if {FOLDS, DECISION, POSITIVE, LEVEL_NUMBERS} & entries or has_shifts:
        return 4
    if means:
        return 3
    return 2 if {EXPONENTIAL, QUANTILE} & entries or any(name.endswith(BOUNDS) for name in tensors) else 1


def is_trees(tensor: str) -> bool:
    """Return whether the tensor named `tensor` holds the text of boosted trees."""
    return tensor.rpartition(".")[2] == TREES


def _with_sorted_metadata(content: bytes) -> bytes:
    """Return the content of a file with sorted metadata, since the order that safetensors writes varies."""
    start = HEAD + int.from_bytes(content[:HEAD], "little")
    header = json.loads(content[HEAD:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % HEAD)  # padding, so that the tensors after the text are aligned
    return len(text).to_bytes(HEAD, "little") + text + content[start:]


def model_digest(
    parts: FileParts, encodings: Sequence[Encoding], classes: NDArray[Any] | None, target_names: tuple[str, ...] | None
) -> str:
    """Return a hash (64 hexadecimal digits) of all that predictions depend on, such as weights and encoding."""
    about, tensors = _whole(parts, encodings, target_names)
    about["classes"] = None if classes is None else list(map(repr, classes.tolist()))
    return digest(json.dumps(about, allow_nan=False, default=_plain, sort_keys=True), tensors)


def _whole(parts: FileParts, encodings: Sequence[Encoding], target_names: tuple[str, ...] | None) -> FileParts:
    """Return a model's entries and tensors, including those of its encodings and the entry for its target names."""
    about, tensors = parts
    columns, tables = encoding_parts(encodings[0])
    folds = []
    for number, encoding in enumerate(encodings[1:], start=1):
        entries, own = statistics_parts(encoding)
        folds.append(entries)
        tables |= {f"{FOLD}.{number}.{name}": table for name, table in own.items()}
    about = {**about, "encoding": columns, "target_names": target_names, **({FOLDS: folds} if folds else {})}
    return about, {**tensors, **tables}


def core_parts(core: _core.Network) -> dict[str, Any]:
    """Return the arguments from which the core builds an equal network."""
    names = ("weights", "biases", "activations", "classes", *VECTORS, "numbers", "embedding", "shares", EXPONENTIAL)
    return {name: getattr(core, name) for name in (*names, *BOUNDS)}


def network_parts(
    core: _core.Network, params: Mapping[str, Any], metric: str, score: float, quantile: float | None = None
) -> FileParts:
    """Return a network's metadata entries and tensors, without those of its encoding."""
    parts = core_parts(core)
    tensors = {name: parts[name] for name in (*VECTORS, *(["embedding"] if parts["numbers"] else []))}
    for kind, all_layers in (("weight", "weights"), ("bias", "biases"), ("share", "shares")):
        tensors |= {f"{kind}.{layer}": values for layer, values in enumerate(parts[all_layers])}
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()} | _bound_tensors(core)
    own = {"activations": list(parts["activations"]), "numbers": parts["numbers"], "params": dict(params)}
    return {"format": FORMAT, **own, **_target_entries(core, quantile), **_score_entries(metric, score)}, tensors


def trees_arguments(core: _core.Trees) -> dict[str, Any]:
    """Return the arguments from which the core builds equal trees."""
    tables = ("features", "leaf_starts", "feature", "threshold", "left", "right", "missing", "leaf_values", "classes")
    return {name: getattr(core, name) for name in (*tables, "set_starts", "set_words", *UNITS, EXPONENTIAL, *BOUNDS)}


def trees_parts(
    core: Any, text: str | bytes, params: Mapping[str, Any], metric: str, score: float, quantile: float | None = None
) -> FileParts:
    """Return the trees' metadata entries and tensors, without those of their encoding."""
    content = text.encode() if isinstance(text, str) else text
    tensors: dict[str, NDArray[Any]] = {TREES: np.frombuffer(content, np.uint8)}
    tensors |= {name: getattr(core, name) for name in UNITS} | _bound_tensors(core)
    own = {"params": dict(params), **_target_entries(core, quantile), **_score_entries(metric, score)}
    return {"format": TREES_FORMAT, **own}, tensors


def _bound_tensors(core: _core.Network | _core.Trees) -> dict[str, NDArray[Any]]:
    bounds = {name: np.ascontiguousarray(getattr(core, name)) for name in BOUNDS}
    return bounds if np.isfinite(list(bounds.values())).any() else {}


def _target_entries(core: _core.Network | _core.Trees, quantile: float | None) -> dict[str, Any]:
    exponential = {EXPONENTIAL: True} if core.exponential else {}
    return exponential if quantile is None else {**exponential, QUANTILE: quantile}


def decision_entries(
    weights: NDArray[np.float64] | None, positive: int | None, classes: NDArray[Any] | None
) -> dict[str, Any]:
    """Return the entries of the decision, without those that follow from the labels."""
    entries: dict[str, Any] = {} if weights is None else {DECISION: weights.tolist()}
    return entries if positive == positive_class(classes, None) else {**entries, POSITIVE: positive}


def ensemble_parts(
    models: Sequence[FileParts], weights: NDArray[np.float64], folds: Sequence[int], metric: str, score: float
) -> FileParts:
    """Return the entries and tensors of an ensemble. The names of a member's tensors begin with the member's number.

    `folds` are the indices of the members' encodings.
    """
    members, tensors = [], {WEIGHTS: np.array(weights)}
    for number, ((entries, own), fold) in enumerate(zip(models, folds, strict=True)):
        kept = {key: value for key, value in entries.items() if key != "format"}
        members.append(kept | ({FOLD: fold} if fold else {}))
        tensors |= {f"{number}.{name}": tensor for name, tensor in own.items()}
    return {"format": ENSEMBLE_FORMAT, "members": members, **_score_entries(metric, score)}, tensors


def digest(text: str, tensors: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of the metadata and of all tensors in order of name, so that any changed bit is noticed."""
    hashed = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        hashed.update(f"\n{name} {tensor.dtype.str} {tensor.shape}\n".encode())
        hashed.update(np.ascontiguousarray(tensor).data)
    return hashed.hexdigest()


def _score_entries(metric: str, score: float) -> dict[str, Any]:
    return {"metric": metric, "validation_score": float(score) if math.isfinite(score) else None}


def _write_labels(classes: NDArray[Any] | None, path: str | os.PathLike[str]) -> dict[str, Any] | None:
    if classes is None:
        return None
    values = classes.tolist()
    kind = LABEL_KINDS.get(classes.dtype.kind)
    if kind is None or not is_list_of(values, kind):
        raise ModelFormatError(f"{os.fspath(path)}: labels of dtype {classes.dtype} cannot be saved; use str or int")
    return {"dtype": "object" if classes.dtype.kind == "O" else classes.dtype.str, "values": values}


def _plain(value: Any) -> Any:
    """Convert a NumPy scalar to a Python number, which JSON can hold."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be saved")
