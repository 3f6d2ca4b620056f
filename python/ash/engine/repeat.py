"""Records a run so that it can be repeated (`record_of`), and repeats a recorded run (`repeated`).

    run -> RunRecord -> the same options, space and split -> the same number of decisions, without a time limit
                     -> selection from the same networks  -> the same number of epochs on all rows -> the same model

A record has only hashes of the rows, and no functions. So the user passes the rows and the functions again.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ash._utils.checks import whole
from ash._utils.user_warnings import warn_user
from ash.engine.refit import Final
from ash.errors import DataError, SettingError
from ash.history.digest import decision_hashes, digest_run
from ash.history.json_files import space_story
from ash.history.records import Columns
from ash.journal.identity import BEFORE, FIRST, GIVEN_AGAIN, before_of, differences, from_json, space_of_facts
from ash.journal.journal import Facts
from ash.models.decision import read_threshold
from ash.models.model import Model
from ash.models.model_pool import MOST_DRAWS, Kept
from ash.options import Caller, Options, recorded_options
from ash.run_record import TUNE, RunRecord, check_record, of_another
from ash.scoring.fold_scoring import read_scoring
from ash.space.hyperparameters import Params
from ash.space.space import Space

PLAN = ("candidates", "max_rungs", "epoch_limit", "work_limit", "keep", "folds")
"""Options that a record stores in addition to those that determine the results and their order."""
SPLIT = ("metric", "validation", "cv")
"""Arguments that a record stores as they were given. If an argument cannot be stored, it is listed as missing."""
BEGAN = "began"
"""The name of the record's entry for the space with which the run began, if the space has grown."""
_HELD = {"space", "first", "candidates", "time_limit", "task", "seed", "random_state", "ensemble", "refit"} | {
    "categorical_features",
    "class_weight",
    "pos_label",
    "decision_threshold",
    "loss",
    "quantile",
}
"""Arguments that are read from the record, and so cannot be given together with it."""


class OtherRowsError(DataError):
    """Raised if the rows differ from those of the recorded run."""


def record_of(
    *,
    asked: Facts,
    options: Options,
    identity: Facts,
    final: Final | None,
    sort: bool,
    before: Mapping[int, Params],
    began: Space | None,
    params: Sequence[Params],
    columns: Columns,
    kept: Kept,
    refit: Sequence[int],
    ended: str,
    model: Model,
) -> RunRecord:
    """Return the record of a run that has ended.

    Parameters
    ----------
    asked : dict
        The entry point and its arguments, as returned by `asked_of`.
    options, identity, final, sort
        The values of the run; `identity` is as returned by `identity_of`.
    before : dict of dict
        Candidates that were drawn before the space grew, keyed by number.
    began : Space, optional
        The space with which the run began, if it has grown.
    params : sequence of dict
        Hyperparameters of all candidates, in order of candidate number.
    columns : Columns
        The decided jobs.
    kept : Kept
        The networks from which the model was selected.
    refit : sequence of int
        The epochs for which each network of the model was trained on all rows.
    ended : str
        How the run ended, as in `Result.ended`.
    model : Model
        The final model.
    """
    arguments = {name: asked["arguments"].get(name) for name in SPLIT}
    ensemble = None if final is None else final.ensemble
    if began is not None:
        arguments |= {BEFORE: list(before.items()), BEGAN: space_story(began)}
    record = RunRecord(
        by=asked["by"],
        settings=identity["settings"],
        plan={name: getattr(options, name) for name in PLAN},
        arguments={
            **arguments,
            "sort": sort,
            "ensemble": ensemble,
            "refit": final is not None and final.refit,
            "decision_threshold": kept.threshold,
        },
        space=identity["space"],
        version=identity["version"],
        # The hash "names" is left out, since it covers dtypes, which depend on how the table was loaded.
        data={name: fact for name, fact in identity["data"].items() if name != "names"},
        missing=tuple(name for name in asked["given again"] if name in SPLIT),
        ended=ended,
        decisions=decision_hashes(columns),
        kept=kept.candidates,
        refit=tuple(refit),
        digest=digest_run(params, columns, (kept.candidates[0], kept.rungs[0])),
        model=model.digest,
    )
    return RunRecord.from_json(record.to_json())  # the same record as when read from a file, in which tuples are lists


