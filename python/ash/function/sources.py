"""Where candidates come from: a draw, points that fill the space evenly, or a sampler of Optuna that learns.

    params       those that there are, by number; what the user knows comes first
    more()       one more or some, when the clock stands still for want of them
    tell(...)    what became of one in the first rung, in order of decision

The clock stands still at a virtual time that depends on decisions alone, and all that was decided before was told by
then: so whom a sampler proposes depends on no timing either, where the schedule is reproducible.
Sources: Sobol points, Owen-scrambled: scipy.stats.qmc.Sobol. Ask and tell: Optuna, Study.ask and Study.tell.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, Protocol

from ash.errors import SettingError
from ash.function.initial_candidates import key_of
from ash.options import LARGEST, FunctionOptions
from ash.space.function_space import FunctionSpace
from ash.space.hyperparameters import Params

SOBOL = "sobol"
CHUNK = 256
FRUITLESS = 1000
"""Points in a row that are all there already: then the space is taken to be used up."""


class Source(Protocol):
    """Where candidates come from."""

    params: list[Params]
    count: int

    def more(self) -> bool:
        """Add to `params`, and return whether anything was."""

    def tell(self, candidate: int, score: float | None) -> None:
        """Take notice of a score in the first rung, None of a failure."""


class Drawn:
    """A draw, or Sobol points: nothing is learned.

    Parameters
    ----------
    first : sequence of dict
        What comes before.
    points : iterator of dict
        The others; those that are among the first are left out.
    count : int
        How many candidates in all.
    at_once : int
        How many are drawn to begin with, beside the first.
    """

    def __init__(self, first: Sequence[Params], points: Iterator[Params], count: int, at_once: int) -> None:
        own = {key_of(params) for params in first}
        others = (params for params in points if key_of(params) not in own) if own else points
        self._rest = islice(chain(first, others), count)
        self.params = list(islice(self._rest, min(count, len(first) + at_once)))
        self.count = count

    def more(self) -> bool:
        """Draw some more."""
        drawn = list(islice(self._rest, CHUNK))
        self.params += drawn
        return bool(drawn)

    def tell(self, candidate: int, score: float | None) -> None:
        """Learn nothing."""


def source_of(
    first: Sequence[Params], space: FunctionSpace, options: FunctionOptions, sampler: Any, known: Mapping[int, Params]
) -> Source:
    """Return the source for the argument `sampler`, which is checked; `known`: candidates that are on record."""
    endless = options.candidates is None
    asked = LARGEST if options.candidates is None else options.candidates
    if sampler is not None and sampler != SOBOL:
        from ash.function.optuna_source import Asked

        return Asked(first, space, asked, sampler, known)
    others = space.size - sum(space.read(params)[1] for params in first)
    count = min(asked, len(first) + others)
    if count < asked and not endless:
        text = f"candidates={asked} is more than the {count} configurations of the space; all of them are used."
        warnings.warn(text, UserWarning, stacklevel=4)
    points = space.stream(options.seed) if sampler is None else sobol(space, options.seed)
    return Drawn(first, points, count, CHUNK if endless else count)


def read_sampler(sampler: Any) -> Any:
    """Return the argument `sampler`, or raise SettingError unless it is None, "sobol" or a sampler of Optuna."""
    bases = {f"{each.__module__.partition('.')[0]}.{each.__name__}" for each in type(sampler).__mro__}
    is_sobol = isinstance(sampler, str) and sampler == SOBOL
    if sampler is None or is_sobol or "optuna.BaseSampler" in bases:
        return sampler
    raise SettingError(
        f"sampler={sampler!r} is not allowed; give {SOBOL!r}, a sampler of Optuna such as "
        "optuna.samplers.TPESampler(seed=0), or None for a draw"
    )


def sobol(space: FunctionSpace, seed: int) -> Iterator[Params]:
    """Yield each configuration once: the default one, then those that Sobol points fall on, then all others."""
    from scipy.stats import qmc

    engine = qmc.Sobol(d=len(space.domains), seed=seed % 2**32)
    seen = {key_of(space.default)}
    yield space.default
    fruitless = 0
    while fruitless < FRUITLESS and len(seen) < space.size:
        for point in engine.random(CHUNK):
            params = space.at(dict(zip(space.domains, point.tolist(), strict=True)))
            key = key_of(params)
            fruitless = fruitless + 1 if key in seen else 0
            if fruitless == 0:
                seen.add(key)
                yield params
    yield from (params for params in space.stream(seed) if key_of(params) not in seen)
