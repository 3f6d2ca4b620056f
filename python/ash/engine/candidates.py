"""Draws the candidates of a run: at random, at even points, guided by the results so far, or by an Optuna sampler.

The random sampler draws from the space, with a fixed share of boosted trees, and the Sobol sampler fills the space
evenly (`ash.sampling`). An Optuna sampler is told the results so far, and asked for one candidate at a time. The
adaptive sampler uses the results so far, too. It has one source of networks and one source of boosted trees:

    decided results -> share of trees -> networks or trees next -> the next candidate of that source

    order in a source: the user's own configurations (argument `first`), the defaults, the portfolio (portfolio.py),
                       then random draws and near draws alternately

A draw near a good candidate keeps about three quarters of that candidate's hyperparameters; the others are drawn from
the space. The share of trees among new candidates starts at PRIOR, and moves toward the share of trees among the best
candidates so far.

Adaptive draws and proposals depend on results. So with the reproducible schedule, the core asks for these candidates
only when an idle worker of its virtual clock has no candidate to start. The results decided by then do not depend on
the number of threads (cpp/ash/search/clock.hpp), so the draws do not depend on it either.

Threads: used only by the calling thread.
Cost:    each request for adaptive candidates reads all results so far, until LEARNS candidates have been drawn. Drawing
         n candidates takes about GROWTH ln(n) requests, and about 50 microseconds per candidate.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any

import numpy as np

from ash import _core
from ash.history.records import Columns
from ash.options import ADAPTIVE, LARGEST, SOBOL, RunPlan
from ash.sampling import Drawn, OptunaSource, checked_count, sobol
from ash.space.boosters import BOOSTERS, MODELS, NETWORK, is_boosted
from ash.space.domains import key_of
from ash.space.hyperparameters import Params, model_of, to_settings
from ash.space.space import Space, after

CHUNK = 1024
"""The number of random candidates drawn at a time. Drawing them takes about 25 ms on a CPU core of 2026, and
about AHEAD candidates are still waiting when the core asks, so no thread runs out of jobs."""
AHEAD = 1024
"""The core asks for more random candidates when fewer than AHEAD wait to enter the first rung."""
GROWTH, MOST_AT_ONCE = 8, 4096
"""Each request for adaptive candidates draws one new candidate per GROWTH drawn so far, but at most MOST_AT_ONCE.
Drawing that many takes about a fifth of a second. A request draws more candidates only if the core needs more."""
LEARNS = 20_000
"""After this many candidates, draws no longer use results, since ranking them takes longer with each candidate."""
PRIOR, WEIGHT = 0.25, 8
"""The share of trees at the start, and the weight of this prior, as a number of candidates."""
LEAST, MOST = 0.1, 0.75
"""The bounds of the share of trees."""
BEST = 4
"""The best 1/BEST of the scored candidates (at least BEST of them) determine the share of trees. "Good" candidates are
the best 1/BEST of the networks and the best 1/BEST of the trees (at least BEST of each)."""
KEPT = 3 / 4
"""The expected share of hyperparameters that a draw near a good candidate takes from that candidate."""
_NEAR = 2  # spawn key of the draws near good candidates; Space.stream has the spawn key 1


class Candidates:
    """The candidates of a run, with their settings of the core.

    Attributes
    ----------
    params : list of dict
        Hyperparameters of the candidates drawn so far, in order of candidate number; the list grows.
    count : int
        Total number of candidates.
    ahead : int
        The core asks for more candidates when fewer than this number wait to enter the first rung; see `_core.Tuner`.
    epoch_cost : float
        The multiply-adds that the core assumes for an epoch of boosted trees. A run sets them to those of an average
        network's epoch.
    """

    ahead = 0

    def __init__(self, params: list[Params], count: int) -> None:
        self.params, self.count = params, count
        self.epoch_cost = 1.0
        self._settings: list[_core.Settings] = []
        self._cost = 1.0  # the epoch cost for which `_settings` were created

    def settings(self, first: int = 0) -> list[_core.Settings]:
        """Return the settings of the candidates drawn so far, from number `first` on."""
        if self._cost != self.epoch_cost:
            self._cost, self._settings = self.epoch_cost, []
        self._settings += [to_settings(params, self.epoch_cost) for params in self.params[len(self._settings) :]]
        return self._settings[first:]

    def more(self, wanted: int, jobs: Callable[..., Columns]) -> list[_core.Settings]:
        """Draw at least `wanted` more candidates, or all that are left, and return their settings.

        `jobs` returns the decided jobs, as `_core.Tuner.jobs` does.
        """
        raise NotImplementedError


class DrawnCandidates(Candidates):
    """Candidates that do not depend on results, drawn by `source`."""

    ahead = AHEAD

    def __init__(self, source: Drawn) -> None:
        self._source = source
        super().__init__(source.params, source.count)

    def more(self, wanted: int, jobs: Callable[..., Columns]) -> list[_core.Settings]:
        """Draw at least `wanted` more candidates, or all that are left, and return their settings."""
        drawn = len(self.params)
        self._source.more(max(wanted, CHUNK))
        return self.settings(drawn)


class AdaptiveCandidates(Candidates):
    """Candidates guided by the results so far: more from the better source, and some draws near good candidates.

    Parameters
    ----------
    space : Space
    seed : int
    begin : sequence of dict
        The portfolio. Configurations that are not in the space are skipped.
    known : sequence of dict
        The candidates drawn in earlier calls, if the run is resumed.
    first : int
        The number of candidates drawn at the start of a run that is not resumed.
    own : sequence of dict
        Configurations of the space that are drawn before all others.
    before : sequence of dict
        Candidates drawn before the space grew. `known` begins with these candidates, or is empty if no candidates were
        drawn after them.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        begin: Sequence[Params] = (),
        known: Sequence[Params] = (),
        first: int = 1,
        own: Sequence[Params] = (),
        before: Sequence[Params] = (),
    ) -> None:
        super().__init__([], min(space.size_with(list(after(before, own))), LARGEST))
        known = known or before
        self._sources = {of_trees: _Source(part, seed, begin, own) for of_trees, part in _parts(space).items()}
        self._trees = 0
        self._share = PRIOR
        self._good: dict[bool, list[Params]] = {}
        for params in [*known, *own[len(known) :]]:
            self._add(self._sources[is_boosted(params)].take(params))
        if not known:
            self.draw(first - len(own))

    def draw(self, wanted: int) -> None:
        """Draw up to `wanted` more candidates, guided by the results that were last read."""
        for _ in range(min(wanted, self.count - len(self.params))):
            is_turn = self._trees < self._share * len(self.params)
            params = self._draw_one(is_turn) or self._draw_one(not is_turn)
            assert params is not None  # never None, since the space has more configurations
            self._add(params)

    def _draw_one(self, of_trees: bool) -> Params | None:
        source = self._sources.get(of_trees)
        return None if source is None else source.draw(self._good.get(of_trees, ()))

    def _add(self, params: Params) -> None:
        self._trees += is_boosted(params)
        self.params.append(params)

    def more(self, wanted: int, jobs: Callable[..., Columns]) -> list[_core.Settings]:
        """Draw at least `wanted` more candidates, guided by the results so far, and return their settings."""
        drawn = len(self.params)
        self._share, self._good = PRIOR, {}
        if drawn < LEARNS:
            self._learn(jobs())
        self.draw(max(wanted, min(drawn // GROWTH, MOST_AT_ONCE)))
        return self.settings(drawn)

    def _learn(self, columns: Columns) -> None:
        """Update the share of trees among the next draws, and the lists of good candidates, from the decided jobs."""
        scores: dict[int, float] = {}
        for candidate, score in zip(columns["candidate"].tolist(), columns["score"].tolist(), strict=True):
            if math.isfinite(score):
                scores[candidate] = max(score, scores.get(candidate, score))
        order = sorted(scores, key=lambda candidate: (-scores[candidate], candidate))
        ranked = [self.params[candidate] for candidate in order]
        best = ranked[: max(BEST, len(ranked) // BEST)]
        share = (PRIOR * WEIGHT + sum(map(is_boosted, best))) / (WEIGHT + len(best))
        self._share = min(MOST, max(LEAST, share))
        for of_trees in self._sources:
            own = [params for params in ranked if is_boosted(params) == of_trees]
            self._good[of_trees] = own[: max(BEST, len(own) // BEST)]


class OptunaCandidates(Candidates):
    """Candidates that an Optuna sampler proposes one at a time, after it was told the decided jobs.

    In a resumed run, the core asks again for the candidates of earlier calls, after the same decisions.
    """

    def __init__(self, source: OptunaSource) -> None:
        if not source.params:
            source.more()
        self._source = source
        self._told = 0  # the number of decided jobs that the sampler was told
        super().__init__(source.params, source.count)

    def more(self, wanted: int, jobs: Callable[..., Columns]) -> list[_core.Settings]:
        """Tell the sampler the results that it does not know, and let it propose `wanted` more candidates."""
        drawn, columns = len(self.params), jobs(self._told)
        rows = zip(*(columns[name].tolist() for name in ("candidate", "rung", "score")), strict=True)
        for candidate, rung, score in rows:
            self._source.tell(candidate, rung, score if math.isfinite(score) else None)
        self._told += len(columns["score"])
        while len(self.params) < drawn + wanted and self._source.more():
            continue
        return self.settings(drawn)


class _Source:
    """Draws each network (or each tree model) of a space once: first the defaults, then `begin`, then the rest.

    Before the first draw, the caller passes the configurations in `own` to `take`, so they are not drawn again.
    """

    def __init__(self, space: Space, seed: int, begin: Sequence[Params], own: Sequence[Params]) -> None:
        self._space, self._seed = space, seed
        defaults = [space.of_models([model]).default for model in MODELS if model in space.models]
        mine = [params for params in own if model_of(params) in space.models]
        stream, first = space.stream(seed), [*mine, *defaults, *_of_space(begin, space)]
        self._is_drawn: set[str] = set()
        self._fresh = (params for params in chain(first, stream) if key_of(params) not in self._is_drawn)
        self._next = next(self._fresh, None)
        self._begin = len(set(map(key_of, first)))

    def draw(self, good: Sequence[Params]) -> Params | None:
        """Draw the next candidate, or return None if none is left.

        After the defaults and `begin`, every second draw is near a good candidate if there are any.
        """
        fresh, drawn = self._next, len(self._is_drawn)
        if fresh is None:
            return None
        if not good or drawn < self._begin or drawn % 2 == 0:
            return self.take(fresh)
        near = self._near(good, fresh)
        return self.take(fresh if key_of(near) in self._is_drawn else near)

    def take(self, params: Params) -> Params:
        """Record the configuration `params` as drawn, so that it is not drawn again, and return it."""
        self._is_drawn.add(key_of(params))
        if self._next is not None and key_of(self._next) in self._is_drawn:
            self._next = next(self._fresh, None)
        return params

    def _near(self, good: Sequence[Params], fresh: Params) -> Params:
        """Return a candidate from `good`, with some hyperparameters replaced by those of the candidate `fresh`."""
        key = (_NEAR, len(self._is_drawn))
        source = np.random.PCG64(np.random.SeedSequence(self._seed, spawn_key=key))
        which, *words = source.random_raw(1 + len(self._space.domains)).tolist()
        kept = [name for name, word in zip(self._space.domains, words, strict=True) if word < KEPT * 2**64]
        return self._space.blend(good[which % len(good)], fresh, kept)


def draw(
    space: Space,
    plan: RunPlan,
    begin: Sequence[Params] = (),
    least: int = 0,
    known: Callable[[], Sequence[Params]] = list,
    own: Sequence[Params] = (),
    before: Mapping[int, Params] = MappingProxyType({}),
    sampler: Any = None,
) -> Candidates:
    """Draw the candidates of a run, or only the first candidates if more can be drawn later.

    Parameters
    ----------
    space, plan
        The space and the plan of the run, which need not have its ladder.
    begin : sequence of dict
        The portfolio of the adaptive sampler.
    least : int
        The number of candidates whose training was started in earlier calls.
    known : callable
        Returns the candidates drawn in earlier calls, in order of number. Called only if draws depend on results.
    own : sequence of dict
        The configurations of the argument `first`.
    before : dict of dict
        Candidates drawn before the space grew, keyed by number.
    sampler : optuna.samplers.BaseSampler, optional
        The Optuna sampler, if the user gave one.
    """
    there = list(before.values())
    if plan.sampler == ADAPTIVE:
        first = plan.threads if plan.schedule == "greedy" else plan.virtual_workers
        return AdaptiveCandidates(space, plan.seed, begin, known(), first, own, there)
    wanted, named = plan.candidates, plan.sampler if sampler is None else sampler
    count = checked_count(list(after(there, own)), space, wanted, named)
    if sampler is not None:
        return OptunaCandidates(OptunaSource(own, space, count, sampler, plan.seed, dict(enumerate(known())), before))
    points = sobol(space, plan.seed) if plan.sampler == SOBOL else _at_random(space, plan.seed)
    source = Drawn(own, points, count, before)
    source.more(max(0, (least + CHUNK if wanted is None else count) - len(source.params)))
    return DrawnCandidates(source)


def _at_random(space: Space, seed: int) -> Iterator[Params]:
    """Yield a space's configurations in random order.

    If the space has networks and trees, the share of trees is PRIOR.
    """
    streams = {of_trees: part.stream(seed) for of_trees, part in _parts(space).items()}
    drawn = trees = 0
    while streams:
        of_trees = trees < PRIOR * drawn
        if of_trees not in streams:
            of_trees = not of_trees
        if (params := next(streams[of_trees], None)) is None:
            del streams[of_trees]
        else:
            drawn, trees = drawn + 1, trees + of_trees
            yield params


def _parts(space: Space) -> dict[bool, Space]:
    """Return a space's networks (key False) and trees (key True), each as a space; an empty part is left out."""
    kinds = {False: (NETWORK,), True: tuple(BOOSTERS)}
    return {which: space.of_models(models) for which, models in kinds.items() if not space.models.isdisjoint(models)}


def _of_space(begin: Sequence[Params], space: Space) -> list[Params]:
    """Return the configurations that fit a space; every second one gets the log target transform if the space has it.

    The hyperparameters of embeddings are dropped if the space has no embeddings. The default space has none if the
    table has no numeric columns or very many of them.
    """
    found = []
    for place, params in enumerate(begin):
        if "embedding" not in space.domains:
            params = {name: value for name, value in params.items() if not name.startswith("embedding")}
        tries = [{**params, "target_transform": "log"}] * (place % 2) + [params]
        found += list(filter(None, map(space.completed, tries)))[:1]
    return found
