"""Reads the argument `first`: configurations to try before all others, given directly or taken from an earlier run.

    list of configurations    all are used; a configuration that does not fit the space is an error
    result, journal           the ten best configurations that fit the space; missing names get their defaults
    Optuna study              as for a result; completed trials come before pruned ones

Start with `read_first`.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ash._utils.user_warnings import warn_user
from ash.errors import JournalError, SettingError
from ash.history.history import History
from ash.history.records import OBJECTIVE, STORY
from ash.journal.journal import CANDIDATE, LOSS, RUNG, SCORE, Journal, sound
from ash.space.domains import Domain, key_of
from ash.space.function_space import plain_value
from ash.space.hyperparameters import Params
from ash.space.space import Space

MOST_OF_EARLIER = 10
"""The maximum number of configurations of an earlier run that are tried again."""
Ranked = tuple[float, float, int, Params]
"""Two numbers that rank a candidate (lower is better), the candidate's number, and its hyperparameters."""


def read_first(first: Any, space: Space | None, candidates: int | None, argument: str = "candidates") -> list[Params]:
    """Return the configurations of the argument `first`, without duplicates.

    Parameters
    ----------
    first : sequence of dict, History, path, Journal, Optuna study or None
        The user's argument.
    space : Space or None
        The space that the configurations must fit. None allows any names and values, as for an Optuna objective.
    candidates : int or None
        The maximum number of configurations; None for any number.
    argument : str
        The entry point's name for `candidates`.

    Raises
    ------
    SettingError
        `first` has another type, a configuration does not fit the space, or the earlier run has no scored candidate.

    Warns
    -----
    UserWarning
        Configurations of an earlier run, or names in a study, are not in the space and are left out. Or the
        configurations of an earlier run lack names that the space has.
    """
    if first is None:
        return []
    if isinstance(first, History | Journal | str | os.PathLike) or _is_study(first):
        return _of_earlier(first, space, candidates)
    if not isinstance(first, Sequence) or isinstance(first, bytes):
        raise SettingError(
            "first must be a list of dicts of hyperparameters, an earlier result, the path of a journal, or an Optuna "
            f"study, got {first!r}"
        )
    found: dict[str, Params] = {}
    for place, params in enumerate(first):
        try:
            plain = _read(params, space)
        except SettingError as error:
            raise SettingError(f"first[{place}]: {error}") from None
        found.setdefault(key_of(plain), plain)
    if candidates is not None and len(found) > candidates:
        raise SettingError(
            f"first has {len(found)} configurations, more than {argument}={candidates}: raise {argument}, or pass fewer"
        )
    return list(found.values())


def _read(params: Any, space: Space | None) -> Params:
    """Return a configuration as a plain dict, or raise SettingError if it is invalid."""
    if space is not None:
        return space.read(params)[0]
    if not isinstance(params, Mapping) or not all(isinstance(name, str) for name in params):
        raise SettingError(f"a configuration must be a dict of values by name, got {params!r}")
    return {name: plain_value(value) for name, value in params.items()}


def _of_earlier(first: Any, space: Space | None, candidates: int | None) -> list[Params]:
    """Return the best configurations of an earlier run that are in the space; warn if some are not."""
    most = MOST_OF_EARLIER if candidates is None else min(MOST_OF_EARLIER, candidates)
    found: dict[str, Params] = {}
    left_out: list[str] = []
    unknown: set[str] = set()
    missing: set[str] = set()
    best, is_study = _best_first(first), _is_study(first)
    for place, params in enumerate(best):
        if len(found) == most:
            break
        try:
            plain = _read(_filled(params, space, is_study), space)
        except SettingError as error:
            if place < most:
                left_out.append(str(error))
            continue
        found.setdefault(key_of(plain), plain)
        if space is not None:
            missing |= {name for name in plain.keys() - params.keys() if not _is_fixed(name, space)}
            unknown |= (params.keys() - space.domains.keys()) if is_study else set()
    if unknown:
        text = f"first: {len(unknown)} parameters of the study are not in this space and are left out"
        warn_user(f"{text}: {', '.join(sorted(unknown))}")
    if missing:
        warn_user(f"first: the earlier run lacks {', '.join(sorted(missing))}; the default is used")
    if left_out:
        count = f"{len(left_out)} of the {min(most, len(best))} best"
        text = f"first: {count} configurations of the earlier run are not in this space and are left out"
        warn_user(f"{text}, for example: {left_out[0]}")
    return list(found.values())


