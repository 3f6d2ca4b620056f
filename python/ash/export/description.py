"""Describes a model as plain steps from the cells of a row to its outputs; every export format uses this description.

    number              --> scaled value, 0 if missing -----+
                        and number of its level --> table --+--> features --> members --> mean --> outputs
    text of a category  --> number of its level --> table --+
    date and its parts  --> like a number, or table --------+
    numbers of the row  --> neighbors, if rows recur -------+

A table has one row per level of a column, then a row for missing cells and a row for unknown levels. Each row contains
the features of a cell with that level: ones and zeros, target statistics, or an indicator of a missing cell. So
encoding a category or a missing cell is a single look-up. A member is a network or a boosted-tree model. A network
consists of layers; some networks have an embedding before the layers. The outputs of a network are the softmax of its
last layer, or its last layer converted to the units of y. Trees take the features unscaled, in double, with NaN for a
missing number. The sums of their leaves take the place of a network's last layer.

Each network refers to the scaling of its inputs. Networks of the same fold share a scaling, and so do all networks that
were trained without folds. Networks of different folds have different scalings, since they had different training rows.

Members of different folds also have different target statistics. So a column with statistics has a table per encoding.
A scaling and trees refer to one of the encodings, which are numbered.

Arrays are read-only views or copies of the model's arrays; a Description does not change.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash._utils.cached import cached_property
from ash.data.arrays import column_label
from ash.data.dates import OwnOffsets, TimeZone
from ash.data.spelling import GAPS
from ash.encoding.date_parts import LEVELS
from ash.encoding.encoding import Encoding
from ash.encoding.neighbors import Neighbors
from ash.errors import SettingError

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

CLIP = 3.0
"""The upper bound for the magnitude of a clipped feature."""
FAR = 2.0**30
"""Magnitudes above FAR * CLIP are reduced to FAR * CLIP before clipping. The clipped value stays the same, and squares
stay finite."""
NEARLY_ZERO = float(np.float32(1e-35))
"""Trees treat a feature as 0 if its magnitude is at most this (see cpp/ash/train/trees.hpp)."""
FREQUENCIES, DIMENSIONS = 16, 3
"""Per embedded feature, an embedding computes FREQUENCIES cosines and, from them, DIMENSIONS values."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """The scaling of a network's input features: z = (x - center) * inverse, in double.

    A clipped feature becomes z / sqrt(1 + (z / CLIP)^2).
    """

    center: Doubles  # [features]
    inverse: Doubles  # [features], one divided by the scale of each feature
    clips: NDArray[np.bool_]  # [features], whether the feature is clipped
    encoding: int = 0  # the number of the encoding of the features

    def apply(self, features: Doubles) -> Floats:
        """Return the scaled features [rows, features], with 0 for NaN. They are bit-identical to those of the core."""
        with np.errstate(over="ignore", invalid="ignore"):
            z = ((features - self.center) * self.inverse).astype(np.float32)
            y = np.clip(z * np.float32(1 / CLIP), -np.float32(FAR), np.float32(FAR))
            clipped = np.float32(CLIP) * (y / np.sqrt(np.float32(1) + y * y))
        return np.where(np.isnan(features), np.float32(0), np.where(self.clips, clipped, z))

    def part(self, features: slice) -> "Scaling":
        """Return the scaling of a range of features."""
        return Scaling(self.center[features], self.inverse[features], self.clips[features], self.encoding)


@dataclass(frozen=True, eq=False)
class ExportInput:
    """A column of the input table; `label` names it in messages."""

    label: str
    name: str | None
    kind: str

    @property
    def is_text(self) -> bool:
        """Return whether the cells are text; otherwise they are numbers, or days since 1970-01-01."""
        return self.kind == "category"


@dataclass(frozen=True, eq=False)
class ExportColumn:
    """The features of a column of the input table, or of one part of a date column."""

    source: int
    """The index of the column in the input table."""
    part: str
    """The part of a date (see `ash.encoding.date_parts`); empty if the features describe the cell itself."""
    kind: str
    """The kind of the column or part. A part of a date is a "date" if it has levels, otherwise a "number". The date
    itself is a "number"."""
    levels: tuple[str, ...] | tuple[float, ...]
    """The sorted levels; most columns of numbers have none."""
    first: int
    """Index of the first feature. A number's scaled value comes first, then the features from its table."""
    table: Doubles
    """Unscaled features [levels + 2, features] of each level, a missing cell and an unseen level; a number's value is
    not among them."""
    zone: TimeZone | None = None
    """The time zone that a part of a date is taken in; None if times have no zone, or for UTC."""
    others: tuple[Doubles, ...] = ()
    """The tables in encodings 1, 2, ...; empty if they are equal to `table`."""

    @property
    def gaps(self) -> list[str]:
        """Return the texts that mark a missing cell in a column of categories."""
        return sorted(GAPS.difference(map(str, self.levels))) if self.kind == "category" else []

    @property
    def is_number(self) -> bool:
        """Return whether the first feature is the number itself; otherwise all features come from the table."""
        return self.kind == "number"

    @property
    def table_first(self) -> int:
        """Return the index of the first feature that comes from the table."""
        return self.first + self.is_number

    def table_in(self, encoding: int) -> Doubles:
        """Return the table of the encoding with this number."""
        return (self.table, *self.others)[encoding if self.others else 0]

    def scaled_table(self, scaling: Scaling) -> Floats:
        """Return the table of a scaling's encoding, with its features scaled by `scaling`."""
        features = slice(self.table_first, self.table_first + self.table.shape[1])
        return scaling.part(features).apply(self.table_in(scaling.encoding))


