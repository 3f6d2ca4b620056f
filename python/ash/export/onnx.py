"""Exports a model as an ONNX graph of standard operators, plus LabelEncoder and tree ensembles from ai.onnx.ml.

    numbers [rows, n] double --> z in double --> clip in float -----------+
    dates as days, and their parts without levels: the same as numbers ---+
    numbers and parts with levels: number of the level --> row of table --+--> features [rows, features] float
    text [rows, 1] string: number of the level --> row of table ----------+      |
    numbers of recurring rows: neighbors (`ash.encoding.neighbors`) ------+      v
                                                                          members, weighted mean
    rows that `predict` refuses -------------------------------------- NaN ----> | --> probabilities, label; or target

With several folds, the networks of an ensemble scale their inputs differently. The graph then computes the scaled
features once per scaling, and the unscaled features once per encoding of trees.

The angles of an embedding are computed in double and rounded once, like the core's fused multiply-add. This file
imports onnx, so it is imported only on demand.

Boosted trees take the features unscaled, in double, and have double thresholds, so onnxruntime compares and adds in
double. It returns the sums in float. A node of a category becomes a chain of nodes, one per level that goes left.

Memory: when the graph is evaluated, neighbors take 16 bytes per pair of a row and a distinct training row. Predict a
few thousand rows at a time.
"""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ash import _core
from ash._utils.cached import cached_property
from ash.data.arrays import FLOAT32_MAX
from ash.data.dates import TICKS, TimeZone, ticks_of
from ash.encoding.neighbors import FAR as FAR_AWAY
from ash.encoding.neighbors import LIMIT, NEAREST, SOFT, Neighbors
from ash.errors import SettingError
from ash.export.description import (
    CLIP,
    DIMENSIONS,
    FAR,
    NEARLY_ZERO,
    Description,
    Embedding,
    ExportColumn,
    Layer,
    Member,
    NetworkMember,
    Scaling,
    TreesMember,
)

MATRIX = "X"
"""The name of the single input if all columns are numbers."""
LABEL, PROBABILITIES, TARGET = OUTPUTS = ("label", "probabilities", "target")

OPSET, ML_OPSET = 17, 4
"""Versions of the standard operators and of ai.onnx.ml, whose LabelEncoder accepts doubles from version 4 on."""
ML = "ai.onnx.ml"
_ML_OPERATORS = ("LabelEncoder", "TreeEnsembleRegressor")
_IR_VERSION = 9  # the first IR version that supports version 4 of ai.onnx.ml
MOST_BYTES = 2**31 - 2**20
"""The maximum total size of a graph's arrays in bytes; it leaves 1 MiB of a protobuf file's 2 GiB for the rest."""

_LABEL_TYPES = {"i": np.int64, "u": np.uint64, "f": np.float64, "U": object}
"""The type in which labels are returned, by NumPy kind; labels of other kinds keep their type."""
_OPERATORS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "selu": "Selu"}


def onnx_bytes(description: Description, missing: str) -> bytes:
    """Return the content of an ONNX file; its inputs use the text `missing` for missing cells of categories.

    Raises
    ------
    SettingError
        `missing` is not text or is a level of a column, a text is not valid Unicode, or the model is too large for
        ONNX.
    """
    _check_text(description, missing)
    return bytes(_Writer(description, missing).model().SerializeToString())


def _check_text(description: Description, missing: str) -> None:
    if not isinstance(missing, str):
        raise SettingError(f"missing must be text that stands for a missing cell of a category, got {missing!r}")
    for column in description.columns:
        given = description.inputs[column.source]
        if missing in column.levels:
            raise SettingError(f"missing={missing!r} is a level of {given.label}: choose text that is not")
        _check_unicode(f"{given.label} has a name or level", [given.name or "", *map(str, column.levels)])
    if description.classes is not None:
        _check_unicode("y has a label", list(map(str, description.classes.tolist())))
    _check_unicode("missing is a text", [missing])


def _check_unicode(what: str, texts: list[str]) -> None:
    for text in texts:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            reason = f"{what} that is not Unicode ({text[:50]!r}), which ONNX cannot hold: rename it"
            raise SettingError(reason) from None


