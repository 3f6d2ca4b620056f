"""Exports a model as a C++ header, with the model's numbers as constant arrays and the shared code of runtime.hpp.

    comment that describes the model, #include ...
    namespace {
        types of runtime.hpp
        sizes, names, labels; columns with levels and tables; members with layers
        functions of runtime.hpp
    }

Lines of runtime.hpp after `#if` are only for models that meet the condition, and lines after `#else` for all other
models. A header contains only the lines for its model, without these directives. The conditions are:

    TREES      the model has boosted trees
    SCALINGS   the networks of an ensemble scale their inputs differently, since each fold has its own scaling
    UNSCALED   TREES or SCALINGS; the features of a row are also kept unscaled
    ZONES      the parts of a date are those of a time zone other than UTC
    ENCODINGS  the members of an ensemble have different target statistics, since each fold has its own
    WEIGHED    labels are decided by weights of the classes
    LEVELS     the model has boosted trees that split the levels of categories

The arrays of the columns contain features of the first scaling and its encoding. Networks are ordered by their scaling,
so each further scaling is applied only once per row. Networks of one encoding follow each other, and so do trees.

Levels are sorted by their UTF-8 bytes, the order of std::string_view. The user's names, levels and labels are written
only as literals, so they cannot be interpreted as code.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from itertools import pairwise
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.data.dates import ticks_of
from ash.data.spelling import GAPS
from ash.encoding.neighbors import NEAREST, SOFT
from ash.errors import SettingError
from ash.export.description import (
    NEARLY_ZERO,
    Description,
    ExportColumn,
    Layer,
    Member,
    NetworkMember,
    Scaling,
    TreesMember,
)

_INCLUDES = ("algorithm", "array", "cmath", "cstddef", "cstdint", "limits", "string_view", "utility")
_MARK = "// == data ==\n"
_FLAGS = {False: "false", True: "true"}
_NULL = "nullptr"
_UNITS = ("mean", "scale", "least", "most")
_EMBEDDING = ("frequency", "phase", "mix", "bias")
_WIDTH = 112
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _-.,:;+*/()[]{}<>=!&|~^#@$%")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(::[A-Za-z][A-Za-z0-9_]*)*", re.ASCII)
_RESERVED = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class compl
    concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default delete
    do double dynamic_cast else enum explicit export extern false float for friend goto if inline int long mutable
    namespace new noexcept not not_eq nullptr operator or or_eq private protected public register reinterpret_cast
    requires return short signed sizeof static static_assert static_cast std struct switch template this thread_local
    throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq
"""


def header(description: Description, namespace: str) -> str:
    """Return the header's content in ASCII; all its definitions are in `namespace`.

    Raises
    ------
    SettingError
        `namespace` is not a valid C++ name.
    """
    check_namespace(namespace)
    runtime = resources.files("ash.export").joinpath("runtime.hpp").read_text(encoding="ascii")
    code = _chosen(runtime.partition("\n\n")[2], _conditions(description))
    types, functions = code.split(_MARK)
    start = [*_preamble(description), f"namespace {namespace} {{\n", types.rstrip() + "\n", *_face(description)]
    details = ["namespace detail {\n", *_details(description), "}  // namespace detail\n"]
    return "\n".join([*start, *details, functions.strip() + "\n", f"}}  // namespace {namespace}\n"])


def _conditions(description: Description) -> dict[str, bool]:
    trees, scalings = bool(description.trees), len(description.scalings) > 1
    zones = any(column.zone is not None for column in description.columns)
    encodings, levels = description.encodings > 1, bool(description.categories)
    conditions = {"TREES": trees, "SCALINGS": scalings, "UNSCALED": trees or scalings, "LEVELS": levels}
    weighed = description.decision_weights is not None
    return {**conditions, "ENCODINGS": encodings, "ZONES": zones, "WEIGHED": weighed}