@dataclass(frozen=True, eq=False)
class Embedding:
    """The computation of DIMENSIONS values from each of n scaled features; the values are appended to all features.

    The d-th value of a feature x is bias[d] + sum over k of mix[k, d] cos(2 pi (frequency[k] x + phase[k])). The
    appended values are ordered by d, then by feature.
    """

    numbers: NDArray[np.int64]  # [n], indices of the features that are embedded
    frequency: Floats  # [FREQUENCIES, n]
    phase: Floats  # [FREQUENCIES, n]
    mix: Floats  # [FREQUENCIES, DIMENSIONS, n], weights of the cosines in the outputs
    bias: Floats  # [DIMENSIONS, n]


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer, which computes f(y) with y = x weights + biases; if it has shares a, it computes (1 - a) y + a f(y)."""

    weights: Floats  # [inputs, outputs]
    biases: Floats  # [outputs]
    activation: str  # name of f; "identity" for the last layer
    shares: Floats | None  # [outputs], learned shares a of the activation; None if there are none


@dataclass(frozen=True, eq=False)
class Member:
    """A network or a boosted-tree model, either on its own or as a member of an ensemble.

    Let z be the last layer or the sums of leaves. For regression a target is ``z * scale + mean``, or
    ``exp(z * scale) * mean`` if `exponential` is set. The target is then clipped to the range from `target_least` to
    `target_most`. For classification z contains the logits; those of trees are ``(z + mean) * scale``.
    """

    weight: float  # weight of the member's outputs in the mean
    target_mean: Doubles  # [outputs]
    target_scale: Doubles  # [outputs]
    target_least: Doubles  # [outputs], -infinity if there is no lower bound
    target_most: Doubles  # [outputs], infinity if there is no upper bound
    exponential: bool

    @property
    def bounded(self) -> bool:
        """Return whether any target has a finite bound."""
        return bool(np.isfinite([self.target_least, self.target_most]).any())


@dataclass(frozen=True, eq=False)
class NetworkMember(Member):
    """A member that is a network."""

    scaling: int  # index into `Description.scalings`
    embedding: Embedding | None
    layers: tuple[Layer, ...]
    learns_factors: bool
    """Whether the network learned a factor for each input; the weights of the first layer contain the factors."""


@dataclass(frozen=True, eq=False)
class TreesMember(Member):
    """A member that is a boosted-tree model, in the core's tables (cpp/ash/train/trees.hpp).

    At each node a row goes to the left child if its value of the node's feature is at most the threshold. A node of a
    category tests instead whether the number of the row's level is one of its `levels`. An output is the sum of the
    leaves that the row reaches in the trees of that output.
    """

    # [trees + 1], the index of each tree's first leaf, then the number of leaves; tree t's nodes start at
    # leaf_starts[t] - t
    leaf_starts: NDArray[np.int64]
    outputs: NDArray[np.int64]  # [trees], the output that each tree adds to; with two classes always the second
    feature: NDArray[np.int32]  # [nodes]
    threshold: Doubles  # [nodes]
    left: NDArray[np.int32]  # [nodes], left child: a node of the same tree if at least 0, else the tree's leaf ~left
    right: NDArray[np.int32]  # [nodes], the right child in the same form
    missing_left: NDArray[np.bool_]  # [nodes], whether NaN goes left
    leaves: Doubles  # [leaves], the values of all leaves
    levels: dict[int, list[int]]  # for each node of a category, the numbers of the levels that go left, ascending
    encoding: int  # the number of the encoding of the features


@dataclass(frozen=True, eq=False)
class Description:
    """A model as plain steps; the module docstring explains them.

    `refuses_missing` and `refuses_unknown` say whether `predict` raises an error for missing cells and for unknown
    levels of categories.
    """

    inputs: tuple[ExportInput, ...]
    columns: tuple[ExportColumn, ...]  # columns in the order of their features
    scalings: tuple[Scaling, ...]  # the distinct scalings of the networks; an identity scaling if there are only trees
    neighbors: Neighbors | None  # the neighbor features come last and are scaled like other features
    networks: tuple[NetworkMember, ...]
    trees: tuple[TreesMember, ...]
    classes: NDArray[Any] | None  # the labels [outputs]; None for regression
    target_names: tuple[str, ...] | None
    refuses_missing: bool
    refuses_unknown: bool
    infinite_is_missing: bool
    decision_weights: Doubles | None
    """The label is the class with the largest product of this weight [classes] and its probability, the first one in a
    tie; None for equal weights."""
    positive: int | None
    has_level_numbers: bool  # whether the features of trees end with the level numbers of the categories, in order

    @cached_property
    def features(self) -> int:
        """Return the number of features, without level numbers."""
        return len(self.scalings[0].center)

    @property
    def categories(self) -> list[int]:
        """Return the indices in `columns` of the columns whose level numbers are features of trees."""
        is_one = [self.has_level_numbers and column.kind == "category" for column in self.columns]
        return [place for place, is_category in enumerate(is_one) if is_category]

    @cached_property
    def outputs(self) -> int:
        """Return the number of classes or targets."""
        return len(self.members[0].target_mean)

    @property
    def members(self) -> tuple[Member, ...]:
        """Return the networks, followed by the boosted-tree models."""
        return *self.networks, *self.trees

    @property
    def encodings(self) -> int:
        """Return the number of encodings."""
        return 1 + max(len(each.others) for each in self.columns)

    @property
    def is_numeric(self) -> bool:
        """Return whether all columns of the input table contain numbers."""
        return all(each.kind == "number" for each in self.inputs)

    @property
    def neighbor_features(self) -> range:
        """Return the indices of the neighbor features."""
        return range(self.features - (self.neighbors.features if self.neighbors else 0), self.features)

    def only_scaling(self, what: str) -> Scaling:
        """Return the common scaling of all networks; `what` names the export format in messages.

        Raises
        ------
        SettingError
            The model has boosted trees, or networks that scale their inputs differently.
        """
        if self.trees:
            raise SettingError(
                f"boosted trees have no {what}: use to_onnx or to_cpp, or take the networks: "
                "[each for each in ensemble.members if isinstance(each, ash.Network)]"
            )
        if len(self.scalings) > 1:
            raise SettingError(
                f"networks of several folds scale their inputs differently and have no common {what}: use to_onnx or "
                "to_cpp, take a single network (ensemble.members[0]), or fit with ensemble=1, which trains one network "
                "on all rows"
            )
        return self.scalings[0]


class TrainedMember(Protocol):
    """The attributes of `ash.Network` and `ash.Trees` that this module reads."""

    params: dict[str, Any]
    encoding: Encoding

    @property
    def core(self) -> object:
        """Return the trained member: `_core.Network`, `_core.Trees`, or trees that only CatBoost can predict with."""


class TrainedModel(Protocol):
    """The attributes of `ash.Network`, `ash.Trees` and `ash.Ensemble` that this module reads."""

    classes_: NDArray[Any] | None
    encoding: Encoding
    target_names: tuple[str, ...] | None
    decision_weights: Doubles | None
    positive: int | None

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        """Return the distinct encodings of the members."""

    def weighted_members(self) -> Sequence[tuple[TrainedMember, float]]:
        """Return pairs (member, weight of the member in the mean)."""


def describe(model: TrainedModel, *, cells: bool = True) -> Description:
    """Return the description of a network, a boosted-tree model or an ensemble.

    Without `cells`, the description begins with the features and has no columns.

    Raises
    ------
    SettingError
        The model has no description; the message says which part of it is the reason.
    """
    schema, bases = model.encoding.schema, [encoding.base for encoding in model.encodings]
    for place, column in enumerate(schema.columns):
        if cells and column.rules.unexported:
            raise SettingError(f"{column_label(place, schema.names)} holds {column.rules.unexported}")
    members = [
        (member.core, weight, member.params, bases.index(member.encoding.base))
        for member, weight in model.weighted_members()
    ]
    if any(not isinstance(core, _core.Network | _core.Trees) for core, *_ in members):
        raise SettingError(
            "trees that CatBoost trained with categories='native' cannot be exported, since only CatBoost can predict "
            "with them: search categories='encoded', or take other members of the ensemble"
        )
    scalings: dict[tuple[bytes, int], Scaling] = {}
    networks, trees = [], []
    for core, weight, params, encoding in members:
        if isinstance(core, _core.Network):
            scaling = Scaling(core.input_center, 1.0 / core.input_scale, core.input_limit > 0, encoding)
            key = b"".join(each.tobytes() for each in (core.input_center, core.input_scale, core.input_limit)), encoding
            scalings.setdefault(key, scaling)
            networks.append(_network(core, weight, params, list(scalings).index(key)))
        elif isinstance(core, _core.Trees):
            trees.append(_trees(core, weight, encoding))
    features = bases[0].features
    unscaled = Scaling(np.zeros(features), np.ones(features), np.zeros(features, np.bool_))
    names = schema.names or (None,) * len(schema.columns)
    inputs = (
        ExportInput(column_label(place, schema.names), name, column.kind)
        for place, (name, column) in enumerate(zip(names, schema.columns, strict=True))
    )
    return Description(
        tuple(inputs),
        tuple(_columns(bases)) if cells else (),
        tuple(scalings.values()) or (unscaled,),
        model.encoding.neighbors,
        tuple(networks),
        tuple(trees),
        model.classes_,
        model.target_names,
        schema.missing == "error",
        schema.unknown == "error",
        schema.infinite == "missing",
        model.decision_weights,
        model.positive,
        model.encoding.has_level_numbers,
    )


def _columns(encodings: Sequence[Encoding]) -> Iterator[ExportColumn]:
    encoding = encodings[0]
    for place, column in enumerate(encoding.schema.columns):
        table, first = _table(encoding, place), encoding.starts[place]
        others = () if encoding.statistics[place] is None else tuple(_table(each, place) for each in encodings[1:])
        kind = "category" if column.kind == "category" else "number"
        zone = _zone(encoding, place)
        yield ExportColumn(place, "", kind, column.levels, first, table, others=others)
        for part, first in encoding.parts_of(place):
            if part in LEVELS:
                levels = tuple(map(float, range(len(LEVELS[part]))))
                yield ExportColumn(place, part, "date", levels, first, np.eye(len(levels) + 2, len(levels)), zone)
            else:
                yield ExportColumn(place, part, "number", (), first, np.zeros((2, 0)), zone)


def _zone(encoding: Encoding, place: int) -> TimeZone | None:
    column = encoding.schema.columns[place]
    if isinstance(column.zone, OwnOffsets) and column.parts:
        label = column_label(place, encoding.schema.names)
        raise SettingError(
            f"{label} holds times with different offsets from UTC ({column.zone.name}), but exports take instants "
            "only: convert the column to one time zone before training, for example by .dt.tz_convert('UTC')"
        )
    return column.zone if isinstance(column.zone, TimeZone) and not column.zone.is_utc else None


def _table(encoding: Encoding, place: int) -> Doubles:
    """Return unscaled features [levels + 2, features]: of each level, of a missing cell, and of an unseen level."""
    column, statistics = encoding.schema.columns[place], encoding.statistics[place]
    levels = len(column.levels)
    table = np.zeros((levels + 2, 0)) if statistics is None else statistics
    if column.kind != "category":
        is_missing = np.arange(levels + 2)[:, None] == levels
        return np.hstack([is_missing, table]) if column.missing else table
    return np.eye(levels + 2, levels + column.missing) if statistics is None else table


def _network(core: _core.Network, weight: float, params: dict[str, Any], scaling: int) -> NetworkMember:
    hidden = len(core.activations)
    shares = [*core.shares, *[None] * (hidden + 1 - len(core.shares))]
    layers = tuple(map(Layer, core.weights, core.biases, [*core.activations, "identity"], shares))
    learns_factors = bool(params.get("input_scaling"))
    return NetworkMember(weight, *_units(core), scaling, _embedding(core), layers, learns_factors)


def _trees(core: _core.Trees, weight: float, encoding: int) -> TreesMember:
    trees = np.arange(len(core.leaf_starts) - 1)
    outputs = np.ones_like(trees) if core.classes == 2 else trees % len(core.target_mean)
    nodes = core.feature, core.threshold, core.left, core.right, core.missing == 1
    last = core.leaf_values, _levels(core), encoding
    return TreesMember(weight, *_units(core), core.leaf_starts, outputs, *nodes, *last)


def _levels(core: _core.Trees) -> dict[int, list[int]]:
    """Return, for each node of a category, the numbers of the levels that go left."""
    words = [core.set_words[first:stop] for first, stop in pairwise(core.set_starts.tolist())]
    sets = [np.flatnonzero(np.unpackbits(each.view(np.uint8), bitorder="little")).tolist() for each in words]
    nodes = np.flatnonzero(core.missing == 3)
    return {node: sets[int(core.threshold[node])] for node in nodes.tolist()}


def _units(core: _core.Network | _core.Trees) -> tuple[Doubles, Doubles, Doubles, Doubles, bool]:
    return core.target_mean, core.target_scale, core.target_least, core.target_most, core.exponential


def _embedding(core: Any) -> Embedding | None:
    if not core.numbers:
        return None
    ends = np.cumsum([FREQUENCIES, FREQUENCIES, FREQUENCIES * DIMENSIONS])
    frequency, phase, mix, bias = np.split(core.embedding, ends)
    numbers = np.array(core.numbers, np.int64)
    return Embedding(numbers, frequency, phase, mix.reshape(FREQUENCIES, DIMENSIONS, -1), bias)