def input_names(description: Description) -> list[str]:
    """Return the input name of each column: its own name, changed if an output or another input has the same name."""
    wished = [f"x{place}" if each.name is None else each.name for place, each in enumerate(description.inputs)]
    taken = {"", *OUTPUTS, *wished}
    names = []
    for name in wished:
        free = name
        while free in taken - {name} or free in ("", *OUTPUTS):
            free += "_"
        taken.add(free)
        names.append(free)
    return names


class _Writer:
    """Writes one model as a graph; `refused` has the names of masks (bool [rows, 1]) of rows that `predict` refuses."""

    def __init__(self, description: Description, missing: str) -> None:
        self.description, self.missing = description, missing
        self.inputs = [MATRIX] * len(description.inputs) if description.is_numeric else input_names(description)
        self.graph = Graph([*self.inputs, *OUTPUTS])
        self.numbers: dict[str, str] = {}  # for each input, the name of its numbers with infinity replaced by NaN
        self.codes: dict[int, str] = {}  # for each column index, the name that `_code` has returned
        self.clocks: dict[int, str] = {}  # for each date column of the input table, the name of its local times
        self.refused: list[str] = []

    def model(self) -> onnx.ModelProto:
        outputs = self._outputs()
        if self.graph.bytes > MOST_BYTES:
            size = f"{self.graph.bytes / 2**30:.3g} GiB"
            raise SettingError(f"the model has {size}, but an ONNX file holds less than 2 GiB: export a smaller one")
        given = list(zip(self.inputs, self.description.inputs, strict=True))
        columns = json.dumps([{"input": name, "name": each.name, "kind": each.kind} for name, each in given])
        properties = {"ash_version": _core.build_info()["version"], "columns": columns, "missing": self.missing}
        types = {name: TensorProto.STRING if each.is_text else TensorProto.DOUBLE for name, each in given}
        shape = ["rows", len(given) if self.description.is_numeric else 1]
        infos = [helper.make_tensor_value_info(name, kind, shape) for name, kind in types.items()]
        return self.graph.model(infos, outputs, properties)

    def _features(self, scaling: Scaling | None, encoding: int = 0) -> str:
        """Return the name of the features [rows, features]: scaled floats, or unscaled doubles if `scaling` is None.

        Unscaled features are those of the encoding with this number.
        """
        parts, order = [], [column.first for column in self.description.columns if column.is_number]
        if order:
            parts.append(self._scaled(self._numbers, np.array(order), scaling) if scaling else self._numbers)
        for place, column in enumerate(self.description.columns):
            table = column.scaled_table(scaling) if scaling else column.table_in(encoding)
            if table.shape[1]:
                parts.append(self.graph.add("Gather", table, self._code(place), axis=0))
                order += range(column.table_first, column.table_first + table.shape[1])
        if self.description.neighbors is not None:
            order += (last := self.description.neighbor_features)
            parts.append(self._scaled(self._near, np.array(last), scaling) if scaling else self._near)
        features = parts[0] if len(parts) == 1 else self.graph.add("Concat", *parts, axis=1)
        return features if order == sorted(order) else self.graph.add("Gather", features, np.argsort(order), axis=1)

    def _unscaled(self, encoding: int) -> str:
        """Return the name of the features of trees, double [rows, features], with level numbers if trees use them."""
        features, parts = self._features(None, encoding), []
        for place in self.description.categories:
            numbers = self.graph.add("Unsqueeze", self._code(place), np.array([1]))
            parts.append(self._cast(numbers, TensorProto.DOUBLE))
        return self.graph.add("Concat", features, *parts, axis=1) if parts else features

    @cached_property
    def _numbers(self) -> str:
        """Return the name of all numbers, double [rows, n]; add the mask of rows with a refused number to `refused`."""
        names = [self._part(column) for column in self.description.columns if column.is_number]
        alone = self.description.is_numeric or len(names) == 1
        numbers = names[0] if alone else self.graph.add("Concat", *names, axis=1)
        is_bad = self.graph.add("Greater", self.graph.add("Abs", numbers), np.array(FLOAT32_MAX))
        if self.description.refuses_missing:
            is_bad = self.graph.add("Or", is_bad, self.graph.add("IsNaN", numbers))
        worst = self.graph.add("ReduceMax", self._cast(is_bad, TensorProto.FLOAT), axes=[1], keepdims=1)
        self.refused.append(self._cast(worst, TensorProto.BOOL))
        return numbers

    @cached_property
    def _near(self) -> str:
        """Return the name of the neighbor features, double [rows, k + 1]; the model has only columns of numbers."""
        assert self.description.neighbors is not None
        return neighbor_features(self.graph, self.description.neighbors, self._finite(MATRIX))

    def _scaled(self, numbers: str, features: NDArray[np.int64], scaling: Scaling) -> str:
        """Return the name of the scaled and clipped numbers, float [rows, n], with 0 for missing numbers."""
        graph = self.graph
        centered = graph.add("Sub", numbers, scaling.center[features])
        z = self._cast(graph.add("Mul", centered, scaling.inverse[features]), TensorProto.FLOAT)
        far = np.array(FAR, np.float32)
        y = graph.add("Clip", graph.add("Mul", z, np.array(1 / CLIP, np.float32)), -far, far)
        root = graph.add("Sqrt", graph.add("Add", graph.add("Mul", y, y), np.array(1, np.float32)))
        clipped = graph.add("Mul", graph.add("Div", y, root), np.array(CLIP, np.float32))
        value = graph.add("Where", scaling.clips[features], clipped, z)
        return graph.add("Where", graph.add("IsNaN", numbers), np.array(0, np.float32), value)

    def _part(self, column: ExportColumn) -> str:
        """Return the name of a column of numbers or part of dates, double [rows, 1] with NaN for missing cells."""
        days = self._finite(self.inputs[column.source])
        if not column.part:
            return days
        if column.source not in self.clocks:
            self.clocks[column.source] = days if column.zone is None else wall_clock(self.graph, column.zone, days)
        return date_part(self.graph, column.part, self.clocks[column.source])

    def _code(self, place: int) -> str:
        """Look up each cell's row in the column's `table`; return the name of the row numbers, int64 [rows]."""
        if place not in self.codes:
            column = self.description.columns[place]
            if column.kind == "date":
                part = self.graph.add("Gather", self._part(column), np.array(0), axis=1)
                missing = np.array(float(len(column.levels)))
                known = self.graph.add("Where", self.graph.add("IsNaN", part), missing, part)
                self.codes[place] = self._cast(known, TensorProto.INT64)
            else:
                self.codes[place] = (self._code_of_number if column.is_number else self._code_of_text)(column)
        return self.codes[place]

    def _code_of_number(self, column: ExportColumn) -> str:
        """Look up each number's row in `column.table`; return the name of the row numbers, int64 [rows]."""
        cells = self._cells(column.source)
        levels = len(column.levels)
        code: str | NDArray[np.int64] = np.array(levels + 1)
        if levels:
            code = self._encoded(cells, np.array(column.levels), np.arange(levels), levels + 1)
        return self.graph.add("Where", self.graph.add("IsNaN", cells), np.array(levels), code)

    def _code_of_text(self, column: ExportColumn) -> str:
        """Do what `_code_of_number` does for texts, and add the masks of refused rows to `refused`."""
        levels, gaps = len(column.levels), list(dict.fromkeys([self.missing, *column.gaps]))
        codes = np.minimum(np.arange(levels + len(gaps)), levels)
        keys = np.array([*column.levels, *gaps], object)
        code = self._encoded(self._cells(column.source), keys, codes, levels + 1)
        refuses = (self.description.refuses_missing, self.description.refuses_unknown)
        for number, is_refused in enumerate(refuses, levels):
            if is_refused:
                is_it = self.graph.add("Equal", code, np.array(number))
                self.refused.append(self.graph.add("Unsqueeze", is_it, np.array([1])))
        return code

    def _cells(self, place: int) -> str:
        """Return the name of the cells [rows] of one input column."""
        column, name = place if self.description.is_numeric else 0, self.inputs[place]
        cells = name if self.description.inputs[place].is_text else self._finite(name)
        return self.graph.add("Gather", cells, np.array(column), axis=1)

    def _finite(self, name: str) -> str:
        """Return the name of an input's numbers in the same shape; infinity becomes NaN if it counts as missing."""
        if not self.description.infinite_is_missing:
            return name
        if name not in self.numbers:
            is_infinite = self.graph.add("IsInf", name)
            self.numbers[name] = self.graph.add("Where", is_infinite, np.array(math.nan), name)
        return self.numbers[name]

    def _encoded(self, cells: str, keys: NDArray[Any], codes: NDArray[np.int64], default: int) -> str:
        values, other = tensor(codes), tensor(np.array([default]))
        return self.graph.add(
            "LabelEncoder", cells, keys_tensor=tensor(keys), values_tensor=values, default_tensor=other
        )

    def _members(self) -> Iterator[tuple[Member, str]]:
        """Add the members to the graph one by one, and yield pairs (member, name of its outputs [rows, outputs])."""
        networks, classifies = self.description.networks, self.description.classes is not None
        features = [self._features(scaling) for scaling in self.description.scalings] if networks else []
        for network in networks:
            yield network, network_outputs(self.graph, network, features[network.scaling], classifies)
        unscaled: dict[int, str] = {}
        for each in self.description.trees:
            if each.encoding not in unscaled:
                unscaled[each.encoding] = nearly_zero_as_zero(self.graph, self._unscaled(each.encoding))
            yield each, trees_outputs(self.graph, each, unscaled[each.encoding], classifies)

    def _outputs(self) -> list[Any]:
        """Add the members, their mean and the outputs to the graph; return the outputs as ValueInfoProto."""
        graph, classes, count = self.graph, self.description.classes, self.description.outputs
        total, is_alone = "", len(self.description.members) == 1
        for member, name in self._members():
            outputs = self._cast(name, TensorProto.DOUBLE)
            shared = outputs if is_alone else graph.add("Mul", outputs, np.array(member.weight))
            total = graph.add("Add", total, shared) if total else shared
        if classes is None:
            self._refuse(total, np.array(math.nan), TARGET)
            return [helper.make_tensor_value_info(TARGET, TensorProto.DOUBLE, ["rows", count])]
        shares = self._cast(total, TensorProto.FLOAT)
        self._refuse(shares, np.array(math.nan, np.float32), PROBABILITIES)
        labels = classes.astype(_LABEL_TYPES.get(classes.dtype.kind, classes.dtype))
        decided = shares
        if self.description.decision_weights is not None:
            decided = graph.add("Mul", self._cast(shares, TensorProto.DOUBLE), self.description.decision_weights)
        graph.add("Gather", labels, graph.add("ArgMax", decided, axis=1, keepdims=0), axis=0, output=LABEL)
        return [
            helper.make_tensor_value_info(LABEL, tensor(labels).data_type, ["rows"]),
            helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["rows", count]),
        ]

    def _refuse(self, values: str, nothing: NDArray[Any], output: str) -> None:
        """Add an output to the graph: `values`, replaced by `nothing` in refused rows."""
        if not self.refused:
            self.graph.add("Identity", values, output=output)
            return
        mask = self.refused[0]
        for more in self.refused[1:]:
            mask = self.graph.add("Or", mask, more)
        self.graph.add("Where", mask, nothing, values, output=output)

    def _cast(self, value: str, to: int) -> str:
        return self.graph.add("Cast", value, to=to)


