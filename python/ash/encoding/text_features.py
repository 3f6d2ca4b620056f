"""Turns free text into numbers: hashed n-grams, weighted by TF-IDF, and projected on their main directions.

    "Not a good camera"  -> grams      not, a, good, camera, not a, a good, good camera; of each word with a blank
                                       before and after it, 3 to 5 characters: " no", "not", "ot ", " not", ...
                         -> hashes     a 32-bit number per gram
                         -> TF-IDF     (1 + log count) * (1 + log((1 + n) / (1 + rows with the gram))); length 1
                         -> components [COMPONENTS]: the row times the right singular vectors of the training rows

The choice of grams, the second factor of TF-IDF and the singular vectors are learned from the training rows alone, from
at most LEARNED_ROWS of them. Grams that occur in one row only are ignored, and the MOST_GRAMS most frequent ones are
kept. A text without any of these grams, and a missing text, has only zeros.

The singular vectors come from a subspace iteration. The same rows give the same bits on any number of threads, and on
any processor with the same builds of NumPy and SciPy: sums are taken in a fixed order by sparse products and by
`numpy.einsum`, which neither use BLAS nor select code by processor.

Cost:   about 20 us per row of 13 words, and 1 s to learn from LEARNED_ROWS rows; a text is read up to MOST_WORDS words.
"""

import math
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.aliases import Numbers

COMPONENTS = 64
"""Number of features of a text."""
LEARNED_ROWS = 2**13
MOST_GRAMS = 2**13
MOST_WORDS = 512
_MOST_LETTERS = 32  # of a word, which bounds the number of its grams
_LENGTHS = (3, 4, 5)
_SPARE = 8  # vectors of the iteration beyond those that are kept
_ITERATIONS = 4
_NOTHING = 1e-9  # a vector that shrinks by this factor is in the span of the vectors before it
_WORD = re.compile(r"\w+")
_MIX = np.uint64(0x9E3779B97F4A7C15)

Arrays = Mapping[str, NDArray[Any]]
"""What is learned from a column of text: the sorted hashes of its grams, `keys` [grams], their factors `idf` [grams],
and the singular vectors, `components` [grams, COMPONENTS]. Keys are float64, since a model file holds floats only."""


@dataclass(frozen=True, eq=False)
class GramCounts:
    """How often the grams occur in some rows: a sparse matrix [rows, keys], whose columns have ascending hashes."""

    keys: NDArray[np.float64]
    counts: Any


def count_grams(texts: Sequence[str | None]) -> GramCounts:
    """Return the counts of the grams in each text; a missing text has none."""
    from scipy import sparse

    vocabulary: dict[str, int] = {}
    found: list[int] = []
    ends = [0]
    for text in texts:
        words = [] if text is None else _WORD.findall(text.lower())[:MOST_WORDS]
        found += [vocabulary.setdefault(word, len(vocabulary)) for word in words]
        ends.append(len(found))
    own = [_word_keys(word) for word in vocabulary]
    numbers, rows = np.array(found, np.int64), np.repeat(np.arange(len(texts)), np.diff(ends))
    first = np.array([keys[0] for keys in own], np.uint64)
    follows = np.flatnonzero(rows[1:] == rows[:-1])  # places of words that another word of their row follows
    pairs = _pair_keys(first[numbers[follows]], first[numbers[follows + 1]])
    flat = np.array([key for keys in own for key in keys], np.int64)
    keys, places = np.unique(np.concatenate([flat, pairs]), return_inverse=True)
    of_words = _sparse(places[: len(flat)], np.cumsum([0, *map(len, own)]), len(keys))
    in_rows = _sparse(numbers, np.array(ends), len(own))
    of_pairs = sparse.csr_array(
        (np.ones(len(pairs)), (rows[follows], places[len(flat) :])), shape=(len(texts), len(keys))
    )
    counts = (in_rows @ of_words + of_pairs).tocsr()
    counts.sort_indices()
    return GramCounts(keys.astype(np.float64), counts)


def learn_text(texts: Sequence[str | None]) -> dict[str, NDArray[Any]]:
    """Return what `text_block` needs, learned from at most LEARNED_ROWS training rows; see `Arrays`."""
    grams = count_grams(texts)
    often = np.bincount(grams.counts.indices, minlength=len(grams.keys))
    chosen = np.flatnonzero(often > 1)
    if not len(chosen):
        zeros = np.zeros((1, COMPONENTS), np.float32)
        return {"keys": np.zeros(1), "idf": np.ones(1), "components": zeros}
    chosen = np.sort(chosen[np.argsort(-often[chosen], kind="stable")[:MOST_GRAMS]])
    rows = grams.counts.shape[0]
    idf = np.array([1.0 + math.log((1 + rows) / (1 + count)) for count in often[chosen].tolist()])
    keys = grams.keys[chosen]
    components = _singular_vectors(_tf_idf(grams, keys, idf))
    return {"keys": keys, "idf": idf, "components": components.astype(np.float32)}


