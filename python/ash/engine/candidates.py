"""The candidates of a run: their space by default, and their draw."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from ash import _core
from ash.encoding.data_split import Fold
from ash.options import LARGEST, Options, RunOptions
from ash.space.defaults import default_space
from ash.space.hyperparameters import Params, to_settings
from ash.space.space import Space

CHUNK = 1024
"""Candidates of a stream that are drawn together: some 25 ms on one core of 2026, so that nothing waits for them."""


@dataclass
class Candidates:
    """The hyperparameters of the candidates: all from the beginning, or a stream that is drawn as the core asks.

    `params` are those drawn so far, by number; `count` is how many there are in all; `rest` gives the others.
    """

    params: list[Params]
    count: int
    rest: Iterator[Params]

    def first(self) -> list[_core.Settings]:
        """Return the settings of all that are drawn."""
        return [to_settings(params) for params in self.params]

    def more(self, wanted: int) -> list[_core.Settings]:
        """Draw at least so many more, as far as there are, and return their settings."""
        drawn = list(islice(self.rest, max(wanted, CHUNK)))
        self.params += drawn
        return [to_settings(params) for params in drawn]


def space_of(fold: Fold, options: Options) -> Space:
    """Return the default space of a table."""
    table, encoding = fold.table, fold.encoding
    return default_space(
        len(fold.training),
        encoding.features,
        table.y.shape[1],
        table.classes,
        numbers=int(encoding.scaled.sum()),
        metric=str(options.metric),
    )


def draw(space: Space, options: RunOptions, least: int = 0) -> Candidates:
    """Return the candidates: a number of them, fewer when the space holds fewer, or the beginning of a stream.

    Parameters
    ----------
    least : int
        How many of a stream at least, and some more that they may be followed by.
    """
    if options.candidates is not None:
        params = space.sample(options.candidates, options.seed)
        return Candidates(params, len(params), iter(()))
    count = min(space.size, LARGEST)
    stream = islice(space.stream(options.seed), count)
    return Candidates(list(islice(stream, least + CHUNK)), count, stream)
