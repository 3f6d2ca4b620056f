"""What a journal keeps of the call that began it, so that `ash.resume` can make the same call again."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

from ash._utils.checks import is_integer, is_number
from ash.errors import AshError, JournalCorrupt, JournalError
from ash.journal.identity import Facts, space_of_facts
from ash.journal.journal import Journal
from ash.options import Options, option_table
from ash.space.space import Space

_TOLD = {name: option for name, option in option_table().items() if option.decides}
OPEN = ("candidates", *(name for name, option in _TOLD.items() if option.planned), "validation", "cv")
"""Arguments of `ash.tune` that are repeated as they were given, since what they become depends on the plan."""
REPEATED = tuple(name for name in _TOLD if name not in OPEN)
"""Arguments that are repeated as they were read."""
GIVEN_AGAIN = {"validation": "the validation table (X, y)", "cv": "the splitter"}
"""Arguments that a journal may not be able to keep."""


def asked_of(by: str, given: Mapping[str, Any], options: Options) -> Facts:
    """Return who calls and with which arguments.

    Parameters
    ----------
    by : str
        The name of what was called.
    given : dict
        The arguments of `ash.tune` as the user gave them, by name; others in it are left alone.
    options : Options
        As they were checked.
    """
    arguments = {name: getattr(options, name) for name in REPEATED}
    kept = {name: _plain(given[name]) for name in OPEN if given[name] is None or isinstance(given[name], Real | str)}
    lost = sorted(set(OPEN) - kept.keys())
    return {"by": by, "arguments": {**arguments, **kept}, "given again": lost}


def seed_of(journal: Journal | None) -> int | None:
    """Return the seed that a journal was begun with, None where there is none yet: for a call that leaves it open."""
    if journal is None or not journal.file.is_file() or journal.file.stat().st_size == 0:
        return None
    facts = _facts(journal)
    try:
        return int(facts["run"]["settings"]["seed"]) if "run" in facts else None
    except Exception as error:
        raise JournalCorrupt(f"{journal.file} is damaged: {type(error).__name__}: {error}") from error


def begun_with(journal: Journal) -> tuple[Space, Facts, list[str]]:
    """Return the space and the arguments that a journal was begun with, and the names of those that it could not keep.

    Raises
    ------
    JournalError
        There is no such journal, or an estimator has begun it.
    """
    facts = _facts(journal)
    if "begun" not in facts:
        raise JournalError(f"{journal.file} holds no run yet; begin one by ash.tune(X, y, journal=...)")
    try:
        begun = facts["begun"]
        if begun["by"] != "ash.tune":
            again = "make the same call" if begun["by"] == "ash.tune_function" else "fit the same estimator"
            raise JournalError(f"{journal.file} was begun by {begun['by']}; {again} again to go on")
        arguments, lost = begun["arguments"], begun["given again"]
        if not arguments.keys() <= {*REPEATED, *OPEN} or not set(lost) <= GIVEN_AGAIN.keys():
            raise ValueError("it was begun with arguments that there are not")
        return space_of_facts(facts["run"]["space"]), dict(arguments), list(lost)
    except AshError:
        raise
    except Exception as error:
        raise JournalCorrupt(f"{journal.file} is damaged: {type(error).__name__}: {error}") from error


def _plain(value: Any) -> Any:
    """Return a number of NumPy as one of Python."""
    if is_integer(value):
        return int(value)
    return float(value) if is_number(value) else value


def _facts(journal: Journal) -> Facts:
    from ash.journal.database import read_contents, reading  # with sqlite3, for whoever has a journal

    with reading(journal.file) as connection:
        return dict(read_contents(connection).facts)
