"""The refit: the networks that predict in the end are trained on all rows, alone or as an ensemble.

    one fold         kept networks -> greedy selection -> one short cycle more on all rows -> model
    several folds    kept candidates -> greedy selection by their predictions of all validation rows,
                     or the best five in equal shares where these rows are few
                     -> trained from scratch on all rows, as many as there is time for -> model

After one fold, the last cycle is half as long as the network's last job and starts at 0.3 of its learning rate.
Weights, moments and random stream continue from where that job ended. `python -m bench ablation` compares this with no
refit. At commit 9abf357 its variant "final" also compares it with a whole cycle at the full rate, and with training
from scratch on all rows, which costs four times as much.

After several folds, each network is trained through the rungs of its candidate, the best first, then those with the
largest shares. With few rows, a selection fits the noise, and so does the choice of a single network: in trials outside
of `bench`, the mean of the best five erred less than either on two of three tables each.

No rows are left to score with. So an ensemble keeps the shares and the score that the validation rows gave it.

Networks that diverge, or for which no time is left, stay as they were after one fold and are left out after several.
Without the best one, the network of the first fold takes its place. The order of training has no effect: a network is a
function of its candidate, its rung and the data.

Threads: after one fold the most costly networks come first, and a thread without a network joins a team; after several
folds each network has one thread.
"""

import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.encoding.data_split import FEW_ROWS, Fold, Split
from ash.engine.core_data import prepare
from ash.engine.planning import rows_of_epoch
from ash.errors import DataError
from ash.history.records import Columns
from ash.models.model import Model
from ash.models.pool import Kept, network_of, read_kept, sharpen
from ash.options import Options
from ash.space.hyperparameters import Params, to_settings

SHARE, LEAST_SHARE = 0.5, 0.2
"""The last cycle, as a share of the epochs of the network's last job; and the share below which there is none."""
RATE = 0.3
"""The learning rate of the last cycle, as a share of the network's own."""
HASTE = 0.9
"""The share of the remaining time that the refit is planned for."""
BEST_OF_FEW = 5
"""Networks in an ensemble selected by few rows."""
LONGEST = 1e9
"""Seconds that mean no limit."""


@dataclass(frozen=True)
class Final:
    """What an estimator asks for at the end of its run.

    Attributes
    ----------
    ensemble : int
        The most draws of the ensemble; 1: a single network.
    refit : bool
        Whether the networks are trained further on all rows.
    """

    ensemble: int
    refit: bool


def refits(final: Final | None, split: Split) -> bool:
    """Return whether there is a refit: always after several folds, never with a separate validation table."""
    if split.whole is not None:
        return True
    return final is not None and final.refit and split.folds[0].held_out is None


def finish(
    tuner: _core.Tuner,
    kept: Kept,
    split: Split,
    options: Options,
    final: Final,
    *,
    interrupted: bool,
    deadline: float,
) -> tuple[Kept, Model]:
    """Return the kept networks, the best first, and the model that predicts.

    Parameters
    ----------
    tuner : Tuner
        Whose threads have ended.
    interrupted : bool
        Whether Ctrl-C has ended the run: then optional training is skipped.
    deadline : float
        When the refit must be done, on the monotonic clock; infinite for no limit. If time is short, fewer networks or
        shorter cycles are trained, or none.
    """
    if split.whole is not None:
        counts = drawn_of(kept, 1 if interrupted else final.ensemble)
        kept, counts = on_all_rows(kept, counts, tuner.jobs(), split, options, deadline)
        return kept, kept.model_of(counts)
    counts = kept.best_counts(final.ensemble)
    if interrupted or not refits(final, split):
        return kept, kept.model_of(counts)
    trained = _refit(tuner, kept, np.flatnonzero(counts), split.folds[0], options, deadline)
    return kept, trained.model_of(counts)