class Graph:
    """The nodes and constants of a graph, in order. Their names differ from those of inputs and outputs, `names`."""

    def __init__(self, names: Sequence[str]) -> None:
        self._prefix = "_"
        while any(name.startswith(self._prefix) for name in names):
            self._prefix += "_"
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self.bytes = 0
        """Total bytes of all constants so far."""

    def add(self, operator: str, *inputs: str | NDArray[Any], output: str = "", **attributes: Any) -> str:
        """Add a node with one output and return the output's name.

        Each input is the name of a value, or a constant. Pass `output`, the output's name, if it is an output of the
        graph.
        """
        name = output or f"{self._prefix}{operator}{len(self._nodes)}"
        self._add(operator, inputs, [name], attributes)
        return name

    def add_two(self, operator: str, *inputs: str | NDArray[Any], **attributes: Any) -> tuple[str, str]:
        """Add a node with two outputs and return their names."""
        first, second = (f"{self._prefix}{operator}{len(self._nodes)}_{place}" for place in range(2))
        self._add(operator, inputs, [first, second], attributes)
        return first, second

    def _add(
        self, operator: str, inputs: Sequence[str | NDArray[Any]], outputs: list[str], attributes: dict[str, Any]
    ) -> None:
        names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        domain = ML if operator in _ML_OPERATORS else ""
        self._nodes.append(helper.make_node(operator, names, outputs, domain=domain, **attributes))

    def model(self, inputs: list[Any], outputs: list[Any], properties: dict[str, str]) -> onnx.ModelProto:
        """Return the graph as a model with these inputs and outputs (ValueInfoProto) and metadata properties."""
        graph = helper.make_graph(self._nodes, "ash", inputs, outputs, self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="ash")
        helper.set_model_props(model, properties)
        return model

    def _constant(self, values: NDArray[Any]) -> str:
        name = f"{self._prefix}constant{len(self._constants)}"
        self._constants.append(tensor(values, name))
        self.bytes += values.nbytes
        return name


