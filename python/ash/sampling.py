"""Provides candidates: random draws, draws near good candidates, evenly spread points, or proposals of Optuna samplers.

Runs of functions use all of these sources. Runs on tables have their own adaptive draws (ash.engine.candidates).

    params       the candidates so far, in order of number; the configurations of the argument `first` come first
    more()       adds one or more candidates when the clock waits for them
    tell(...)    receives the outcome of a candidate in a rung, in order of decision, and the suggestions of an Optuna
                 trial

The virtual time at which the clock waits for candidates depends only on decisions. By then `tell` has received all
earlier decisions. With a reproducible schedule, proposals therefore do not depend on timing.
Cost: a random draw takes about 10 microseconds per hyperparameter, a draw near a good candidate about 100 microseconds.
Ranks are kept in a sorted list.
Sources: scipy.stats.qmc.Sobol (scrambled Sobol points); Optuna (Study.ask and Study.tell).
"""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy, deepcopy
from itertools import chain, count, islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ash._utils.user_warnings import warn_user
from ash.errors import SettingError
from ash.history.optuna_study import quiet_study
from ash.options import LARGEST
from ash.space.domains import FLOATS, INTEGERS, LOG_INTEGERS, Domain, encode, key_of, step_of
from ash.space.hyperparameters import Params
from ash.space.space import Space, after, at_their_numbers, each_once

if TYPE_CHECKING:
    import optuna

Story = Mapping[str, Any]
"""The suggestions of an Optuna trial: `params`, and their `space`."""
CHUNK = 256
LEAST, EVERY = 8, 3
"""Once LEAST candidates have a score, adaptive draws are near good candidates, except every EVERY-th draw."""
BEST, FEWEST = 16, 2
"""The best 1/BEST of the candidates, but at least FEWEST, are the good candidates."""
KEPT, WIDTH = 0.75, 0.15
"""A draw near a good candidate keeps each of the candidate's hyperparameters with probability KEPT. Kept numbers move
by up to the share WIDTH of their range."""
_NEAR = 2  # spawn key of the draws near good candidates; Space.stream has the spawn key 1
MOST_REPEATS = 20
"""After this many consecutive repeated proposals, a sampler is assumed to have no new proposals."""


class Source:
    """The base class of objects that provide candidates."""

    params: list[Params]
    count: int

    def learns(self, candidate: int) -> bool:
        """Return whether a candidate may depend on scores.

        If so, a resumed run that lost scores may draw a different candidate.
        """
        return False

    def more(self) -> bool:
        """Add candidates to `params`, and return whether any were added."""
        raise NotImplementedError

    def tell(self, candidate: int, rung: int, score: float | None, story: Story | None = None) -> None:
        """Receive a candidate's score in a rung, or None for a failure. The base class ignores it."""


class Drawn(Source):
    """Random draws or Sobol points, which do not depend on scores.

    There are `count` candidates in total: `first`, then the `points` that are not in `first`. Points are drawn lazily.
    `before` has candidates that were drawn before the space grew. They keep their numbers.
    """

    def __init__(
        self,
        first: Sequence[Params],
        points: Iterator[Params],
        count: int,
        before: Mapping[int, Params] = MappingProxyType({}),
    ) -> None:
        self._rest = islice(at_their_numbers(before, after(first, points)), count)
        self.params = list(islice(self._rest, len(first) + CHUNK))
        self.count = count

    def more(self, wanted: int = CHUNK) -> bool:
        """Draw up to `wanted` more candidates."""
        drawn = list(islice(self._rest, wanted))
        self.params += drawn
        return bool(drawn)


