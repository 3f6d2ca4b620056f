"""Computes the rows of an epoch in plain Python, as the oracle for shuffles and for passes divided into epochs.

The generators Philox4x32-10 (Salmon et al., SC 2011) and SplitMix64 (Steele et al., OOPSLA 2014) and the Fisher-Yates
shuffle are implemented from the papers. The key of a draw is the seed. Its counter is (0, candidate, pass, 2 << 24),
where 2 means shuffles.
"""

import numpy as np
from numpy.typing import NDArray

MASK = 2**32 - 1
MASK64 = 2**64 - 1


def philox(counter: tuple[int, int, int, int], key: int) -> tuple[int, int, int, int]:
    low, high = key & MASK, key >> 32
    a, b, c, d = counter
    for _ in range(10):
        first, second = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (second >> 32) ^ b ^ low, second & MASK, (first >> 32) ^ d ^ high, first & MASK
        low, high = (low + 0x9E3779B9) & MASK, (high + 0xBB67AE85) & MASK
    return a, b, c, d


def order_of_pass(seed: int, candidate: int, number: int, rows: int) -> NDArray[np.int64]:
    words = philox((0, candidate, number, 2 << 24), seed)
    state = words[0] << 32 | words[1]
    order = np.arange(rows)
    for left in range(rows, 1, -1):
        state = (state + 0x9E3779B97F4A7C15) & MASK64
        word = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & MASK64
        word = ((word ^ word >> 27) * 0x94D049BB133111EB) & MASK64
        chosen = ((word ^ word >> 31) >> 32) * left >> 32
        order[[left - 1, chosen]] = order[[chosen, left - 1]]
    return order


def rows_of_epoch(seed: int, candidate: int, epoch: int, rows: int, most: int) -> NDArray[np.int64]:
    """Return the rows of an epoch in order, if epochs have at most `most` of the `rows` rows."""
    parts = -(-rows // min(most, rows))
    size, (number, window) = rows // parts, divmod(epoch, parts)
    return order_of_pass(seed, candidate, number, rows)[window * size : (window + 1) * size]