def wall_clock(graph: Graph, zone: TimeZone, days: str) -> str:
    """Convert days in UTC to days on the wall clock of a zone, as `TimeZone.local` does: double [rows, 1]."""
    ticks = graph.add("Round", graph.add("Mul", days, np.array(float(TICKS))))
    offsets = ticks_of(zone.offsets)
    shifted = graph.add("Add", ticks, np.array(offsets[0]))
    if zone.starts:
        is_after = graph.add("Cast", graph.add("GreaterOrEqual", ticks, ticks_of(zone.starts)), to=TensorProto.DOUBLE)
        shifted = graph.add("Add", shifted, graph.add("MatMul", is_after, np.diff(offsets)[:, None]))
    whole = graph.add("Floor", graph.add("Div", shifted, np.array(float(TICKS))))
    rest = graph.add("Sub", shifted, graph.add("Mul", whole, np.array(float(TICKS))))
    return graph.add("Add", whole, graph.add("Div", rest, np.array(float(TICKS))))


def date_part(graph: Graph, part: str, days: str) -> str:
    """Compute a part of dates in the graph; return its name: double [rows, 1] with NaN for missing dates.

    Source: H. Hinnant, civil_from_days, in integers. Except for the hour, dates before March 1 of year 0 are treated as
    that day, and dates more than 1e8 days after 1970-01-01 as the day that is 1e8 days after 1970-01-01.
    """
    whole = graph.add("Floor", days)
    if part == "hour":
        return graph.add("Mul", graph.add("Sub", days, whole), np.array(24.0))
    is_missing = graph.add("IsNaN", days)
    known = graph.add("Where", is_missing, np.array(0.0), whole)
    known = graph.add("Min", graph.add("Max", known, np.array(-719468.0)), np.array(1e8))
    shifted = graph.add("Add", graph.add("Cast", known, to=TensorProto.INT64), np.array(719468))

    def quotient(value: str, divisor: int) -> str:
        return graph.add("Div", value, np.array(divisor))

    def plus(value: str, more: int, factor: int = 1) -> str:
        return graph.add("Add", graph.add("Mul", value, np.array(factor)), np.array(more))

    def value(number: str) -> str:
        return graph.add("Where", is_missing, np.array(math.nan), graph.add("Cast", number, to=TensorProto.DOUBLE))

    if part == "weekday":
        return value(graph.add("Mod", plus(shifted, 2), np.array(7)))
    of_era = graph.add("Mod", shifted, np.array(146097))
    years = graph.add("Sub", of_era, quotient(of_era, 1460))
    years = graph.add("Sub", graph.add("Add", years, quotient(of_era, 36524)), quotient(of_era, 146096))
    year = quotient(years, 365)
    leap = graph.add("Sub", quotient(year, 4), quotient(year, 100))
    of_year = graph.add("Sub", of_era, graph.add("Add", plus(year, 0, 365), leap))
    month = quotient(plus(of_year, 2, 5), 153)
    if part == "day":
        return value(plus(graph.add("Sub", of_year, quotient(plus(month, 2, 153), 5)), 1))
    if part in ("year", "day_of_year"):
        is_next = graph.add("Cast", graph.add("GreaterOrEqual", month, np.array(10)), to=TensorProto.INT64)
        eras = graph.add("Mul", quotient(shifted, 146097), np.array(400))
        civil = graph.add("Add", graph.add("Add", eras, year), is_next)
        return value(civil if part == "year" else _day_of_year(graph, shifted, civil))
    return value(graph.add("Mod", plus(month, 2), np.array(12)))


