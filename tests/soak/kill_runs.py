"""Kills runs with a journal at random times, resumes them, and counts the losses, which must be zero.

    python tests/soak/kill_runs.py --kills 200                    part of the tests
    python tests/soak/kill_runs.py --kills 20 --what functions    runs of functions and searches instead of networks
    python tests/soak/kill_runs.py --kills 20000 --seed 1         a soak test of half an hour

Each run is a separate process. It is forked from this process, which has imported all modules but trained nothing.
Forking takes a millisecond, while a new interpreter would take a second. A run writes each result that its callback
receives to a pipe: these are the acknowledged results. A function also writes when its jobs end. There are three kinds
of runs of networks: with a fixed number of candidates, with folds, and an endless stream with an epoch limit. There are
five kinds of runs of functions: resumed from states, from checkpoints of their own, restarted, with states that exceed
the memory, and an endless stream; and a search by `ash.ASHSearchCV`. One run in four is greedy. SIGKILL ends a run
after a random time. The runs that resume its journal are killed in the same way, until one of them finishes. All
settings are those of ash, except that half of the runs of networks write as many states as they can.

Prints one line of JSON: kills, runs, acknowledged results, jobs that ended WAIT seconds before a kill, how many of
these are missing (late), and the counts that must be 0 (lost, changed, twice, unlike, stray). On an idle machine late
is 0, too; a busy machine may not have run the process within WAIT.
"""

import argparse
import itertools
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sklearn.linear_model

import ash
import ash.function.journal
import ash.function.run
import ash.journal.open_journal
import ash.journal.state_cache as state_cache
import ash.sklearn.estimators
import ash.sklearn.search_cv
from ash.function.directories import CANDIDATE
from ash.journal.state_cache import StateFolder

SETTINGS = {"random_state": 2, "verbose": 0}
NETWORKS: dict[str, dict[str, Any]] = {
    "finite": {"candidates": 48, "validation": 0.2, "config": ash.SearchConfig(min_epochs=4)},
    "folds": {"candidates": 16, "cv": 3, "config": ash.SearchConfig(min_epochs=4)},
    "stream": {
        "candidates": None,
        "validation": 0.2,
        "config": ash.SearchConfig(min_epochs=4, max_total_epochs=500, promotion="improving"),
    },
}
FAILING = ash.SearchConfig(min_epochs=4, max_failures=1_000_000)
FUNCTIONS: dict[str, dict[str, Any]] = {
    "from states": {"candidates": 48, "config": FAILING},
    "from checkpoints": {"candidates": 48, "config": FAILING},
    "from scratch": {"candidates": 48, "config": replace(FAILING, training="restart")},
    "tight": {"candidates": 48, "config": replace(FAILING, memory_limit=4000)},
    "stream of a function": {"candidates": None, "config": replace(FAILING, max_total_epochs=600)},
    "search": {"candidates": 24, "config": ash.SearchConfig(min_epochs=4)},
}
WAIT = 0.05
PIPE: list[int] = []
"""The pipe to which the jobs of this process write when they end."""
FUNCTION_SPACE = ash.FunctionSpace(x=ash.uniform(0, 1, levels=1001), depth=[1, 2, 3])
SPACE = ash.Space(hidden=ash.choice((16,), (32, 16), ()), learning_rate=ash.loguniform(1e-3, 1e-1), batch_size=32)


def table() -> tuple[Any, Any]:
    generator = np.random.default_rng(0)
    y = generator.integers(0, 3, 300)
    return generator.normal(size=(300, 8)) + np.eye(8)[y] * 1.5, y


def train(params: dict[str, Any], epochs: int, state: Any) -> tuple[float, Any]:
    """Return a score that grows with the epochs; for some values of x, raise an error instead."""
    time.sleep(0.0003 * params["depth"])
    if round(params["x"] * 1000) % 7 == 0:
        raise ValueError(params["x"])
    done = epochs if state is None else epochs + int(state[0])
    tell_end()
    return 1 - (params["x"] - 0.3) ** 2 - 0.1 * params["depth"] / done, np.full(30, done)


