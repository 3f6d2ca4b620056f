"""Models on disk: one safetensors file, numbers as tensors and all else as one JSON text in its metadata.

    tensors    weight.0 [inputs, outputs] float32, bias.0 [outputs] float32, weight.1, ...
               embedding [parameters, numbers] float32, where numbers are embedded
               share.0 [outputs] float32, ... of each hidden layer, where activations are parametric
               input_center, input_scale, input_limit [features] float64: scale above 0, limit 3 (a smooth clip) or 0
               target_mean, target_scale [outputs] float64
               statistics.3 [levels + 2, k + 1] float64, of the columns with many levels
               neighbors.rows [n, columns] float64, .weights [n], ... of a table whose rows recur
    metadata   "ash": {"format": "ash-network", "version": 1, "activations": [...], "classes": {...} or null, ...}
               "sha256": of that text and of the tensors

    ensemble   the tensors of its networks as 0.weight.0, 0.bias.0, ..., 1.weight.0, ...; weights [networks] float64;
               statistics, neighbors once; format "ash-ensemble", in which "members" have what a network has of its own

Invariants: (1) loading runs no code from the file and uses nothing before all of it is checked: names, dtypes, shapes
against each other and against the metadata, finite numbers; (2) whatever is malformed ends in ModelFormatError, which
names the path; a missing or unreadable file stays the OSError that it is; (3) saving writes a temporary file beside the
target, flushes it to the disk and then renames it: a crash leaves the old file, whole.
"""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.encoding import Encoding
from ash.encoding_file import ARRAYS, encoding_from_parts, encoding_parts
from ash.ensemble import Ensemble
from ash.errors import ModelFormatError
from ash.model import Model
from ash.model_checks import (
    ENSEMBLE_FORMAT,
    FORMAT,
    LABEL_KINDS,
    VECTORS,
    VERSION,
    WEIGHTS,
    MalformedError,
    check_metadata,
    check_tensors,
    digest,
    is_list_of,
    parse_metadata,
    read_labels,
    read_weights,
    require,
    split_members,
)
from ash.network import Network, core_parts
from ash.whole_file import replace_file

KEY = "ash"
"""Of our text in the metadata."""
DIGEST = "sha256"
"""Of the checksum there."""


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a network or an ensemble to `path`, replacing what is there.

    Parameters
    ----------
    model : Network or Ensemble
        What to save.
    path : path-like
        The file; by custom it ends in `.safetensors`. It is readable by its owner only.

    Raises
    ------
    ModelFormatError
        The labels are of a dtype that the format does not hold (dates, mixed objects).
    OSError
        The file cannot be written; what was there is left as it was.
    """
    from safetensors.numpy import save as serialize

    about, tensors = _PARTS[type(model)](model)
    encoding, tables = encoding_parts(model.encoding)
    about |= {
        "version": VERSION,
        "ash_version": _core.build_info()["version"],
        "classes": _write_labels(model.classes_, path),
        "encoding": encoding,
        "target_names": model.target_names,
    }
    tensors |= tables
    text = json.dumps(about, allow_nan=False, default=_plain)
    replace_file(Path(path), serialize(tensors, metadata={KEY: text, DIGEST: digest(text, tensors)}))


def load(path: str | os.PathLike[str]) -> Network | Ensemble:
    """Read a network or an ensemble that `save` wrote.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    Network or Ensemble
        Predicting bit for bit as the saved one.

    Raises
    ------
    ModelFormatError
        The file is no model of ash, damaged, or of a newer version.
    OSError
        The file cannot be read.
    """
    name = os.fspath(path)
    tensors, metadata = _read_tensors(name)
    try:
        text = metadata[KEY]
        about = parse_metadata(text)
        require(metadata.get(DIGEST) == digest(text, tensors), "damaged: its checksum does not hold")
        if about["format"] == ENSEMBLE_FORMAT:
            return _read_ensemble(tensors, about)
        check_metadata(about)
        encoding = _read_encoding(tensors, about)
        return _read_network(tensors, about, encoding, read_labels(about["classes"]))
    except MalformedError as error:
        raise ModelFormatError(f"{name}: {error}") from error


def _read_tensors(name: str) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return all tensors and the metadata; the library checks the header, sizes and offsets."""
    from safetensors import SafetensorError, safe_open

    with open(name, "rb"):  # a missing or unreadable file is an OSError of Python's own
        pass
    try:
        with safe_open(name, framework="numpy") as file:
            metadata = file.metadata() or {}
            if KEY not in metadata:
                raise ModelFormatError(f"{name}: no model of ash (its metadata has no {KEY!r})")
            names = list(file.keys())
            for tensor in names:
                dtype = file.get_slice(tensor).get_dtype()
                if dtype not in ("F32", "F64"):
                    raise ModelFormatError(f"{name}: tensor {tensor!r} has dtype {dtype}")
            return {tensor: file.get_tensor(tensor) for tensor in names}, metadata
    except (SafetensorError, ValueError, OverflowError) as error:
        if isinstance(error, ModelFormatError):
            raise
        raise ModelFormatError(f"{name}: no safetensors file, or a damaged one ({error})") from error


