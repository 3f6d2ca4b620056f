"""The argument `journal` of `ash.tune`, the estimators and `ash.tune_function`, checked once before anything runs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ash._utils.checks import one_of
from ash.errors import SettingError
from ash.options import option_names

ON_ERROR = ("raise", "continue")
CHANGEABLE = (*option_names(decides="order"), "costs", "function", "version")
"""What a run may change and still use the results of its journal: each is that of a candidate in a rung."""


@dataclass(frozen=True)
class Journal:
    """The file in which a run keeps what it has found, and from which it goes on.

    A path alone does as well: ``ash.tune(X, y, journal="run.ash")``. This class has the rarer wishes.

    Parameters
    ----------
    path : str or path-like
        A file of SQLite, made where there is none. Beside it lie, with its name and an ending of their own, a lock and
        the folder of states; move or delete them together.
    on_error : {"raise", "continue"}
        What to do when it cannot be written: end the run with a JournalError, which leaves what was written whole; or
        warn once, and go on without.
    allow_change : sequence of str
        What may be other than in the run that began it, of "algorithm", "promotion", "schedule", "version" (of ash) and
        "workers", and for `ash.tune_function` "costs", and "function": its name. The results stay, but the outcome is
        then that of no uninterrupted run.

    Raises
    ------
    SettingError
        One of these is not allowed.
    """

    path: str | os.PathLike[str]
    on_error: str = "raise"
    allow_change: Sequence[str] = ()

    def __post_init__(self) -> None:
        path: object = self.path
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise SettingError(f"journal={self.path!r} is not allowed; give the path of a file, or None")
        one_of("on_error", self.on_error, ON_ERROR)
        if isinstance(self.allow_change, str):
            raise SettingError(f"allow_change={self.allow_change!r} is not allowed; give a list of names")
        object.__setattr__(self, "allow_change", tuple(self.allow_change))
        for name in self.allow_change:
            one_of("allow_change", name, CHANGEABLE)

    @property
    def file(self) -> Path:
        """Return the path as one."""
        return Path(os.fspath(self.path))


def read_journal(value: Any) -> Journal | None:
    """Return the argument `journal`, or raise SettingError unless it is None, a path or a Journal."""
    return value if value is None or isinstance(value, Journal) else Journal(value)
