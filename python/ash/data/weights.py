"""Sample weights: for how many rows a row counts, in training and in the score."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash.data.arrays import as_array, refuse_type
from ash.errors import DataError


def read_weights(sample_weight: Any, rows: int) -> NDArray[np.float64] | None:
    """Return a weight for each row; None where all rows count alike.

    Parameters
    ----------
    sample_weight : array-like [rows], a number or None
        At least 0, and finite; a row of weight 0 counts as if it were not there.

    Raises
    ------
    DataError
        Another shape, text, negative weights, NaN or infinity, or nothing but zeros.
    """
    if sample_weight is None:
        return None
    refuse_type(sample_weight, "sample_weight")
    array = as_array(sample_weight, "sample_weight")
    if array.ndim > 1:
        raise DataError(f"Sample weights must be 1D array or scalar, not of shape {array.shape}: pass one a row of X.")
    if array.ndim == 1 and len(array) != rows:
        raise DataError(f"sample_weight.shape == {array.shape}, expected {(rows,)}: pass one weight a row of X.")
    try:
        if array.dtype.kind in "mM":
            raise TypeError(f"its dtype is {array.dtype}")
        weights = np.broadcast_to(array.astype(np.float64), (rows,)).copy()
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"sample_weight holds what is no number ({error}): pass numbers of at least 0.") from None
    return _checked(weights)


def _checked(weights: NDArray[np.float64]) -> NDArray[np.float64] | None:
    for bad, fact in (
        (np.isnan(weights), "Input sample_weight contains NaN"),
        (np.isinf(weights), "Input sample_weight contains infinity"),
        (weights < 0, "Negative values in data passed to `sample_weight`"),
    ):
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise DataError(f"{fact}: {weights[row]} in row {row}; pass finite numbers of at least 0.")
    if not weights.any():
        raise DataError("Sample weights must contain at least one non-zero number: there is no row to learn from.")
    return None if (weights == weights[0]).all() else weights


def of_mean_one(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights above 0 in the same proportions with a mean of 1, however large they are."""
    shares: NDArray[np.float64] = np.maximum(weights / weights.max(), np.finfo(np.float64).tiny)
    return shares / float(shares.mean())