def refit_seconds(
    tuner: _core.Tuner,
    split: Split,
    params: Sequence[Params],
    options: Options,
    ensemble: int,
) -> float:
    """Return how long the refit would take if the run ended now.

    Parameters
    ----------
    tuner : Tuner
        That may be running.
    params : sequence
        Hyperparameters of the candidates so far, by number.
    ensemble : int
        The most draws.
    """
    kept = read_kept(tuner, split.folds, params, options)
    if kept is None:
        return 0.0
    if split.whole is not None:
        return wall_seconds(kept, drawn_of(kept, ensemble), tuner.jobs(), split, options)
    seconds, _ = _cycles(tuner.jobs(), kept, np.flatnonzero(kept.best_counts(ensemble)), split.folds[0], options)
    return shared_out(seconds, options.threads)


def _refit(
    tuner: _core.Tuner,
    kept: Kept,
    drawn: NDArray[np.int64],
    fold: Fold,
    options: Options,
    deadline: float,
) -> Kept:
    """Train the drawn networks for their last cycle; those that diverge or get no time stay as they are."""
    seconds, epochs = _cycles(tuner.jobs(), kept, drawn, fold, options)
    order = np.argsort(-seconds, kind="stable")
    if _share(seconds, options, deadline) == 0:
        return kept
    rows = np.concatenate([fold.training, fold.validation])
    try:
        data = prepare(replace(fold, training=rows, validation=fold.validation[:1]), epoch_rows=options.epoch_rows)
    except DataError as error:
        warnings.warn(f"there is no refit on all rows: {error}", UserWarning, stacklevel=2)
        return kept
    share = _share(seconds, options, deadline)  # again: preparing the data took time
    if share == 0:
        return kept
    places = drawn[order].tolist()
    settings = [_last_settings(kept.networks[place].params) for place in places]
    lengths = np.maximum(1, (share * epochs[order]).astype(np.int64)).tolist()
    left = deadline - time.monotonic()
    try:
        cores = tuner.refit(data, places, settings, lengths, options.seed, min(left, LONGEST))
    except KeyboardInterrupt:  # the user wants to wait no longer, and the networks are there
        return kept
    return _with_cores(kept, places, cores, fold, options)


def _last_settings(params: Params) -> _core.Settings:
    settings = to_settings(params)
    settings.learning_rate *= RATE
    return settings


def _share(seconds: NDArray[np.float64], options: Options, deadline: float) -> float:
    """Return the share of the cycles that there is time for; 0 if it is too small."""
    share = min(1.0, (deadline - time.monotonic()) / max(shared_out(seconds, options.threads), 1e-9))
    return share if share * SHARE >= LEAST_SHARE else 0.0


def _growth(fold: Fold, options: Options, params: Params) -> float:
    """Return how many times more rows an epoch has in the refit than in the run."""
    most = None if params.get("batch_size") == "full" else options.epoch_rows
    training = len(fold.training)
    return rows_of_epoch(training + len(fold.validation), most) / rows_of_epoch(training, most)