def text_block(grams: GramCounts, learned: Arrays) -> Numbers:
    """Return the components of some rows: array [rows, COMPONENTS]."""
    block = _tf_idf(grams, learned["keys"], learned["idf"]) @ learned["components"].astype(np.float64)
    return np.asarray(block, np.float64)


def check_text(learned: Arrays) -> str:
    """Return what is wrong with arrays from a file, which is not trusted; empty if they are those of `learn_text`."""
    keys, idf, components = (learned[name] for name in ("keys", "idf", "components"))
    if any(each.dtype != np.float64 or each.ndim != 1 or not len(each) for each in (keys, idf)):
        return "keys or idf are not vectors of float64"
    if components.dtype != np.float32 or components.shape != (len(keys), COMPONENTS) or len(idf) != len(keys):
        return f"components are {components.dtype} of shape {components.shape}"
    if not all(bool(np.isfinite(each).all()) for each in (keys, idf, components)):
        return "NaN or infinity"
    is_hash = bool(((keys >= 0) & (keys < 2**32) & (keys == np.floor(keys))).all() and (np.diff(keys) > 0).all())
    return (
        "" if is_hash and len(keys) <= MOST_GRAMS and bool((idf >= 1).all()) else "keys or factors that are impossible"
    )


def text_number(text: str) -> float:
    """Return a hash of the text, as a number that float64 holds exactly."""
    content = text.encode(errors="surrogatepass")
    return float(zlib.crc32(content) * 2**20 + zlib.adler32(content) % 2**20)


def _word_keys(word: str) -> list[int]:
    """Return the hash of a word, followed by those of its character grams."""
    padded = f" {word[:_MOST_LETTERS]} "
    grams = [padded[at : at + size] for size in _LENGTHS for at in range(len(padded) - size + 1)]
    return [zlib.crc32(gram.encode(errors="surrogatepass")) for gram in (f"{word}\n", *grams)]


def _pair_keys(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the hashes of pairs of words with these hashes."""
    with np.errstate(over="ignore"):
        mixed = (first * np.uint64(3) + second) * _MIX
    return (mixed >> np.uint64(32)).astype(np.int64)


def _sparse(columns: NDArray[np.int64], starts: NDArray[np.int64], width: int) -> Any:
    """Return a sparse matrix with a 1, added up, in each of these columns of consecutive rows."""
    from scipy import sparse

    return sparse.csr_array((np.ones(len(columns)), columns, starts), shape=(len(starts) - 1, width))


def _tf_idf(grams: GramCounts, keys: NDArray[np.float64], idf: Numbers) -> Any:
    """Return the weights of the grams `keys` in each row, a sparse matrix whose rows have length 1 or 0."""
    from scipy import sparse

    counts = grams.counts
    places = np.minimum(np.searchsorted(keys, grams.keys), len(keys) - 1)
    is_kept = (keys[places] == grams.keys)[counts.indices]
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))[is_kept]
    columns, times = places[counts.indices[is_kept]], counts.data[is_kept].astype(np.int64)
    logs = np.array([0.0, *(1.0 + math.log(time) for time in range(1, int(times.max(initial=1)) + 1))])
    weights = logs[times] * idf[columns]  # NumPy's log varies with the CPU
    lengths = np.sqrt(np.bincount(rows, weights * weights, counts.shape[0]))  # added in order
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=counts.shape[0]))])
    return sparse.csr_array((weights / lengths[rows], columns, starts), shape=(counts.shape[0], len(keys)))


def _singular_vectors(matrix: Any) -> Numbers:
    """Return about the first COMPONENTS right singular vectors of a matrix, in columns; zeros beyond its rank."""
    transposed = matrix.T.tocsr()
    size = min(COMPONENTS + _SPARE, *matrix.shape)
    vectors = np.random.default_rng(0).random((size, matrix.shape[1])) - 0.5
    for _ in range(_ITERATIONS):
        image = matrix @ np.ascontiguousarray(vectors.T)
        vectors = _orthonormal(np.ascontiguousarray((transposed @ image).T))
    found = np.zeros((matrix.shape[1], COMPONENTS))
    kept = vectors[:COMPONENTS]
    found[:, : len(kept)] = kept.T
    return found


def _orthonormal(vectors: Numbers) -> Numbers:
    """Return an orthonormal basis of the span of the vectors, in rows; zeros in place of dependent vectors."""
    basis = np.zeros_like(vectors)
    for place, vector in enumerate(vectors):
        before = math.sqrt(float(np.einsum("i,i->", vector, vector)))
        for _ in range(2):  # once more, for vectors that are nearly in the span of those before them
            shares = np.einsum("ij,j->i", basis[:place], vector)
            vector = vector - np.einsum("i,ij->j", shares, basis[:place])
        length = math.sqrt(float(np.einsum("i,i->", vector, vector)))
        if length > _NOTHING * before:
            basis[place] = vector / length
    return basis
