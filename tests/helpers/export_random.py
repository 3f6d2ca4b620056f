"""Random models of every kind for tests of exports: networks, boosted trees and ensembles with random columns."""

import datetime
import math
from dataclasses import replace
from itertools import cycle, islice, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ash
from ash import _core
from ash.data.columns import Kind
from ash.data.dates import zone_named
from ash.encoding.date_parts import PARTS
from ash.encoding.encoding import Encoding
from ash.encoding.schema import ColumnSchema, Schema
from ash.space.hyperparameters import ACTIVATIONS
from export_help import HOSTILE

PARAMETERS, FREQUENCIES = 83, 32
LABELS: tuple[NDArray[Any], ...] = (
    np.array(["a", "b"]),
    np.array(sorted(HOSTILE[:4]), object),
    np.array([False, True]),
    np.array([-(2**63), 7, 2**63 - 1]),
    np.array([3, 2**64 - 1], np.uint64),
    np.array([-0.5, 1e-300, 2.5]),
    np.arange(40) * 7,
)
Random = np.random.Generator
MOMENT = datetime.datetime(1970, 1, 1)
ZONES = (zone_named("Europe/Berlin"), None, zone_named("UTC"), zone_named("-03:30"))


def random_network(random: Random, **fixed: Any) -> ash.Network:
    """Return a random, untrained network.

    `fixed` may set the encoding, the classes, the activations, and `plain`: whether the network consists only of
    layers.
    """
    encoding = fixed.get("encoding") or random_encoding(random)
    classes = fixed["classes"] if "classes" in fixed else random.choice([None, *range(len(LABELS))])
    classes = LABELS[classes] if isinstance(classes, int) else classes
    outputs = fixed.get("outputs", int(random.integers(1, 4))) if classes is None else len(classes)
    activations = fixed.get("activations")
    if activations is None:
        activations = random.choice(ACTIVATIONS, random.integers(0, 4)).tolist()
    plain = fixed.get("plain", random.random() < 0.3)
    numbers = [] if plain else np.flatnonzero(encoding.scaled & (random.random(encoding.features) < 0.6)).tolist()
    widths = [encoding.features + 3 * len(numbers), *random.integers(1, 20, len(activations)).tolist(), outputs]
    weights = [floats(random, a, b) / np.float32(a**0.5) for a, b in pairwise(widths)]
    center, scale, limit = fixed.get("scaling") or random_scaling(random, encoding)
    mean, scale_of_target = fixed.get("targets") or random_targets(random, outputs, classes is None)
    core = _core.Network(
        weights,
        [floats(random, width) for width in widths[1:]],
        activations,
        0 if classes is None else outputs,
        center,
        scale,
        limit,
        mean,
        scale_of_target,
        **({"numbers": numbers, "embedding": random_embedding(random, len(numbers))} if numbers else {}),
        **({} if plain or not activations else {"shares": [floats(random, width) for width in widths[1:-1]]}),
    )
    params = {"input_scaling": bool(random.random() < 0.5)}
    return network_of(core, encoding, classes, params)


def random_targets(random: Random, outputs: int, is_regression: bool) -> tuple[NDArray[np.float64], ...]:
    """Return the mean and scale of each target."""
    scale = np.exp(random.normal(size=outputs)) if is_regression else np.ones(outputs)
    return 10 * random.normal(size=outputs) * scale * is_regression, scale


def network_of(core: _core.Network, encoding: Encoding, classes: Any, params: dict[str, Any]) -> ash.Network:
    return ash.Network(core, encoding=encoding, classes=classes, **about(classes, params))


def about(classes: Any, params: dict[str, Any]) -> dict[str, Any]:
    metric = "neg_root_mean_squared_error" if classes is None else "accuracy"
    return {"target_names": None, "params": params, "metric": metric, "validation_score": 0.0}


