"""A sampler of Optuna as a source of candidates: a study of the scores in the first rung, which every candidate has.

A run that goes on asks again for what is on record, in the order in which it has asked and told before: a sampler with
a seed proposes the same again, and stands where it stood. One that proposes something else is told of what is on record
as of trials that were not its own, and goes on from there.

Each domain is a parameter of the study. One that lies evenly or logarithmically between bounds is a float one without
levels, so a sampler proposes numbers between them; integers keep their step; a choice is the place of its option.
Source: Optuna, Study.ask and Study.tell.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ash.space.domains import Domain, encode
from ash.space.function_space import FunctionSpace
from ash.space.hyperparameters import Params

if TYPE_CHECKING:
    import optuna


class Asked:
    """A sampler of Optuna: asked for one candidate at a time, and told the score that it had in the first rung.

    Parameters
    ----------
    first : sequence of dict
        What comes before.
    count : int
        How many candidates in all.
    known : dict of int to dict
        Candidates that are on record.
    """

    def __init__(
        self, first: Sequence[Params], space: FunctionSpace, count: int, sampler: Any, known: Mapping[int, Params]
    ) -> None:
        import optuna

        storage = optuna.storages.InMemoryStorage()
        number = storage.create_new_study([optuna.study.StudyDirection.MAXIMIZE])
        name = storage.get_study_name_from_id(number)
        self._study = optuna.load_study(study_name=name, storage=storage, sampler=sampler)  # without a word on stderr
        self._space = space
        self._trials: list[optuna.Trial | None] = [None] * len(first)  # what the user knows, nobody was asked for
        self.params = list(first)
        self.count = count
        self._known = known
        self._strays = False  # it proposes others than those on record

    def more(self) -> bool:
        """Ask for one."""
        number = len(self.params)
        if number >= self.count:
            return False
        known = self._known.get(number)
        trial = None if known is not None and self._strays else self._study.ask()
        params = known if trial is None else suggest(trial, self._space)
        if trial is not None and known is not None and params != known:
            self._stray(trial)
            trial, params = None, known
        self.params.append(params or {})
        self._trials.append(trial)
        return True

    def _stray(self, trial: "optuna.Trial") -> None:
        from optuna.trial import TrialState

        self._strays = True
        self._study.tell(trial, state=TrialState.FAIL)
        text = "the sampler does not propose what is on record: that is taken, and it goes on from another random state"
        warnings.warn(f"{text}; give it a seed to have it as without a break", UserWarning, stacklevel=2)

    def tell(self, candidate: int, score: float | None) -> None:
        """Tell it."""
        from optuna.trial import TrialState

        trial = self._trials[candidate]
        state = TrialState.FAIL if score is None else TrialState.COMPLETE
        if trial is not None:
            self._study.tell(trial, score, state=state)
        elif score is not None:
            self._study.add_trial(_known(score, self.params[candidate], self._space))


def suggest(trial: "optuna.Trial", space: FunctionSpace) -> Params:
    """Return a configuration as a trial suggests it, name by name."""

    def ask(name: str, number: int, domain: Domain) -> Any:
        parameter, first, last = _parameter(name, number), domain.levels[0], domain.levels[-1]
        if _is_range(domain, "integers"):
            return trial.suggest_int(parameter, first, last, step=domain.levels[1] - first)
        if _is_range(domain, "uniform", "log"):
            return trial.suggest_float(parameter, first, last, log=domain.kind == "log")
        return domain.levels[trial.suggest_categorical(parameter, list(range(len(domain.levels))))]

    return space.walk(ask)


def _known(score: float, params: Params, space: FunctionSpace) -> "optuna.trial.FrozenTrial":
    """Return a finished trial of a configuration that was not asked for."""
    from optuna import distributions as of
    from optuna.trial import create_trial

    values: Params = {}
    spans: dict[str, of.BaseDistribution] = {}

    def take(name: str, number: int, domain: Domain) -> Any:
        parameter, first, last = _parameter(name, number), domain.levels[0], domain.levels[-1]
        values[parameter] = params[name]
        if _is_range(domain, "integers"):
            spans[parameter] = of.IntDistribution(first, last, step=domain.levels[1] - first)
        elif _is_range(domain, "uniform", "log"):
            spans[parameter] = of.FloatDistribution(first, last, log=domain.kind == "log")
        else:
            spans[parameter] = of.CategoricalDistribution(list(range(len(domain.levels))))
            values[parameter] = list(map(encode, domain.levels)).index(encode(params[name]))
        return params[name]

    space.walk(take)
    return create_trial(value=score, params=values, distributions=spans)


def _is_range(domain: Domain, *kinds: str) -> bool:
    return domain.kind in kinds and len(domain.levels) > 1


def _parameter(name: str, number: int) -> str:
    """Return what Optuna knows a domain by: it has one for each name."""
    return name if number == 0 else f"{name} ({number})"
