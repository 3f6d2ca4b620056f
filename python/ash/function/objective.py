"""Defines `ash.from_optuna`, which wraps an unchanged Optuna objective, so that it can be passed as `train`.

The objective gets an Optuna trial. The trial draws its values from the seed and its number, except values that `first`
or an adaptive draw provides. The trial's reports are passed to the ladder (reports.py). An epoch is one report.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ash._utils.checks import is_number
from ash._utils.installation import require_extra
from ash._utils.user_warnings import warn_user
from ash.errors import Retired, SettingError, ThreadRefusedError
from ash.function.answers import FAILED, WRONG, Answer, Suggestions, failure
from ash.function.reports import Reports, reported_by
from ash.history.json_files import space_story
from ash.history.optuna_study import quiet_study
from ash.history.records import PRUNED, STORY
from ash.journal.identity import space_of_facts
from ash.options import FunctionOptions
from ash.space.domains import Domain, choice
from ash.space.foreign_domains import as_domain, drawn_level
from ash.space.function_space import FunctionSpace

if TYPE_CHECKING:
    import optuna

TRIAL = "trial"
"""The hyperparameter that holds a trial's number, in place of the values that the objective will suggest."""
GIVEN = "given"
"""A further entry in the params of trials from `first`: values by name, which are suggested unchanged."""
PROPOSED = "proposed"
"""Like GIVEN, for adaptive draws. If a value is outside of its distribution, another value is drawn without a
warning."""
_MISSING = object()


@dataclass(frozen=True)
class Objective:
    """An Optuna objective, as `ash.from_optuna` returns it for `ash.tune_function`."""

    function: Callable[["optuna.Trial"], Any]

    def __repr__(self) -> str:
        return f"from_optuna({self.function!r})"


class Unplanned(Exception):
    """Raised when an objective reports although its run has no `max_epochs`, and so no ladder for reports."""


def from_optuna(objective: Callable[["optuna.Trial"], Any]) -> Objective:
    """Wrap an unchanged Optuna objective for `ash.tune_function`.

    Each trial is a candidate. The objective runs in a thread, which waits in ``trial.report`` at the end of a rung
    until the candidate is promoted. Once the candidate is retired, ``trial.should_prune`` returns True. An objective
    that does not call ``trial.should_prune`` is ended by `optuna.TrialPruned` in its next report. An epoch is one
    report. ``max_epochs`` is the number of reports of a full trial, after which the trial runs to its end without
    waiting. An objective that reports needs ``max_epochs``. An objective that never reports runs once per candidate, on
    a ladder of one rung.

    The score is the last value reported or, when the objective has returned, the value returned. The best trial is the
    trial with the best score in the highest rung. So values after different numbers of reports need not be comparable,
    for example if each value is the mean of the folds so far.

    A suggested value depends on the seed, the number of the trial and the name of the hyperparameter. With
    ``sampler="adaptive"``, the default, the values of two in three trials also depend on what a good earlier trial
    suggested, once eight trials have a score. Trials from `first` suggest the values given there, like trials added by
    ``study.enqueue_trial``. If no value is given, or the given value is outside of its distribution, a value is drawn.
    The space of the result contains the suggested values. `best_state` holds the user attributes of the best trial.
    Finite numbers among the user attributes of any trial are metrics of its jobs.

    Limits: a waiting trial keeps its thread and all objects of the objective in memory. If a trial resumes in another
    process, after an interruption, or after it was dropped to stay below `memory_limit` or because a GPU was nearly
    full, the objective starts again and runs to the report at which the trial was waiting. A waiting trial counts
    toward `memory_limit` as much as its user attributes, and at least 1 MiB.
    When the objective reports, it must not hold a lock, and must not have changed global settings. ``trial.study``
    contains only this trial. If an objective raises TrialPruned by itself, the job is recorded as a failure without a
    warning, and the scores of the trial's earlier jobs stay valid. `costs` is called with params that hold the number
    of the trial, ``{"trial": 3}``, and the values that the trial was given, if any, under the key "given" or
    "proposed".

    Parameters
    ----------
    objective : callable
        A function that takes a trial and returns one number. Objectives with more than one value are not supported.

    Returns
    -------
    Objective
        An object to pass to `ash.tune_function` as `train`, without a space.

    Raises
    ------
    SettingError
        `objective` is not callable.
    MissingExtraError
        Optuna is not installed.

    Examples
    --------
    >>> import ash
    >>> def objective(trial):
    ...     x, value = trial.suggest_float("x", 0, 1), 1.0
    ...     for step in range(9):
    ...         value *= x
    ...         trial.report(value, step)
    ...     return value
    >>> result = ash.tune_function(
    ...     ash.from_optuna(objective), candidates=8, direction="minimize", max_epochs=9, n_jobs=1
    ... )
    >>> sorted(result.best_params)
    ['x']
    """
    require_extra("ash.from_optuna", "optuna", "optuna")
    if not callable(objective):
        raise SettingError(f"objective must be a function of a trial, got {objective!r}")
    return Objective(objective)