def _day_of_year(graph: Graph, shifted: str, year: str) -> str:
    """Return the day of the year, from 1 on, of the day that is `shifted` days after March 1 of year 0 in this year."""
    before = graph.add("Add", year, np.array(399))  # the years before this one, plus 400: not negative in year 0

    def leaps(divisor: int) -> str:
        return graph.add("Div", before, np.array(divisor))

    days = graph.add("Add", graph.add("Mul", before, np.array(365)), leaps(4))
    days = graph.add("Add", graph.add("Sub", days, leaps(100)), leaps(400))
    return graph.add("Sub", shifted, graph.add("Sub", days, np.array(146097 - 305)))


def tensor(values: NDArray[Any], name: str = "tensor") -> onnx.TensorProto:
    """Return an array of numbers or texts as a tensor."""
    if values.dtype.kind in "UO":
        text = [value.encode("utf-8") for value in values.ravel().tolist()]
        return helper.make_tensor(name, onnx.TensorProto.STRING, values.shape, text)
    return numpy_helper.from_array(np.asarray(values, order="C"), name)


def network_outputs(graph: Graph, member: NetworkMember, features: str, classifies: bool) -> str:
    """Add a network that takes features, float [rows, features], and return the name of its outputs.

    With `classifies` these are probabilities, float [rows, classes], otherwise targets, double [rows, targets].
    """
    x = features if member.embedding is None else _embed(graph, member.embedding, features)
    for layer in member.layers:
        x = _activate(graph, layer, graph.add("Gemm", x, layer.weights, layer.biases))
    return graph.add("Softmax", x, axis=1) if classifies else _in_units(graph, member, x)


