"""What a cross-validated run predicts with: networks trained on all rows, through the rungs that their candidates took.

    kept candidates --their predictions of the validation rows of all folds--> greedy selection --> drawn
                    --where these rows are few--> the best five, in equal shares -----------------> drawn
    drawn --trained from scratch on all rows, the best first, then by their shares, as far as there is time--> model

Of few rows a selection fits the noise, and so does the choice of a single network: in trials outside of `bench` the
mean of the best five erred less than either on two of three tables each.

Order:   of no account: a network is a function of its candidate, rung and data. Who diverges or comes too late is left
         out, and the others keep their draws; without the best, the network of the first fold stands for it, alone.
Threads: one network each.
Cost:    of a candidate, about 1 / (folds - 1) of what its jobs have taken.
"""

import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.calibration import sharpen
from ash.epoch_rows import rows_of_epoch
from ash.folds import FEW_ROWS
from ash.kept import Kept
from ash.options import Options
from ash.outcome import network_of
from ash.parts import Parts
from ash.preparation import prepare
from ash.records import Columns
from ash.settings import Params, to_settings

HASTE = 0.9
"""Of the time that is left: what the training at the end of a run is planned for."""
BEST_OF_FEW = 5
"""Networks that predict together where the rows are few."""


@dataclass(frozen=True)
class Folds:
    """The parts of each fold, and all rows to train on."""

    folds: Sequence[Parts]
    whole: Parts


def on_all_rows(
    kept: Kept, counts: NDArray[np.int64], columns: Columns, data: Folds, options: Options, deadline: float
) -> tuple[Kept, NDArray[np.int64]]:
    """Return the same with the drawn networks trained on all rows, the best of them in any case, and the draws left.

    Parameters
    ----------
    kept : Kept
        With the networks of the first fold.
    counts : int64 array [networks]
        How often each was drawn.
    columns : Columns
        Of the jobs of the run.
    deadline : float
        On the monotonic clock, infinite for none.

    Warns
    -----
    UserWarning
        The best has diverged, which it did in none of the folds.
    """
    drawn = _in_time(kept, counts, columns, data, options, deadline)
    cores = _train(kept, drawn, data.whole, options)
    networks, left = list(kept.networks), np.zeros_like(counts)
    for place, core in zip(drawn, cores, strict=True):
        if core is not None:
            old = networks[place]
            networks[place] = network_of(
                sharpen(core, kept.factors[place]), data.whole, old.params, options, old.validation_score
            )
            left[place] = counts[place]
    if cores[0] is None:
        text = "training on all rows has diverged, which no fold did: the model is the network of the first fold"
        warnings.warn(text, UserWarning, stacklevel=4)
        left[:] = 0
    left[0] = max(1, left[0])
    return replace(kept, networks=tuple(networks)), left


def drawn_of(kept: Kept, size: int) -> NDArray[np.int64]:
    """Return how often each network is drawn for an ensemble of at most `size` draws: int64 [networks]."""
    if len(kept.targets) >= FEW_ROWS:
        return kept.best_counts(size)
    counts = np.zeros(len(kept.networks), np.int64)
    counts[: min(size, BEST_OF_FEW)] = 1
    return counts


def wall_seconds(kept: Kept, counts: NDArray[np.int64], columns: Columns, data: Folds, options: Options) -> float:
    """Return how long the training of the drawn networks would take."""
    return shared_out(_seconds(kept, np.flatnonzero(counts), columns, data, options), options.threads)


def shared_out(seconds: NDArray[np.float64], threads: int) -> float:
    """Return how long networks take that have so many seconds each; whether others help with one is not sure."""
    return max(float(seconds.sum()) / threads, float(seconds.max())) / HASTE


def train_through(
    data: _core.Data, params: Params, candidate: int, rung: int, options: Options
) -> _core.Network | None:
    """Return a network of these hyperparameters, trained up to a rung as the run does; None if it diverges."""
    cycles, epochs = (rung + 1, options.min_epochs)
    if options.training == "restart":
        cycles, epochs = 1, options.min_epochs * options.eta**rung
    network, losses = _core.train(data, to_settings(params), epochs, options.seed, candidate, cycles, options.eta)
    return network if np.isfinite(losses).all() else None


def _in_time(
    kept: Kept, counts: NDArray[np.int64], columns: Columns, data: Folds, options: Options, deadline: float
) -> list[int]:
    """Return the places of those that there is time for: the best, then those that were drawn most often."""
    drawn = np.flatnonzero(counts)
    drawn = drawn[np.lexsort((drawn, -counts[drawn], drawn != 0))]
    seconds = _seconds(kept, drawn, columns, data, options)
    left = deadline - time.monotonic()
    fitting = [n for n in range(1, len(drawn) + 1) if shared_out(seconds[:n], options.threads) <= left]
    return [int(place) for place in drawn[: max(fitting, default=1)]]


def _train(kept: Kept, drawn: Sequence[int], whole: Parts, options: Options) -> list[_core.Network | None]:
    data = prepare(whole, epoch_rows=options.epoch_rows)

    def train(place: int) -> _core.Network | None:
        params = kept.networks[place].params
        return train_through(data, params, kept.candidates[place], kept.rungs[place], options)

    if len(drawn) == 1:
        return [train(drawn[0])]
    with ThreadPoolExecutor(min(options.threads, len(drawn))) as pool:
        return list(pool.map(train, drawn))


def _seconds(
    kept: Kept, drawn: NDArray[np.int64], columns: Columns, data: Folds, options: Options
) -> NDArray[np.float64]:
    """Return the seconds of one thread that each takes: those of its jobs, for the rows of all folds together."""
    rows = [rows_of_epoch(len(part.training), options.epoch_rows) for part in data.folds]
    growth = rows_of_epoch(len(data.whole.training), options.epoch_rows) / sum(rows)
    found = []
    for place in drawn.tolist():
        rung = kept.rungs[place]
        lowest = 0 if options.training == "resume" else rung
        own = (columns["candidate"] == kept.candidates[place]) & (lowest <= columns["rung"]) & (columns["rung"] <= rung)
        found.append(growth * float(columns["core_seconds"][own].sum()))
    return np.array(found)
