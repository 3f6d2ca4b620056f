"""Ray Tune's ASHAScheduler over PyTorch, on the same candidates as `ash`, on one machine.

Each candidate is a value of a grid search. A trial reports at the end of each rung and is then stopped or continues. A
trial takes one CPU, for which Ray sets one thread, so Ray's default is one worker per CPU, with one thread each.

Settings: "default" (a new process for each trial, log files in three formats), or "reused" (trials share processes and
write no log files; the fastest that we know). `ray.init` runs before the clock starts; trials start processes later.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

os.environ.update(  # read when Ray is imported, and by the processes that Ray starts
    RAY_USAGE_STATS_ENABLED="0",
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",  # silences a warning
)

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler

from bench.peers.networks import Tensors, predicted, tensors, train
from bench.peers.task import Found, Tables, Task


def trainable(config: dict[str, Any], task: Task, data: Tensors, folder: Path) -> None:
    """Train a candidate; Ray may end the trial when it reports."""
    number = config["candidate"]
    for epochs, score in train(task.configurations[number], data, task.most_epochs, task.seed, folder / f"{number}.pt"):
        tune.report({"accuracy": score, "epochs": epochs})


@contextmanager
def ready(task: Task, tables: Tables, folder: Path) -> Iterator[Callable[[], Found]]:
    """Scale the rows and start Ray with its files in the folder; yield the function to time."""
    if "reused" in task.setting:
        os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    ray.init(
        num_cpus=task.workers,
        num_gpus=0,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        _temp_dir=str(folder / "ray"),
        _node_ip_address="127.0.0.1",
    )
    try:
        yield lambda: _run(task, tables.scaled(), folder)
    finally:
        ray.shutdown()


def _run(task: Task, tables: Tables, folder: Path) -> Found:
    tuner = tune.Tuner(
        tune.with_parameters(trainable, task=task, data=tensors(tables), folder=folder),
        param_space={"candidate": tune.grid_search(list(range(task.candidates)))},
        tune_config=tune.TuneConfig(
            metric="accuracy",
            mode="max",
            scheduler=ASHAScheduler(time_attr="epochs", max_t=task.most_epochs, grace_period=1, reduction_factor=2),
            reuse_actors="reused" in task.setting,
        ),
        run_config=tune.RunConfig(storage_path=str(folder / "results"), verbose=0),
    )
    best = tuner.fit().get_best_result()
    if best.config is None or best.metrics is None:
        raise SystemExit("Ray Tune has found no candidate")
    number = best.config["candidate"]
    predict = partial(predicted, task.configurations[number], tables, folder / f"{number}.pt")
    return Found(float(best.metrics["accuracy"]), predict)
