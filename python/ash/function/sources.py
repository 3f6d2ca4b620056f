"""Chooses the source of candidates for a run of a function: a sampler of `ash.sampling`, or numbered Optuna trials."""

from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np

from ash.function.objective import GIVEN, PROPOSED, TRIAL, space_of
from ash.journal.journal import NullFunctionJournal
from ash.options import ADAPTIVE, LARGEST, RANDOM, FunctionPlan
from ash.sampling import (
    Adaptive,
    Drawn,
    OptunaSource,
    Source,
    Story,
    checked_count,
    draw_moves,
    is_asked,
    sobol,
)
from ash.space.domains import integers, key_of
from ash.space.function_space import FunctionSpace
from ash.space.hyperparameters import Params
from ash.space.space import after


class AdaptiveTrials(Adaptive):
    """Provides numbered Optuna trials; a trial near a good trial also has proposed values.

    The trial itself draws all values that are not proposed.
    """

    def __init__(self, first: Sequence[Params], count: int, seed: int, journal: NullFunctionJournal) -> None:
        super().__init__([], FunctionSpace(**{TRIAL: integers(0, LARGEST)}), count, seed)
        self._recorded = dict(journal.params)
        self.params = [{TRIAL: number, GIVEN: params} for number, params in enumerate(first[:count])]
        self._stories: dict[int, Story] = {}

    def more(self) -> bool:
        """Draw one trial."""
        number = len(self.params)
        if number < self.count:
            self.params.append(self._recorded.get(number) or self._new(number))
        return number < self.count

    def _new(self, number: int) -> Params:
        self._others = iter([{TRIAL: number}])
        return super()._new(number)

    def _near(self, number: int, good: int, source: np.random.PCG64) -> Params | None:
        own = self._stories[good]["params"]
        domains = {name: each for name, (each,) in space_of([self._stories[good]]).domains.items() if name in own}
        near = {name: domains[name].moved(own[name], move) for name, move in draw_moves(domains, source).items()}
        return None if key_of(near) in self._seen else {TRIAL: number, PROPOSED: near}  # None if suggested before

    def tell(self, candidate: int, rung: int, score: float | None, story: Story | None = None) -> None:
        """Rank a trial by its score if it has suggested values."""
        if story is not None and story["params"]:
            self._stories[candidate] = story
            self._seen.add(key_of(story["params"]))
            super().tell(candidate, rung, score)


def source_of(
    first: Sequence[Params],
    space: FunctionSpace | None,
    options: FunctionPlan,
    sampler: Any,
    journal: NullFunctionJournal,
) -> Source:
    """Return the source of candidates for the checked argument `sampler`; the journal has the recorded candidates.

    Without a space, candidates are Optuna trials.
    """
    if space is None:
        return _numbered(first, options, sampler, journal)
    before = journal.before
    journal.check_params(space)
    count = checked_count(list(after(list(before.values()), first)), space, options.candidates, sampler)
    if is_asked(sampler):
        return OptunaSource(first, space, count, sampler, options.seed, journal.params, before)
    if sampler == ADAPTIVE:
        return Adaptive(first, space, count, options.seed, journal.params, before)
    points = space.stream(options.seed) if sampler == RANDOM else sobol(space, options.seed)
    return Drawn(first, points, count, before)


def _numbered(first: Sequence[Params], options: FunctionPlan, sampler: str, journal: NullFunctionJournal) -> Source:
    """Return the source of numbered Optuna trials. The first trials get the values of `first`."""
    wanted = options.candidates or LARGEST
    if sampler == ADAPTIVE:
        return AdaptiveTrials(first, wanted, options.seed, journal)
    given: Iterator[Params] = chain(({GIVEN: params} for params in first), repeat({}))
    trials = ({TRIAL: number, **more} for number, more in enumerate(given))
    return Drawn([], trials, wanted)
