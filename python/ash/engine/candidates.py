"""The candidates of a run: all drawn at the start, or a stream that is drawn as the core asks for more.

A run of one kind of model uses the candidates in the order its space draws them. A run of networks and boosted trees
draws from one stream per kind:

    decided results -> share of trees -> the kind that is next -> the next of its stream

The share of trees among new candidates begins at PRIOR and moves to their share among the best candidates so far. If a
number of candidates is asked for, all are drawn at the start, with the share PRIOR. The stream of trees begins with
PORTFOLIO, configurations chosen by hand, as far as the space has them.

Where draws depend on results, the core asks for candidates only when an idle worker of its virtual clock has none left.
The results decided by then do not depend on threads (cpp/ash/search/clock.hpp). Neither do the draws.

Threads: the calling thread alone.
Cost:    a draw of several kinds goes through the results so far; n candidates take about GROWTH log(n) draws.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from ash import _core
from ash.history.records import Columns
from ash.options import LARGEST, NETWORK, TREES, RunOptions
from ash.space.domains import Domain, key_of
from ash.space.hyperparameters import Params, model_of, to_settings
from ash.space.space import Space

CHUNK = 1024
"""Candidates of one kind that are drawn at a time; that takes about 25 ms on one core of 2026, so no thread waits."""
AHEAD = 1024
"""The core asks for more candidates of one kind when fewer than this many wait to enter."""
FIRST, GROWTH = 4, 8
"""Candidates that are drawn at the start, unless there are virtual workers: then one for each. Later draws add one
candidate per GROWTH drawn so far."""
PRIOR, WEIGHT = 0.25, 8
"""The share of trees at the start, and its weight as a number of best candidates."""
LEAST, MOST = 0.1, 0.75
"""Bounds of their share."""
BEST = 4
"""The best 1/BEST of the scored candidates count as the best, but never fewer than BEST."""
_NAMES = ("shrinkage", "num_leaves", "min_data_in_leaf", "feature_fraction", "lambda_l2", "extra_trees")
PORTFOLIO: tuple[Params, ...] = tuple(
    {"model": TREES[0], **dict(zip(_NAMES, row, strict=True)), "bagging_fraction": 0.9}
    for row in (
        (10.0, 31, 10, 0.8, 0.1, False),
        (30.0, 7, 5, 0.6, 0.1, False),
        (15.0, 24, 5, 0.7, 0.1, True),
        (20.0, 90, 3, 0.6, 0.01, False),
        (7.0, 220, 2, 0.7, 0.03, False),
        (5.0, 20, 60, 0.9, 0.01, False),
    )
)
"""The first boosted trees, where the space has them."""


class Candidates:
    """The candidates of a run of one kind of model.

    Parameters
    ----------
    params : list of dict
        Hyperparameters of those drawn so far, by number.
    count : int
        How many there are in all.
    rest : iterator of dict
        Draws the others.

    Attributes
    ----------
    params, count
        As above; `params` grows.
    ahead : int
        As of `_core.Tuner`.
    epoch_cost : float
        The multiply-adds of an epoch of those that are no networks; as many as an average network takes.
    """

    ahead = AHEAD

    def __init__(self, params: list[Params], count: int, rest: Iterator[Params]) -> None:
        self.params, self.count, self.rest = params, count, rest
        self.epoch_cost = 1.0

    def settings(self, first: int = 0) -> list[_core.Settings]:
        """Return the settings of the candidates drawn so far, from number `first` on."""
        return [to_settings(params, self.epoch_cost) for params in self.params[first:]]

    def more(self, wanted: int, jobs: Callable[[], Columns]) -> list[_core.Settings]:
        """Draw at least `wanted` more, or as many as are left, and return their settings.

        `jobs` returns the decided jobs, as `_core.Tuner.jobs`.
        """
        drawn = len(self.params)
        self.params += islice(self.rest, max(wanted, CHUNK))
        return self.settings(drawn)


class MixedCandidates(Candidates):
    """A stream of networks and boosted trees, of which the better kind gets more.

    Parameters
    ----------
    space : Space
        With both kinds.
    seed : int
    known : sequence of dict
        The first candidates, of a run that is resumed.
    first : int
        How many are drawn at the start of another run.
    """

    ahead = 0

    def __init__(self, space: Space, seed: int, known: Sequence[Params] = (), first: int = FIRST) -> None:
        networks, trees = (space.of_models(each) for each in ((NETWORK,), TREES))
        begin = portfolio(trees)
        known_keys = set(map(key_of, begin))
        others = (params for params in trees.stream(seed) if key_of(params) not in known_keys)
        self._streams = [networks.stream(seed), chain(begin, others)]
        super().__init__([], min(space.size, LARGEST), iter(()))
        for params in known[
            : self.count
        ]:  # the order of kinds depends on results; the candidate drawn for a kind does not
            self._draw_one(_is_trees(params))
        if not known:
            self.draw(first, PRIOR)

    def draw(self, wanted: int, share: float) -> None:
        """Draw up to `wanted` more candidates with this share of trees."""
        trees = sum(map(_is_trees, self.params))
        for _ in range(min(wanted, self.count - len(self.params))):
            is_turn = trees < share * len(self.params)
            trees += _is_trees(self._draw_one(is_turn))

    def _draw_one(self, trees: bool) -> Params:
        """Draw from one of the streams, or from the other if it is empty."""
        params = next(self._streams[trees], None) or next(self._streams[not trees])
        self.params.append(params)
        return params

    def more(self, wanted: int, jobs: Callable[[], Columns]) -> list[_core.Settings]:
        """Draw some more by the results so far, and return their settings."""
        drawn = len(self.params)
        self.draw(max(wanted, drawn // GROWTH), self._share(jobs()))
        return self.settings(drawn)

    def _share(self, columns: Columns) -> float:
        """Return the share of trees among the next candidates."""
        scores: dict[int, float] = {}
        for candidate, score in zip(columns["candidate"].tolist(), columns["score"].tolist(), strict=True):
            if math.isfinite(score):
                scores[candidate] = max(score, scores.get(candidate, score))
        best = sorted(scores, key=lambda candidate: (-scores[candidate], candidate))[: max(BEST, len(scores) // BEST)]
        trees = sum(_is_trees(self.params[candidate]) for candidate in best)
        return min(MOST, max(LEAST, (PRIOR * WEIGHT + trees) / (WEIGHT + len(best))))


def draw(space: Space, options: RunOptions, least: int = 0, known: Callable[[], Sequence[Params]] = list) -> Candidates:
    """Draw the candidates, or the first ones of a stream.

    Parameters
    ----------
    space, options
        Of the run.
    least : int
        How many an earlier run has trained at least.
    known : callable
        Returns those that it has drawn, by number; called only if draws depend on results.
    """
    is_mixed = len({_is_trees({"model": model}) for model in space.models}) > 1
    if options.candidates is None and is_mixed:
        return MixedCandidates(space, options.seed, known(), options.workers or FIRST)
    if options.candidates is None:
        count = min(space.size, LARGEST)
        stream = islice(space.stream(options.seed), count)
        return Candidates(list(islice(stream, least + CHUNK)), count, stream)
    if is_mixed:
        count = space.counted(options.candidates)
        mixed = MixedCandidates(space, options.seed)
        mixed.draw(count - len(mixed.params), PRIOR)
        params = mixed.params[:count]
    else:
        params = space.sample(options.candidates, options.seed)
    return Candidates(params, len(params), iter(()))


def _is_trees(params: Params) -> bool:
    return model_of(params) in TREES


def portfolio(trees: Space) -> list[Params]:
    """Return those of PORTFOLIO that a space has; every other one with logarithms of targets, if the space has them."""
    found = []
    for place, params in enumerate(PORTFOLIO):
        own = {**params, "target_transform": ("none", "log")[place % 2]}
        wanted = {name: own.get(name) for name in trees.domains}
        has_all = all(any(_has(domain, value) for domain in trees.domains[name]) for name, value in wanted.items())
        if has_all and params.keys() <= wanted.keys():
            found.append(wanted)
    return found


def _has(domain: Domain, value: Any) -> bool:
    return (
        domain.has(value) if domain.has_list else value is not None and domain.levels[0] <= value <= domain.levels[-1]
    )
