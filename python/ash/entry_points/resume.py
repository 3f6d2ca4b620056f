"""Contains `ash.resume`, which resumes a run of `ash.tune` from its journal, without its arguments."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

from ash._utils.arguments import explained
from ash.callbacks.base import Callback
from ash.entry_points.tune import tune
from ash.errors import SettingError
from ash.journal.identity import GIVEN_AGAIN, begun_with
from ash.journal.journal import Journal, read_journal
from ash.options import AUTO, CONFIG_FIELDS, SearchConfig, read_config
from ash.result import Result

UNCHANGED = "unchanged"


@explained(CONFIG_FIELDS)
def resume(
    journal: str | PathLike[str] | Journal,
    X: Any,
    y: Any,
    *,
    candidates: int | str | None = UNCHANGED,
    time_limit: float | str | None = UNCHANGED,
    scoring: Callable[..., Any] | None = None,
    validation: tuple[Any, Any] | None = None,
    cv: Any = None,
    groups: Any = None,
    sample_weight: Any = None,
    n_jobs: int | None = None,
    verbose: int = 1,
    callbacks: Callback | Sequence[Callback] | None = None,
    executor: Any = None,
    config: SearchConfig | None = None,
) -> Result:
    """Resume a run of `ash.tune` from its journal, with the same result as an uninterrupted run.

    Parameters
    ----------
    journal : path or Journal
        The journal that was passed to `ash.tune`.
    X, y, sample_weight, groups
        The same data as in that call. They are compared with hashes in the journal.
    candidates, time_limit
        As for `ash.tune`. By default they have the values of the call that began the run; larger values extend the run.
        The time limit applies to all calls together, without the pauses between them.
    scoring, validation, cv
        Needed only if `scoring` was a function, `validation` was a table, or `cv` was a splitter or indices, since a
        journal does not store these.
    n_jobs, verbose, callbacks, executor
        As for `ash.tune`. They do not change the outcome of a reproducible run.
    config : SearchConfig, optional
        Fields that replace those of the call that began the run, such as a larger `max_total_epochs`. Fields on which
        results depend must have the same values. An Optuna sampler must be passed again.

    Returns
    -------
    Result
        The result of all calls together. No finished job is repeated, with one exception: networks in the result are
        trained again if the journal does not contain their states.

    Raises
    ------
    JournalError
        There is no such journal, it is in use or damaged, or the data or options differ (the message names every
        difference). A journal that was not begun by `ash.tune` is refused as well: repeat the call that began it, or
        fit the same estimator again.
    SettingError, DataError, NothingFinishedError, AllDivergedError, KeyboardInterrupt
        As for `ash.tune`.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> first = ash.tune(X, y, candidates=16, journal="run.ash")
    >>> again = ash.resume("run.ash", X, y)
    >>> again.digest == first.digest
    True
    >>> longer = ash.resume("run.ash", X, y, candidates=32)
    """
    changes, file = read_config("tune", config).given(), read_journal(journal)
    if file is None:
        raise SettingError("journal must be a path or an ash.Journal, got None")
    space, begun, lost = begun_with(file)
    again = {"scoring": scoring, "validation": validation, "cv": cv}
    for name in lost:
        if {**again, **changes}.get(name) is None:
            raise SettingError(
                f"{name}=None: pass {GIVEN_AGAIN[name]} that the run started with; a journal does not store it"
            )
    again = {name: value for name, value in again.items() if value is not None}
    size = {"candidates": candidates, "time_limit": time_limit}
    size = {name: value for name, value in size.items() if not (isinstance(value, str) and value == UNCHANGED)}
    fields = {name: begun.pop(name) for name in CONFIG_FIELDS if name in begun} | changes
    arguments = {**begun, **again, **size}
    if begun["candidates"] == AUTO:
        _check_planned({**arguments, **fields})
    given = {"groups": groups, "sample_weight": sample_weight, "n_jobs": n_jobs, "verbose": verbose}
    given |= {"callbacks": callbacks, "journal": file, "executor": executor}
    return tune(X, y, space, config=SearchConfig(**fields), **given, **arguments)


def _check_planned(given: Mapping[str, Any]) -> None:
    """Raise SettingError if a run with a planned ladder would get a size for which no ladder is planned."""
    is_limited = any(given.get(name) is not None for name in ("time_limit", "work_limit"))
    for name, planned in {"candidates": AUTO, **({} if is_limited else {"max_total_epochs": None})}.items():
        if given.get(name, planned) != planned:
            raise SettingError(
                f"{name}={given[name]!r} cannot extend a run whose ladder is planned for a limit or the default work: "
                "give time_limit, or work_limit in the config"
            )
