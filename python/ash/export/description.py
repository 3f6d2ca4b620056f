"""A model as plain steps from the cells of a row to its outputs: the basis of every export format.

    cell of a number   --> scaled value, 0 where missing --+
                       and number of its level --> table --+--> features --> members --> mean --> outputs
    text of a category --> number of its level --> table --+
    date --> as a number, and as its parts: numbers, or tables
    all numbers, where rows recur --> neighbors -----------+

A table has a row for each level of a column, then one for missing cells and one for unknown levels. A row holds the
features of such a cell: ones and zeros, target statistics, or a mark for a missing cell. So a category or a missing
cell is a single look-up. A member is a network or boosted trees. A network consists of an embedding, if it has one, and
layers; the outputs of a member are the softmax of its last layer, or its last layer in the units of y. Trees take the
features unscaled, in double, with NaN for a missing number; the sums of their leaves take the place of the last layer.

Each network names the scaling of its inputs. Networks of the same fold share it, and so do all networks that were
trained without folds. Networks of different folds scale differently, since each has seen the training rows of its fold.

Arrays are read-only views or copies of the model's arrays; a Description does not change.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash._utils.cached import cached_property
from ash.data.arrays import column_label
from ash.data.columns import Kind
from ash.data.spelling import GAPS
from ash.encoding.date_parts import LEVELS
from ash.encoding.encoding import Encoding
from ash.encoding.neighbors import Neighbors
from ash.errors import SettingError

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

CLIP = 3.0
"""The bound that the magnitude of a clipped feature stays below, however large the number is."""
FAR = 2.0**30
"""From this multiple of CLIP on, a number is as good as infinite; its square is still a finite float."""
NEARLY_ZERO = float(np.float32(1e-35))
"""Trees take a feature for 0 if it is at most this far from 0: cpp/ash/train/trees.hpp."""
FREQUENCIES, DIMENSIONS = 16, 3
"""The number of cosines that an embedding takes of a number, and of the values that it makes from them."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """The scaling of features for a network: z = (x - center) * inverse, in double.

    A feature that is clipped becomes z / sqrt(1 + (z / CLIP)^2).
    """

    center: Doubles  # [features], as are the next two
    inverse: Doubles
    clips: NDArray[np.bool_]

    def apply(self, features: Doubles) -> Floats:
        """Return scaled features [rows, features], 0 for NaN, bit for bit as the core scales them."""
        with np.errstate(over="ignore", invalid="ignore"):
            z = ((features - self.center) * self.inverse).astype(np.float32)
            y = np.clip(z * np.float32(1 / CLIP), -np.float32(FAR), np.float32(FAR))
            clipped = np.float32(CLIP) * (y / np.sqrt(np.float32(1) + y * y))
        return np.where(np.isnan(features), np.float32(0), np.where(self.clips, clipped, z))

    def part(self, features: slice) -> "Scaling":
        """Return the scaling of some features."""
        return Scaling(self.center[features], self.inverse[features], self.clips[features])


@dataclass(frozen=True, eq=False)
class ExportInput:
    """A column of the table; `label` is its name in messages."""

    label: str
    name: str | None
    kind: Kind

    @property
    def is_text(self) -> bool:
        """Whether the cells are text; otherwise they are numbers, or days since 1970-01-01."""
        return self.kind == "category"


@dataclass(frozen=True, eq=False)
class ExportColumn:
    """The features of a column of the table, or of a part of a column of dates."""

    source: int
    """The number of the column in the table."""
    part: str
    """The part of a date (see `ash.encoding.date_parts`); empty for the cell itself."""
    kind: Kind
    """"date" for a part with levels; a date itself, and its other parts, are numbers."""
    levels: tuple[str, ...] | tuple[float, ...]
    """The sorted levels; most numbers have none."""
    first: int
    """The first feature: the scaled value of a number, followed by the row of `table`."""
    table: Doubles
    """The unscaled features of each level, besides the value of a number: [levels + 2, features]."""

    @property
    def gaps(self) -> list[str]:
        """Texts that stand for a missing cell of a category."""
        return sorted(GAPS.difference(map(str, self.levels))) if self.kind == "category" else []

    @property
    def is_number(self) -> bool:
        """Whether the column is a number; otherwise its features are only the row of the table."""
        return self.kind == "number"

    @property
    def table_first(self) -> int:
        """The first feature that comes from the table."""
        return self.first + self.is_number

    def scaled_table(self, scaling: Scaling) -> Floats:
        """Return the table scaled for networks with that scaling."""
        return scaling.part(slice(self.table_first, self.table_first + self.table.shape[1])).apply(self.table)


@dataclass(frozen=True, eq=False)
class Embedding:
    """The values computed from n numbers and appended to all features, ordered by d, then by number.

    bias[d] + sum over k of mix[k, d] cos(2 pi (frequency[k] x + phase[k]))
    """

    numbers: NDArray[np.int64]  # [n], the features that are embedded
    frequency: Floats  # [FREQUENCIES, n]
    phase: Floats  # [FREQUENCIES, n]
    mix: Floats  # [FREQUENCIES, DIMENSIONS, n]
    bias: Floats  # [DIMENSIONS, n]


@dataclass(frozen=True, eq=False)
class Layer:
    """f(y) with y = x weights + biases, or with shares a of the activation: (1 - a) y + a f(y)."""

    weights: Floats  # [inputs, outputs]
    biases: Floats  # [outputs]
    activation: str  # "identity" for the last layer
    shares: Floats | None  # [outputs]


@dataclass(frozen=True, eq=False)
class Member:
    """A network or boosted trees, alone or in an ensemble.

    With z from the last layer or the leaves, a target is ``z * scale + mean``, or ``exp(z * scale) * mean`` if
    `exponential` is set. It is then clipped to the range from least to most. For classification z are logits; those of
    trees are multiplied by the scale.
    """

    weight: float  # of the member's outputs in the mean
    target_mean: Doubles  # [outputs]
    target_scale: Doubles  # [outputs]
    target_least: Doubles  # [outputs], or -infinity
    target_most: Doubles  # [outputs], or infinity
    exponential: bool

    @property
    def bounded(self) -> bool:
        """Whether a bound is finite."""
        return bool(np.isfinite([self.target_least, self.target_most]).any())


@dataclass(frozen=True, eq=False)
class NetworkMember(Member):
    """A network."""

    scaling: int  # index into the model's scalings
    embedding: Embedding | None
    layers: tuple[Layer, ...]
    learns_factors: bool
    """Whether the network learned a factor for each input of the first layer; its weights contain the factors."""


@dataclass(frozen=True, eq=False)
class TreesMember(Member):
    """Boosted trees, in the tables of the core (cpp/ash/train/trees.hpp).

    Each output is the sum of its leaves. A feature goes left if it is at most the threshold.
    """

    leaf_starts: NDArray[np.int64]  # [trees + 1]; the nodes of tree t begin at leaf_starts[t] - t
    outputs: NDArray[np.int64]  # [trees], the output that each tree adds to; the first of two classes has none
    feature: NDArray[np.int32]  # [nodes], as are the next four
    threshold: Doubles
    left: NDArray[np.int32]  # at least 0: a node of the same tree; negative: its leaf ~left
    right: NDArray[np.int32]
    missing_left: NDArray[np.bool_]  # whether NaN goes left
    leaves: Doubles


@dataclass(frozen=True, eq=False)
class Description:
    """A model; see the docstring of this module.

    It refuses missing cells, or unknown levels of categories, if `predict` raises an error for them.
    """

    inputs: tuple[ExportInput, ...]
    columns: tuple[ExportColumn, ...]  # in order of their features
    scalings: tuple[Scaling, ...]  # distinct, each for all features; with trees only, one that changes nothing
    neighbors: Neighbors | None  # their features are the last, scaled like the others
    networks: tuple[NetworkMember, ...]
    trees: tuple[TreesMember, ...]
    classes: NDArray[Any] | None  # the labels [outputs]; None for regression
    target_names: tuple[str, ...] | None
    refuses_missing: bool
    refuses_unknown: bool
    infinite_is_missing: bool

    @cached_property
    def features(self) -> int:
        """Number of features."""
        return len(self.scalings[0].center)

    @cached_property
    def outputs(self) -> int:
        """Number of classes or targets."""
        return len(self.members[0].target_mean)

    @property
    def members(self) -> tuple[Member, ...]:
        """The networks, then the trees."""
        return *self.networks, *self.trees

    @property
    def is_numeric(self) -> bool:
        """Whether all columns are numbers."""
        return all(each.kind == "number" for each in self.inputs)

    @property
    def neighbor_features(self) -> range:
        """The indices of the features of neighbors."""
        return range(self.features - (self.neighbors.features if self.neighbors else 0), self.features)

    def only_scaling(self, what: str) -> Scaling:
        """Return the common scaling of all networks, which a `what` needs.

        Raises
        ------
        SettingError
            There are boosted trees, or networks that scale their inputs differently.
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
    """The part of `ash.Network` and `ash.Trees` that is read here."""

    params: dict[str, Any]

    @property
    def core(self) -> _core.Network | _core.Trees:
        """The trained numbers of the member."""


