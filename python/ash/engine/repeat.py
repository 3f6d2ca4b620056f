"""Records a run so that it can be repeated (`record_of`), and reads what a repeated run needs from a record.

    run -> RunRecord -> the same options, space and split -> the same number of decisions, without a time limit
                     -> selection from the same networks  -> the same number of epochs on all rows -> the same model

A record has only hashes of the rows, and only the names of functions, costs and samplers. So the user passes the rows
and these objects again. For tables, the other arguments come from the record (`repeated`). A call of
`ash.tune_function` is made again with the same arguments, which are compared with the record (`check_same`); a job that
the record lists as lost fails without being run (`repeat_of`).
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from ash._utils.aliases import Facts
from ash._utils.checks import whole
from ash._utils.user_warnings import warn_user
from ash.engine.refit import Final
from ash.engine.stages import Asked
from ash.errors import DataError, SettingError
from ash.history.digest import decision_hashes, digest_run
from ash.history.json_files import space_story
from ash.history.records import Columns
from ash.journal.identity import FIRST, GIVEN_AGAIN, differences, from_json, space_of_facts
from ash.models.decision import read_threshold
from ash.models.model_pool import MOST_DRAWS
from ash.options import (
    ARGUMENTS,
    LARGEST,
    Caller,
    FunctionOptions,
    Options,
    RunOptions,
    optuna_sampler_of,
    recorded_options,
)
from ash.run_record import FUNCTION, TUNE, RunRecord, check_record, of_another
from ash.scoring.fold_scoring import read_scoring
from ash.space.hyperparameters import Params
from ash.space.space import Space

PLAN: dict[type[RunOptions], tuple[str, ...]] = {
    Options: ("candidates", "max_rungs", "max_total_epochs", "work_limit", "keep", "folds"),
    FunctionOptions: ("candidates", "max_rungs", "max_total_epochs", "stop_score"),
}
"""Options that a record stores in addition to those that determine the results and their order."""
SPLIT = ("metric", "validation", "cv")
"""Options that a record stores as they were given. If an argument cannot be stored, it is listed as missing."""
BEFORE, BEGAN = "before", "began"
"""The names of a record's entries for the candidates drawn before the space grew, and for the space of that time."""
LOST = "lost"
"""The name of the record's list of jobs that exceeded `job_limit` or whose process died."""
_HELD = {
    *("space", "first", "candidates", "time_limit", "task", "random_state", "ensemble", "refit"),
    *("categorical_features", "class_weight", "pos_label", "decision_threshold", "loss", "quantile"),
}
"""Arguments that are read from the record, and so cannot be given together with it."""


class OtherRowsError(DataError):
    """Raised if the rows differ from those of the recorded run."""


def record_of(
    asked: Facts,
    identity: Facts,
    plan: Facts,
    arguments: Facts,
    *,
    before: Mapping[int, Params],
    began: Space | None = None,
    params: Sequence[Params],
    columns: Columns,
    best: tuple[int, int],
    kept: Sequence[int] = (),
    refit: Sequence[int] = (),
    ended: str,
    model: str = "",
) -> RunRecord:
    """Return the record of a run that has ended.

    Parameters
    ----------
    asked : dict
        The entry point; for tables also its arguments, as returned by `asked_of`.
    identity, plan : dict
        The facts of the run, as returned by `identity_of` and `plan_of`.
    arguments : dict
        Further entries of `RunRecord.arguments`.
    before : dict of dict
        Candidates that were drawn before the space grew, keyed by number.
    began : Space, optional
        The space with which the run began, if it has grown. Functions do not need it.
    params : sequence of dict
        Hyperparameters of all candidates, in order of candidate number.
    columns : Columns
        The decided jobs.
    best : (int, int)
        The best candidate and its rung.
    kept : sequence of int
        The candidates from whose networks the model was selected; by default the best one.
    refit : sequence of int
        The epochs for which each network of the model was trained on all rows.
    ended : str
        How the run ended, as in `Result.ended`.
    model : str
        The digest of the final model.
    """
    given = {name: asked["arguments"].get(name) for name in SPLIT} if "arguments" in asked else {}
    if before:
        given[BEFORE] = list(before.items())
    if began is not None:
        given[BEGAN] = space_story(began)
    record = RunRecord(
        by=asked["by"],
        settings=identity["settings"],
        plan=plan,
        arguments={**given, **arguments},
        space=identity["space"],
        version=identity["version"],
        # The hash "names" is left out, since it covers dtypes, which depend on how the table was loaded.
        data={name: fact for name, fact in identity.get("data", {}).items() if name != "names"},
        missing=tuple(name for name in asked.get("given again", ()) if name in SPLIT),
        ended=ended,
        decisions=decision_hashes(columns),
        kept=tuple(kept) or best[:1],
        refit=tuple(refit),
        digest=digest_run(params, columns, best),
        model=model,
    )
    return RunRecord.from_json(record.to_json())  # the same record as when read from a file, in which tuples are lists


def plan_of(options: RunOptions) -> Facts:
    """Return the values of the options in PLAN."""
    return {name: getattr(options, name) for name in PLAN[Options if isinstance(options, Options) else FunctionOptions]}


class Repeat(NamedTuple):
    """The facts of a function's recorded run that depended on timing."""

    decisions: int
    lost: frozenset[tuple[int, int]]
    """Jobs, as (candidate, rung), that exceeded `job_limit`, or whose processes died."""
    ended: str