def _cycles(
    columns: Columns, kept: Kept, drawn: NDArray[np.int64], fold: Fold, options: Options
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the seconds of a thread, and the epochs, of the last cycle of each drawn network, from its last job."""
    found = []
    for place in drawn.tolist():
        of_job = (columns["candidate"] == kept.candidates[place]) & (columns["rung"] == kept.rungs[place])
        found.append((float(columns["core_seconds"][of_job].item()), int(columns["epochs"][of_job].item())))
    seconds, epochs = zip(*found, strict=True)
    growth = [_growth(fold, options, kept.networks[place].params) for place in drawn.tolist()]
    return SHARE * np.array(growth) * np.array(seconds), SHARE * np.array(epochs, np.float64)


def on_all_rows(
    kept: Kept, counts: NDArray[np.int64], columns: Columns, split: Split, options: Options, deadline: float
) -> tuple[Kept, NDArray[np.int64]]:
    """Train the drawn networks on all rows; return the networks with them, and how often each is drawn now.

    The best one is trained even where there is no time.

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
        The best one has diverged, as it did in no fold.
    """
    whole = split.whole
    assert whole is not None
    drawn = _in_time(kept, counts, columns, split, options, deadline)
    cores = _train(kept, drawn, whole, options)
    left = np.zeros_like(counts)
    trained = [place for place, core in zip(drawn, cores, strict=True) if core is not None]
    left[trained] = counts[trained]
    if cores[0] is None:
        text = "training on all rows has diverged, which no fold did: the model is the network of the first fold"
        warnings.warn(text, UserWarning, stacklevel=4)
        left[:] = 0
    left[0] = max(1, left[0])
    return _with_cores(kept, drawn, cores, whole, options), left


def drawn_of(kept: Kept, size: int) -> NDArray[np.int64]:
    """Return how often each network is drawn for an ensemble of at most `size` draws: int64 [networks]."""
    if len(kept.targets) >= FEW_ROWS:
        return kept.best_counts(size)
    counts = np.zeros(len(kept.networks), np.int64)
    counts[: min(size, BEST_OF_FEW)] = 1
    return counts


def wall_seconds(kept: Kept, counts: NDArray[np.int64], columns: Columns, split: Split, options: Options) -> float:
    """Return how long the training of the drawn networks would take."""
    return shared_out(_seconds(kept, np.flatnonzero(counts), columns, split, options), options.threads)


def _in_time(
    kept: Kept, counts: NDArray[np.int64], columns: Columns, split: Split, options: Options, deadline: float
) -> list[int]:
    """Return which networks there is time for: the best, then those drawn most often."""
    drawn = np.flatnonzero(counts)
    drawn = drawn[np.lexsort((drawn, -counts[drawn], drawn != 0))]
    seconds = _seconds(kept, drawn, columns, split, options)
    left = deadline - time.monotonic()
    fitting = [n for n in range(1, len(drawn) + 1) if shared_out(seconds[:n], options.threads) <= left]
    return [int(place) for place in drawn[: max(fitting, default=1)]]


def _train(kept: Kept, drawn: Sequence[int], whole: Fold, options: Options) -> list[_core.Network | None]:
    data = prepare(whole, epoch_rows=options.epoch_rows)

    def train(place: int) -> _core.Network | None:
        params = kept.networks[place].params
        return train_through(data, params, kept.candidates[place], kept.rungs[place], options)

    if len(drawn) == 1:
        return [train(drawn[0])]
    with ThreadPoolExecutor(min(options.threads, len(drawn))) as pool:
        return list(pool.map(train, drawn))


def train_through(
    data: _core.Data, params: Params, candidate: int, rung: int, options: Options
) -> _core.Network | None:
    """Return a network of these hyperparameters, trained up to a rung as the run does; None if it diverges."""
    cycles, epochs = (rung + 1, options.min_epochs)
    if options.training == "restart":
        cycles, epochs = 1, options.min_epochs * options.eta**rung
    network, losses = _core.train(data, to_settings(params), epochs, options.seed, candidate, cycles, options.eta)
    return network if np.isfinite(losses).all() else None


def _seconds(
    kept: Kept, drawn: NDArray[np.int64], columns: Columns, split: Split, options: Options
) -> NDArray[np.float64]:
    """Return the seconds of a thread that each network takes: those of its jobs, scaled to the number of all rows."""
    rows = [rows_of_epoch(len(fold.training), options.epoch_rows) for fold in split.folds]
    assert split.whole is not None
    growth = rows_of_epoch(len(split.whole.training), options.epoch_rows) / sum(rows)
    found = []
    for place in drawn.tolist():
        rung = kept.rungs[place]
        lowest = 0 if options.training == "resume" else rung
        own = (columns["candidate"] == kept.candidates[place]) & (lowest <= columns["rung"]) & (columns["rung"] <= rung)
        found.append(growth * float(columns["core_seconds"][own].sum()))
    return np.array(found)


def shared_out(seconds: NDArray[np.float64], threads: int) -> float:
    """Return the wall time of networks that take these seconds of a thread; no network counts on help by a team."""
    return max(float(seconds.sum()) / threads, float(seconds.max())) / HASTE


def _with_cores(
    kept: Kept, places: Sequence[int], cores: Sequence[_core.Network | None], fold: Fold, options: Options
) -> Kept:
    """Replace the networks at these places, calibrated as those before; None leaves a network as it was."""
    networks = list(kept.networks)
    for place, core in zip(places, cores, strict=True):
        if core is not None:
            old = networks[place]
            sharp = sharpen(core, kept.factors[place])
            networks[place] = network_of(sharp, fold, old.params, options, old.validation_score)
    return replace(kept, networks=tuple(networks))
