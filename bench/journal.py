"""What a journal costs a run, and what going on from one takes: 512 networks on scikit-learn's digits; 100,000 results.

    cost       the same run with and without a journal, in turns, in one process; two runs of the same differ by
               more than a journal costs, so the time that the calling thread spends in it is taken as well, as a
               share of the run: it costs no more than that. Required: less than 2 %
    going on   a run that was ended at half of its jobs, to its end; and one that was over, to its result
    reading    a journal of 100,000 results, with nothing left to train; required: less than 5 seconds

Every result must have the digest of the run without a journal, or the bench ends. The disk counts: each commit waits
for it, while the threads train on; its file system is on record. What favours us: the files lie where the system keeps
temporary files, which may be memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import ash
from ash.journal.file_system import file_system
from ash.journal.open_recorder import OpenRecorder
from bench.figures import interleaved, ratios, shown, spread, timed, verdict
from bench.machine import cpus
from bench.sections import Section, Table
from bench.suite import Bench, Case, Options

CANDIDATES, QUICK_CANDIDATES = 512, 32
ROUNDS, ROUNDS_OF_SMALL, QUICK_ROUNDS = 5, 25, 2
RESULTS, QUICK_RESULTS = 100_000, 500
MOST_COST, MOST_SECONDS = 2.0, 5.0
SMALL = {"hidden": ash.choice((64, 64), (32,), (64,)), "batch_size": ash.choice(32, 64)}


class Stops(ash.Callback):
    """Ends a run after so many jobs."""

    def __init__(self, jobs: int) -> None:
        self.left = jobs

    def on_start(self, run: ash.Run) -> None:
        """Keep the run."""
        self.run = run

    def on_job(self, job: Any, params: Any) -> None:
        """Count."""
        self.left -= 1
        if self.left == 0:
            self.run.stop()


def tune(space: ash.Space | None, candidates: int, journal: Path | None, *callbacks: Any, **changes: Any) -> ash.Result:
    """Run it in this process."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    settings = {"threads": cpus(), "progress": False, **changes}
    return ash.tune(x, y, space, candidates=candidates, journal=journal, callbacks=callbacks, **settings)