class Ranks:
    """Ranks the candidates that have a score, first by their highest rung with a score, then by the score in that rung.

    Scores after different numbers of epochs are not comparable. A ranking by the first rung would favor fast starters.
    """

    def __init__(self) -> None:
        self._places: dict[int, tuple[int, float, int]] = {}
        self._ordered: list[tuple[int, float, int]] = []  # (rung, score, -candidate), the worst first

    def __len__(self) -> int:
        return len(self._ordered)

    def __contains__(self, candidate: int) -> bool:
        return candidate in self._places

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def put(self, candidate: int, rung: int, score: float) -> None:
        """Rank a candidate by its score in `rung`, which must be above all rungs by which it was ranked before."""
        if candidate in self._places:
            del self._ordered[bisect_left(self._ordered, self._places[candidate])]
        self._places[candidate] = rung, score, -candidate
        insort(self._ordered, self._places[candidate])

    def best(self, place: int) -> int:
        """Return the candidate at a place of the ranking; place 0 is the best."""
        return -self._ordered[-1 - place][2]

    def share(self, candidate: int) -> float:
        """Return the share of candidates that rank no higher than the given candidate."""
        rung, score, _ = self._places[candidate]
        return bisect_right(self._ordered, (rung, score, 1)) / len(self._ordered)


