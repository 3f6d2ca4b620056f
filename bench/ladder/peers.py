"""Ladders driven from Python: ours and the schedulers of other tuners, all in the same way with the same scores.

    32 places:  | trial | trial | ... | trial |    the oldest reports its score, the scheduler answers:
                                                   continue -> it takes the newest place, one rung up
                                                   stop     -> the next candidate takes its place

The peers continue or stop a trial, at once and for good; `ash.Ladder` lets it wait and says which candidate is next. A
decision is one answer to one reported score. The timing includes all that a candidate costs the scheduler: it is
registered, reports, gets its answers, is signed off. It does not include the scores, which are made beforehand, the
settings, which are the same for all, and what users have around the scheduler: Ray's controller, actors and
checkpoints, Optuna's sampler (the random one, asked for no parameter). This favours the peers.
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
MOST_RUNS, LONG, SHORT = 5, 12.0, 0.1  # LONG: seconds of all runs together; SHORT: the least seconds, by repeating
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
    """Return every score that may be needed, as Python floats, so that a score costs only an index."""
    scores = [array("d") for _ in range(count_rungs(candidates))]
    for start in range(0, candidates, CHUNK):
        numbers = np.arange(start, min(start + CHUNK, candidates), dtype=np.uint64)
        for rung, line in enumerate(scores):
            line.frombytes(hashed_scores(numbers, rung).tobytes())
    return scores


# A peer has start(candidate), which registers it and returns a trial; report(trial, rung, score), whether the trial may
# continue; end(trial, rung, score, stopped), which signs it off; seen(), how many ended trials and how many scores it
# knows.


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


def drive(peer: Any, scores: Scores) -> list[int]:
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


def run_peer(peer: Callable[[int], Any], scores: Scores) -> tuple[float, int]:
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


@cache
def library() -> ctypes.CDLL:
    """Return the ladder in C++ (ladder.cpp), built if it is not up to date."""
    found = native()
    found.bench_score.restype, found.bench_ladder.restype = ctypes.c_double, ctypes.c_int64
    found.bench_ladder.argtypes = [ctypes.c_char_p, ctypes.c_int64, ctypes.c_int64]
    return found


def run_native(kind: str, candidates: int, repeats: int) -> tuple[float, int]:
    """Return the seconds of a ladder in C++, and its decisions; its counts are checked there."""
    seconds, decisions = timed(lambda: library().bench_ladder(kind.encode(), candidates, repeats))
    if not decisions:
        raise SystemExit(f"{kind} with {candidates} candidates: wrong counts")
    return seconds / repeats, int(decisions)


KINDS, PYTHON = ("ash capped", "ash paper", "sh"), "ash.Ladder"  # in C++, and in Python
PEERS: dict[str, Callable[[int], Any]] = {
    "optuna": _Optuna,
    "ray": _RayTune,
}


def measure(scheduler: str, candidates: int) -> dict[str, Any]:
    """Return the cost of a decision: of one ladder, then as many as time allows; short ones are repeated in a run."""
    scores = [] if scheduler in KINDS else all_scores(candidates)

    def run(repeats: int = 1) -> tuple[float, int]:
        if scheduler in KINDS:
            return run_native(scheduler, candidates, repeats)
        runs = [
            run_ladder(scores) if scheduler == PYTHON else run_peer(PEERS[scheduler], scores) for _ in range(repeats)
        ]
        return sum(seconds for seconds, _ in runs) / repeats, runs[0][1]

    if scheduler in PEERS:
        PEERS[scheduler](candidates)  # imports what it needs
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
