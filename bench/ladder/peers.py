"""Drives ladders from Python: ours and the schedulers of other tuners, all in the same way with the same scores.

    queue of 32: | trial | trial | ... | trial |    the oldest trial reports its score, the scheduler answers:
                                                    continue -> the trial rejoins the queue, one rung higher
                                                    stop     -> the next candidate joins the queue

The peers continue or stop a trial at once, irrevocably. `ash.Ladder` lets a candidate wait, and chooses which one to
train next. A decision is one answer to one reported score. The timing includes everything that a candidate costs the
scheduler: its registration, its reports, the answers and its completion. It excludes the scores (generated beforehand),
the settings (the same for all), and the machinery around the scheduler: Ray's controller, actors and checkpoints, and
Optuna's sampler (the random one, asked for no parameter). This favors the peers.
"""

from __future__ import annotations

import ctypes
import math
import time
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ash
from bench.figures import spread, timed
from bench.processes import forget_peak, native, peak_bytes

WORKERS, ETA, CHUNK = 32, 2, 1 << 16
MOST_RUNS, LONG, SHORT = 5, 12.0, 0.1  # maximum number of runs, maximum seconds of all runs, minimum seconds per run
Scores = Sequence[Sequence[float]]  # indexed by rung and candidate
METRIC, TIME = "score", "training_iteration"


def hashed_scores(candidates: NDArray[np.uint64], rung: int) -> NDArray[np.float64]:
    """Return pseudorandom scores of these candidates in a rung, uniform in [0, 1), bit-identical to ladder.cpp's."""
    x = (candidates << np.uint64(6)) + np.uint64(rung) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def count_rungs(candidates: int) -> int:
    """Return the number of rungs of the ladder; the last rung is the highest with at least ETA places."""
    rungs = 1
    while candidates // ETA**rungs >= ETA:
        rungs += 1
    return rungs


def all_scores(candidates: int) -> Scores:
    """Return all scores that may be needed as arrays of floats, so that looking up a score is fast."""
    scores = [array("d") for _ in range(count_rungs(candidates))]
    for start in range(0, candidates, CHUNK):
        numbers = np.arange(start, min(start + CHUNK, candidates), dtype=np.uint64)
        for rung, line in enumerate(scores):
            line.frombytes(hashed_scores(numbers, rung).tobytes())
    return scores


# The methods of a peer: start(candidate) registers a candidate and returns a trial; report(trial, rung, score) returns
# whether the trial may continue; end(trial, rung, score, stopped) completes the trial; seen() returns the number of
# ended trials and the number of scores that the peer holds.


class _Optuna:
    """SuccessiveHalvingPruner, used through ask and tell of an in-memory study."""

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
    """AsyncHyperBandScheduler, called as Ray's controller calls it, with trials that have only an identifier."""

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


def drive(peer: Any, scores: Scores) -> list[int]:
    """Feed all candidates to a peer; return the number of scores reported in each rung."""
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


def run_peer(peer: Callable[[int], Any], scores: Scores) -> tuple[float, int]:
    """Run a whole ladder of a peer and check its answers; return the seconds and the number of decisions."""
    candidates = len(scores[0])
    start = time.perf_counter()
    driven = peer(candidates)
    reported = drive(driven, scores)
    seconds = time.perf_counter() - start
    ended, held = driven.seen()
    if ended != candidates or held != sum(reported):
        raise SystemExit(f"{ended} of {candidates} trials have ended, {held} of {sum(reported)} scores are held")
    for below, above in zip([2 * candidates, *reported], reported, strict=False):
        # The scores are random, so a candidate continues with probability 1/2 (except the first candidates of a rung).
        # Allow five standard deviations.
        if above != candidates and abs(above - below / 2) > 2.5 * math.sqrt(below) + math.log(below + 1) + 2:
            raise SystemExit(f"{above} of {below} candidates went on: about one in {ETA} was expected")
    return seconds, sum(reported)


def run_ladder(scores: Scores) -> tuple[float, int]:
    """Run a whole `ash.Ladder` and check its counts of jobs; return the seconds and the number of decisions."""
    candidates = len(scores[0])
    running: deque[ash.Job] = deque()
    decisions = retired = 0
    start = time.perf_counter()
    ladder = ash.Ladder(candidates)
    while True:
        while len(running) < WORKERS and (asked := ladder.ask()) is not None:
            running.append(asked)
        if not running:
            break
        job = running.popleft()
        ladder.tell(job, scores[job.rung][job.candidate])
        decisions += 1
        retired += len(ladder.take_retired())
    seconds = time.perf_counter() - start
    places = [candidates // ETA**rung for rung in range(len(scores))]
    if [rung["finished"] for rung in ladder.rungs] != places or retired != candidates or not ladder.finished:
        raise SystemExit(f"ash.Ladder of {candidates} candidates: wrong counts")
    return seconds, decisions


@cache
def library() -> ctypes.CDLL:
    """Return the C++ ladder (ladder.cpp), built if it is out of date."""
    found = native()
    found.bench_score.restype, found.bench_ladder.restype = ctypes.c_double, ctypes.c_int64
    found.bench_ladder.argtypes = [ctypes.c_char_p, ctypes.c_int64, ctypes.c_int64]
    return found


def run_native(kind: str, candidates: int, repeats: int) -> tuple[float, int]:
    """Run a C++ ladder, which checks its counts of jobs; return the seconds and the number of decisions."""
    seconds, decisions = timed(lambda: library().bench_ladder(kind.encode(), candidates, repeats))
    if not decisions:
        raise SystemExit(f"{kind} with {candidates} candidates: wrong counts")
    return seconds / repeats, int(decisions)


KINDS, PYTHON = ("ash capped", "ash paper", "sh"), "ash.Ladder"  # names of the ladders in C++ and in Python
PEERS: dict[str, Callable[[int], Any]] = {
    "optuna": _Optuna,
    "ray": _RayTune,
}


def measure(scheduler: str, candidates: int) -> dict[str, Any]:
    """Return the cost of a decision, from several runs if time allows; a run repeats the ladder if it is short."""
    scores = [] if scheduler in KINDS else all_scores(candidates)

    def run(repeats: int = 1) -> tuple[float, int]:
        if scheduler in KINDS:
            return run_native(scheduler, candidates, repeats)
        runs = [
            run_ladder(scores) if scheduler == PYTHON else run_peer(PEERS[scheduler], scores) for _ in range(repeats)
        ]
        return sum(seconds for seconds, _ in runs) / repeats, runs[0][1]

    if scheduler in PEERS:
        PEERS[scheduler](candidates)  # imports the peer's packages
    elif scheduler in KINDS:
        library()
    forget_peak()
    before = peak_bytes()
    first, decisions = run()
    peak = peak_bytes()
    seconds = [first] if first >= SHORT else []
    repeats = max(1, math.ceil(SHORT / first))
    while len(seconds) < MOST_RUNS and sum(seconds) + first <= LONG:
        seconds.append(run(repeats)[0])
    return {
        "candidates": candidates,
        "decisions": decisions,
        "runs": len(seconds),
        "seconds": float(np.median(seconds)),
        "ns": spread([1e9 * each / decisions for each in seconds]),
        "megabytes": (peak - before) / 1e6,
    }