class Adaptive(Source):
    """Random draws without repetition, and draws near good candidates.

    Once LEAST candidates have a score, two in three draws are near one of the best 1/BEST candidates (`Ranks`); better
    candidates are chosen more often. Such a draw keeps about three quarters of the good candidate's hyperparameters,
    and draws the rest anew. Kept numbers are moved by a random, usually small share of their range. A draw depends on
    the space, the seed, the candidate's number, the ranks at the time, and the earlier draws. There are `count`
    candidates in total, beginning with `first`. Candidates that earlier calls have drawn, `known` and those drawn
    `before` the space grew, keep their numbers.
    """

    def __init__(
        self,
        first: Sequence[Params],
        space: Space,
        count: int,
        seed: int,
        known: Mapping[int, Params] = MappingProxyType({}),
        before: Mapping[int, Params] = MappingProxyType({}),
    ) -> None:
        self._seed, self.count, self._space = seed, count, space
        self._recorded = {**known, **before}
        self.params = list(islice(at_their_numbers(before, first), count))
        self._seen = set(map(key_of, chain(self.params, self._recorded.values())))
        self._others: Iterator[Params] = (params for params in space.stream(seed) if key_of(params) not in self._seen)
        self._ranks = Ranks()

    def learns(self, candidate: int) -> bool:
        """Return whether LEAST other candidates may have had a score before this candidate was drawn."""
        return candidate >= LEAST

    def more(self) -> bool:
        """Draw one candidate."""
        number = len(self.params)
        if number >= self.count:
            return False
        params = self._recorded.get(number) or self._new(number)
        self._seen.add(key_of(params))
        self.params.append(params)
        return True

    def _new(self, number: int) -> Params:
        if len(self._ranks) >= LEAST and number % EVERY:
            source = np.random.PCG64(np.random.SeedSequence(self._seed, spawn_key=(_NEAR, number)))
            word = int(source.random_raw())
            good = word * word * max(FEWEST, len(self._ranks) // BEST) >> 128  # the square favors better candidates
            near = self._near(number, self._ranks.best(good), source)
            if near is not None:
                return near
        return next(self._others)

    def _near(self, number: int, good: int, source: np.random.PCG64) -> Params | None:
        """Return a configuration near a good candidate, or None if that configuration was drawn before."""
        own, moves = self.params[good], draw_moves(self._space.domains, source)

        def draw(name: str, _: int, domain: Domain) -> Any:
            if name in own and name in moves and domain.spans(own[name]):
                return domain.moved(own[name], moves[name])
            return domain.drawn[int(source.random_raw()) * len(domain.drawn) >> 64]

        near = self._space.walk(draw)
        return None if key_of(near) in self._seen else near

    def tell(self, candidate: int, rung: int, score: float | None, story: Story | None = None) -> None:
        """Rank a candidate by its score. A failure does not change its rank."""
        if score is not None:
            self._ranks.put(candidate, rung, score)


def draw_moves(names: Iterable[str], source: np.random.PCG64) -> dict[str, float]:
    """Draw which hyperparameters are kept; return these with the shares of their ranges by which numbers move."""
    words = {name: source.random_raw(3).tolist() for name in names}
    return {name: WIDTH * ((up - down) / 2**64) for name, (word, up, down) in words.items() if word < KEPT * 2**64}


class RankedStudy:
    """An Optuna study in which the value of a trial is the share of candidates that rank no higher than the trial's.

    The value is from 0 to 1, and changes with each result. `has_stopped` says whether the sampler has stopped its
    study, as GridSampler does; Optuna's own method for this raises an error outside of `optimize`. The study works on
    a copy of the sampler, so that a second run with the same sampler gets the same proposals.
    """

    def __init__(self, sampler: Any) -> None:
        try:
            own = deepcopy(sampler)
        except Exception as error:  # whatever the user's objects raise
            raise SettingError(
                f"sampler={sampler!r} cannot be copied ({type(error).__name__}: {error}): pass a sampler that "
                "copy.deepcopy accepts, since each run works on a copy"
            ) from error
        self._values: dict[int, float] = {}  # the values of finished trials by the current ranks, by number
        self._study = quiet_study("maximize", sampler=own, storage=_storage_of(self._values))
        self._study.stop = self._stop
        self._ranks = Ranks()
        self._numbers: defaultdict[int, list[int]] = defaultdict(list)  # numbers of the trials of each candidate
        self._is_ranked = True
        self.has_stopped = False

    def _stop(self) -> None:
        self.has_stopped = True

    def ask(self) -> "optuna.Trial":
        """Let the sampler propose a trial, after all values are set to the current ranks."""
        if not self._is_ranked:
            for candidate in self._ranks:
                self._values |= dict.fromkeys(self._numbers[candidate], self._ranks.share(candidate))
            self._is_ranked = True
        return self._study.ask()

    def tell(self, trial: "optuna.Trial", candidate: int | None) -> None:
        """Finish a trial with the value of a candidate, or as failed if the candidate has no value."""
        from optuna.trial import TrialState

        if candidate is None or candidate not in self._ranks:
            self._study.tell(trial, state=TrialState.FAIL)
            return
        self._study.tell(trial, self._ranks.share(candidate))
        self._numbers[candidate].append(trial.number)

    def put(self, candidate: int, rung: int, score: float) -> bool:
        """Rank a candidate by its score in a rung, and return whether this is its first score."""
        is_new = candidate not in self._ranks
        self._ranks.put(candidate, rung, score)
        self._is_ranked = False
        return is_new

    def add(self, candidate: int, trial: "optuna.trial.FrozenTrial") -> None:
        """Add a finished trial of a candidate that the sampler did not propose."""
        self._study.add_trial(trial)
        self._numbers[candidate].append(len(self._study.get_trials(deepcopy=False)) - 1)


class OptunaSource(Source):
    """Candidates of an Optuna sampler, which proposes one candidate at a time and is told the candidate's rank.

    A resumed run asks again for the recorded candidates, in the same order of asking and telling as before. A sampler
    with a seed then proposes the same candidates, and reaches the same state. If it proposes different candidates, the
    recorded candidates are used instead, and are added to the study as trials that the sampler did not propose.

    Each domain is a parameter of the study. A domain with even or logarithmic levels between bounds becomes a float
    parameter without levels, so the sampler may propose numbers between the levels. Integers keep their step, and a
    choice keeps its options.

    There are `count` candidates in total, beginning with `first`. Earlier calls have drawn the candidates `known`, and
    those `before` the space grew. Each configuration is tried once: if the sampler proposes a configuration again, it
    is told the configuration's value, and asked again. If the sampler only repeats itself, or stops its study as
    GridSampler does, candidates are drawn at random by `seed` instead.
    """

    def __init__(
        self,
        first: Sequence[Params],
        space: Space,
        count: int,
        sampler: Any,
        seed: int,
        known: Mapping[int, Params] = MappingProxyType({}),
        before: Mapping[int, Params] = MappingProxyType({}),
    ) -> None:
        self._study, self._space = RankedStudy(sampler), space
        self.params = list(islice(at_their_numbers(before, first), count))
        self._trials: list[optuna.Trial | None] = [None] * len(self.params)  # None if not proposed by the sampler
        self._seen = {key_of(params): number for number, params in chain(enumerate(self.params), before.items())}
        self._others = (params for params in space.stream(seed) if key_of(params) not in self._seen)
        self.count = count
        self._known, self._before = known, before
        self._strays = False  # whether a proposal has differed from the recorded candidate

    def learns(self, candidate: int) -> bool:
        """Return True, since a sampler may learn from the first score on."""
        return True

    def more(self) -> bool:
        """Add one candidate.

        The sampler is asked for recorded candidates, too, to restore its state. It is not asked for candidates drawn
        before the space grew, nor for recorded candidates after its proposals have differed from the record.
        """
        number = len(self.params)
        if number >= self.count:
            return False
        known = self._before.get(number, self._known.get(number))
        is_fixed = known is not None and (self._strays or number in self._before)
        trial, params = (None, known or {}) if is_fixed else self._new()
        if known is not None and params != known:
            self._stray(trial)
            trial, params = None, known
        self.params.append(params)
        self._trials.append(trial)
        self._seen.setdefault(key_of(params), number)
        return True

    def _new(self) -> tuple["optuna.Trial | None", Params]:
        """Return a new configuration, with its trial if the sampler has proposed it.

        If all levels are used up and the sampler proposes no new number between levels, return its last proposal.
        """
        params: Params = {}
        for _ in range(0 if self._study.has_stopped else MOST_REPEATS):
            trial = self._study.ask()
            params = _suggest(trial, self._space)
            if key_of(params) not in self._seen:
                return trial, params
            self._study.tell(trial, self._seen[key_of(params)])
        return None, next(self._others, params)

    def _stray(self, trial: "optuna.Trial | None") -> None:
        self._strays = True
        if trial is not None:
            self._study.tell(trial, None)
        text = "the sampler proposes other candidates than those on record; these are kept, and later draws will differ"
        needed = "if the sampler has a seed and the schedule is reproducible"
        warn_user(f"{text}. A resumed run draws the same candidates as an uninterrupted one only {needed}")

    def tell(self, candidate: int, rung: int, score: float | None, story: Story | None = None) -> None:
        """Tell the sampler an outcome. A failure after the first rung does not change the candidate's rank."""
        trial = self._trials[candidate]
        if score is None:
            if rung == 0 and trial is not None:
                self._study.tell(trial, None)
            return
        is_new = self._study.put(candidate, rung, score)
        if is_new and trial is not None:
            self._study.tell(trial, candidate)
        elif is_new:
            self._study.add(candidate, _finished_trial(score, self.params[candidate], self._space))


def _storage_of(values: Mapping[int, float]) -> Any:
    """Return a storage that shows the trials whose numbers are in `values` with these values.

    Optuna does not allow to change the value of a finished trial, but a study may have any storage.
    """
    from optuna.storages import InMemoryStorage

    class Storage(InMemoryStorage):  # type: ignore[misc]
        def get_all_trials(self, *arguments: Any, **named: Any) -> list[Any]:
            return [self._shown(trial) for trial in super().get_all_trials(*arguments, **named)]

        def _shown(self, trial: Any) -> Any:
            if trial.number not in values:
                return trial
            shown = copy(trial)  # the storage keeps its own
            shown.value = values[trial.number]
            return shown

    return Storage()


def checked_count(there: Sequence[Params], space: Space, candidates: int | None, sampler: Any) -> int:
    """Return the number of candidates of a run, as `count_of` does, but warn if the space is too small for them.

    `there` are the configurations that come before all draws.
    """
    if candidates is not None and has_levels_alone(space, sampler):
        return space.counted(candidates, there)
    return count_of(there, space, candidates, sampler)


def count_of(first: Sequence[Params], space: Space, candidates: int | None, sampler: Any) -> int:
    """Return the maximum number of candidates, limited by the space's number of configurations if that is known."""
    wanted = candidates or LARGEST
    return min(wanted, space.size_with(first)) if has_levels_alone(space, sampler) else wanted


def has_levels_alone(space: Space, sampler: Any) -> bool:
    """Return whether the sampler proposes only levels; an Optuna sampler may propose numbers between levels too."""
    domains = (domain for domains in space.domains.values() for domain in domains)
    return not (is_asked(sampler) and any(map(_has_numbers_between, domains)))


def is_asked(sampler: Any) -> bool:
    """Return whether `sampler` is an Optuna sampler, not a name."""
    return not isinstance(sampler, str)


def _has_numbers_between(domain: Domain) -> bool:
    if not _is_range(domain, INTEGERS):
        return _is_range(domain, FLOATS)
    return bool(len(domain.levels) <= (domain.levels[-1] - domain.levels[0]) // step_of(domain))


def sobol(space: Space, seed: int) -> Iterator[Params]:
    """Yield each configuration once: the default, then the configurations at Sobol points, then the rest."""
    from scipy.stats import qmc

    engine = qmc.Sobol(d=len(space.domains), seed=seed % 2**32)
    points = chain.from_iterable(engine.random(CHUNK).tolist() for _ in count())
    found = (space.at(dict(zip(space.domains, point, strict=True))) for point in points)
    return each_once(chain([space.default], found), space.stream(seed))


def _suggest(trial: "optuna.Trial", space: Space) -> Params:
    """Return the configuration that a trial suggests."""

    def ask(name: str, number: int, domain: Domain) -> Any:
        parameter, first, last = _parameter(name, number), domain.levels[0], domain.levels[-1]
        if _is_range(domain, INTEGERS):
            step, log = step_of(domain), domain.kind == LOG_INTEGERS
            return trial.suggest_int(parameter, first, last, step=step, log=log)
        if _is_range(domain, FLOATS):
            return trial.suggest_float(parameter, first, last, log=domain.kind == "log")
        options = _options(domain)
        return domain.levels[options.index(trial.suggest_categorical(parameter, options))]

    return space.walk(ask)


def _finished_trial(score: float, params: Params, space: Space) -> "optuna.trial.FrozenTrial":
    """Return a finished trial for a configuration that the sampler did not propose."""
    from optuna import distributions as of
    from optuna.trial import create_trial

    values: Params = {}
    spans: dict[str, of.BaseDistribution] = {}

    def take(name: str, number: int, domain: Domain) -> Any:
        parameter, first, last = _parameter(name, number), domain.levels[0], domain.levels[-1]
        values[parameter] = params[name]
        if _is_range(domain, INTEGERS):
            spans[parameter] = of.IntDistribution(first, last, domain.kind == LOG_INTEGERS, step_of(domain))
        elif _is_range(domain, FLOATS):
            spans[parameter] = of.FloatDistribution(first, last, log=domain.kind == "log")
        else:
            options = _options(domain)
            spans[parameter] = of.CategoricalDistribution(options)
            values[parameter] = options[list(map(encode, domain.levels)).index(encode(params[name]))]
        return params[name]

    space.walk(take)
    return create_trial(value=score, params=values, distributions=spans)


def _is_range(domain: Domain, kinds: Sequence[str]) -> bool:
    return domain.kind in kinds and len(domain.levels) > 1


def _options(domain: Domain) -> list[Any]:
    """Return a domain's levels as options of an Optuna parameter.

    Tuples become text; all levels become text if some are equal, like 1 and True.
    """
    plain = [repr(level) if isinstance(level, tuple) else level for level in domain.levels]
    return plain if len(set(plain)) == len(plain) else [encode(level) for level in domain.levels]


def _parameter(name: str, number: int) -> str:
    """Return the name in the study for one of a hyperparameter's domains; Optuna allows only one domain per name."""
    return name if number == 0 else f"{name} ({number})"
