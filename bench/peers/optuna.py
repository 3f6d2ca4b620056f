"""Optuna's SuccessiveHalvingPruner over PyTorch, on the same candidates as `ash`.

The candidates are enqueued. A trial reports at the end of each rung and is then pruned or continues, so no candidate is
trained twice. In Optuna's favor: trials report only at the ends of rungs, and weights are kept in one file per trial.

Settings: "threads" (n_jobs workers in one process; much of a small step is Python code, which runs on one thread at a
time), "processes" (the same number of processes, which share a journal file and are started before the clock), or
Optuna's default (n_jobs=1).
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from bench.peers.networks import Tensors, predicted, tensors, train
from bench.peers.task import Found, Tables, Task

STARTING = 120  # maximum seconds for processes to start


class Objective:
    """Trains the candidate of a trial until it is pruned."""

    def __init__(self, task: Task, data: Tensors, folder: Path) -> None:
        self.task, self.data, self.folder = task, data, folder

    def kept(self, candidate: int) -> Path:
        """Return the file with the weights of a candidate."""
        return self.folder / f"{candidate}.pt"

    def __call__(self, trial: optuna.Trial) -> float:
        """Train the trial's candidate and return its last score."""
        number = trial.suggest_int("candidate", 0, self.task.candidates - 1)
        params, score = self.task.configurations[number], 0.0
        for epochs, score in train(params, self.data, self.task.most_epochs, self.task.seed, self.kept(number)):
            trial.report(score, epochs)
            if epochs < self.task.most_epochs and trial.should_prune():
                raise optuna.TrialPruned
        return score


def _pruner() -> optuna.pruners.BasePruner:
    return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)


def _storage(folder: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(folder / "journal.log")))


def _study(task: Task, storage: JournalStorage | None) -> optuna.Study:
    sampler = optuna.samplers.RandomSampler(seed=task.seed)
    study = optuna.create_study(
        study_name="peers", storage=storage, sampler=sampler, pruner=_pruner(), direction="maximize"
    )
    for number in range(task.candidates):
        study.enqueue_trial({"candidate": number})
    return study


@contextmanager
def ready(task: Task, tables: Tables, folder: Path) -> Iterator[Callable[[], Found]]:
    """Scale the rows and start the processes, if any; yield the function to time."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    scaled = tables.scaled()
    objective = Objective(task, tensors(scaled), folder)
    _warm_up(objective)
    if "processes" not in task.setting:
        yield lambda: _in_threads(objective, scaled)
        return
    context = multiprocessing.get_context("spawn")
    started = context.Barrier(task.workers + 1)
    with context.Pool(task.workers, _start, (objective, started)) as pool:
        started.wait(STARTING)
        yield lambda: _in_processes(objective, scaled, pool)


def _warm_up(objective: Objective) -> None:
    """Train a throw-away network for an epoch."""
    next(train(objective.task.configurations[0], objective.data, 1, 0, objective.folder / "warm.pt"))


def _in_threads(objective: Objective, tables: Tables) -> Found:
    task = objective.task
    study = _study(task, None)
    study.optimize(objective, n_trials=task.candidates, n_jobs=1 if "default" in task.setting else task.workers)
    return _found(study, objective, tables)


def _in_processes(objective: Objective, tables: Tables, pool: Any) -> Found:
    study = _study(objective.task, _storage(objective.folder))
    pool.map(_work, [objective.folder] * objective.task.workers, chunksize=1)
    return _found(study, objective, tables)


_own: list[Objective] = []  # the objective of this worker process, set by _start


def _start(objective: Objective, started: Any) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    _own.append(objective)
    _warm_up(objective)
    started.wait(STARTING)


def _work(folder: Path) -> None:
    """Run the trials that wait in Optuna's journal until none is left."""
    study = optuna.load_study(study_name="peers", storage=_storage(folder), pruner=_pruner())
    study.optimize(_own[0], callbacks=[_stop_when_empty])


def _stop_when_empty(study: optuna.Study, _: Any) -> None:
    if not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.stop()


def _found(study: optuna.Study, objective: Objective, tables: Tables) -> Found:
    best = study.best_trial
    number = best.params["candidate"]
    predict = partial(predicted, objective.task.configurations[number], tables, objective.kept(number))
    return Found(float(best.value or 0.0), predict)