def steps_of(
    objective: Objective, options: FunctionOptions
) -> Callable[[dict[str, Any]], Iterator[Suggestions | Answer]]:
    """Return a generator function for the trials of a run.

    Its generators yield after each report and at the end. If the objective raises, the error is yielded as an answer
    with the values that the trial had suggested by then.
    """
    import optuna

    def steps(params: dict[str, Any]) -> Iterator[Suggestions | Answer]:
        def call(reports: Reports) -> Suggestions | Answer:
            trial = _trial_of(reports, params, options)
            try:
                found: Suggestions = trial.outcome(objective.function(trial))
                return found
            except ThreadRefusedError:  # ends the run, as for any other function
                raise
            except Unplanned as error:
                return Answer(WRONG, text=str(error))
            except optuna.TrialPruned as error:
                if reports.retired:
                    raise Retired from error
                return Answer(FAILED, text=PRUNED, info={STORY: _story(trial)})
            except Exception as error:
                return failure(error)._replace(info={STORY: _story(trial)})

        return reported_by(call, options.max_epochs)

    return steps


def is_whole(options: FunctionOptions) -> bool:
    """Return whether an objective runs once per candidate and must not report, because `max_epochs` was not given."""
    return options.max_epochs is None


def _trial_of(reports: Reports, params: Mapping[str, Any], options: FunctionOptions) -> Any:
    """Return the only trial of a new study.

    The trial reports to a ladder. Values that are not given are drawn from the seed and the trial's number.
    """
    import optuna

    number: int = params[TRIAL]
    given = params.get(GIVEN, params.get(PROPOSED, {}))

    class Sampler(optuna.samplers.BaseSampler):  # type: ignore[misc]
        def infer_relative_search_space(self, *_: Any) -> dict[str, Any]:
            return {}

        def sample_relative(self, *_: Any) -> dict[str, Any]:
            return {}

        def sample_independent(self, _: Any, __: Any, name: str, distribution: Any) -> Any:
            if name in given:
                value = _contained(given[name], distribution)
                if value is not _MISSING:
                    return value
                if GIVEN in params:
                    text = f"first: {name}={given[name]!r} is not in {distribution}; a value is drawn instead"
                    warn_user(text)
            return drawn_level(distribution, options.seed, number, name)

    class Trial(optuna.Trial):  # type: ignore[misc]
        known: tuple[dict[str, Any], dict[str, Any]] = ({}, {"params": {}, "space": {}})

        def outcome(self, value: Any) -> Suggestions:
            """Return an outcome with this score and the current facts of the trial."""
            params = self.params
            if params != self.known[0]:
                self.known = params, _story(self)
            attributes = dict(self.user_attrs)
            metrics = {name: each for name, each in attributes.items() if is_number(each)}
            return Suggestions(value, attributes, metrics, story=self.known[1])

        @property
        def number(self) -> int:
            return number

        def report(self, value: float, step: int) -> None:
            if is_whole(options):
                raise Unplanned(
                    "the objective reports values, so its run needs max_epochs, the number of reports of a full trial"
                )
            super().report(value, step)
            try:
                reports.send(self.outcome(float(value)))
            except Retired as error:
                raise optuna.TrialPruned from error

        def should_prune(self) -> bool:
            return reports.retired

    storage = optuna.storages.InMemoryStorage()
    study = quiet_study(options.direction, sampler=Sampler(), storage=storage)
    return Trial(study, storage.create_new_trial(storage.get_study_id_from_name(study.study_name)))


def _contained(value: Any, distribution: Any) -> Any:
    """Return a value in the form that a distribution uses, or _MISSING if the value is not in the distribution."""
    from optuna.trial import create_trial

    for option in getattr(distribution, "choices", ()):
        if type(_plain(option)) is type(value) and _plain(option) == value:
            return option
    try:
        create_trial(value=0.0, params={"": value}, distributions={"": distribution})  # checks the value
        return distribution.to_external_repr(distribution.to_internal_repr(value))
    except (TypeError, ValueError):  # the value is not in the range, no option of the choice, or not a number
        return _MISSING


def _story(trial: "optuna.Trial") -> dict[str, Any]:
    """Return the values that a trial has suggested so far, keyed by name, and their space, in a form for JSON.

    Values that a space of ash cannot have, such as infinity as a choice, are left out.
    """
    params: dict[str, Any] = {}
    space: dict[str, Any] = {}
    for name, distribution in trial.distributions.items():
        try:
            space |= space_story(FunctionSpace(**{name: _domain_of(distribution)}))
            params[name] = _plain(trial.params[name])
        except (SettingError, TypeError):
            continue
    return {"params": params, "space": space}


def space_of(stories: Iterable[Mapping[str, Any]]) -> FunctionSpace:
    """Return the joint space of trials.

    If the domains of a name differ between trials, its domain is a choice of the suggested values.
    """
    domains: dict[str, Domain] = {}
    values: dict[str, dict[Any, None]] = {}
    for story in stories:
        for name, domain in space_of_facts(story["space"], FunctionSpace).domains.items():
            values.setdefault(name, {})[story["params"][name]] = None
            if domains.setdefault(name, domain[0]) != domain[0]:
                domains[name] = choice(*values[name])
    return FunctionSpace(**domains)


def _domain_of(distribution: Any) -> Domain:
    if hasattr(distribution, "choices"):
        return choice(*dict.fromkeys(map(_plain, distribution.choices)))
    return choice(distribution.low) if distribution.low == distribution.high else as_domain(distribution)


def _plain(value: Any) -> Any:
    """Return an option of a choice, or the option as text if JSON cannot hold its type."""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
