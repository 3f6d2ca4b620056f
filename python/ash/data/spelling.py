"""Reads numbers that are written as text: with decimal commas, thousands separators, currencies or percent signs.

    learn_spelling(texts)  ->  NumberSpelling  ->  number(text)

A column of text is numeric if a single spelling reads every cell that is not missing. The spelling is learned from the
training rows and kept with the model, so a cell means the same in any table. Text that Python reads as a number
("12.5", "1e3") needs no spelling, and "true" and "false" are 1 and 0. "1,234" can be 1234 or 1.234; if the column does
not show which, the comma separates thousands.

In a category, the level of a text cell is the unchanged text. But if all text of the column spells numbers or booleans,
`plain_text` converts each text to the level that a cell with this number or boolean has. So the level is the same in a
frame of numbers, in a column of objects and in a file.
"""

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ash._utils.cached import cached_property
from ash.data.arrays import EXACT

PLAIN_GAPS = frozenset(
    {"", " ", "<NA>", "NA", "na", "NaN", "Nan", "nan", "NAN", "None", "none", "NONE", "NULL", "Null", "null"}
)
"""Text that programs write for a missing cell."""
GAPS = PLAIN_GAPS | {"?", "#N/A", "#NA", "N/A", "n/a"}
"""Text that means a missing cell in any column, unless it was a level of the column in training."""
NUMBER_GAPS = frozenset(map(str.lower, GAPS)) | {"-", "--", "n.a.", "nil", "missing", "unknown"}
"""Text that means a missing number, in upper or lower case, with or without surrounding blanks."""
NEARLY = 0.9
"""If at least this share of a column's distinct texts spell numbers or dates, a warning names a text that does not. The
same holds if the cells of a column are texts and Python numbers, and at least this share of them are numbers."""
SAMPLE = 1_000
"""Each spelling is first tried on at most this many distinct cells. A spelling that reads all of these is then tried on
all cells."""
_FORMS = ((".", ""), (".", ","), (",", ""), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"))
_BOOLEANS = {"true": 1.0, "false": 0.0}
_BLANKS, _APOSTROPHES = " \u00a0\u2009\u202f", "'\u2019"
_CODES = "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF ILS INR JPY KRW MXN NOK NZD PLN SEK SGD TRY TWD USD ZAR"
_UNIT = f"(?:[%$\u00a2-\u00a5\u20a0-\u20cf]|{_CODES.replace(' ', '|')})"
"""A regular expression for the percent sign, currency signs and currency codes."""


@dataclass(frozen=True)
class Spelling(ABC):
    """How the text of a column spells numbers (see `NumberSpelling`) or dates (see dates.py)."""

    kind: ClassVar[Literal["number", "date"]]

    @property
    @abstractmethod
    def example(self) -> str:
        """Return an example of this spelling."""

    @abstractmethod
    def number(self, text: str) -> float:
        """Return the number, or the days since 1970-01-01 of a date; NaN for text that means a missing cell.

        Raise ValueError for other text.
        """

    def reads(self, text: str) -> bool:
        """Return whether a text is a number or date in this spelling, or means a missing cell."""
        try:
            self.number(text)
        except ValueError:
            return False
        return True


@dataclass(frozen=True)
class NumberSpelling(Spelling):
    """How the text of a column spells numbers.

    Attributes
    ----------
    decimal : "." or ","
    thousands : "", ",", ".", " " or "'"
        The separator between groups of three digits; empty for none. A blank also stands for no-break and thin spaces.
    unit : str
        A currency sign, a currency code or "%" before or after each number; empty for none. Numbers are not converted:
        "5 %" is 5. Numbers in parentheses are negative, as in accounting.
    """

    decimal: str
    thousands: str = ""
    unit: str = ""
    kind: ClassVar[Literal["number", "date"]] = "number"

    def number(self, text: str) -> float:
        """Return the number, or NaN for text that means a missing cell; raise ValueError for other text."""
        bare = text.strip()
        is_bracketed = bare.startswith("(") and bare.endswith(")")
        found = self._pattern.fullmatch(bare[1:-1].strip() if is_bracketed else bare)
        signs = "(" * is_bracketed + ("" if found is None else found["sign"] + found["inner"])
        if found is None or found["before"] + found["after"] != self.unit or len(signs) > 1:
            word = bare.lower()
            if word in NUMBER_GAPS:
                return float("nan")
            if word in _BOOLEANS and not self.unit:
                return _BOOLEANS[word]
            raise ValueError(f"{text!r} is not a number in this spelling")
        number = float(found["digits"].translate(self._table))
        return -number if signs in ("-", "\u2212", "(") else number

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
            rf"(?P<sign>[-+\u2212]?)[{_BLANKS}]?(?P<before>{_UNIT}?)[{_BLANKS}]?(?P<inner>[-+\u2212]?)"
            rf"(?P<digits>{digits})[{_BLANKS}]?(?P<after>{_UNIT}?)"
        )