def _read_encoding(tensors: dict[str, NDArray[Any]], about: dict[str, Any]) -> Encoding:
    """Take what is of the encoding out of the tensors and return the encoding that they belong to."""
    tables = {name: tensors.pop(name) for name in sorted(tensors) if name.startswith(ARRAYS)}
    try:
        return encoding_from_parts(about.get("encoding"), tables)
    except ValueError as error:
        raise MalformedError(f"its encoding is none: {error}") from error


def _read_ensemble(tensors: dict[str, NDArray[Any]], about: dict[str, Any]) -> Ensemble:
    parts = split_members({name: tensors[name] for name in tensors if not name.startswith(ARRAYS)}, about)
    for _, entries in parts:
        check_metadata(entries)
    encoding, classes = _read_encoding(tensors, about), read_labels(about["classes"])
    members = [_read_network(part, entries, encoding, classes) for part, entries in parts]
    outputs = {len(member.core.target_mean) for member in members}
    require(len(outputs) == 1, f"its networks have {sorted(outputs)} outputs")
    weights = read_weights(tensors, len(members))
    return Ensemble(members, weights, metric=about["metric"], validation_score=_score(about))


def _read_network(
    tensors: dict[str, NDArray[Any]], about: dict[str, Any], encoding: Encoding, classes: NDArray[Any] | None
) -> Network:
    hidden = len(about["activations"])
    layers = hidden + 1
    check_tensors(tensors, layers, about["numbers"])
    outputs = len(tensors[f"bias.{layers - 1}"])
    features = len(tensors["input_center"])
    require(encoding.features == features, f"{features} inputs, but columns for {encoding.features}")
    require(classes is None or len(classes) == outputs, f"{outputs} outputs, but other classes")
    require(classes is not None or len(tensors["target_mean"]) == outputs, "target_mean does not fit the last layer")
    targets = about.get("target_names")
    require(targets is None or len(targets) == (1 if classes is not None else outputs), "target_names do not fit")
    try:
        core = _core.Network(
            [tensors[f"weight.{layer}"] for layer in range(layers)],
            [tensors[f"bias.{layer}"] for layer in range(layers)],
            about["activations"],
            0 if classes is None else outputs,
            **{name: tensors[name] for name in (*VECTORS, "embedding") if name in tensors},
            numbers=about["numbers"],
            shares=[tensors[f"share.{layer}"] for layer in range(hidden) if f"share.{layer}" in tensors],
        )
    except ValueError as error:
        raise MalformedError(f"the core refuses it: {error}") from error
    return Network(
        core,
        classes=classes,
        encoding=encoding,
        target_names=None if targets is None else tuple(targets),
        params={key: tuple(value) if isinstance(value, list) else value for key, value in about["params"].items()},
        metric=about["metric"],
        validation_score=_score(about),
    )


def _score(about: dict[str, Any]) -> float:
    score = about.get("validation_score")
    return math.nan if score is None else float(score)


def _network_parts(network: Network) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return what a network has of its own: entries for the metadata, and tensors."""
    parts = core_parts(network.core)
    tensors = {name: np.ascontiguousarray(parts[name]) for name in VECTORS}
    for layer, (weight, bias) in enumerate(zip(parts["weights"], parts["biases"], strict=True)):
        tensors[f"weight.{layer}"] = np.ascontiguousarray(weight)
        tensors[f"bias.{layer}"] = np.ascontiguousarray(bias)
    tensors |= {f"share.{layer}": np.ascontiguousarray(share) for layer, share in enumerate(parts["shares"])}
    if parts["numbers"]:
        tensors["embedding"] = np.ascontiguousarray(parts["embedding"])
    own = {"activations": list(parts["activations"]), "numbers": parts["numbers"], "params": network.params}
    return {"format": FORMAT, **own, **_score_entries(network)}, tensors


def _ensemble_parts(ensemble: Ensemble) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the entries and tensors of an ensemble, those of its networks by their places."""
    members, tensors = [], {WEIGHTS: np.array(ensemble.weights)}
    for place, network in enumerate(ensemble.members):
        entries, own = _network_parts(network)
        del entries["format"]
        members.append(entries)
        tensors |= {f"{place}.{name}": tensor for name, tensor in own.items()}
    return {"format": ENSEMBLE_FORMAT, "members": members, **_score_entries(ensemble)}, tensors


_PARTS: dict[type[Model], Callable[[Any], tuple[dict[str, Any], dict[str, NDArray[Any]]]]] = {
    Network: _network_parts,
    Ensemble: _ensemble_parts,
}


def _score_entries(model: Model) -> dict[str, Any]:
    score = float(model.validation_score)
    return {"metric": model.metric, "validation_score": score if math.isfinite(score) else None}


def _write_labels(classes: NDArray[Any] | None, path: str | os.PathLike[str]) -> dict[str, Any] | None:
    if classes is None:
        return None
    values = classes.tolist()
    kind = LABEL_KINDS.get(classes.dtype.kind)
    if kind is None or not is_list_of(values, kind):
        raise ModelFormatError(f"{os.fspath(path)}: labels of dtype {classes.dtype} cannot be saved; use str or int")
    return {"dtype": "object" if classes.dtype.kind == "O" else classes.dtype.str, "values": values}


def _plain(value: Any) -> Any:
    """Turn numpy's scalars into what JSON knows."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be saved")