def trees_outputs(graph: Graph, member: TreesMember, features: str, classifies: bool) -> str:
    """Add trees for `features`, double [rows, features]; return the outputs' name (see `network_outputs`)."""
    scores = graph.add("TreeEnsembleRegressor", features, n_targets=len(member.target_mean), **_nodes(member))
    if not classifies:
        return _in_units(graph, member, scores)
    if member.target_mean.any():
        scores = graph.add("Add", scores, member.target_mean.astype(np.float32))
    return graph.add("Softmax", graph.add("Mul", scores, member.target_scale.astype(np.float32)), axis=1)


def nearly_zero_as_zero(graph: Graph, features: str) -> str:
    """Return the name of the features, in which values so small that trees treat them as 0 are replaced by 0."""
    is_near = graph.add("LessOrEqual", graph.add("Abs", features), np.array(NEARLY_ZERO))
    return graph.add("Where", is_near, np.array(0.0), features)


def _nodes(member: TreesMember) -> dict[str, Any]:
    """Return the attributes of a tree operator; for each tree they list its splits in order, then its leaves."""
    starts, trees, leaves = member.leaf_starts[:-1], np.arange(len(member.outputs)), np.diff(member.leaf_starts)
    split_tree, leaf_tree = np.repeat(trees, leaves - 1), np.repeat(trees, leaves)
    split_number = np.arange(len(split_tree)) - (starts - trees)[split_tree]
    leaf_number = np.arange(len(leaf_tree)) - (starts - (leaves - 1))[leaf_tree]
    left, right = (np.where(side < 0, (leaves - 1)[split_tree] + ~side, side) for side in (member.left, member.right))
    modes, threshold = np.full(len(split_tree), "BRANCH_LEQ"), member.threshold.copy()
    # A node of a category tests one level. The chain of its other levels follows the leaves; all go to its left child.
    nodes = list(member.levels)
    modes[nodes], threshold[nodes] = "BRANCH_EQ", [levels[0] for levels in member.levels.values()]
    more = np.array([len(levels) - 1 for levels in member.levels.values()], np.int64)
    links = np.repeat(np.array(nodes, np.int64), more)  # the node of each additional test
    link_tree = split_tree[links]
    link_number = (2 * leaves - 1)[link_tree] + np.arange(len(links)) - np.searchsorted(link_tree, link_tree)
    is_last = np.append(links[1:] != links[:-1], True)[: len(links)]
    link_right = np.where(is_last, right[links], link_number + 1)
    first = np.cumsum(more) - more
    has_more = np.flatnonzero(more)
    right[np.array(nodes, np.int64)[has_more]] = link_number[first[has_more]]
    link_level = [level for levels in member.levels.values() for level in levels[1:]]
    order = np.argsort(np.concatenate([split_tree, leaf_tree, link_tree]), kind="stable")

    def column(of_splits: NDArray[Any], of_leaves: Any, of_links: Any) -> NDArray[Any]:
        parts = [np.broadcast_to(of_leaves, leaf_tree.shape), np.broadcast_to(of_links, link_tree.shape)]
        return np.concatenate([of_splits, *parts])[order]

    return {
        "nodes_treeids": column(split_tree, leaf_tree, link_tree).tolist(),
        "nodes_nodeids": column(split_number, leaf_number, link_number).tolist(),
        "nodes_modes": column(modes, "LEAF", "BRANCH_EQ").tolist(),
        "nodes_featureids": column(member.feature, 0, member.feature[links]).tolist(),
        "nodes_values_as_tensor": tensor(column(threshold, 0.0, np.array(link_level, np.float64))),
        "nodes_truenodeids": column(left, 0, left[links]).tolist(),
        "nodes_falsenodeids": column(right, 0, link_right).tolist(),
        "nodes_missing_value_tracks_true": column(member.missing_left.astype(int), 0, 0).tolist(),
        "target_treeids": leaf_tree.tolist(),
        "target_nodeids": leaf_number.tolist(),
        "target_ids": member.outputs[leaf_tree].tolist(),
        "target_weights_as_tensor": tensor(member.leaves),
    }


