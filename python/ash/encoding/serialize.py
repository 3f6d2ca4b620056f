"""Converts an encoding to and from the parts of a model file: a dict for JSON, and a dict of named arrays.

The names of the arrays start with the prefixes in ARRAYS. The encodings of several folds differ only in their target
statistics, so only these are written for the second fold and those after it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash.encoding.encoding import Encoding, is_many_level
from ash.encoding.neighbors import Neighbors, neighbors_from_parts, neighbors_parts
from ash.encoding.schema import Schema, check_schema, schema_from_json
from ash.encoding.target_statistics import MOST_STATISTICS

ARRAYS = ("statistics.", "neighbors.")


def encoding_parts(encoding: Encoding) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    """Return the parts that `encoding_from_parts` reads: a dict for JSON, and a dict of named arrays."""
    _, tables = statistics_parts(encoding)
    tables |= neighbors_parts(encoding.neighbors)
    schema = encoding.schema.without_dtypes.to_json()  # so that a file's bytes do not depend on the table's library
    return {"schema": schema, "targets": list(encoding.targets)}, tables


def statistics_parts(encoding: Encoding) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    """Return the parts of the statistics alone, which `with_statistics` reads."""
    tables = {f"statistics.{place}": table for place, table in enumerate(encoding.statistics) if table is not None}
    return {"targets": list(encoding.targets)}, tables


def encoding_from_parts(data: Any, arrays: Mapping[str, NDArray[Any]]) -> Encoding:
    """Return an encoding from a model file, which is not trusted.

    Raises
    ------
    ValueError
        The parts are not what `encoding_parts` writes; the message says why.
    """
    check_schema(
        isinstance(data, dict) and data.keys() == {"schema", "targets"},
        "the encoding has missing or unexpected entries",
    )
    schema, targets = schema_from_json(data["schema"]), _targets(data["targets"])
    neighbors = _neighbors(schema, arrays, len(targets))
    tables = {name: array for name, array in arrays.items() if name not in neighbors_parts(neighbors)}
    return Encoding(schema, _statistics(schema, targets, tables), targets, neighbors)


def with_statistics(encoding: Encoding, data: Any, arrays: Mapping[str, NDArray[Any]]) -> Encoding:
    """Return an encoding with other statistics, from a model file, which is not trusted.

    Raises
    ------
    ValueError
        The parts are not what `statistics_parts` writes; the message says why.
    """
    check_schema(
        isinstance(data, dict) and data.keys() == {"targets"}, "the statistics have missing or unexpected entries"
    )
    targets = _targets(data["targets"])
    check_schema(len(targets) == len(encoding.targets), "the folds have statistics of different numbers of targets")
    return replace(encoding, statistics=_statistics(encoding.schema, targets, arrays), targets=targets)


def _targets(targets: Any) -> tuple[int, ...]:
    check_schema(isinstance(targets, list) and len(targets) <= MOST_STATISTICS, "the encoding has no list of targets")
    check_schema(all(type(target) is int and 0 <= target < 2**31 for target in targets), "target index out of range")
    check_schema(targets == sorted(set(targets)), "targets are not sorted and unique")
    return tuple(targets)


def _statistics(
    schema: Schema, targets: tuple[int, ...], arrays: Mapping[str, NDArray[Any]]
) -> tuple[NDArray[np.float64] | None, ...]:
    """Return the statistics of each column, or None for columns without them; `arrays` must have no other arrays."""
    many = {f"statistics.{place}" for place, column in enumerate(schema.columns) if is_many_level(column)}
    check_schema(bool(targets) == (bool(many) or schema.neighbors), "targets do not match the columns")
    check_schema(arrays.keys() == many, f"arrays {sorted(arrays)} are not those of the columns with many levels")
    tables = [arrays.get(f"statistics.{place}") for place in range(len(schema.columns))]
    for place, (column, table) in enumerate(zip(schema.columns, tables, strict=True)):
        if table is not None:
            _check_table(table, (len(column.levels) + 2, len(targets) + 1), f"statistics.{place}")
    return tuple(tables)


def _check_table(table: NDArray[Any], shape: tuple[int, int], name: str) -> None:
    check_schema(table.dtype == np.float64 and table.shape == shape, f"{name} is {table.dtype} of shape {table.shape}")
    check_schema(bool(np.isfinite(table).all()), f"{name} holds NaN or infinity")
    check_schema(bool((table[:, -1] >= 0).all()), f"{name} holds a negative count")


def _neighbors(schema: Schema, arrays: Mapping[str, NDArray[Any]], targets: int) -> Neighbors | None:
    return neighbors_from_parts(arrays, len(schema.columns), targets) if schema.neighbors else None
