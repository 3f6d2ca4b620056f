"""What a model file must hold, checked before any of it is used: the metadata, the tensors, the labels.

A file may come from anybody. Nothing here allocates by a number that the file merely claims: tensors have been read, so
they are as large as the file, and labels are bounded by LARGEST_LABELS.
"""

import hashlib
import itertools
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash.metrics import METRICS
from ash.space.hyperparameters import ACTIVATIONS

FORMAT, ENSEMBLE_FORMAT = "ash-network", "ash-ensemble"
VERSION = 1
MEMBER_KEYS = {"activations", "numbers", "params", "metric", "validation_score"}
"""What the metadata of an ensemble say of each network; all else is one for all."""
WEIGHTS = "weights"
"""The tensor with the share of each network of an ensemble."""
VECTORS = ("input_center", "input_scale", "input_limit", "target_mean", "target_scale")
CLIP = 3.0
"""The limit of an input that is clipped; of others it is 0."""
EMBEDDED = 3
"""Inputs of the first layer that an embedding makes of a number, beside itself."""
PARAMETERS = 83
"""Of an embedding, for each number (cpp/ash/kernels/embedding.hpp)."""
LABEL_KINDS = {"b": bool, "i": int, "u": int, "f": float, "U": str, "O": str}
"""numpy's kinds of dtype for labels that are saved, with the type that their values have in JSON."""
LARGEST_LABELS = 2**28
"""Bytes: a dtype such as <U100000000 makes a few labels huge."""


class MalformedError(Exception):
    """What is wrong with a file, without its path."""


def check_format(condition: bool, wrong: str) -> None:
    """Raise MalformedError, saying what is wrong, unless the condition holds."""
    if not condition:
        raise MalformedError(wrong)


def parse_metadata(text: str) -> dict[str, Any]:
    """Return the JSON table of a file of our format and version; its entries are not checked yet."""

    def refuse(constant: str) -> None:
        raise MalformedError(f"metadata holds {constant}")

    try:
        about = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"metadata is no JSON ({error})") from error
    if not isinstance(about, dict) or about.get("format") not in (FORMAT, ENSEMBLE_FORMAT):
        raise MalformedError(f"metadata does not say format {FORMAT!r} or {ENSEMBLE_FORMAT!r}")
    version = about.get("version")
    check_format(type(version) is int and version >= 1, f"version {version!r} is none")
    check_format(
        version == VERSION, f"written in version {version} of the format; this ash reads {VERSION}: update ash"
    )
    return about