def _in_units(graph: Graph, member: Member, x: str) -> str:
    """Convert the raw outputs `x` (float) of a member to targets (double), and return the name of the targets."""
    wide = graph.add("Cast", x, to=TensorProto.DOUBLE)
    scaled = graph.add("Mul", wide, member.target_scale)
    if member.exponential:
        targets = graph.add("Mul", graph.add("Exp", scaled), member.target_mean)
    else:
        targets = graph.add("Add", scaled, member.target_mean)
    least, most = member.target_least, member.target_most
    return graph.add("Min", graph.add("Max", targets, least), most) if member.bounded else targets


def _embed(graph: Graph, embedding: Embedding, features: str) -> str:
    """Append the embedding of n numbers to `features`; return the name: float [rows, features + DIMENSIONS * n]."""
    count = len(embedding.numbers)
    numbers = graph.add("Cast", graph.add("Gather", features, embedding.numbers, axis=1), to=TensorProto.DOUBLE)
    column = graph.add("Unsqueeze", numbers, np.array([1]))  # [rows, 1, n]
    turns = graph.add("Mul", column, embedding.frequency.astype(np.float64))
    turns = graph.add("Add", turns, embedding.phase.astype(np.float64))  # [rows, FREQUENCIES, n]
    turns = graph.add("Cast", turns, to=TensorProto.FLOAT)
    turns = graph.add("Sub", turns, graph.add("Round", turns))
    cosines = graph.add("Cos", graph.add("Mul", turns, _float(2 * math.pi)))
    by_number = graph.add("Transpose", cosines, perm=[2, 0, 1])  # [n, rows, FREQUENCIES]
    mixed = graph.add("MatMul", by_number, embedding.mix.transpose(2, 0, 1))  # [n, rows, DIMENSIONS]
    values = graph.add("Add", graph.add("Transpose", mixed, perm=[1, 2, 0]), embedding.bias)
    flat = graph.add("Reshape", values, np.array([0, DIMENSIONS * count]))
    return graph.add("Concat", features, flat, axis=1)