def _chosen(code: str, conditions: dict[str, bool]) -> str:
    """Return the lines of the code whose conditions are true, without the directives."""
    lines, chosen = [], [True]  # whether the lines of each enclosing condition are chosen
    for line in code.splitlines(keepends=True):
        if line.startswith("#if "):
            chosen.append(conditions[line.split()[1]])
        elif line == "#else\n":
            chosen.append(not chosen.pop())
        elif line == "#endif\n":
            chosen.pop()
        elif all(chosen):
            lines.append(line)
    return "".join(lines)


def _preamble(description: Description) -> Iterator[str]:
    task, columns = "regression" if description.classes is None else "classification", len(description.inputs)
    trees, version = len(description.trees), _core.build_info()["version"]
    members = f"{len(description.networks)} network(s)" + f", {trees} boosted-tree model(s)" * bool(trees)
    yield (
        f"// A {task} model from ash {version}: {columns} column(s), {description.outputs} output(s), {members}.\n"
        "// C++17. Needs only the standard library, allocates nothing, thread-safe. Do not edit.\n"
        "#pragma once\n"
    )
    yield "".join(f"#include <{name}>\n" for name in _INCLUDES)
    yield ('#ifdef __FAST_MATH__\n#error "NaN stands for a missing cell here: compile without -ffast-math"\n#endif\n')


def _face(description: Description) -> Iterator[str]:
    """Yield the public constants: sizes, column names, and labels or target names."""
    inputs = description.inputs
    yield f"inline constexpr std::size_t kColumns = {len(inputs)};"
    yield f"inline constexpr std::size_t kOutputs = {description.outputs};\n"
    yield _constants("std::string_view", "kColumnNames", [text(each.name) for each in inputs if each.name is not None])
    if description.classes is not None:
        kind, labels = _labels(description.classes)
        yield _constants(kind, "kClasses", labels)
        if description.decision_weights is not None:
            yield _constants("double", "kDecisionWeights", list(map(floating, description.decision_weights.tolist())))
    elif description.target_names is not None:
        yield _constants("std::string_view", "kTargetNames", list(map(text, description.target_names)))


def _labels(classes: Any) -> tuple[str, list[str]]:
    values, kind = classes.tolist(), classes.dtype.kind
    if kind == "b":
        return "bool", [_FLAGS[value] for value in values]
    if kind in "iu":
        return ("std::int64_t" if kind == "i" else "std::uint64_t"), list(map(whole, values))
    return ("double", list(map(floating, values))) if kind == "f" else ("std::string_view", list(map(text, values)))


def _constants(kind: str, name: str, items: list[str]) -> str:
    braces = f"{{{{\n{wrapped(items)}\n}}}}" if items else "{}"
    return f"inline constexpr std::array<{kind}, {len(items)}> {name}{braces};\n"


def _details(description: Description) -> Iterator[str]:
    inputs = [len(member.layers[0].weights) for member in description.networks]
    widths = [len(layer.biases) for member in description.networks for layer in member.layers]
    yield f"inline constexpr std::size_t kFeatures = {description.features};"
    if description.categories:
        yield f"inline constexpr std::size_t kCategories = {len(description.categories)};"
    yield f"inline constexpr std::size_t kWidest = {max([description.features, *inputs, *widths])};"
    yield f"inline constexpr bool kClassifies = {_FLAGS[description.classes is not None]};"
    yield f"inline constexpr bool kRefusesMissing = {_FLAGS[description.refuses_missing]};"
    yield f"inline constexpr bool kRefusesUnknown = {_FLAGS[description.refuses_unknown]};"
    yield f"inline constexpr bool kInfiniteIsMissing = {_FLAGS[description.infinite_is_missing]};\n"
    yield _constants("std::string_view", "kGaps", list(map(text, sorted(GAPS))))
    columns, members = [], []
    for place, column in enumerate(description.columns):
        yield from _column_arrays(place, column, description)
        columns.append(_column(place, column, description))
    yield array("Column", "kTable", columns)
    yield from _neighbors(description)
    for place, scaling in enumerate(description.scalings[1:], start=1):
        yield array("Scaling", f"kScaling{place}", (f"{{{items}}}" for items in _scaling_items(scaling)))
    if description.encodings > 1:
        yield f"inline constexpr std::size_t kFirstEncoding = {description.scalings[0].encoding};\n"
    for place, member in enumerate(sorted(description.networks, key=attrgetter("scaling"))):
        yield from _member_arrays(f"{place}", member)
        members.append(_member(f"{place}", member, description))
    yield array("Member", "kMembers", members) if members else "inline constexpr std::array<Member, 0> kMembers{};\n"
    if description.trees:
        yield from _trees(sorted(description.trees, key=attrgetter("encoding")), description)


