"""Reading a model file: everything in it is checked before anything is used. ash/models/file.py has the layout."""

import math
import os
from typing import Any

from numpy.typing import NDArray

from ash import _core
from ash.encoding.encoding import Encoding
from ash.encoding.serialize import ARRAYS, encoding_from_parts
from ash.errors import ModelFormatError
from ash.models.ensemble import Ensemble
from ash.models.file import DIGEST, KEY
from ash.models.file_checks import (
    ENSEMBLE_FORMAT,
    VECTORS,
    MalformedError,
    check_format,
    check_metadata,
    check_tensors,
    digest,
    parse_metadata,
    read_labels,
    read_weights,
    split_members,
)
from ash.models.network import Network


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
        check_format(metadata.get(DIGEST) == digest(text, tensors), "damaged: its checksum does not hold")
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
    check_format(len(outputs) == 1, f"its networks have {sorted(outputs)} outputs")
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
    check_format(encoding.features == features, f"{features} inputs, but columns for {encoding.features}")
    check_format(classes is None or len(classes) == outputs, f"{outputs} outputs, but other classes")
    check_format(
        classes is not None or len(tensors["target_mean"]) == outputs, "target_mean does not fit the last layer"
    )
    targets = about.get("target_names")
    check_format(targets is None or len(targets) == (1 if classes is not None else outputs), "target_names do not fit")
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