def _best_first(earlier: Any) -> list[Params]:
    """Return the configurations that have a score, best first.

    They are ranked by score. Ties go to the lower loss, then to the lower number. Completed trials of a study come
    before pruned trials. Candidates of an Optuna objective are ranked by their highest rung before their score.

    Raises SettingError if the journal cannot be read, or if no configuration has a score.
    """
    read = _of_result if isinstance(earlier, History) else _of_study if _is_study(earlier) else _of_journal
    try:
        ranked = sorted(read(earlier), key=lambda each: each[:3])
    except JournalError as error:
        raise SettingError(f"first={earlier!r} cannot be read: {error}") from error
    if not ranked:
        raise SettingError(f"first={earlier!r} has no configuration with a score: leave it out")
    return [params for *_, params in ranked]


def _of_result(result: History) -> Iterator[Ranked]:
    infos = getattr(result, "infos", ())
    if any(isinstance(info, dict) and STORY in info for info in infos):
        tops = {job.candidate: job for job in sorted(result.jobs, key=lambda job: job.rung) if not job.diverged}
        for candidate, job in tops.items():
            yield float(-job.rung), -job.score, candidate, result.params[candidate]
        return
    for row in result.candidates:
        if math.isfinite(row["score"]):
            yield -row["score"], row["loss"], row["candidate"], row["params"]


def _of_journal(earlier: Any) -> Iterator[Ranked]:
    from ash.journal.database import contents_of  # loads sqlite3, which only journals need

    path = earlier.file if isinstance(earlier, Journal) else Path(os.fspath(earlier))
    contents = contents_of(path)
    rows = contents.rows
    best: dict[int, tuple[float, float]] = {}
    reached: dict[int, int] = {}
    with sound(path):
        by_rung = OBJECTIVE in contents.facts.get("code", {})
        for job in rows["jobs"]:
            score = -float(job[SCORE])
            rank = (float(-job[RUNG]), score) if by_rung else (score, float(job[LOSS]))
            if all(map(math.isfinite, rank)):
                best[job[CANDIDATE]] = min(rank, best.get(job[CANDIDATE], rank))
                reached[job[CANDIDATE]] = max(job[RUNG], reached.get(job[CANDIDATE], 0))
        params = {candidate: json.loads(text) for candidate, text in rows["candidates"]}
        for candidate, rung, _, text, _ in rows["answers"]:
            if reached.get(candidate) == rung and isinstance(info := json.loads(text or "null"), dict):
                params[candidate] = info.get(STORY, {"params": params[candidate]})["params"]
        yield from ((*rank, candidate, params[candidate]) for candidate, rank in best.items())


def _is_study(value: Any) -> bool:
    """Return whether a value is an Optuna study, without importing Optuna."""
    return any(
        each.__name__ == "Study" and each.__module__.partition(".")[0] == "optuna" for each in type(value).__mro__
    )


def _of_study(study: Any) -> Iterator[Ranked]:
    """Yield the trials that have a value; pruned trials rank last, since their values were measured early."""
    if len(study.directions) > 1:
        raise SettingError(
            f"first must be a study with one objective, got {len(study.directions)} objectives: pass configurations, "
            "as a list of dicts"
        )
    sign = 1 if study.direction.name == "MINIMIZE" else -1
    for trial in study.get_trials(deepcopy=False):
        is_done = trial.state.name in ("COMPLETE", "PRUNED")
        if is_done and trial.value is not None and math.isfinite(trial.value):
            yield float(trial.state.name == "PRUNED"), sign * trial.value, trial.number, trial.params


def _filled(params: Any, space: Space | None, is_study: bool) -> Any:
    """Return an earlier configuration with defaults for missing names, or unchanged if the space has none of its names.

    A study's names that are not in the space are left out. Optuna cannot store tuples, so a tuple may be given as text.
    """
    if space is None or (params and not params.keys() & space.domains.keys()):
        return params

    def choose(name: str, _: int, domain: Domain) -> Any:
        value = params.get(name, domain.default)
        if isinstance(value, str) and domain.has_list and not domain.has(value):
            return next((level for level in domain.levels if isinstance(level, tuple) and str(level) == value), value)
        return value

    own = space.walk(choose)
    return own if is_study else {**params, **own}


def _is_fixed(name: str, space: Space) -> bool:
    """Return whether a hyperparameter has only one value; studies do not contain such names."""
    return all(len(domain.levels) == 1 for domain in space.domains[name])
