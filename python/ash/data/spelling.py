"""Numbers that are written as text: with decimal commas, thousands separators, currency signs or percent signs.

    learn_spelling(texts)  ->  Spelling  ->  number(text)

A column of text is one of numbers if a single spelling reads every cell that is not missing. The spelling is learned
from the training rows and kept with the model, so a single cell means the same in any table. What Python reads as a
number ("12.5", "1e3") needs no spelling. "1,234" can be either 1234 or 1.234: if a column leaves that open, the comma
separates thousands.
"""

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Any

from ash._utils.cached import cached_property

GAPS = ("", "-", "--", "?", "#n/a", "n.a.", "n/a", "na", "nan", "nil", "none", "null", "missing", "unknown")
"""What stands for a missing number, in upper or lower case, with or without blanks around."""
NEARLY = 0.9
"""The share of numbers from which a column of text is said to have some cells that are none."""
MOST_LOOKED_AT = 1_000
"""About as many distinct cells are looked at to say so."""
_FORMS = ((".", ""), (".", ","), (",", ""), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"))
_BLANKS, _APOSTROPHES = " \u00a0\u2009\u202f", "'\u2019"
_UNITS = "%$\u00a2-\u00a5\u20a0-\u20cf"
"""Percent and currency signs, as a class of a regular expression."""


@dataclass(frozen=True)
class Spelling:
    """How the text of a column spells numbers.

    Attributes
    ----------
    decimal : "." or ","
    thousands : "", ",", ".", " " or "'"
        What stands between groups of three digits, if anything does. A blank is any of Unicode's that are used so.
    unit : str
        A currency sign or "%" before or after each number; empty for none. The number is the one that is written: "5 %"
        is 5.
    """

    decimal: str
    thousands: str = ""
    unit: str = ""

    def number(self, text: str) -> float:
        """Return the number, NaN if the text stands for a missing cell; raise ValueError if it is neither."""
        if is_gap(text):
            return float("nan")
        found = self._pattern.fullmatch(text.strip())
        signs = "" if found is None else found["sign"] + found["inner"]
        if found is None or found["before"] + found["after"] != self.unit or len(signs) > 1:
            raise ValueError(f"{text!r} is no number in this spelling")
        digits = re.sub(f"[{self._separators}]", "", found["digits"]) if self.thousands else found["digits"]
        number = float(digits.replace(self.decimal, "."))
        return -number if signs in ("-", "\u2212") else number

    @property
    def _separators(self) -> str:
        return {" ": _BLANKS, "'": _APOSTROPHES}.get(self.thousands, self.thousands)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        whole = r"\d+" + (rf"|[1-9]\d{{0,2}}([{self._separators}]\d{{3}})+" if self.thousands else "")
        exponent = "" if self.thousands else r"([eE][-+]?\d+)?"
        digits = rf"(({whole})([{self.decimal}]\d*)?|[{self.decimal}]\d+){exponent}"
        return re.compile(
            rf"(?P<sign>[-+\u2212]?)[{_BLANKS}]?(?P<before>[{_UNITS}]?)[{_BLANKS}]?(?P<inner>[-+\u2212]?)"
            rf"(?P<digits>{digits})[{_BLANKS}]?(?P<after>[{_UNITS}]?)"
        )


@dataclass(frozen=True)
class Learned:
    """What the text of a column says about its numbers.

    Attributes
    ----------
    spelling : Spelling or None
        None if the column is no column of numbers.
    example : str
        A cell that shows the spelling, or that stands for a missing one; without a spelling, a cell that is no number.
    is_open : bool
        Whether another spelling reads all cells as well, as other numbers.
    share : float
        Without a spelling, the share of numbers among the distinct cells that were looked at.
    """

    spelling: Spelling | None
    example: str = ""
    is_open: bool = False
    share: float = 0.0


def spelling_from_json(data: Any) -> Spelling:
    """Return a spelling out of a model file; raise ValueError if it is none."""
    if not isinstance(data, dict) or data.keys() != {"decimal", "thousands", "unit"}:
        raise ValueError("a spelling has other entries")
    decimal, thousands, unit = (data[name] for name in ("decimal", "thousands", "unit"))
    if (decimal, thousands) not in _FORMS or type(unit) is not str or (unit and not re.fullmatch(f"[{_UNITS}]", unit)):
        raise ValueError("a spelling is none that is known")
    return Spelling(decimal, thousands, unit)


def is_gap(text: str) -> bool:
    """Return whether a text in a column of numbers stands for a missing cell."""
    return text.strip().lower() in GAPS


def learn_spelling(texts: Set[str]) -> Learned:
    """Return how these texts spell numbers.

    Parameters
    ----------
    texts : set of str
        The distinct cells of a column; not empty.
    """
    written = sorted(text for text in texts if not is_gap(text))
    if not written:
        return Learned(None)
    units = set(map(_unit_of, written[:MOST_LOOKED_AT]))
    if len(units) > 1:
        return Learned(None)
    unit = units.pop()
    for decimal, thousands in _FORMS:
        spelling = Spelling(decimal, thousands, unit)
        if _reads_all(spelling, written):
            is_open = thousands == "," and _reads_all(Spelling(",", "", unit), written)
            return Learned(spelling, _example(spelling, written, texts), is_open)
    return _nearly(written, unit)


def _unit_of(text: str) -> str:
    return "".join(re.findall(f"[{_UNITS}]", text))


def _reads_all(spelling: Spelling, texts: Iterable[str]) -> bool:
    try:
        for text in texts:
            spelling.number(text)
    except ValueError:
        return False
    return True


def _example(spelling: Spelling, written: Iterable[str], texts: Iterable[str]) -> str:
    """Return the text that shows most of the spelling; what stands for a missing cell, if Python reads all others."""
    if spelling == Spelling("."):
        return min(text for text in texts if is_gap(text))
    signs = {spelling.decimal, spelling.thousands, spelling.unit} - {"", "."}
    return max(written, key=lambda text: (sum(sign in text for sign in signs), len(text)))


def _nearly(texts: list[str], unit: str) -> Learned:
    """Return the first text that is no number in the spelling that reads most of those that are looked at."""
    some = texts[:: -(-len(texts) // MOST_LOOKED_AT)]
    spellings = [Spelling(decimal, thousands, unit) for decimal, thousands in _FORMS]
    read = [sum(_reads_all(spelling, [text]) for text in some) for spelling in spellings]
    best = spellings[read.index(max(read))]
    odd = next(text for text in texts if not _reads_all(best, [text]))
    return Learned(None, odd, share=max(read) / len(some))