def _column_arrays(place: int, column: ExportColumn, description: Description) -> Iterator[str]:
    if column.table.size:
        yield floats(f"kTable{place}", column.scaled_table(description.scalings[0]))
        if _conditions(description)["UNSCALED"]:
            yield doubles(f"kUnscaled{place}", column.table_in(description.scalings[0].encoding))
    if column.others:
        tables = []
        for encoding in range(description.encodings):
            tables.append(f"kUnscaled{place}")
            if encoding != description.scalings[0].encoding:
                tables[-1] += f"_{encoding}"
                yield doubles(tables[-1], column.table_in(encoding))
        yield array("const double*", f"kEncoded{place}", tables)
    if column.is_number and column.levels:
        yield doubles(f"kLevels{place}", np.array(column.levels, np.float64))
    elif column.kind == "category":
        yield array("std::string_view", f"kLevels{place}", map(text, map(str, column.levels)))
    if column.zone is not None:
        if column.zone.starts:
            yield doubles(f"kStartsOfZone{place}", ticks_of(column.zone.starts))
        yield doubles(f"kOffsetsOfZone{place}", ticks_of(column.zone.offsets))
        starts = f"kStartsOfZone{place}" if column.zone.starts else _NULL
        count = len(column.zone.starts)
        yield f"inline constexpr Zone kZone{place}{{{count}, {starts}, kOffsetsOfZone{place}}};\n"


def _column(place: int, column: ExportColumn, description: Description) -> str:
    """Return the initializer of a `Column`, in braces."""
    number, conditions = f"{_FLAGS[False]}, 0.0, 0.0", _conditions(description)
    if column.is_number:
        [number] = _scaling_items(description.scalings[0].part(slice(column.first, column.first + 1)))
    levels = f"kLevels{place}" if column.levels else _NULL
    texts, values = levels if column.kind == "category" else _NULL, levels if column.is_number else _NULL
    table = f"kTable{place}" if column.table.size else _NULL
    part = f"Part::{column.part or 'whole'}"
    items = [f"{column.source}", part, _FLAGS[column.is_number], number, texts, values, f"{len(column.levels)}", table]
    if conditions["UNSCALED"]:
        items.append(f"kUnscaled{place}" if column.table.size else _NULL)
    if conditions["ENCODINGS"]:
        items.append(f"kEncoded{place}" if column.others else _NULL)
    items.append(f"{column.table.shape[1]}")
    if conditions["ZONES"]:
        items.append(_NULL if column.zone is None else f"&kZone{place}")
    return f"{{{', '.join(items)}}}"


def _scaling_items(scaling: Scaling) -> Iterator[str]:
    """Yield, for each feature, three literals: whether it is clipped, its center, and its inverse scale."""
    columns = (each.tolist() for each in (scaling.clips, scaling.center, scaling.inverse))
    for clips, center, inverse in zip(*columns, strict=True):
        yield f"{_FLAGS[clips]}, {floating(center)}, {floating(inverse)}"