def random_trees(random: Random, **fixed: Any) -> ash.Trees:
    """Return random, untrained boosted trees; `fixed` may set the encoding, the classes and the targets.

    If there are categories, about every second model splits their levels.
    """
    encoding = fixed.get("encoding") or random_encoding(random)
    classes = fixed["classes"] if "classes" in fixed else random.choice([None, *range(len(LABELS))])
    classes = LABELS[classes] if isinstance(classes, int) else classes
    outputs = 1 if classes is None else len(classes)
    leaves = random.choice([1, 2, 5, 31], int(random.integers(1, 6)) * (1 if outputs == 2 else outputs))
    sides = [random_tree(random, count) for count in leaves.tolist()]
    nodes = int(leaves.sum()) - len(leaves)
    encoding = encoding.with_level_numbers if nodes % 2 else encoding
    mean, scale = fixed.get("targets") or random_targets(random, outputs, classes is None)
    exponential = classes is None and bool(random.random() < 0.5)
    bounds = {} if classes is not None else {"target_least": mean - 0.1 * scale, "target_most": mean + 2 * scale}
    feature = random.integers(0, encoding.features, nodes).astype(np.int32)
    threshold = random.choice([0.0, 0.5, 1e-35, -7.25, *random.normal(size=9)], nodes)
    children = [np.array([side[place] for tree in sides for side in tree], np.int32) for place in (0, 1)]
    missing = random.integers(0, 3, nodes).astype(np.uint8)
    sets: list[NDArray[np.uint32]] = []
    if encoding.has_level_numbers:
        for node in np.flatnonzero(feature >= encoding.columns_end).tolist():
            levels = len(encoding.schema.columns[encoding.categories[feature[node] - encoding.columns_end]].levels)
            missing[node], threshold[node] = 3, len(sets)
            sets.append(random.integers(1, 2**31, 1 + levels // 32, np.uint32))
    core = _core.Trees(
        encoding.features,
        np.cumsum([0, *leaves]),
        feature,
        threshold,
        *children,
        missing,
        random.normal(size=int(leaves.sum())),
        0 if classes is None else outputs,
        np.abs(mean) if exponential else mean,
        random.uniform(0.5, 2) * scale if classes is not None else 0.1 * scale if exponential else scale,
        exponential,
        **(bounds if random.random() < 0.5 else {}),
        set_starts=np.cumsum([0, *map(len, sets)]),
        set_words=np.concatenate([*sets, np.zeros(0, np.uint32)]),
    )
    return ash.Trees(core, "", encoding=encoding, classes=classes, **about(classes, {}))


def random_tree(random: Random, leaves: int) -> list[tuple[int, int]]:
    """Return the children of each node of a random tree, grown by splitting a random leaf at each step."""
    tree: list[list[int]] = []
    ends = [(-1, 0)]  # each leaf's parent node and side
    for node in range(leaves - 1):
        parent, side = ends.pop(int(random.integers(len(ends))))
        if node:
            tree[parent][side] = node
        tree.append([0, 0])
        ends += [(node, 0), (node, 1)]
    for leaf, (parent, side) in enumerate(ends if tree else []):
        tree[parent][side] = ~leaf
    return [(left, right) for left, right in tree]


def two_leaves(threshold: float, missing: str) -> ash.Trees:
    """Return a tree with one threshold for one column; `missing` says to which side missing cells go."""
    encoding = Encoding(Schema((ColumnSchema("number", "float64"),), None), (None,), ())
    [side] = [place for place, name in enumerate(("as zero", "left", "right")) if name == missing]
    nodes = [0], [threshold], [-1], [-2], [side]
    types = np.int32, np.float64, np.int32, np.int32, np.uint8
    core = _core.Trees(1, [0, 2], *map(np.array, nodes, types), [-1.0, 1.0], 0, [0.0], [1.0])
    return ash.Trees(core, "", encoding=encoding, classes=None, **about(None, {}))


def around(threshold: float) -> NDArray[np.float64]:
    """Return the threshold, the adjacent floats on both sides, and a missing cell, as rows of one column."""
    return np.array([[threshold], *([np.nextafter(threshold, far)] for far in (-1, 1)), [math.nan]])


def random_mixture(random: Random, **fixed: Any) -> ash.Ensemble:
    """Return an ensemble of networks and trees."""
    classes = fixed.pop("classes", 1)
    networks = random_ensemble(random, classes=classes, **({"outputs": 1} if classes is None else {}), **fixed)
    encodings = networks.encodings[-1], networks.encodings[0]
    trees = [random_trees(random, encoding=encoding, classes=classes) for encoding in encodings]
    members = [trees[0], *networks.members[:2], trees[1]]
    return ash.Ensemble(members, np.array([0.45, 0.3, 0.15, 0.1]), metric=networks.metric, validation_score=0.0)


def decided(ensemble: ash.Ensemble) -> ash.Ensemble:
    """Return an ensemble with shifted scores of its classes, whose decision is far from that by probability."""
    assert ensemble.classes_ is not None
    classes = len(ensemble.classes_)
    shift, weights = np.linspace(-1.5, 0.5, classes), np.geomspace(1, 4, classes)
    members = [member.shifted(shift) for member in ensemble.members]
    weights /= weights.sum()
    weighed = ash.Ensemble(members, ensemble.weights, metric=ensemble.metric, validation_score=0.0)
    return weighed.with_decision(weights)


def random_ensemble(random: Random, **fixed: Any) -> ash.Ensemble:
    """Return an ensemble of three networks with the same columns and a total of `scalings` different scalings.

    If `folds` is set, each scaling has its own target statistics.
    """
    encoding = fixed.pop("encoding", None) or random_encoding(random)
    classes = fixed.pop("classes", 1)
    outputs = fixed.pop("outputs", int(random.integers(1, 4))) if classes is None else len(LABELS[classes])
    scalings = [random_scaling(random, encoding) for _ in range(fixed.pop("scalings", 1))]
    targets = random_targets(random, outputs, classes is None)
    encodings = [encoding] * len(scalings)
    if fixed.pop("folds", False):
        encodings[1:] = [other_statistics(random, encoding) for _ in scalings[1:]]
    fixed |= {"classes": classes, "outputs": outputs, "targets": targets}
    members = [
        random_network(random, scaling=scaling, encoding=own, **fixed)
        for scaling, own in islice(cycle(zip(scalings, encodings, strict=True)), 3)
    ]
    weights = np.array([0.45, 0.33, 0.22])  # no subset sums to 1/2, so members never tie, even if all are certain
    return ash.Ensemble(members, weights, metric=members[0].metric, validation_score=0.0)


def other_statistics(random: Random, encoding: Encoding) -> Encoding:
    """Return an encoding with the same features but other target statistics, as in another fold."""
    tables = [None if each is None else np.abs(random.normal(size=each.shape)) for each in encoding.statistics]
    return replace(encoding, statistics=tuple(tables))


def random_encoding(random: Random, dates: bool = True, **policies: Any) -> Encoding:
    """Return an encoding of number, category and date columns, with and without gaps, levels, statistics and names."""
    kinds = random.integers(0, 5 + dates, random.integers(1, 7)).tolist()
    policies.setdefault("infinite", ("error", "missing")[len(kinds) % 2])
    statistics = int(random.integers(1, 4))
    columns, tables = [], []
    for kind in kinds:
        gaps = bool(random.random() < 0.5)
        many = kind in (2, 4)
        count = int(random.integers(33, 40)) if many else int(random.integers(1, 6)) if kind == 3 else 0
        levels: Any = sorted([*HOSTILE, *map(str, range(count))][:count])
        if kind == 2:
            levels = np.unique(random.normal(size=count)).tolist()
        parts = tuple(part for part in PARTS if kind == 5 and random.random() < 0.7)
        what: Kind = "number" if kind < 3 else "date" if kind == 5 else "category"
        zone = ZONES[len(columns) % len(ZONES)] if kind == 5 else None
        columns.append(ColumnSchema(what, "", tuple(levels), gaps, parts=parts, zone=zone))
        table = random.normal(size=(len(levels) + 2, statistics + 1))
        tables.append(np.abs(table) if many else None)
    names = tuple([*HOSTILE, "label", "probabilities", "target", "X"][: len(kinds)]) if random.random() < 0.7 else None
    return Encoding(Schema(tuple(columns), names, **policies), tuple(tables), tuple(range(statistics)))


def random_scaling(random: Random, encoding: Encoding) -> tuple[NDArray[np.float64], ...]:
    """Return each feature's center, scale and clip limit. A few numbers are not clipped; 0/1 features are unchanged."""
    scaled = encoding.scaled
    limit = np.where(scaled & (random.random(len(scaled)) < 0.9), 3.0, 0.0)
    center = np.where(scaled, random.normal(size=len(scaled)), 0.0)
    scale = np.where(scaled, np.exp(random.normal(size=len(scaled))), 1.0)
    for place, column in enumerate(encoding.schema.columns):  # days and years are scaled as far as training does
        large = dict(encoding.parts_of(place)) | ({"whole": encoding.starts[place]} if column.kind == "date" else {})
        for part, middle in {"whole": 0, "year": 1970, "day_of_year": 183}.items():
            if part in large:
                center[large[part]] += middle
                scale[large[part]] *= 100
    return center, scale, limit


def random_embedding(random: Random, numbers: int) -> NDArray[np.float32]:
    """Return random parameters of an embedding; mixing weights are smaller than frequencies and phases."""
    parameters = floats(random, PARAMETERS, numbers)
    parameters[FREQUENCIES:] *= 0.3
    return parameters


def random_rows(random: Random, model: Any, rows: int = 30) -> NDArray[Any]:
    """Return a table for a model with all kinds of cells: known and unknown levels, gaps, and outliers."""
    table = np.empty((rows, model.n_features_in_), object)
    refused = model.encoding.schema
    members = model.members if isinstance(model, ash.Ensemble) else [model]
    limits = [member.core.input_limit for member in members if isinstance(member, ash.Network)]
    limit = np.min(limits or [np.ones(model.encoding.features)], axis=0)  # trees accept numbers of any size
    for place, column in enumerate(model.encoding.schema.columns):
        if column.kind == "number":
            far = [3e38, -3e38, 1e9] if limit[model.encoding.starts[place]] else []
            cells = [*random.normal(size=20).tolist(), 0.0, -0.0, -7.25, 1e-36, *column.levels[:3], *far]
            cells += [math.inf, -math.inf] if (refused.infinite, refused.missing) == ("missing", "indicator") else []
        elif column.kind == "date":
            most = 365 * 86_400 * (60 if limit[model.encoding.starts[place]] else 1)
            cells = [MOMENT + datetime.timedelta(seconds=int(each)) for each in random.integers(-most, most, 30)]
            cells += [datetime.datetime(1972, 2, 29), datetime.datetime(1970, 1, 1), datetime.datetime(1969, 12, 31)]
            cells = [cell.replace(tzinfo=column.zone and datetime.UTC) for cell in cells]
        else:
            cells = [*column.levels, *([] if refused.unknown == "error" else ["unknown", "", "ü"])]
            cells = [cell for cell in cells if refused.missing != "error" or not column.is_missing(cell)]
        cells += [] if refused.missing == "error" else [None] * 4
        table[:, place] = [cells[one] for one in random.integers(0, len(cells), rows)]
    return table


def floats(random: Random, *shape: int) -> NDArray[np.float32]:
    return np.asarray(random.normal(size=shape), np.float32)
