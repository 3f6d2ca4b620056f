"""Ladders that are driven from Python, ours and the schedulers of others, all in the same way with the same scores.

    32 places:  | trial | trial | ... | trial |    the oldest reports its score, the scheduler answers:
                                                   go on -> it takes the newest place, one rung up
                                                   stop  -> the next candidate takes its place

The peers let a trial go on or stop it, at once and for good; `ash.Ladder` lets it wait and says whom to take. A
decision is one answer to one reported score. Timed is all that a candidate costs the scheduler: it is registered,
reports, gets its answers, is signed off. Not timed are the scores, which are made beforehand; settings, which are the
same for all, unless the name says `with suggest`; and all that users have around the scheduler: Ray's controller,
actors and checkpoints, Syne Tune's back end, Optuna's sampler (the random one, asked for no parameter). This favours
the peers.
"""

from __future__ import annotations

import math
import time
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

import ash
from bench.figures import spread
from bench.processes import forget_peak, peak_bytes

WORKERS, ETA, CHUNK = 32, 2, 1 << 16
MOST_RUNS, LONG, SHORT = 5, 12.0, 0.1  # LONG: seconds of all runs together; SHORT: what a run is repeated to last
Scores = Sequence[Sequence[float]]  # by rung and candidate
METRIC, TIME = "score", "training_iteration"


def hashed_scores(candidates: NDArray[np.uint64], rung: int) -> NDArray[np.float64]:
    """Return the scores of these candidates in a rung, uniform in [0, 1): the same bits as in ladder.cpp."""
    x = (candidates << np.uint64(6)) + np.uint64(rung) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def count_rungs(candidates: int) -> int:
    """Return how many rungs the ladder has: the last one is the highest with at least ETA places."""
    rungs = 1
    while candidates // ETA**rungs >= ETA:
        rungs += 1
    return rungs


def all_scores(candidates: int) -> Scores:
    """Return every score that may be asked for, as Python floats that cost no more than an index."""
    scores = [array("d") for _ in range(count_rungs(candidates))]
    for start in range(0, candidates, CHUNK):
        numbers = np.arange(start, min(start + CHUNK, candidates), dtype=np.uint64)
        for rung, line in enumerate(scores):
            line.frombytes(hashed_scores(numbers, rung).tobytes())
    return scores


class Peer(Protocol):
    """A scheduler that lets a trial go on or stops it."""

    def start(self, candidate: int) -> Any:
        """Register a candidate; return its trial."""

    def report(self, trial: Any, rung: int, score: float) -> bool:
        """Report a score; return whether the trial may go on."""

    def end(self, trial: Any, rung: int, score: float, stopped: bool) -> None:
        """Sign a trial off."""

    def seen(self) -> tuple[int, int]:
        """Return how many trials it knows to have ended, and how many scores it holds."""


class _Optuna:
    """SuccessiveHalvingPruner, by ask and tell of a study in memory."""

    def __init__(self, candidates: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.states = optuna.trial.TrialState
        pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=ETA)
        sampler = optuna.samplers.RandomSampler(seed=0)
        self.study = optuna.create_study(direction="maximize", pruner=pruner, sampler=sampler)

    def start(self, candidate: int) -> Any:
        return self.study.ask()

    def report(self, trial: Any, rung: int, score: float) -> bool:
        trial.report(score, ETA**rung)
        return not trial.should_prune()

    def end(self, trial: Any, rung: int, score: float, stopped: bool) -> None:
        if stopped:
            self.study.tell(trial, state=self.states.PRUNED)
        else:
            self.study.tell(trial, score)

    def seen(self) -> tuple[int, int]:
        trials = self.study.get_trials(deepcopy=False)
        return sum(trial.state.is_finished() for trial in trials), sum(
            len(trial.intermediate_values) for trial in trials
        )


class _RayTune:
    """AsyncHyperBandScheduler, called as Ray's controller does, with a trial that is only an identifier."""

    def __init__(self, candidates: int) -> None:
        from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

        self.stop = TrialScheduler.STOP
        longest = ETA ** (count_rungs(candidates) - 1)
        self.scheduler = AsyncHyperBandScheduler(TIME, METRIC, "max", max_t=longest, reduction_factor=ETA)

    def start(self, candidate: int) -> Any:
        trial: Any = SimpleNamespace(trial_id=f"{candidate:08x}")
        self.scheduler.on_trial_add(None, trial)
        return trial

    def report(self, trial: Any, rung: int, score: float) -> bool:
        return self.scheduler.on_trial_result(None, trial, {TIME: ETA**rung, METRIC: score}) != self.stop

    def end(self, trial: Any, rung: int, score: float, stopped: bool) -> None:
        self.scheduler.on_trial_complete(None, trial, {TIME: ETA**rung, METRIC: score})

    def seen(self) -> tuple[int, int]:
        return self.scheduler._num_stopped, sum(len(held) for _, held in self.scheduler._brackets[0]._rungs)