def _neighbors(description: Description) -> Iterator[str]:
    nearest = NEAREST if description.neighbors is None else min(NEAREST, len(description.neighbors.weights))
    yield f"inline constexpr std::size_t kNearest = {nearest};"
    yield f"inline constexpr double kSoft = {floating(SOFT**2)};"
    near, names = description.neighbors, ("center", "inverse", "rows", "weights", "deviations", "priors")
    if near is None:
        yield f"inline constexpr Neighbors kNeighbors{{0{f', {_NULL}' * len(names)}, 0, {_NULL}}};\n"
        return
    for name in names:
        yield doubles(f"kNeighbor{name.title()}", getattr(near, name))
    columns = [ExportColumn(0, "", "number", (), first, np.zeros((2, 0))) for first in description.neighbor_features]
    yield array("Column", "kNeighborFeatures", (_column(0, column, description) for column in columns))
    items = [len(near.weights), *(f"kNeighbor{name.title()}" for name in names), len(near.priors), "kNeighborFeatures"]
    yield f"inline constexpr Neighbors kNeighbors{{{', '.join(map(str, items))}}};\n"


def _member_arrays(name: str, member: NetworkMember) -> Iterator[str]:
    if member.embedding is not None:
        yield array("std::size_t", f"kNumbers{name}", map(str, member.embedding.numbers.tolist()))
        for part in _EMBEDDING:
            yield floats(f"k{part.title()}{name}", getattr(member.embedding, part))
    for place, layer in enumerate(member.layers):
        yield floats(f"kWeights{name}_{place}", layer.weights)
        yield floats(f"kBiases{name}_{place}", layer.biases)
        if layer.shares is not None:
            yield floats(f"kShares{name}_{place}", layer.shares)
    yield array("Layer", f"kLayers{name}", (_layer(f"{name}_{i}", layer) for i, layer in enumerate(member.layers)))
    yield from _unit_arrays(name, member)


def _unit_arrays(name: str, member: Member) -> Iterator[str]:
    for unit in _UNITS:
        yield doubles(f"k{unit.title()}{name}", getattr(member, f"target_{unit}"))


def _layer(name: str, layer: Layer) -> str:
    shares = _NULL if layer.shares is None else f"kShares{name}"
    inputs, outputs = layer.weights.shape
    return f"{{Activation::{layer.activation}, {inputs}, {outputs}, kWeights{name}, kBiases{name}, {shares}}}"


def _member(name: str, member: NetworkMember, description: Description) -> str:
    embedding = f"{{0{f', {_NULL}' * 5}}}"
    if member.embedding is not None:
        arrays = [f"k{part.title()}{name}" for part in ("numbers", *_EMBEDDING)]
        embedding = f"{{{len(member.embedding.numbers)}, {', '.join(arrays)}}}"
    items = [floating(member.weight), embedding, f"{len(member.layers)}, kLayers{name}", _units(name, member)]
    if _conditions(description)["SCALINGS"]:
        items.append(f"kScaling{member.scaling}" if member.scaling else _NULL)
    if _conditions(description)["ENCODINGS"]:
        items.append(f"{description.scalings[member.scaling].encoding}")
    return f"{{{', '.join(items)}}}"


def _units(name: str, member: Member) -> str:
    return ", ".join([*(f"k{unit.title()}{name}" for unit in _UNITS), _FLAGS[member.exponential]])


