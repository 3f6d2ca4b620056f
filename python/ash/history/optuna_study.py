"""Converts a run to an Optuna study, for `Result.to_optuna`.

Each candidate with a finished job becomes a trial with params and distributions, a score for each number of epochs, a
state, and the times of its jobs. The states are:

    COMPLETE   the best candidate, and all candidates that have reached the highest rung
    PRUNED     candidates that have not reached the highest rung; they are COMPLETE if `pruned` is False
    FAIL       candidates that have diverged, except the best one, which may have diverged after its best job

A FAIL trial has no value. The value of any other trial is the score of its best job. If the best candidate was chosen
from the highest rung although lower rungs have higher scores, the value is instead the score of the trial's last job
that has not diverged.

Distributions span the levels of the space. A log or uniform domain becomes a float distribution, integers become an int
distribution (logarithmic if the domain is), and a choice becomes a categorical one. If a name has more than one domain,
the domains are joined, since Optuna allows one distribution per name. A name with only one level was not searched, so
it is not a parameter; it is listed in the study's user attribute "fixed". A tuple becomes text such as "(64, 32)",
which every Optuna storage can hold and `ast.literal_eval` can read. Among trials with equal values, Optuna takes the
first as the best, whereas ash takes the one with the lowest loss. The study's user attribute "best_candidate" contains
ash's choice.
"""

import logging
import threading
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ash._utils.checks import is_integer, is_number
from ash._utils.installation import require_extra
from ash.errors import SettingError
from ash.history.json_files import finite
from ash.history.records import METRICS, JobRecord, Point, curves
from ash.options import MAXIMIZE, MINIMIZE
from ash.space.domains import LOG_INTEGERS, Domain, joined_levels, step_of

if TYPE_CHECKING:
    import optuna

    from ash.history.history import History


def to_study(result: "History", storage: Any, study_name: str | None, pruned: bool) -> "optuna.Study":
    """Return a run as an Optuna study; see `Result.to_optuna`."""
    require_extra("to_optuna", "optuna", "optuna")
    import optuna

    is_url = isinstance(storage, str) and "://" in storage
    if not is_url and storage is not None and not isinstance(storage, optuna.storages.BaseStorage):
        allowed = "a URL such as 'sqlite:///study.db', an Optuna storage, or None"
        raise SettingError(f"storage must be {allowed}, got {storage!r}")
    trials = _trials(result, pruned)
    try:
        study = quiet_study(_direction(result), storage=storage, study_name=study_name)
    except optuna.exceptions.DuplicatedStudyError:
        raise SettingError(
            f"study_name={study_name!r} already exists in the storage: choose another name, or call optuna.delete_study"
        ) from None
    try:
        for name, value in _about(result).items():
            study.set_user_attr(name, value)
        study.add_trials(trials)
    except BaseException:
        if storage is not None:
            optuna.delete_study(study_name=study.study_name, storage=storage)
        raise
    return study


def quiet_study(direction: str, **given: Any) -> "optuna.Study":
    """Create a study by `optuna.create_study`, but without its log messages."""
    import optuna

    for name in ("_in_memory", "_rdb.storage", "journal._storage"):
        # Use a filter, since a changed log level would affect other threads. Adding the filter again is a no-op. If
        # Optuna renames these modules, its messages are shown.
        logging.getLogger(f"optuna.storages.{name}").addFilter(_is_loud)
    _quiet.here = True
    try:
        return optuna.create_study(direction=direction, **given)
    finally:
        _quiet.here = False


_quiet = threading.local()


def _is_loud(_: logging.LogRecord) -> bool:
    return not getattr(_quiet, "here", False)


def _direction(result: "History") -> str:
    return getattr(result.options, "direction", MAXIMIZE)


def _value(result: "History", score: float) -> float:
    """Return a score as the user's function returned it, since scores to be minimized are stored negated."""
    return -score if _direction(result) == MINIMIZE else score


def _about(result: "History") -> dict[str, Any]:
    """Return facts about the whole run that JSON can represent."""
    names = ("metric", "best_candidate", "best_rung", "ended", "digest", "seed", "epochs", "wall_seconds")
    levels_of = joined_levels(result.space.domains)
    fixed = {name: _choice(levels[0]) for name, levels in levels_of.items() if len(levels) == 1}
    about = {name: getattr(result, name) for name in names}
    return about | {"settings": finite(result.settings), "fixed": fixed}