class _SyneTune:
    """AsynchronousSuccessiveHalving, called as Syne Tune's tuner does; all trials have the same settings."""

    def __init__(self, candidates: int) -> None:
        from syne_tune.backend.trial_status import Trial
        from syne_tune.config_space import uniform
        from syne_tune.optimizer.scheduler import SchedulerDecision
        from syne_tune.optimizer.schedulers.asha import AsynchronousSuccessiveHalving

        self.trial, self.stop, self.begun = Trial, SchedulerDecision.STOP, datetime.now()
        self.scheduler = AsynchronousSuccessiveHalving(
            {"x": uniform(0.0, 1.0)},
            metric=METRIC,
            do_minimize=False,
            time_attr=TIME,
            max_t=ETA ** (count_rungs(candidates) - 1),
            reduction_factor=ETA,
            random_seed=0,
        )

    def settings(self) -> dict[str, Any]:
        return {"x": 0.5}

    def start(self, candidate: int) -> Any:
        trial = self.trial(candidate, self.settings(), self.begun)
        self.scheduler.on_trial_add(trial)
        return trial

    def report(self, trial: Any, rung: int, score: float) -> bool:
        return self.scheduler.on_trial_result(trial, {TIME: ETA**rung, METRIC: score}) != self.stop

    def end(self, trial: Any, rung: int, score: float, stopped: bool) -> None:
        self.scheduler.on_trial_remove(trial)

    def seen(self) -> tuple[int, int]:
        return self.scheduler.num_stopped, sum(map(len, self.scheduler.searcher.trial_results.values()))


class _SyneTuneSuggesting(_SyneTune):
    """The same, which also draws the settings, by its default searcher; that fits itself to all results each time."""

    def settings(self) -> dict[str, Any]:
        return dict(self.scheduler.suggest().config)


def drive(peer: Peer, scores: Scores) -> list[int]:
    """Feed a peer all candidates; return how many scores were reported in each rung."""
    candidates, rungs = len(scores[0]), len(scores)
    running: deque[tuple[Any, int, int]] = deque()
    reported, begun = [0] * rungs, 0
    while True:
        while len(running) < WORKERS and begun < candidates:
            running.append((peer.start(begun), begun, 0))
            begun += 1
        if not running:
            return reported
        trial, candidate, rung = running.popleft()
        score = scores[rung][candidate]
        goes_on = peer.report(trial, rung, score)
        reported[rung] += 1
        if goes_on and rung + 1 < rungs:
            running.append((trial, candidate, rung + 1))
        else:
            peer.end(trial, rung, score, not goes_on)


def run_peer(peer: Callable[[int], Peer], scores: Scores) -> tuple[float, int]:
    """Return the seconds of a whole ladder of a peer, and its decisions; the answers are checked afterwards."""
    candidates = len(scores[0])
    start = time.perf_counter()
    driven = peer(candidates)
    reported = drive(driven, scores)
    seconds = time.perf_counter() - start
    ended, held = driven.seen()
    if ended != candidates or held != sum(reported):
        raise SystemExit(f"{ended} of {candidates} trials have ended, {held} of {sum(reported)} scores are held")
    for below, above in zip([2 * candidates, *reported], reported, strict=False):
        # Random scores: each has an even chance, less or more at the beginning of a rung. Five standard deviations.
        if above != candidates and abs(above - below / 2) > 2.5 * math.sqrt(below) + math.log(below + 1) + 2:
            raise SystemExit(f"{above} of {below} candidates went on: about one in {ETA} was expected")
    return seconds, sum(reported)


def run_ladder(scores: Scores) -> tuple[float, int]:
    """Return the seconds of a whole `ash.Ladder`, and its decisions; the counts are checked afterwards."""
    candidates = len(scores[0])
    running: deque[ash.Job] = deque()
    decisions = retired = 0
    start = time.perf_counter()
    ladder = ash.Ladder(candidates)
    while True:
        while len(running) < WORKERS and (asked := ladder.next()) is not None:
            running.append(asked)
        if not running:
            break
        job = running.popleft()
        ladder.report(job, scores[job.rung][job.candidate])
        decisions += 1
        retired += len(ladder.take_retired())
    seconds = time.perf_counter() - start
    places = [candidates // ETA**rung for rung in range(len(scores))]
    if [rung["finished"] for rung in ladder.rungs] != places or retired != candidates or not ladder.finished:
        raise SystemExit(f"ash.Ladder of {candidates} candidates: wrong counts")
    return seconds, decisions


PEERS: dict[str, Callable[[int], Peer]] = {
    "optuna": _Optuna,
    "ray": _RayTune,
    "syne-tune": _SyneTune,
    "syne-tune with suggest": _SyneTuneSuggesting,
}


def measure(scheduler: str, candidates: int) -> dict[str, Any]:
    """Return what a decision costs: one ladder, then as many as time allows; short ones are repeated in a run."""
    scores = all_scores(candidates)

    def run() -> tuple[float, int]:
        return run_ladder(scores) if scheduler == "ash.Ladder" else run_peer(PEERS[scheduler], scores)

    if scheduler in PEERS:
        PEERS[scheduler](candidates)  # imports what it needs
    forget_peak()
    before = peak_bytes()
    first, decisions = run()
    peak = peak_bytes()
    seconds = [first] if first >= SHORT else []
    repeats = max(1, math.ceil(SHORT / first))
    while len(seconds) < MOST_RUNS and sum(seconds) + first <= LONG:
        seconds.append(sum(run()[0] for _ in range(repeats)) / repeats)
    return {
        "candidates": candidates,
        "decisions": decisions,
        "runs": len(seconds),
        "seconds": float(np.median(seconds)),
        "ns": spread([1e9 * each / decisions for each in seconds]),
        "megabytes": (peak - before) / 1e6,
    }