def repeated(
    caller: Caller, call: Callable[..., Any], given: Mapping[str, Any], record: Any, task: str | None = None
) -> dict[str, Any]:
    """Return the arguments with which a `TuningRun` repeats a run, except rows, callbacks, journal and executor.

    Parameters
    ----------
    caller, call, given
        The entry point's name, its function, and its arguments by name; `threads` and `progress` are as for `ash.tune`.
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
    _check_record(record, caller, task)
    words = {"metric": "metric" if caller == "tune" else "scoring", "validation": "validation", "cv": "cv"}
    own = {name: given[word] for name, word in words.items()}
    for name in record.missing:
        if name not in SPLIT:
            raise SettingError(f"record is damaged: 'missing' must hold names of {SPLIT}, got {name!r}")
        if own[name] is None:
            raise SettingError(f"{words[name]}=None: pass {GIVEN_AGAIN[name]} of the run, which a record does not hold")
    parameters = inspect.signature(call).parameters
    held = [name for name in given if name in _HELD and _is_given(given[name], parameters[name].default)]
    held += [words[name] for name, value in own.items() if name not in record.missing and value is not None]
    if held:
        raise SettingError(f"{', '.join(held)} cannot be given with record=, which has its own: leave it out")
    chosen = {name: own[name] if name in record.missing else record.arguments.get(name) for name in SPLIT}
    about = {"loss": str(record.settings.get("loss", "")), "pos_label": record.settings.get("pos_label")}
    _, scoring = read_scoring(words["metric"], chosen["metric"], **about)
    facts = {**record.settings, **record.plan, "metric": None if scoring else record.settings.get("metric")}
    size = record.arguments.get("ensemble")
    size = None if size is None else whole("ensemble of the record", size, 1, MOST_DRAWS)
    threshold = read_threshold("decision_threshold of the record", record.arguments.get("decision_threshold"))
    return {
        "space": _space_of(record.space),
        "options": recorded_options(caller, facts, given),
        "validation": chosen["validation"],
        "cv": chosen["cv"],
        "first": from_json(record.settings.get(FIRST)),
        "asked": {"by": record.by, "arguments": dict(record.arguments), "given again": list(record.missing)},
        "sort": bool(record.arguments.get("sort")),
        "scoring": scoring,
        "final": None if size is None else Final(size, bool(record.arguments.get("refit")), threshold),
        "record": record,
    }


def _is_given(value: Any, default: Any) -> bool:
    """Return whether an argument differs from its default.

    Strings are compared by value, since unpickling copies them.
    """
    return bool(value != default) if isinstance(value, str) else value is not default


def _check_record(record: Any, caller: Caller, task: str | None) -> None:
    """Raise SettingError unless this entry point can repeat the run of a record."""
    check_record(record)
    if (record.by == TUNE) != (caller == "tune") or (task is not None and record.settings.get("task") != task):
        raise of_another(record)


def earlier_of(record: RunRecord) -> tuple[dict[int, Params], Space | None]:
    """Return the candidates drawn before the space grew, keyed by number, and the space before it grew (or None).

    Raises
    ------
    SettingError
        The record is damaged.
    """
    began = record.arguments.get(BEGAN)
    return before_of(record), None if began is None else _space_of(began)


def _space_of(facts: Any) -> Space:
    """Return the space of a record; raise SettingError if it is damaged."""
    try:
        return space_of_facts(facts, Space)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SettingError(
            f"the space in record is damaged ({type(error).__name__}: {error}); pass an intact one"
        ) from error


def row_differences(record: RunRecord, identity: Facts) -> list[str]:
    """Return descriptions of how a run's rows differ from a record's; raise SettingError if the record is damaged."""
    try:
        return differences({"data": record.data}, {"data": identity["data"]})
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise SettingError(
            f"the data in record are damaged ({type(error).__name__}: {error}); pass an intact one"
        ) from error


def check_rows(record: RunRecord, identity: Facts) -> None:
    """Raise OtherRowsError if a run's rows differ from the recorded run's; warn if its decisions may differ.

    Warns
    -----
    UserWarning
        The version of ash or the processor's support for fused multiply-adds differs from that of the recorded run.
    """
    if found := row_differences(record, identity):
        raise OtherRowsError(f"the rows differ from those of the recorded run: {'; '.join(found)}")
    if found := differences({"version": record.version}, {"version": identity["version"]}):
        warn_user(f"the repeated run may differ from the one recorded: {'; '.join(found)}")