class TrainedModel(Protocol):
    """The part of `ash.Network`, `ash.Trees` and `ash.Ensemble` that is read here."""

    classes_: NDArray[Any] | None
    encoding: Encoding
    target_names: tuple[str, ...] | None

    def weighted_members(self) -> Sequence[tuple[TrainedMember, float]]:
        """Return the members, each with its weight in the outputs."""


def describe(model: TrainedModel) -> Description:
    """Return a network, trees or an ensemble as plain steps."""
    schema = model.encoding.schema
    members = [(member.core, weight, member.params) for member, weight in model.weighted_members()]
    networks = [(core, weight, params) for core, weight, params in members if isinstance(core, _core.Network)]
    scalings: dict[bytes, Scaling] = {}
    for core, *_ in networks:
        scalings.setdefault(_scaling_key(core), _scaling(core))
    order = list(scalings)
    names = schema.names or (None,) * len(schema.columns)
    inputs = (
        ExportInput(column_label(place, schema.names), name, column.kind)
        for place, (name, column) in enumerate(zip(names, schema.columns, strict=True))
    )
    return Description(
        tuple(inputs),
        tuple(_columns(model.encoding)),
        tuple(scalings.values()) or (_no_scaling(model.encoding.features),),
        model.encoding.neighbors,
        tuple(_network(*each, order.index(_scaling_key(each[0]))) for each in networks),
        tuple(_trees(core, weight) for core, weight, _ in members if isinstance(core, _core.Trees)),
        model.classes_,
        model.target_names,
        schema.missing == "error",
        schema.unknown == "error",
        schema.infinite == "missing",
    )