def train_from_checkpoints(params: dict[str, Any], epochs: int, state: Any) -> float:
    """Return a score that depends on the epochs in the checkpoint, as docs/guide/pytorch.md advises to write one."""
    job = ash.current_job()
    file, new = job.directory / "checkpoint", job.directory / "new"
    weight, done = map(float, file.read_text().split()) if file.exists() else (0.0, 0)
    for epoch in range(int(done), job.total_epochs):
        time.sleep(0.0003 * params["depth"])
        weight += 0.2 * (params["x"] - weight)
        if epoch % 2:
            new.write_text(f"{weight!r} {epoch + 1}")
            new.replace(file)
    new.write_text(f"{weight!r} {job.total_epochs}")
    new.replace(file)
    tell_end()
    return -abs(weight - 0.3)


def tell_end() -> None:
    """Write that the job of this thread ends now."""
    job = ash.current_job()
    os.write(PIPE[0], f"ended {job.candidate} {job.rung} {time.monotonic()}\n".encode())


class Tells(ash.Callback):
    """A callback that writes each job to a pipe, and does nothing else."""

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe

    def on_job(self, job: Any, params: Any) -> None:
        os.write(self.pipe, f"{job.candidate} {job.rung} {job.score!r} {job.weights_hash:016x}\n".encode())


class Whole(NamedTuple):
    """The outcome of a run that was not killed."""

    kind: str
    seconds: float
    end: list[str]


def tuned(kind: str, schedule: str = "reproducible", **given: Any) -> Any:
    arguments = {**SETTINGS, **(NETWORKS | FUNCTIONS)[kind], **given}
    config = replace(arguments.pop("config"), schedule=schedule)
    if kind in NETWORKS:
        return ash.tune(*table(), SPACE, config=config, **arguments)
    costs = None if schedule == "greedy" else lambda params, epochs: epochs * params.get("depth", 1)
    if kind == "search":
        model = sklearn.linear_model.SGDClassifier(random_state=0)
        search = ash.ASHSearchCV(
            model, {"alpha": ash.loguniform(1e-5, 1.0)}, cv=2, costs=costs, config=config, **arguments
        )
        return search.fit(*table()).result_
    function = train_from_checkpoints if kind == "from checkpoints" else train
    return ash.tune_function(function, FUNCTION_SPACE, costs=costs, config=config, **arguments)


def child(path: Path, pipe: int, kind: str, *, writes_states: bool, **given: Any) -> None:
    """Train a run to its end, and exit this process."""
    status = 1
    try:
        if writes_states:
            state_cache.SHARE, state_cache.MOST_AT_END, state_cache.WORTH = 1e6, 1e6, 0.0
        PIPE.append(pipe)
        result = tuned(kind, journal=path, callbacks=[Tells(pipe)], **given)
        os.write(pipe, f"end {result.digest}\n".encode())
        status = 0
    finally:
        os._exit(status)


def run(path: Path, seconds: float | None, kind: str, **given: Any) -> tuple[list[str], int, float]:
    """Run a child, kill it after this time, and return what it wrote, its exit status and the time of the kill."""
    killed = float("inf")
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        child(path, writing, kind, **given)
    os.close(writing)
    if seconds is not None:
        time.sleep(seconds)
        killed = time.monotonic()
        os.kill(process, signal.SIGKILL)
    with os.fdopen(reading) as pipe:
        lines = pipe.read().splitlines()
    return lines, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), killed


def jobs_in(path: Path) -> list[tuple[int, int, str, str]]:
    """Return the results in a journal, decided or not, which is read by SQLite without any code of ash."""
    if not path.exists() or path.stat().st_size == 0:
        return []
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            return []
        jobs = connection.execute("SELECT candidate, rung, score, weights_hash FROM jobs").fetchall()
        decided = {job[:2] for job in jobs}
        held = connection.execute("SELECT value FROM facts WHERE name = 'held'").fetchall()
        undecided = [(row[1], row[2], row[7], row[10]) for (text,) in held for row in json.loads(text)]
        return jobs + [job for job in undecided if job[:2] not in decided]
    finally:
        connection.close()