def cost(space: ash.Space | None, candidates: int, rounds: int) -> dict[str, Any]:
    """Time the run with and without a journal in turns, then going on from one that was ended, or was over."""
    expected = tune(space, candidates, None).digest
    shares: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        paths = (Path(folder) / f"{number}.ash" for number in range(1000))

        def run(journal: bool) -> float:
            with seconds_in(OpenRecorder) as own:
                seconds, result = timed(lambda: tune(space, candidates, next(paths) if journal else None))
            _check(result, expected)
            if journal:
                shares.append(own[0] / seconds)
            return seconds

        found = interleaved({"with": partial(run, True), "without": partial(run, False)}, rounds)
        last = Path(folder) / "last.ash"
        jobs = len(tune(space, candidates, last).columns["rung"])
        half = Path(folder) / "half.ash"
        first = timed(lambda: tune(space, candidates, half, Stops(jobs // 2)))[0]
        on = timed(lambda: _check(tune(space, candidates, half), expected))[0]
        over = timed(lambda: _check(tune(space, candidates, last), expected))[0]
        size = sum(file.stat().st_size for file in Path(folder).glob("last.ash*") if file.is_file())
        states = sum(file.stat().st_size for file in Path(folder).glob("last.ash-states/*"))
        kind = file_system(last)
    return {
        "jobs": jobs,
        "seconds": spread(found["without"]),
        "ratio": ratios(found["with"], found["without"]),
        "share": spread(shares),
        "half_seconds": first,
        "rest_seconds": on,
        "over_seconds": over,
        "journal_bytes": size,
        "state_bytes": states,
        "file_system": kind,
    }


@contextmanager
def seconds_in(recorder: type) -> Iterator[list[float]]:
    """Add up the seconds in what a run calls of its journal; in it the calling thread does nothing else."""
    spent = [0.0]

    def timing(method: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **named: Any) -> Any:
            seconds, result = timed(lambda: method(*arguments, **named))
            spent[0] += seconds
            return result

        return wrapper

    with ExitStack() as stack:
        for name in ("__init__", "agree", "restore", "look", "finish", "__exit__"):
            stack.enter_context(patch.object(recorder, name, timing(getattr(recorder, name))))
        yield spent


def reading(results: int) -> dict[str, Any]:
    """Write a journal of so many results of tiny networks, and time the call that finds nothing left to do."""
    random = np.random.default_rng(0)
    x = random.standard_normal((64, 4))
    y = (x[:, 0] > 0).astype(int)
    space = ash.Space(hidden=(), learning_rate=ash.log(1e-4, 1e-1, levels=results), batch_size=64)
    settings = {"candidates": results, "max_rungs": 1, "threads": cpus(), "progress": False}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.ash"
        first, result = timed(lambda: ash.tune(x, y, space, journal=path, **settings))
        seconds, again = timed(lambda: ash.tune(x, y, space, journal=path, **settings))
        _check(again, result.digest)
        size = path.stat().st_size
    return {"results": results, "first_seconds": first, "seconds": seconds, "journal_bytes": size}


def _check(result: ash.Result, expected: str) -> None:
    if result.digest != expected:
        raise SystemExit("a run with a journal has another digest than one without: nothing to measure")


def check() -> None:
    """End unless a run that was ended in the middle goes on to the digest of a whole one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.ash"
        tune(None, 16, path, Stops(5))
        _check(tune(None, 16, path), tune(None, 16, None).digest)


def bench(options: Options) -> Bench:
    """Make a case of each space, and one of the long journal."""
    candidates, results = (QUICK_CANDIDATES, QUICK_RESULTS) if options.quick else (CANDIDATES, RESULTS)
    few, many = (QUICK_ROUNDS, QUICK_ROUNDS) if options.quick else (ROUNDS, ROUNDS_OF_SMALL)
    cases = [
        Case(f"{candidates} candidates, small networks", lambda: cost(_small(), candidates, many)),
        Case(f"{candidates} candidates, default space", lambda: cost(None, candidates, few)),
    ]
    return Bench([*cases, Case(f"{results} results", partial(reading, results))], sections, check, ("scikit-learn",))


def _small() -> ash.Space:
    return ash.Space(learning_rate=ash.log(1e-3, 1e-1, levels=200), **SMALL)


def sections(results: Mapping[str, Any]) -> Sequence[Section]:
    """Return what a journal costs, and what reading one does."""
    costs = {key: value for key, value in results.items() if "ratio" in value}
    long = [value for value in results.values() if "ratio" not in value]
    systems = sorted({str(value["file_system"]) for value in costs.values()})
    header = ["run", "jobs", "seconds without", "with / without", "in the journal, %", "required"]
    header += ["first half", "the rest", "over"]
    return [
        Table(
            "A run with a journal beside the same run without",
            [*header, "MB", "states MB"],
            [_cost_row(key, value) for key, value in costs.items()],
            "'in the journal': the share of the time that the calling thread spends there. 'first half', 'the rest': "
            "seconds of a run that a callback ends, and of the call that goes on; 'over': of a call that finds nothing "
            f"left to train. The file system is {' and '.join(systems)}.",
        ),
        Table(
            "A journal of many results, with nothing left to train",
            ["results", "seconds of the run", "seconds to read", "required", "MB"],
            [_long_row(value) for value in long],
        ),
    ]


def _cost_row(key: str, value: Mapping[str, Any]) -> list[str]:
    seconds = [f"{value[name]:.2f}" for name in ("half_seconds", "rest_seconds", "over_seconds")]
    sizes = [f"{value[name] / 1e6:.2f}" for name in ("journal_bytes", "state_bytes")]
    ratio, share = value["ratio"], {name: 100 * part for name, part in value["share"].items()}
    return [
        *(key, str(value["jobs"]), shown(value["seconds"]), shown(ratio), shown(share, ".2f")),
        *(verdict(share["median"], "<=", MOST_COST if value["jobs"] > CANDIDATES else None), *seconds, *sizes),
    ]


def _long_row(value: Mapping[str, Any]) -> list[str]:
    required = verdict(value["seconds"], "<=", MOST_SECONDS if value["results"] == RESULTS else None)
    return [
        *(str(value["results"]), f"{value['first_seconds']:.1f}", f"{value['seconds']:.2f}", required),
        f"{value['journal_bytes'] / 1e6:.1f}",
    ]
