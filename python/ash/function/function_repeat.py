"""Records runs of functions (`record_of`), and reads from a record the facts that a repetition needs (`repeat_of`).

    the same call with record=  ->  compares the arguments with the record
                                ->  makes as many decisions with as many virtual workers as the recorded run; a job
                                    that the record lists as lost fails without being run

A record has only the names of functions, costs and samplers. The user passes these objects again.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ash._utils.user_warnings import warn_user
from ash.errors import SettingError
from ash.function.answers import DIED, LATE, Train
from ash.function.job_runners import Key
from ash.history.digest import decision_hashes, digest_run
from ash.history.records import Columns
from ash.journal.identity import BEFORE, before_of, differences
from ash.journal.journal import Facts
from ash.options import FunctionOptions
from ash.result import FailureRecord
from ash.run_record import FUNCTION, TUNE_FUNCTION, RunRecord, check_record, of_another
from ash.space.hyperparameters import Params

PLAN = ("candidates", "max_rungs", "epoch_limit", "stop_score")
"""Options that a record stores in addition to those that determine the results and their order."""
LOST = "lost"
"""The name of the record's list of jobs that exceeded `job_limit` or whose process died."""


class Repeat(NamedTuple):
    """The facts of a recorded run that depended on timing."""

    decisions: int
    lost: frozenset[Key]
    """Jobs that exceeded `job_limit`, or whose processes died."""
    ended: str
    before: dict[int, Params]
    """Candidates drawn before the space grew, keyed by number."""


def record_of(
    train: Train,
    identity: Facts,
    options: FunctionOptions,
    *,
    before: Mapping[int, Params],
    params: Sequence[Params],
    columns: Columns,
    failures: Sequence[FailureRecord],
    best: Key,
    ended: str,
) -> RunRecord:
    """Return the record of a run that has ended.

    Parameters
    ----------
    train, identity, options
        The values of the run; `identity` is as returned by `identity_of`.
    before : dict of dict
        Candidates that were drawn before the space grew, keyed by number.
    params : sequence of dict
        Hyperparameters of all candidates, in order of candidate number.
    columns : Columns
        The decided jobs.
    failures : sequence of FailureRecord
        The jobs without a score.
    best : (int, int)
        The best candidate and its rung.
    ended : str
        The value of `FunctionResult.ended`.
    """
    lost = [[failure.candidate, failure.rung] for failure in failures if failure.kind in (LATE, DIED)]
    record = RunRecord(
        by=_own(train).get("by", TUNE_FUNCTION),
        settings=identity["settings"],
        plan=_plan(train, options),
        arguments={LOST: lost, **({BEFORE: list(before.items())} if before else {})},
        space=identity["space"],
        version=identity["version"],
        data={},
        missing=(),
        ended=ended,
        decisions=decision_hashes(columns),
        kept=best[:1],
        refit=(),
        digest=digest_run(params, columns, best),
        model="",
    )
    return RunRecord.from_json(record.to_json())  # as read from a file, where tuples are lists


def repeat_of(record: Any) -> Repeat:
    """Return the facts in the argument `record` that depended on timing.

    Raises
    ------
    SettingError
        The argument is not the record of a function's run, or it is damaged, has no decisions, or is the record of a
        greedy run.
    """
    check_record(record)
    if record.settings.get("task") != FUNCTION:
        raise of_another(record)
    lost = record.arguments.get(LOST)
    if not isinstance(lost, list) or not all(_is_job(each) for each in lost):
        raise SettingError(
            f"record is damaged: 'lost' must hold [candidate, rung] pairs, got {lost!r}; pass an intact one"
        )
    return Repeat(
        len(record.decisions),
        frozenset((candidate, rung) for candidate, rung in lost),
        record.ended,
        before_of(record),
    )


def check_same_run(record: RunRecord, train: Train, identity: Facts, options: FunctionOptions) -> None:
    """Raise a SettingError that lists every difference unless a call matches the record.

    Warns
    -----
    UserWarning
        The record is from another version of ash.
    """
    there = {"settings": {**record.settings, **record.plan}, "space": record.space}
    here = {"settings": {**identity["settings"], **_plan(train, options)}, "space": identity["space"]}
    try:
        found = differences(there, here)
        others = differences({"version": record.version}, {"version": identity["version"]})
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise SettingError(f"record is damaged ({type(error).__name__}: {error}); pass an intact one") from error
    if found:
        raise SettingError(f"the record is of another run: {'; '.join(found)}; pass the arguments of the recorded run")
    if others:
        warn_user(f"the repeated run may differ from the one recorded: {'; '.join(others)}")


def _plan(train: Train, options: FunctionOptions) -> Facts:
    return {**{name: getattr(options, name) for name in PLAN}, **_own(train).get("plan", {})}


def _own(train: Train) -> Facts:
    """Return the facts for the record from `train.record_facts`, a method of `ASHSearchCV`'s trainers."""
    return train.record_facts() if hasattr(train, "record_facts") else {}


def _is_job(each: Any) -> bool:
    return isinstance(each, Sequence) and len(each) == 2 and all(type(number) is int for number in each)