def check(path: Path, told: dict[tuple[int, int], tuple[str, str]], found: Counter[str]) -> None:
    """Count in `found` the reported jobs that a run's journal has lost or changed, and the jobs that it has twice."""
    there = jobs_in(path)
    results = {(candidate, rung): (score, text) for candidate, rung, score, text in there}
    found["twice"] += len(there) - len(results)
    for key, value in told.items():
        found["lost"] += key not in results
        found["changed"] += key in results and results[key] != value


def stray(path: Path) -> int:
    """Count a finished run's state files that exist but are not in its journal, or the other way round."""
    connection = sqlite3.connect(path)
    named = {name for (name,) in connection.execute("SELECT DISTINCT file FROM states")}
    connection.close()
    folder = StateFolder(path.with_name(f"{path.name}-states")).path
    there = {file.name for file in folder.iterdir()} if folder.exists() else set()
    directories = {name for name in there if name.startswith(CANDIDATE)}  # the best candidate keeps its directory
    return len((there - directories) ^ named) + max(0, len(directories) - 1)


def one(path: Path, generator: random.Random, whole: Whole, found: Counter[str]) -> None:
    """Kill a run, and kill about half of the runs that resume it, until one of these finishes."""
    schedule = "greedy" if generator.random() < 0.25 else "reproducible"
    told: dict[tuple[int, int], tuple[str, str]] = {}
    while True:
        limit = generator.random() * 1.1 * whole.seconds if generator.random() < 0.7 else None
        threads, writes_states = generator.choice((1, 2)), generator.random() < 0.5
        given = {"n_jobs": threads, "schedule": schedule, "writes_states": writes_states}
        lines, status, killed = run(path, limit, whole.kind, **given)
        ended = {(int(words[1]), int(words[2])) for words in map(str.split, lines) if is_early(words, killed)}
        there = {(candidate, rung) for candidate, rung, *_ in jobs_in(path)} if status else ended
        found["ended"] += len(ended)
        found["late"] += len(ended - there)
        for line in lines:
            words = line.split()
            if words[0] not in ("end", "ended") and len(words) == 4:
                found["acknowledged"] += 1
                found["twice"] += (int(words[0]), int(words[1])) in told
                told[int(words[0]), int(words[1])] = (words[2], words[3])
        check(path, told, found)
        if status == 0:
            found["unlike"] += schedule == "reproducible" and lines[-1].split() != whole.end
            found["stray"] += stray(path)
            found["runs"] += 1
            return
        if status != -signal.SIGKILL:
            raise SystemExit(f"a run has ended with status {status}: {lines[-3:]}")
        found["kills"] += 1


def is_early(words: list[str], killed: float) -> bool:
    """Return whether these words say that a job ended at least WAIT seconds before the kill."""
    return len(words) == 4 and words[0] == "ended" and float(words[3]) < killed - WAIT


def unkilled(folder: Path, kind: str) -> Whole:
    """Return the outcome of an uninterrupted run. The run is done twice, because caches are cold the first time."""
    for name in ("first", "second"):
        began = time.monotonic()
        lines, status, _ = run(folder / f"{kind}-{name}.ash", None, kind, n_jobs=2, writes_states=True)
        seconds = time.monotonic() - began
        if status != 0:
            raise SystemExit(f"the run that nobody kills has ended with status {status}")
    return Whole(kind, seconds, lines[-1].split())


def main(words: list[str] | None = None) -> int:
    """Kill runs, print the findings, and return 0 if nothing was lost."""
    parser = argparse.ArgumentParser(description="Kills runs with a journal at random, and counts what is lost.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--what", choices=("networks", "functions"), default="networks")
    wishes = parser.parse_args(words)
    generator = random.Random(wishes.seed)
    found: Counter[str] = Counter(dict.fromkeys(("kills", "runs", "acknowledged", "ended", "late", *WRONG), 0))
    with tempfile.TemporaryDirectory() as folder:
        whole = [unkilled(Path(folder), kind) for kind in (NETWORKS if wishes.what == "networks" else FUNCTIONS)]
        for number in itertools.count():
            if found["kills"] >= wishes.kills:
                break
            one(Path(folder) / f"{number}.ash", generator, whole[number % len(whole)], found)
    print(json.dumps(dict(found)))
    return int(any(found[name] for name in WRONG))


WRONG = ("lost", "changed", "twice", "unlike", "stray")

if __name__ == "__main__":
    sys.exit(main())