def _trees(members: Sequence[TreesMember], description: Description) -> Iterator[str]:
    yield f"inline constexpr double kNearlyZero = {floating(NEARLY_ZERO)};"
    models, has_levels = [], bool(description.categories)
    for place, member in enumerate(members):
        name = f"OfTrees{place}"
        columns = (member.threshold, member.feature, member.left, member.right, member.missing_left)
        nodes = list(map(_node, *(column.tolist() for column in columns)))
        if has_levels:
            ends = np.cumsum([0, *map(len, member.levels.values())]).tolist()
            places = dict(zip(member.levels, pairwise(ends), strict=True))
            ranges = [places.get(node, (0, 0)) for node in range(len(nodes))]  # empty unless a node splits a category
            nodes = [f"{each[:-1]}, {first}, {stop}}}" for each, (first, stop) in zip(nodes, ranges, strict=True)]
            numbers = [f"{level}" for levels in member.levels.values() for level in levels]
            yield array("std::int32_t", f"kLevels{name}", numbers or ["0"])
        yield array("std::size_t", f"kStarts{name}", map(str, member.leaf_starts.tolist()))
        if nodes:
            yield array("Node", f"kNodes{name}", nodes)
        yield doubles(f"kLeaves{name}", member.leaves)
        yield from _unit_arrays(name, member)
        arrays = f"kStarts{name}, {f'kNodes{name}' if nodes else _NULL}, kLeaves{name}"
        arrays += f", kLevels{name}" if has_levels else ""
        encoding = f", {member.encoding}" if _conditions(description)["ENCODINGS"] else ""
        units = f"{_units(name, member)}{encoding}"
        models.append(f"{{{floating(member.weight)}, {len(member.outputs)}, {arrays}, {units}}}")
    yield array("Trees", "kTrees", models)


def _node(threshold: float, feature: int, left: int, right: int, missing_left: bool) -> str:
    return f"{{{floating(threshold)}, {feature}, {left}, {right}, {_FLAGS[missing_left]}}}"


def check_namespace(name: Any) -> None:
    """Raise SettingError unless `name` is a valid C++ namespace; nested namespaces are joined by "::"."""
    allowed = "pass a C++ name such as 'model' or 'shop::price'"
    if not isinstance(name, str) or not _NAME.fullmatch(name) or "__" in name:
        raise SettingError(f"namespace={name!r}: {allowed}")
    reserved = sorted(set(name.split("::")) & set(_RESERVED.split()))
    if reserved:
        raise SettingError(f"namespace={name!r}: {reserved[0]!r} is reserved in C++; {allowed}")


def floating(value: float, suffix: str = "") -> str:
    """Return a C++ expression with exactly the value of a number."""
    if math.isinf(value):
        return f"{'-' if value < 0 else ''}std::numeric_limits<double>::infinity()"
    if value in (0.0, 1.0):
        return f"{value + 0.0}{suffix}"
    mantissa, exponent = value.hex().split("p")
    return f"{mantissa.rstrip('0').rstrip('.')}p{int(exponent)}{suffix}"


def text(value: str) -> str:
    """Return the braced arguments of a std::string_view: the text as a UTF-8 literal, and its number of bytes."""
    content = value.encode("utf-8", "surrogatepass")
    escaped = "".join(chr(byte) if byte in _PLAIN else f"\\{byte:03o}" for byte in content)
    return f'{{"{escaped}", {len(content)}}}'


def whole(value: int) -> str:
    """Return a 64-bit integer as a literal, or as an expression for the lowest integer, which has no literal."""
    if value == -(2**63):
        return "-9223372036854775807LL - 1"
    return f"{value}ULL" if value >= 2**63 else f"{value}LL"


def array(kind: str, name: str, items: Iterable[str]) -> str:
    """Return the definition of a constant array with at least one item."""
    return f"inline constexpr {kind} {name}[] = {{\n{wrapped(items)}\n}};\n"


def wrapped(items: Iterable[str]) -> str:
    """Return the items separated by commas, wrapped into lines of about `_WIDTH` characters."""
    lines: list[list[str]] = [[]]
    length = 0
    for item in items:
        if lines[-1] and length + len(item) > _WIDTH:
            lines.append([])
            length = 0
        lines[-1].append(item)
        length += len(item) + 2
    return ",\n".join("    " + ", ".join(line) for line in lines)


def floats(name: str, values: NDArray[np.float32]) -> str:
    """Return the definition of a constant array of float."""
    return array("float", name, (floating(value, "F") for value in values.ravel().tolist()))


def doubles(name: str, values: NDArray[np.float64]) -> str:
    """Return the definition of a constant array of double."""
    return array("double", name, map(floating, values.ravel().tolist()))
