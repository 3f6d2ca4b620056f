"""`ash.resume`: a run of `ash.tune` goes on from its journal, without being told its arguments again."""

from collections.abc import Sequence
from os import PathLike
from typing import Any

from ash.errors import SettingError
from ash.journal.identity import GIVEN_AGAIN, begun_with
from ash.journal.journal import Journal, read_journal
from ash.options import option_names
from ash.result import Result
from ash.tune import tune


def resume(
    journal: str | PathLike[str] | Journal,
    X: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    validation: tuple[Any, Any] | None = None,
    cv: Any = None,
    groups: Any = None,
    candidates: int | None = None,
    max_rungs: int | None = None,
    time_limit: float | None = None,
    epoch_limit: int | None = None,
    target: float | None = None,
    teams: bool = True,
    threads: int | None = None,
    memory_limit: int | None = None,
    keep: int | None = None,
    progress: bool | None = None,
    callbacks: Sequence[Any] | None = None,
    executor: Any = None,
    worker_timeout: float | None = 60.0,
) -> Result:
    """Go on with a run of `ash.tune` from its journal, to the result that it would have had without a break.

    Parameters
    ----------
    journal : path or Journal
        As it was given to `ash.tune`.
    X, y, sample_weight, groups
        The same data as then: a journal keeps hashes of them, to know.
    validation, cv
        To be given again if they were a table (X, y), or a splitter or indices.
    candidates, max_rungs, time_limit, epoch_limit, target
        As in the run that began it, unless given; more of them extend it. The time counts from the first call, without
        the pauses between calls.
    teams, threads, memory_limit, keep, progress, callbacks, executor, worker_timeout
        As for `ash.tune`; none of them changes the outcome of a reproducible run.

    Returns
    -------
    Result
        Of all calls together. Of a run that had come to its end no job is done again; networks that the result holds
        are trained again where the journal does not have them.

    Raises
    ------
    JournalError
        There is no such journal, it is in use or damaged, or an estimator has begun it (fit that again to go on); or
        the data are others than then, with every difference named.
    SettingError, DataError, NothingFinished, AllDiverged, KeyboardInterrupt
        As for `ash.tune`.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> path = getfixture("tmp_path") / "run.ash"
    >>> first = ash.tune(X, y, candidates=16, journal=path)
    >>> again = ash.resume(path, X, y)
    >>> again.digest == first.digest
    True
    >>> longer = ash.resume(path, X, y, candidates=32)
    """
    given = dict(locals())
    kept = read_journal(journal)
    if kept is None:
        raise SettingError("journal=None is not allowed; give the path of a journal")
    space, arguments, lost = begun_with(kept)
    for name in lost:
        if given[name] is None:
            raise SettingError(f"{name}=None is not allowed; give again {GIVEN_AGAIN[name]} that it was begun with")
    as_before = ("validation", "cv", *option_names(decides="end"))  # unless given
    again = {name: value for name, value in given.items() if name not in as_before or value is not None}
    return tune(space=space, **{**arguments, **again, "journal": kept})