def _trials(result: "History", pruned: bool) -> list["optuna.trial.FrozenTrial"]:
    distributions = {
        name: _distribution(result.space.domains[name], levels)
        for name, levels in joined_levels(result.space.domains).items()
        if len(levels) > 1
    }
    jobs: dict[int, list[JobRecord]] = {}
    for job in result.jobs:
        jobs.setdefault(job.candidate, []).append(job)
    finished = [job for job in result.jobs if not job.diverged]
    top = max(job.rung for job in finished)
    by_rung = max(job.score for job in finished) > result.best_score
    points = curves(result.jobs, result.options.training)
    return [
        _trial(result, own, points.get(candidate, []), distributions, _state(result, own, top, pruned), by_rung)
        for candidate, own in sorted(jobs.items())
    ]


def _state(result: "History", jobs: Sequence[JobRecord], top: int, pruned: bool) -> "optuna.trial.TrialState":
    """Return the trial state of the candidate with these jobs.

    `top` is the highest rung in which a job of the run has finished without divergence.
    """
    from optuna.trial import TrialState

    if jobs[0].candidate == result.best_candidate:
        return TrialState.COMPLETE
    if jobs[-1].diverged:
        return TrialState.FAIL
    return TrialState.PRUNED if pruned and jobs[-1].rung < top else TrialState.COMPLETE


def _trial(
    result: "History",
    jobs: Sequence[JobRecord],
    points: Sequence[Point],
    distributions: dict[str, Any],
    state: "optuna.trial.TrialState",
    by_rung: bool,
) -> "optuna.trial.FrozenTrial":
    from optuna.trial import TrialState, create_trial

    candidate, last = jobs[0].candidate, jobs[-1]
    metrics = finite(getattr(result, "candidate_metrics", {candidate: {}})[candidate])
    params = {name: _choice(value) for name, value in result.params[candidate].items() if name in distributions}
    best = max(points[-1:] if by_rung else points, key=lambda point: (point.score, -point.loss), default=None)
    own = {"candidate": candidate, "rung": last.rung, "loss": None if best is None else finite(best.loss)}
    own["digest"] = f"{last.weights_hash:016x}"
    trial = create_trial(
        state=state,
        value=None if best is None or state is TrialState.FAIL else _value(result, best.score),
        params=params,
        distributions={name: distributions[name] for name in params},
        user_attrs=own | {f"{METRICS}.{name}" if name in own else name: each for name, each in metrics.items()},
        intermediate_values={point.epochs: _value(result, point.score) for point in points},
    )
    first = result.started.astimezone().replace(tzinfo=None)  # Optuna stores local times without a time zone
    trial.datetime_start = first + timedelta(seconds=min(job.start for job in jobs))
    trial.datetime_complete = first + timedelta(seconds=max(job.end for job in jobs))
    return trial


def _distribution(domains: Sequence[Domain], levels: tuple[Any, ...]) -> "optuna.distributions.BaseDistribution":
    """Return the Optuna distribution that spans the levels of all domains of a name."""
    from optuna import distributions

    kinds = {domain.kind for domain in domains if domain.kind != "choice"}
    choices = [domain for domain in domains if domain.kind == "choice"]
    if not kinds or any(len(domain.levels) > 1 or not is_number(domain.levels[0]) for domain in choices):
        return distributions.CategoricalDistribution([_choice(level) for level in levels])
    low, high = min(levels), max(levels)
    if kinds == {LOG_INTEGERS} and all(is_integer(level) for level in levels):
        return distributions.IntDistribution(low, high, log=True)
    if kinds == {"integers"} and all(is_integer(level) for level in levels):
        return distributions.IntDistribution(low, high, step=_step(domains, levels))
    return distributions.FloatDistribution(float(low), float(high), log=bool(kinds & {"log", LOG_INTEGERS}) and low > 0)


def _step(domains: Sequence[Domain], levels: Sequence[int]) -> int:
    """Return the step between successive levels if all steps are equal and known, else 1."""
    if not all(domain.has_list for domain in domains):
        return step_of(domains[0]) if len(domains) == 1 else 1
    steps = {upper - lower for lower, upper in pairwise(sorted(levels))}
    return steps.pop() if len(steps) == 1 else 1


def _choice(value: Any) -> Any:
    """Return a value in a form that every Optuna storage can hold."""
    return str(value) if isinstance(value, tuple) else value