def _activate(graph: Graph, layer: Layer, x: str) -> str:
    value = _function(graph, layer.activation, x)
    if layer.shares is None:
        return value
    rest = graph.add("Mul", x, np.float32(1) - layer.shares)
    return graph.add("Add", rest, graph.add("Mul", value, layer.shares))


def _function(graph: Graph, name: str, x: str) -> str:
    """Apply the activation function `name` to x, by operators that version OPSET has; return the name of the result."""
    if name == "silu":
        return graph.add("Mul", x, graph.add("Sigmoid", x))
    if name == "mish":
        return graph.add("Mul", x, graph.add("Tanh", graph.add("Softplus", x)))
    if name == "gelu":
        cubic = graph.add("Mul", graph.add("Mul", graph.add("Mul", x, x), x), _float(0.044715))
        inner = graph.add("Tanh", graph.add("Mul", graph.add("Add", x, cubic), _float(math.sqrt(2 / math.pi))))
        return graph.add("Mul", graph.add("Mul", x, _float(0.5)), graph.add("Add", inner, _float(1.0)))
    return x if name == "identity" else graph.add(_OPERATORS[name], x)


def _float(value: float) -> NDArray[np.float32]:
    return np.array(value, np.float32)


def neighbor_features(graph: Graph, neighbors: Neighbors, numbers: str) -> str:
    """Add neighbor features [rows, k + 1] (k means and the closeness) of numbers [rows, columns]; return their name."""
    squares = _squares(graph, neighbors, _places(graph, neighbors, numbers))
    nearest, which = graph.add_two("TopK", squares, np.array([min(NEAREST, len(neighbors.weights))]), largest=0)
    weights = graph.add("Gather", neighbors.weights, which)
    soft = np.array(SOFT**2)
    furthest = graph.add("Add", graph.add("ReduceMax", nearest, axes=[1], keepdims=1), soft)
    shares = graph.add("Sub", graph.add("Div", furthest, graph.add("Add", nearest, soft)), np.array(1.0))
    total = graph.add("ReduceSum", graph.add("Mul", shares, weights), np.array([1]), keepdims=1)
    deviations = graph.add("Gather", neighbors.deviations, which, axis=0)
    column = graph.add("Unsqueeze", shares, np.array([2]))
    sums = graph.add("ReduceSum", graph.add("Mul", column, deviations), np.array([1]), keepdims=0)
    mean = graph.add("Div", sums, graph.add("Add", total, np.array(1.0)))
    return graph.add("Concat", graph.add("Add", mean, neighbors.priors), _closeness(graph, weights, nearest), axis=1)


def _places(graph: Graph, neighbors: Neighbors, numbers: str) -> str:
    scaled = graph.add("Mul", graph.add("Sub", numbers, neighbors.center), neighbors.inverse)
    z = graph.add("Clip", scaled, np.array(-FAR_AWAY), np.array(FAR_AWAY))
    share = graph.add("Div", z, np.array(LIMIT))
    root = graph.add("Sqrt", graph.add("Add", graph.add("Mul", share, share), np.array(1.0)))
    return graph.add("Where", graph.add("IsNaN", numbers), np.array(0.0), graph.add("Div", z, root))


def _squares(graph: Graph, neighbors: Neighbors, places: str) -> str:
    """Return the name of the squared distances [rows, distinct rows] to the training rows, summed column by column."""
    total = ""
    for column, values in enumerate(neighbors.rows.T):
        difference = graph.add("Sub", graph.add("Gather", places, np.array([column]), axis=1), values[None])
        square = graph.add("Mul", difference, difference)
        total = graph.add("Add", total, square) if total else square
    return total


def _closeness(graph: Graph, weights: str, squares: str) -> str:
    there = graph.add("Where", graph.add("Greater", weights, np.array(0.0)), squares, np.array(np.inf))
    distance = graph.add("Sqrt", graph.add("ReduceMin", there, axes=[1], keepdims=1))
    return graph.add("Reciprocal", graph.add("Add", graph.add("Sqrt", distance), np.array(1.0)))
