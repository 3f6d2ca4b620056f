"""Contains `RunRecord`, which stores everything that a run and its model depend on, so that both can be repeated.

    settings, space, data, version    everything that decisions depend on (ash/journal/identity.py)
    plan                              options that do not affect decisions, or were planned from a time or work limit
    arguments                         how the rows were split, and how the model is made from the best networks
    decisions, kept, refit, ended     what depended on time: how far the run got, and what was done after it
    digest, model                     hashes of the outcome

All values can be stored as JSON. No time, thread or machine is recorded, so a repeated run has the same record.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import Any

from ash._utils.aliases import Facts
from ash._utils.checks import is_list_of
from ash._utils.display import counted
from ash._utils.user_warnings import warn_user
from ash.errors import SettingError

TUNE, TUNE_FUNCTION = "ash.tune", "ash.tune_function"
"""The functions that can make a record, in addition to the estimators and searches."""
FUNCTION = "function"
"""The value of the setting `task` for functions and searches."""
DIGITS = 8
"""Number of hexadecimal digits in the hash of a decision."""
SHORT_DIGEST = 16
"""The number of shown digits of a digest. Two different digests have equal shown digits with probability 2^-64."""
MOST = 2**53
"""A number that is larger than any number of epochs and any candidate number."""


@dataclass(frozen=True, repr=False)
class RunRecord:
    """Everything that a run and its model depend on, so that the run can be repeated on any number of threads.

    Take it from `Result.record` or `FunctionResult.record`, or from the attribute `record` of a model, new or loaded.
    Pass it as `record=` to the entry point that made it (see `by`), together with the same rows or the same function.

    Attributes
    ----------
    by : str
        The entry point that made the record: "ash.tune", "ash.tune_function", or the name of the estimator or search.
    settings, plan, arguments, space, version : dict
        `settings` are the options on which decisions depend, `plan` the other options and those planned from a time
        or work limit. `arguments` say how the rows were split, and how the model is made from the best networks.
        `space` is the space of hyperparameters, `version` the versions of ash and of the tree packages used.
    data : dict
        The fingerprint of the table: its shapes and names, hashes of the encoded rows, and hashes of all bits of each
        column.
    missing : tuple of str
        Arguments that a record cannot hold, such as functions. They must be passed again.
    ended : str
        How the run ended, as in `Result.ended`.
    decisions : tuple of str
        A hash of each decided job, in order of decision. Their number tells how far the run got.
    kept : tuple of int
        The candidates from whose networks the model was selected, best first.
    refit : tuple of int
        The epochs for which each network of the model was trained on all rows; 0 for a network that was not trained on
        them. Empty if no training on all rows was requested.
    digest, model : str
        `Result.digest`, and a hash of the model; both have 64 hexadecimal digits.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> record = ash.tune(X, y, candidates=8).record
    >>> ash.tune(X, y, record=record, n_jobs=1).record == record
    True
    """

    by: str
    settings: Facts
    plan: Facts
    arguments: Facts
    space: Facts
    version: Facts
    data: Facts
    missing: tuple[str, ...]
    ended: str
    decisions: tuple[str, ...]
    kept: tuple[int, ...]
    refit: tuple[int, ...]
    digest: str
    model: str

    def to_json(self) -> Facts:
        """Return the record as a dict that JSON can represent; `from_json` reads it."""
        facts: Facts = json.loads(json.dumps({**vars(self), "decisions": "".join(self.decisions)}))
        return facts

    @classmethod
    def from_json(cls, facts: Any) -> "RunRecord":
        """Return a record from the dict that `to_json` returned; raise ValueError for anything else."""
        wanted = {field.name: field.type for field in fields(cls)}
        _check(isinstance(facts, Mapping) and facts.keys() == wanted.keys(), "it has missing or unexpected entries")
        for name, kind in wanted.items():
            value = facts[name]
            if name == "decisions":
                _check(isinstance(value, str) and re.fullmatch(f"([0-9a-f]{{{DIGITS}}})*", value) is not None, name)
            elif kind is str or kind is Facts:
                _check(isinstance(value, str if kind is str else dict), name)
            elif name == "missing":
                _check(is_list_of(value, str), name)
            else:
                _check(is_list_of(value, int) and all(0 <= each <= MOST for each in value), name)
        hashes = facts["decisions"]
        decisions = tuple(hashes[place : place + DIGITS] for place in range(0, len(hashes), DIGITS))
        lists = {name: tuple(facts[name]) for name in ("missing", "kept", "refit")}
        return cls(**{**facts, **lists, "decisions": decisions})

    def first_difference(self, other: "RunRecord") -> int | None:
        """Return the number of the first decision that differs from another record.

        Parameters
        ----------
        other : RunRecord
            The record of a run that should have made the same decisions.

        Returns
        -------
        int or None
            The number, counted from 0; None if both records have the same decisions.
        """
        pairs = zip_longest(self.decisions, other.decisions)
        return next((number for number, (own, theirs) in enumerate(pairs) if own != theirs), None)

    def __repr__(self) -> str:
        """Return one line with the entry point, the number of decisions, and both digests."""
        model = f", model {self.model[:SHORT_DIGEST]}" if self.model else ""
        decisions = counted(len(self.decisions), "decision")
        return f"RunRecord({self.by}, {decisions}, digest {self.digest[:SHORT_DIGEST]}{model})"

    __hash__ = None  # type: ignore[assignment]  # a record contains dicts, which are not hashable


def check_record(record: Any) -> None:
    """Raise SettingError unless the argument `record` is a RunRecord whose run can be repeated."""
    if not isinstance(record, RunRecord):
        kind = type(record).__name__
        raise SettingError(f"record must be an ash.RunRecord, such as result.record or model.record, got a {kind}")
    if not record.decisions:
        raise SettingError("record has no decisions to repeat: pass the record of a run that finished at least one job")
    if record.settings.get("schedule") != "reproducible":
        raise SettingError(
            "record comes from a run with schedule='greedy', which cannot be repeated; only 'reproducible' runs can"
        )


def of_another(record: RunRecord) -> SettingError:
    """Return the error for a record made by another entry point; its message names the call that repeats the run."""
    calls = {TUNE: f"{TUNE}(X, y, record=...)", TUNE_FUNCTION: f"{TUNE_FUNCTION}(train, space, ..., record=...)"}
    is_search = record.settings.get("task") == FUNCTION
    again = calls.get(record.by, f"{record.by}({'estimator, ..., ' if is_search else ''}record=...).fit(X, y)")
    return SettingError(f"record comes from {record.by}: repeat its run with {again}")


def warn_of_difference(record: RunRecord, again: RunRecord) -> None:
    """Warn if a repeated run made decisions that differ from its record."""
    first = record.first_difference(again)
    if first is not None:
        warn_user(f"the repeated run differs from the one recorded, from decision {first} on")


def _check(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(f"the record of the run is damaged: {what}")
