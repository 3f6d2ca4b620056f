"""One look at all numbers of a table, block by block: which are missing, which the core could not take."""

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ash.data.arrays import FLOAT32_MAX, refuse_values
from ash.data.columns import Column, Kind, blocks, is_rounded
from ash.data.frames import Frame

_SCANNED_CELLS = 2**17  # at a time: 1 MiB of float64


def check_numbers(frame: Frame, kinds: Sequence[Kind] | None = None, name: str = "X") -> NDArray[np.bool_]:
    """Return which columns of numbers have missing cells: bool [columns], False for categories.

    Parameters
    ----------
    kinds : sequence of "number" or "category", optional
        What each column is read as; what it looks like if not given.

    Raises
    ------
    DataError
        A number is infinite or beyond the range of float32; names the first such column.

    Warns
    -----
    UserWarning
        Integers beyond 2**53, which float64 rounds.
    """
    kinds = kinds or [column.natural for column in frame.columns]
    places = [place for place, kind in enumerate(kinds) if kind == "number"]
    missing = np.zeros(len(kinds), np.bool_)
    worst = np.zeros(len(kinds))
    if frame.matrix is not None and len(places) == len(kinds):
        missing, worst = _scan_matrix(frame)
    else:
        for place in places:
            missing[place], worst[place] = _scan_column(frame.columns[place])
    if not np.all(worst <= FLOAT32_MAX):
        column = frame.columns[int(np.flatnonzero(~(worst <= FLOAT32_MAX))[0])]
        values = column.numbers(slice(None))
        values[np.isnan(values)] = 0.0
        refuse_values(values, column.label, name, frame.order)
    if _is_any_rounded(frame, places):
        text = f"{name} holds integers beyond 2**53, which are rounded to the nearest float64."
        warnings.warn(text, UserWarning, stacklevel=4)
    return missing


def _is_any_rounded(frame: Frame, places: Sequence[int]) -> bool:
    if frame.matrix is not None and frame.order is None:
        return is_rounded(frame.matrix)
    return any(frame.columns[place].is_rounded() for place in places)


def _scan_matrix(frame: Frame) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return for each column whether it has NaN, and its largest magnitude."""
    columns = len(frame.columns)
    missing, worst = np.zeros(columns, np.bool_), np.zeros(columns)
    if frame.matrix_rows(slice(0)).dtype.kind != "f":
        return missing, worst
    with np.errstate(over="ignore", invalid="ignore"):
        for first, stop in blocks(frame.rows, max(1, _SCANNED_CELLS // columns)):
            sizes = np.abs(frame.matrix_rows(slice(first, stop)))
            most = sizes.max(axis=0)  # NaN where a column has one
            if np.isnan(most).any():
                missing |= np.isnan(most)
                most = np.fmax.reduce(sizes, axis=0, initial=0.0)
            worst = np.maximum(worst, most.astype(np.float64))
    return missing, worst


def _scan_column(column: Column) -> tuple[bool, float]:
    """Return whether a column has NaN, and its largest magnitude."""
    missing, worst = False, 0.0
    for first, stop in blocks(column.rows):
        sizes = np.abs(column.numbers(slice(first, stop)))
        missing = missing or bool(np.isnan(sizes).any())
        worst = max(worst, float(np.fmax.reduce(sizes, initial=0.0)))
    return missing, worst
