"""Numbers that are written as text: with decimal commas, thousands separators, currency signs or percent signs.

    learn_spelling(texts)  ->  Spelling  ->  number(text)

A column of text is one of numbers if a single spelling reads every cell that is not missing. The spelling is learned
from the training rows and kept with the model, so a single cell means the same in any table. What Python reads as a
number ("12.5", "1e3") needs no spelling. "1,234" can be either 1234 or 1.234: if a column leaves that open, the comma
separates thousands.
"""

import re
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Any

from ash._utils.cached import cached_property

GAPS = frozenset({"", "-", "--", "?", "#n/a", "n.a.", "n/a", "na", "nan", "nil", "none", "null", "missing", "unknown"})
"""What stands for a missing number, in upper or lower case, with or without blanks around."""
NEARLY = 0.9
"""The least share of numbers in a column of text for a warning, which names a cell that is no number."""
SAMPLE = 1_000
"""Spellings are tried on this many distinct cells of a column first, and on all of them if they read these."""
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
        found = self._pattern.fullmatch(text.strip())
        signs = "" if found is None else found["sign"] + found["inner"]
        if found is None or found["before"] + found["after"] != self.unit or len(signs) > 1:
            if is_gap(text):
                return float("nan")
            raise ValueError(f"{text!r} is no number in this spelling")
        number = float(found["digits"].translate(self._table))
        return -number if signs in ("-", "\u2212") else number

    @property
    def example(self) -> str:
        """Return a number in this spelling."""
        return f"1{self.thousands}234{self.decimal}5 {self.unit}".strip()

    @property
    def _separators(self) -> str:
        return {" ": _BLANKS, "'": _APOSTROPHES}.get(self.thousands, self.thousands)

    @cached_property
    def _table(self) -> dict[int, str | None]:
        return {**dict.fromkeys(map(ord, self._separators)), ord(self.decimal): "."}

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
        Without a spelling, the share of numbers among the distinct cells, by a sample of them.
    """

    spelling: Spelling | None
    example: str = ""
    is_open: bool = False
    share: float = 0.0


def spelling_from_json(data: Any) -> Spelling:
    """Return a spelling out of a model file; raise ValueError if it is none."""
    if not isinstance(data, dict) or data.keys() != {"decimal", "thousands", "unit"}:
        raise ValueError("a spelling must have decimal, thousands and unit")
    decimal, thousands, unit = (data[name] for name in ("decimal", "thousands", "unit"))
    if (decimal, thousands) not in _FORMS or type(unit) is not str or (unit and not re.fullmatch(f"[{_UNITS}]", unit)):
        raise ValueError(f"a spelling of decimal {decimal!r}, thousands {thousands!r} and unit {unit!r} is unknown")
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
    sample = written[:: -(-len(written) // SAMPLE)]
    units = Counter(map(_unit_of, sample))
    unit = units.most_common(1)[0][0]
    spellings = [Spelling(decimal, thousands, unit) for decimal, thousands in _FORMS] if len(unit) < 2 else []
    fitting = [each for each in spellings if _reads_all(each, sample) and _reads_all(each, written)]
    if fitting:
        first, *others = fitting
        is_open = any(first.number(text) != other.number(text) for other in others for text in sample)
        return Learned(first, _example(first, sample, texts), is_open)
    return _nearly(spellings, written, sample)


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
    gaps = [text for text in texts if is_gap(text)] if spelling == Spelling(".") else []
    if gaps:
        return min(gaps)
    signs = {spelling.decimal, spelling.thousands, spelling.unit} - {"", "."}
    return max(written, key=lambda text: (sum(sign in text for sign in signs), len(text)))


def _nearly(spellings: list[Spelling], written: list[str], sample: list[str]) -> Learned:
    """Return the share of numbers in the sample, and a text that is no number."""
    read = [sum(_reads_all(spelling, [text]) for text in sample) for spelling in spellings]
    if not any(read):
        return Learned(None)
    best = spellings[read.index(max(read))]
    odd = next(text for text in written if not _reads_all(best, [text]))
    return Learned(None, odd, share=max(read) / len(sample))