def repeat_of(record: Any) -> Repeat:
    """Return the facts in the argument `record` of `ash.tune_function` that depended on timing.

    Raises
    ------
    SettingError
        The argument is not the record of a function's run, or it is damaged, has no decisions, or is the record of a
        greedy run.
    """
    check_record(record)
    if record.settings.get("task") != FUNCTION:
        raise of_another(record)
    with _intact(LOST):
        lost = [[whole("number of a job", number, 0, LARGEST) for number in job] for job in record.arguments[LOST]]
        return Repeat(len(record.decisions), frozenset((candidate, rung) for candidate, rung in lost), record.ended)


def repeated(
    caller: Caller, call: Callable[..., Any], given: Mapping[str, Any], record: Any, task: str | None = None
) -> Asked:
    """Return the arguments with which `run_table` repeats a run, except rows, callbacks, journal and executor.

    Parameters
    ----------
    caller, call, given
        The entry point's name, its function, and its arguments by name.
    record : object
        The user's argument `record`.
    task : str, optional
        The task of the estimator, if the entry point is one.

    Raises
    ------
    SettingError
        `record` is not a record, or it is from another entry point or a greedy run. Or an argument is given although
        the record stores it, or is missing although the record does not store it.
    """
    check_record(record)
    if (record.by == TUNE) != (caller == "tune") or (task is not None and record.settings.get("task") != task):
        raise of_another(record)
    own = {name: given[ARGUMENTS.get(name, name)] for name in SPLIT}
    for name in record.missing:
        if name not in SPLIT:
            raise SettingError(f"record is damaged: 'missing' must hold names of {SPLIT}, got {name!r}")
        if own[name] is None:
            argument = ARGUMENTS.get(name, name)
            raise SettingError(
                f"{argument}=None: pass {GIVEN_AGAIN[argument]} of the run, which a record does not hold"
            )
    parameters = inspect.signature(call).parameters
    held = [name for name in given if name in _HELD and _is_given(given[name], parameters[name].default)]
    held += [
        ARGUMENTS.get(name, name) for name, value in own.items() if name not in record.missing and value is not None
    ]
    if held:
        raise SettingError(f"{', '.join(held)} cannot be given with record=, which has its own: leave it out")
    chosen = {name: own[name] if name in record.missing else record.arguments.get(name) for name in SPLIT}
    about = {"loss": str(record.settings.get("loss", "")), "pos_label": record.settings.get("pos_label")}
    _, scoring = read_scoring(chosen["metric"], **about)
    facts = {**record.settings, **record.plan, "metric": None if scoring else record.settings.get("metric")}
    size = record.arguments.get("ensemble")
    size = None if size is None else whole("ensemble of the record", size, 1, MOST_DRAWS)
    threshold = read_threshold("decision_threshold of the record", record.arguments.get("decision_threshold"))
    return Asked(
        options=recorded_options(caller, facts, given),
        call={"by": record.by, "arguments": dict(record.arguments), "given again": list(record.missing)},
        space=_space_of(record.space),
        first=from_json(record.settings.get(FIRST)),
        validation=chosen["validation"],
        cv=chosen["cv"],
        sort=bool(record.arguments.get("sort")),
        scoring=scoring,
        final=None if size is None else Final(size, bool(record.arguments.get("refit")), threshold),
        record=record,
        sampler=optuna_sampler_of(given["config"]),
    )


def _is_given(value: Any, default: Any) -> bool:
    """Return whether an argument differs from its default.

    Strings are compared by value, since unpickling copies them.
    """
    return bool(value != default) if isinstance(value, str) else value is not default


def earlier_of(record: RunRecord) -> tuple[dict[int, Params], Space | None]:
    """Return the candidates drawn before the space grew, keyed by number, and the space before it grew (or None).

    Raises
    ------
    SettingError
        The record is damaged.
    """
    with _intact(BEFORE):
        pairs = from_json(record.arguments.get(BEFORE, []))
        before = {whole("candidate", number, 0, LARGEST): dict(params) for number, params in pairs}
    began = record.arguments.get(BEGAN)
    return before, None if began is None else _space_of(began)


def _space_of(facts: Any) -> Space:
    with _intact("space"):
        return space_of_facts(facts, Space)


@contextmanager
def _intact(part: str) -> Iterator[None]:
    """Turn any error from reading a part of a record into a SettingError."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise SettingError(
            f"record is damaged: its {part} cannot be read ({type(error).__name__}: {error}); pass an intact one"
        ) from error


def differences_from(record: RunRecord, here: Facts) -> list[str]:
    """Return one text per difference between a record and this run; only the parts that `here` contains are compared.

    `here` has parts of what `identity_of` returns. Raises SettingError if the record is damaged.
    """
    there = {"settings": {**record.settings, **record.plan}, "space": record.space}
    there |= {"data": record.data, "version": record.version}
    with _intact(" and ".join(here)):
        return differences(there, here)


def check_same(record: RunRecord, here: Facts) -> None:
    """Raise unless a run matches its record in the parts that `here` contains; if only the version differs, warn.

    Raises
    ------
    OtherRowsError
        `here` has "data", the only part but the version, and they differ.
    SettingError
        Another part differs; the message lists every difference. Or the record is damaged.

    Warns
    -----
    UserWarning
        The version of ash or the processor's support for fused multiply-adds differs from that of the recorded run.
    """
    if found := differences_from(record, {part: facts for part, facts in here.items() if part != "version"}):
        if "data" in here:
            raise OtherRowsError(f"the rows differ from those of the recorded run: {'; '.join(found)}")
        raise SettingError(f"the record is of another run: {'; '.join(found)}; pass the arguments of the recorded run")
    if found := differences_from(record, {"version": here["version"]}):
        warn_user(f"the repeated run may differ from the one recorded: {'; '.join(found)}")