@dataclass(frozen=True)
class Learned:
    """The result of learning how the text of a column spells numbers or dates.

    Attributes
    ----------
    spelling : Spelling or None
        None if the text spells neither numbers nor dates.
    example : str
        If there is a spelling: the cell to quote in a warning, which shows the spelling or is read as missing; empty if
        no warning is needed. If there is no spelling: a cell that the best spelling does not read; empty if no spelling
        reads any cell.
    is_open : bool
        Whether another spelling also reads all cells, but some of them as different numbers or dates. False for dates
        such as 31.12.26, since in dates with points the day comes first.
    share : float
        If there is no spelling: the share of the distinct cells that the best spelling reads, estimated from a sample.
    """

    spelling: Spelling | None
    example: str = ""
    is_open: bool = False
    share: float = 0.0


def spelling_from_json(data: Any) -> NumberSpelling:
    """Return a number spelling from a model file; raise ValueError if it is invalid."""
    if not isinstance(data, dict) or data.keys() != {"decimal", "thousands", "unit"}:
        raise ValueError("a spelling must have decimal, thousands and unit")
    decimal, thousands, unit = (data[name] for name in ("decimal", "thousands", "unit"))
    if (decimal, thousands) not in _FORMS or type(unit) is not str or (unit and not re.fullmatch(_UNIT, unit)):
        raise ValueError(f"a spelling of decimal {decimal!r}, thousands {thousands!r} and unit {unit!r} is unknown")
    return NumberSpelling(decimal, thousands, unit)


def is_gap(text: str) -> bool:
    """Return whether a text means a missing cell in any column."""
    return text in GAPS


def is_number_gap(text: str) -> bool:
    """Return whether a text in a column of numbers means a missing cell."""
    return text.strip().lower() in NUMBER_GAPS


def number_text(number: float) -> str:
    """Return the text of a number as a level of a category: "3" for 3.0."""
    return str(int(number)) if number.is_integer() and abs(number) < EXACT else repr(number)


def plain_text(text: str) -> str | None:
    """Return the level of text that spells a number or boolean, the same for every notation; None for other text."""
    word = text.strip().lower()
    if word in _BOOLEANS:
        return word.capitalize()
    try:
        if re.fullmatch(r"[-+]?\d+", word, re.ASCII):
            return str(int(word))  # exact for integers of any size
        return number_text(float(text))
    except ValueError:
        return None


def learn_spelling(texts: Set[str], decimal: str | None = None) -> Learned:
    """Return how these texts spell numbers.

    Parameters
    ----------
    texts : set of str
        The distinct cells of a column; not empty.
    decimal : "." or ",", optional
        The decimal point, if it is known.
    """
    written = sorted(text for text in texts if not is_number_gap(text))
    if not written:
        return Learned(NumberSpelling("."))
    sample = written[:: -(-len(written) // SAMPLE)]
    units = Counter(tuple(re.findall(_UNIT, text)) for text in sample)
    unit = units.most_common(1)[0][0]
    forms = [form for form in _FORMS if decimal in (None, form[0])]
    spellings = [NumberSpelling(*form, "".join(unit)) for form in forms] if len(unit) < 2 else []
    if fitting := [each for each in spellings if all(map(each.reads, sample)) and all(map(each.reads, written))]:
        first, *others = fitting
        is_open = any(first.number(text) != other.number(text) for other in others for text in sample)
        return Learned(first, _example(first, sample, texts), is_open)
    return nearly(spellings, written, sample)


def _example(spelling: NumberSpelling, written: Iterable[str], texts: Iterable[str]) -> str:
    """Return the text that shows the spelling best.

    For Python's own spelling, this is a text that Python cannot read as a number, or an empty text if there is none.
    """
    if spelling == NumberSpelling("."):
        odd = (text for text in texts if plain_text(text) is None and text not in PLAIN_GAPS)
        return min(odd, default="")
    signs = {spelling.decimal, spelling.thousands, spelling.unit} - {"", "."}
    return max(written, key=lambda text: (sum(sign in text for sign in signs), len(text)))


def nearly(spellings: Sequence[Spelling], written: list[str], sample: list[str]) -> Learned:
    """Return a result without a spelling.

    It has the share of `sample` that the best of `spellings` can read, and a text that this spelling cannot read.
    """
    read = [sum(map(spelling.reads, sample)) for spelling in spellings]
    if not any(read):
        return Learned(None)
    best = spellings[read.index(max(read))]
    odd = next(text for text in written if not best.reads(text))
    return Learned(None, odd, share=max(read) / len(sample))