def digest(text: str, tensors: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of the metadata and of all tensors by name: no flipped bit goes unseen."""
    hashed = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        hashed.update(f"\n{name} {tensor.dtype.str} {tensor.shape}\n".encode())
        hashed.update(np.ascontiguousarray(tensor).data)
    return hashed.hexdigest()


def check_metadata(about: dict[str, Any]) -> None:
    """Raise MalformedError unless the entries have what `save` writes of a network; labels come later."""
    activations = about.get("activations")
    check_format(isinstance(activations, list), "activations are no list")
    for name in about["activations"]:
        check_format(name in ACTIVATIONS, f"unknown activation {name!r}")
    numbers = about.setdefault("numbers", [])  # of a file from before there were embeddings
    check_format(is_list_of(numbers, int), "numbers are no list of features")
    check_format(all(a < b for a, b in itertools.pairwise([-1, *about["numbers"]])), "numbers are no features in order")
    names = about.get("target_names")
    check_format(names is None or is_list_of(names, str), "target_names are no list of names")
    check_format(isinstance(about.get("params"), dict), "params are no table")
    check_score(about)


def check_score(about: dict[str, Any]) -> None:
    """Raise MalformedError unless there is a metric, ours of that task or the name of another scorer, and a score."""
    metric = about.get("metric")
    others = METRICS["classification" if _task(about) == "regression" else "regression"]
    check_format(isinstance(metric, str) and metric not in others, f"metric {metric!r} does not fit")
    score = about.get("validation_score")
    check_format(score is None or (type(score) is float and math.isfinite(score)), "validation_score is no number")


def _task(about: dict[str, Any]) -> str:
    return "regression" if about.get("classes") is None else "classification"


def is_list_of(values: Any, kind: type) -> bool:
    """Return whether it is a list of exactly that type (bool is no int)."""
    return isinstance(values, list) and all(type(value) is kind for value in values)


def split_members(
    tensors: Mapping[str, NDArray[Any]], about: dict[str, Any]
) -> list[tuple[dict[str, NDArray[Any]], dict[str, Any]]]:
    """Return tensors and entries of each network of an ensemble, as those of one alone; these are not checked yet."""
    members = about.get("members")
    if not isinstance(members, list) or not members:
        raise MalformedError("members are no list of networks")
    for member in members:
        check_format(isinstance(member, dict) and member.keys() == MEMBER_KEYS, "a member has other entries")
    check_score(about)
    parts: dict[str, dict[str, NDArray[Any]]] = {str(place): {} for place in range(len(members))}
    for name, tensor in tensors.items():
        place, _, own = name.partition(".")
        check_format(place in parts or name == WEIGHTS, f"tensor {name!r} belongs to none of {len(members)} member(s)")
        if name != WEIGHTS:
            parts[place][own] = tensor
    return [(part, {**about, **member}) for part, member in zip(parts.values(), members, strict=True)]


def read_weights(tensors: Mapping[str, NDArray[Any]], members: int) -> NDArray[np.float64]:
    """Return the share of each network of an ensemble."""
    check_format(WEIGHTS in tensors, f"there is no tensor {WEIGHTS!r}")
    weights = tensors[WEIGHTS]
    check_format(
        weights.dtype == np.float64 and weights.shape == (members,), f"weights are {weights.dtype} {weights.shape}"
    )
    check_format(bool((weights > 0).all()) and abs(float(weights.sum()) - 1) < 1e-9, "weights are no shares")
    return weights


def check_tensors(tensors: dict[str, NDArray[Any]], layers: int, numbers: list[int]) -> None:
    """Raise MalformedError unless the tensors are those of so many layers and these numbers, fit and are finite."""
    wanted = {name: ("float64", 1) for name in VECTORS}
    if numbers:
        wanted["embedding"] = ("float32", 2)
    for layer in range(layers):
        wanted[f"weight.{layer}"] = ("float32", 2)
        wanted[f"bias.{layer}"] = ("float32", 1)
        if "share.0" in tensors and layer + 1 < layers:  # parametric activations: of all hidden layers, or of none
            wanted[f"share.{layer}"] = ("float32", 1)
    check_format(tensors.keys() == wanted.keys(), f"tensors {sorted(tensors)} are not those of {layers} layer(s)")
    for name, (dtype, axes) in wanted.items():
        tensor = tensors[name]
        check_format(tensor.dtype == dtype and tensor.ndim == axes, f"{name} is {tensor.dtype} of shape {tensor.shape}")
        check_format(tensor.size > 0, f"{name} is empty")
        check_format(bool(np.isfinite(tensor).all()), f"{name} holds NaN or infinity")
    features = len(tensors["input_center"])
    check_format(not numbers or numbers[-1] < features, f"a number is none of {features} features")
    if numbers:
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
        check_format(tensors[name].shape == tensors["input_center"].shape, f"{name} does not fit input_center")
    check_format(tensors["target_scale"].shape == tensors["target_mean"].shape, "target_scale does not fit target_mean")
    check_format(
        bool((tensors["input_scale"] > 0).all() and (tensors["target_scale"] > 0).all()), "a scale is not positive"
    )
    check_format(bool(np.isin(tensors["input_limit"], (0.0, CLIP)).all()), "input_limit holds what is neither 0 nor 3")


def read_labels(saved: Any) -> NDArray[Any] | None:
    """Return the sorted labels in their own dtype, None for regression; raise MalformedError for what is no label."""
    if saved is None:
        return None
    check_format(isinstance(saved, dict) and saved.keys() == {"dtype", "values"}, "classes are no labels")
    try:
        dtype = np.dtype(saved["dtype"]) if isinstance(saved["dtype"], str) else None
    except (TypeError, ValueError):
        dtype = None
    if dtype is None or dtype.kind not in LABEL_KINDS:
        raise MalformedError(f"classes have dtype {saved['dtype']!r}")
    check_format(is_list_of(saved["values"], LABEL_KINDS[dtype.kind]), f"classes are no labels of dtype {dtype}")
    check_format(dtype.itemsize * len(saved["values"]) <= LARGEST_LABELS, f"classes of dtype {dtype} are too large")
    try:
        labels = np.array(saved["values"], dtype=dtype)
    except (OverflowError, ValueError) as error:
        raise MalformedError(f"classes do not fit dtype {dtype}") from error
    check_format(labels.tolist() == saved["values"], f"classes do not fit dtype {dtype}")
    check_format(labels.tolist() == sorted(set(labels.tolist())), "classes are not sorted and unique")
    return labels
