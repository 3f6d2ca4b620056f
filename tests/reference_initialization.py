"""The oracle of `initialization="data"`, in float64: random numbers, weights and biases from their definitions.

Philox4x32-10 (Salmon et al., SC 2011) and SplitMix64 (Steele et al., OOPSLA 2014) as `cpp/ash/random.hpp` has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_layers import FUNCTIONS, Array

WEIGHTS, ROWS, BIASES = 1, 6, 7  # what a draw is for
MOST_ROWS, CORNERS = 1024, 5
WORD, DOUBLE_WORD = 2**32 - 1, 2**64 - 1


def draw(seed: int, candidate: int, purpose: int, layer: int, index: NDArray[Any]) -> NDArray[np.uint64]:
    """Return four words for each index, [..., 4]."""
    c0 = np.asarray(index, dtype=np.uint64)
    c1, c2, c3 = (np.full_like(c0, value) for value in (candidate, 0, purpose << 24 | layer))
    low, high = seed & WORD, seed >> 32
    for _ in range(10):
        one, two = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c2 = (two >> np.uint64(32)) ^ c1 ^ np.uint64(low), (one >> np.uint64(32)) ^ c3 ^ np.uint64(high)
        c1, c3 = two & np.uint64(WORD), one & np.uint64(WORD)
        low, high = (low + 0x9E3779B9) & WORD, (high + 0xBB67AE85) & WORD
    return np.stack([c0, c1, c2, c3], axis=-1)


def unit(words: NDArray[np.uint64]) -> Array:
    """Return numbers in [0, 1), of 24 bits."""
    return (words >> np.uint64(8)).astype(np.float64) / 2**24


def chosen_rows(seed: int, candidate: int, count: int) -> list[int]:
    """Return the first rows of a random order: Fisher and Yates from behind, by SplitMix64."""
    words = draw(seed, candidate, ROWS, 0, np.array(0))
    state, order = int(words[0]) << 32 | int(words[1]), list(range(count))
    for left in range(count, 1, -1):
        state = (state + 0x9E3779B97F4A7C15) & DOUBLE_WORD
        word = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & DOUBLE_WORD
        word = (word ^ word >> 27) * 0x94D049BB133111EB & DOUBLE_WORD
        place = ((word ^ word >> 31) >> 32) * left >> 32
        order[left - 1], order[place] = order[place], order[left - 1]
    return order[:MOST_ROWS]


def plain_weights(seed: int, candidate: int, layer: int, inputs: int, outputs: int) -> Array:
    """Return sums of twelve uniform numbers, less six, of variance 1 / inputs."""
    index = 3 * np.arange(inputs * outputs)[:, None] + np.arange(3)
    normal = unit(draw(seed, candidate, WEIGHTS, layer, index)).sum(axis=(1, 2)) - 6
    return normal.reshape(inputs, outputs) / np.sqrt(inputs)


def points(seed: int, candidate: int, layer: int, outputs: int, rows: int) -> tuple[NDArray[np.int64], Array]:
    """Return five rows a neuron and their shares of its point, [outputs, 5] each."""
    index = 3 * np.arange(outputs)[:, None] + np.arange(3)
    words = draw(seed, candidate, BIASES, layer, index).reshape(outputs, 12)
    corners = (words[:, :CORNERS] * np.uint64(rows) >> np.uint64(32)).astype(np.int64)
    cuts = np.sort(unit(words[:, CORNERS : 2 * CORNERS - 1]), axis=1)
    return corners, np.diff(cuts, axis=1, prepend=0.0, append=1.0)


def fitted(
    x: Array, widths: Sequence[int], activations: Sequence[str], seed: int, candidate: int
) -> tuple[list[Array], list[Array]]:
    """Return weights and biases of the layers for the chosen rows of x, in their order; the last one is zero."""
    weights, biases = [], []
    for layer, (width, activation) in enumerate(zip(widths, activations, strict=True)):
        plain = plain_weights(seed, candidate, layer, x.shape[1], width)
        sums = x @ plain
        deviation = sums.std(axis=0)
        weights.append(plain / np.where(deviation > 1e-6 * np.abs(sums.mean(axis=0)), deviation, 1.0))
        z = x @ weights[-1]
        corners, shares = points(seed, candidate, layer, width, len(x))
        biases.append(-(shares * z[corners, np.arange(width)[:, None]]).sum(axis=1))
        x = FUNCTIONS[activation][0](z + biases[-1])
    return weights, biases