def _scaling(core: _core.Network) -> Scaling:
    return Scaling(core.input_center, 1.0 / core.input_scale, core.input_limit > 0)


def _scaling_key(core: _core.Network) -> bytes:
    """Return a key that is equal for networks that scale equally."""
    return b"".join(each.tobytes() for each in (core.input_center, core.input_scale, core.input_limit))


def _no_scaling(features: int) -> Scaling:
    return Scaling(np.zeros(features), np.ones(features), np.zeros(features, np.bool_))


def _columns(encoding: Encoding) -> Iterator[ExportColumn]:
    for place, column in enumerate(encoding.schema.columns):
        table, first = _table(encoding, place), encoding.starts[place]
        kind: Kind = "category" if column.kind == "category" else "number"
        yield ExportColumn(place, "", kind, column.levels, first, table)
        for part, first in encoding.parts_of(place):
            if part in LEVELS:
                levels = tuple(map(float, range(len(LEVELS[part]))))
                yield ExportColumn(place, part, "date", levels, first, np.eye(len(levels) + 2, len(levels)))
            else:
                yield ExportColumn(place, part, "number", (), first, np.zeros((2, 0)))


def _table(encoding: Encoding, place: int) -> Doubles:
    """Return the unscaled features of each level of a column: float64 array [levels + 2, features]."""
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


def _trees(core: _core.Trees, weight: float) -> TreesMember:
    trees = np.arange(len(core.leaf_starts) - 1)
    outputs = np.ones_like(trees) if core.classes == 2 else trees % len(core.target_mean)
    nodes = core.feature, core.threshold, core.left, core.right, core.missing == 1
    return TreesMember(weight, *_units(core), core.leaf_starts, outputs, *nodes, core.leaf_values)


def _units(core: _core.Network | _core.Trees) -> tuple[Doubles, Doubles, Doubles, Doubles, bool]:
    return core.target_mean, core.target_scale, core.target_least, core.target_most, core.exponential


def _embedding(core: Any) -> Embedding | None:
    if not core.numbers:
        return None
    mixes = 2 * FREQUENCIES
    parts = np.split(core.embedding, [FREQUENCIES, mixes, mixes + FREQUENCIES * DIMENSIONS])
    frequency, phase, mix, bias = parts
    numbers = np.array(core.numbers, np.int64)
    return Embedding(numbers, frequency, phase, mix.reshape(FREQUENCIES, DIMENSIONS, -1), bias)
