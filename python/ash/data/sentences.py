"""Recognizes columns of free text, such as comments and descriptions, among columns of text.

    "The screen broke after two days."      a sentence: at least FEWEST_WORDS words, most of them not capitalized
    "Braund, Mr. Owen Harris"               no sentence, since its words are capitalized, as in names and titles
    "12 Main Street", "AB-1029", "red"      no sentences

A column of text is free text if there are many different sentences in it, and most of its distinct cells are different
sentences. Sentences that differ only in digits or punctuation count as one, so a column of "Order 17 was sent today" is
not free text. Text without blanks between words, such as Chinese, is not recognized. A declared category is never free
text.
"""

import re
from collections.abc import Mapping
from itertools import chain

from ash.data.columns import CellColumn, Column, blocks
from ash.data.spelling import is_gap

FEWEST_WORDS = 4
"""The minimum number of words in a sentence."""
FEWEST_SENTENCES = 33
"""The minimum number of different sentences in a column. With fewer, a category of these cells is one-hot encoded."""
MOST_ROWS = 10
"""The maximum number of rows per distinct cell, on average. Rows are repeated for their weights at most this often
(ash/encoding/equal_rows.py), so weights and repeated rows lead to the same kind if all cells are different."""
_WORD = re.compile(r"(?<!\S)[^\w\s]*([^\W\d_]+(?:['\u2019-][^\W\d_]+)*)[^\w\s]*(?!\S)")
"""A word between blanks, without digits; punctuation around it is not part of the word."""


def is_free_text(column: Column, counts: Mapping[str | None, int] | None = None) -> bool:
    """Return whether a column is free text; `counts` says how often each cell occurs, if this is known."""
    if not isinstance(column, CellColumn) or not column.is_text:
        return False
    cells = counts or _count(column)
    texts = [cell for cell in cells if cell is not None and not is_gap(cell)]
    rows = sum(cells[text] for text in texts)
    if len(texts) < FEWEST_SENTENCES or rows > MOST_ROWS * len(texts):
        return False
    sentences = set(filter(None, map(_sentence, texts)))
    return len(sentences) >= FEWEST_SENTENCES and 2 * len(sentences) > len(texts)


def _count(column: Column) -> dict[str | None, int]:
    counts: dict[str | None, int] = {}
    for cell in chain.from_iterable(column.cells(slice(*block)) for block in blocks(column.rows)):
        counts[cell] = counts.get(cell, 0) + 1
    return counts


def _sentence(text: str) -> tuple[str, ...] | None:
    """Return the words of a sentence in lower case; None for other text."""
    words = _WORD.findall(text)
    if len(words) < FEWEST_WORDS or 2 * sum(map(str.istitle, words)) >= len(words):
        return None
    return tuple(map(str.lower, words))
