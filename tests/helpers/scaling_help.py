"""The definition of center and scale of a feature in plain NumPy, with weights of any kind."""

import numpy as np

from reference_network import Array


def quantile(values: Array, weights: Array, share: float) -> float:
    """The mean of a unit of weight at `share` of the sorted values; a unit is 1, or the mean weight if that is less."""
    order = np.argsort(values)
    used = np.concatenate([[0], np.cumsum(weights[order])])
    unit = min(1.0, used[-1] / len(values))
    start = share * (used[-1] - unit)
    shares = np.clip(used[1:], start, start + unit) - np.clip(used[:-1], start, start + unit)
    return float(np.average(values[order], weights=shares))


def quartiles(x: Array, weights: Array) -> tuple[Array, Array]:
    """Center and scale of the known cells of each column, each so many times; a constant has the scale 1."""
    found = []
    for column in x.T:
        known = ~np.isnan(column)
        values = column[known]
        lower, median, upper = (quantile(values, weights[known], share) for share in (0.25, 0.5, 0.75))
        half_range = (values.max() - values.min()) / 2
        distance = upper - lower if upper - lower > 1e-12 * half_range else half_range
        found.append((median, distance if half_range > 0 else 1.0))
    center, scale = np.array(found).T
    return center, scale
