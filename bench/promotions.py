"""Quality of promotions: both rules, 1, 8 and 32 virtual workers, both trainings, on real tables over 10 seeds.

scikit-learn's digits; with --data the full optical digits as they are (3,823 rows, tested on 1,797), and of letter and
california, where their files lie beside, 4,000 rows to tune on and 4,000 others for testing, drawn once. Classes are
scored by accuracy, california by the mean absolute error, negated: its R2 on test rows would be decided by a single
one, with 1,243 people to a household. 64 candidates of the default space, 2 threads.

For each seed and training, SH with barriers is run first on the same candidates. What it promotes are the true
survivors, and its score of a candidate in a rung must be that of every other run, bit for bit, or the bench ends:
training does not depend on the schedule.

    recall          of the true survivors of a rung, the share that the rule promoted too
    own recall      what `Result.rungs` says: of the best of those that finished in this run's rung, the share promoted
    epochs          of all jobs, by SH's
    score           the best validation score less SH's of the same seed; test: of the returned models on the test rows
    same winner     the share of seeds in which the best candidate is SH's

Means over the seeds; for test scores the standard deviation too. Seconds are totals of the run on 2 threads.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import ash
from bench.datasets import digits
from bench.figures import spread
from bench.sections import Section
from bench.sections import Table as Shown
from bench.suite import Bench, Case, Options

CANDIDATES, THREADS, ROWS, SEEDS = 64, 2, 4000, 10
QUICK_CANDIDATES, QUICK_SEEDS, CHECKED_CANDIDATES = 16, 1, 8
RULES, WORKERS, TRAININGS = ("capped", "paper"), (1, 8, 32), ("resume", "restart")
DRAWN = {"letter": False, "california": True}  # whether the target is a number
TRUTH, LEFT_OUT = "SH with barriers", "left out"


@dataclass(frozen=True)
class Table:
    """Rows to tune on and rows to test on."""

    name: str
    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    metric: str = "accuracy"

    def test_score(self, model: ash.Network) -> float:
        """Return the score of a model on the test rows; higher is better."""
        predictions = model.predict(self.x_test)
        if self.metric == "accuracy":
            return float((predictions == self.y_test).mean())
        return -float(np.abs(predictions - self.y_test).mean())


def drawn(folder: Path, name: str, numeric: bool) -> Table:
    """Read NAME.csv.gz, whose last column is the target, and draw rows to tune on and to test on."""
    cells = np.loadtxt(folder / f"{name}.csv.gz", delimiter=",", skiprows=1, dtype=str)
    cells = cells[np.random.default_rng(0).permutation(len(cells))[: 2 * ROWS]]
    x, y = cells[:, :-1].astype(np.float64), cells[:, -1]
    y = y.astype(np.float64) if numeric else y
    return Table(name, x[:ROWS], y[:ROWS], x[ROWS:], y[ROWS:], "mae" if numeric else "accuracy")


@cache
def read(folder: Path | None, name: str) -> Table:
    """Return a table by its name; every other name is that of the digits."""
    if folder is not None and name in DRAWN:
        return drawn(folder, name, DRAWN[name])
    found = digits(folder)
    return Table(found.name, found.x, found.y, found.x_test, found.y_test)


def file_of(folder: Path | None, name: str) -> Path | None:
    """Return the file of a drawn table, if it is there."""
    path = None if folder is None else folder / f"{name}.csv.gz"
    return path if path is not None and path.is_file() else None


def tune(table: Table, seed: int, candidates: int, **options: Any) -> ash.Result:
    given = {"candidates": candidates, "metric": table.metric, "threads": THREADS, "seed": seed, **options}
    return ash.tune(table.x, table.y, progress=False, **given)


def members(result: ash.Result, rung: int) -> set[int]:
    """Return the candidates that have a job in this rung."""
    return {job.candidate for job in result.jobs if job.rung == rung}


def check_scores(table: Table, truth: ash.Result, result: ash.Result) -> None:
    """End the bench where a candidate has another score or other weights in a rung than with barriers."""
    ours, theirs = ({(job.candidate, job.rung): job for job in found.jobs} for found in (result, truth))
    for key in ours.keys() & theirs.keys():
        same = ours[key].weights_hash == theirs[key].weights_hash
        if not same or (ours[key].score != theirs[key].score and not ours[key].diverged):
            raise SystemExit(f"{table.name}, candidate {key[0]}, rung {key[1]}: another result than with barriers")


def compare(table: Table, truth: ash.Result, result: ash.Result) -> dict[str, Any]:
    """Return what the run is worth beside the true one; recalls are None where there was no survivor."""
    check_scores(table, truth, result)
    survivors = [members(truth, rung) for rung in range(1, len(truth.rungs))]
    kept = [members(result, rung) for rung in range(1, len(truth.rungs))]
    return {
        "recall": [len(a & b) / len(a) if a else None for a, b in zip(survivors, kept, strict=True)],
        "own_recall": [None if math.isnan(row["recall"]) else row["recall"] for row in result.rungs[:-1]],
        "epochs": result.epochs,
        "epochs_ratio": result.epochs / truth.epochs,
        "score": result.best_score,
        "score_difference": result.best_score - truth.best_score,
        "test": table.test_score(result.model),
        "same_winner": float(result.best_candidate == truth.best_candidate),
        "seconds": result.wall_seconds,
    }


def measure(table: Table, seed: int, candidates: int) -> dict[str, Any]:
    """Return, by training and rule with workers, what each run is worth beside the true one of this seed."""
    found: dict[str, dict[str, Any]] = {}
    for training in TRAININGS:
        truth = tune(table, seed, candidates, training=training, algorithm="sh")
        runs = found[training] = {TRUTH: compare(table, truth, truth)}
        for rule in RULES:
            for workers in WORKERS:
                result = tune(table, seed, candidates, training=training, promotion=rule, workers=workers)
                runs[f"{rule}, {workers} worker{'s' if workers > 1 else ''}"] = compare(table, truth, result)
    return {"rows": len(table.x), "metric": table.metric, "candidates": candidates, "runs": found}


def mean_of_rungs(runs: Sequence[dict[str, Any]], key: str) -> list[float | None]:
    """Return the mean of each rung over the runs that say something about it."""
    columns = [[value for value in rung if value is not None] for rung in zip(*(run[key] for run in runs), strict=True)]
    return [statistics.mean(column) if column else None for column in columns]


def text(recalls: Sequence[float | None]) -> str:
    return " ".join("  - " if recall is None else f"{recall:.2f}" for recall in recalls)


def summary(training: str, name: str, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the means over the seeds, and the spreads of what varies most."""
    figures = ("epochs", "epochs_ratio", "score", "score_difference", "test", "same_winner", "seconds")
    tests = [run["test"] for run in runs]
    return {
        "training": training,
        "rule": name,
        "recall": mean_of_rungs(runs, "recall"),
        "own_recall": mean_of_rungs(runs, "own_recall"),
        **{key: statistics.mean(run[key] for run in runs) for key in figures},
        "test_deviation": statistics.stdev(tests) if len(tests) > 1 else None,
        "score_difference_spread": spread([run["score_difference"] for run in runs]),
        "epochs_spread": spread([run["epochs"] for run in runs]),
    }


def row(result: dict[str, Any]) -> list[str]:
    deviation = result["test_deviation"]
    return [
        f"{result['training']}, {result['rule']}",
        text(result["recall"]),
        text(result["own_recall"]),
        f"{result['epochs']:.0f}",
        f"{result['epochs_ratio']:.3f}",
        f"{result['score']:.4f}",
        f"{result['score_difference']:+.4f}",
        f"{result['test']:.4f}" + ("" if deviation is None else f" +- {deviation:.4f}"),
        f"{result['same_winner']:.1f}",
        f"{result['seconds']:.2f}",
    ]


def shown_table(name: str, seeds: Sequence[Mapping[str, Any]], note: str) -> Shown:
    """Return the means of a table's seeds."""
    header = ["training, rule", "recall by rung", "own recall", "epochs", "by SH", "score", "- SH", "test"]
    first = seeds[0]
    lines = [
        row(summary(training, rule, [seed["runs"][training][rule] for seed in seeds]))
        for training, rules in first["runs"].items()
        for rule in rules
    ]
    count = f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''}"
    title = (
        f"Promotions on {name}: {first['rows']:,} rows, {first['candidates']} candidates, {count}, {first['metric']}"
    )
    return Shown(title, [*header, "same winner", "seconds"], lines, note)


def sections(results: Mapping[str, Any]) -> list[Section]:
    """Return a table for each table that was tuned on."""
    by_table: dict[str, list[Any]] = {}
    for key, value in results.items():
        if key != LEFT_OUT:
            by_table.setdefault(key.rsplit(", ", 1)[0], []).append(value)
    note = (
        "Means over the seeds. Recall: of those whom a barrier promotes out of the rung, the share promoted here; own "
        "recall: of the best that finished in this run's rung, the share promoted. By SH: epochs of all jobs by those "
        "with barriers. - SH: the best validation score less that with barriers. Test: mean and standard deviation."
    )
    missing = results[LEFT_OUT]
    note += f" Left out, for want of the files in --data: {', '.join(missing)}." if missing else ""
    return [shown_table(name, seeds, note) for name, seeds in by_table.items()]


def check(table: Table) -> None:
    """End unless a few candidates get the same scores and weights under both rules as with barriers."""
    for training in TRAININGS:
        truth = tune(table, 0, CHECKED_CANDIDATES, training=training, algorithm="sh")
        for rule in RULES:
            check_scores(table, truth, tune(table, 0, CHECKED_CANDIDATES, training=training, promotion=rule))


def bench(options: Options) -> Bench:
    candidates, seeds = (QUICK_CANDIDATES, QUICK_SEEDS) if options.quick else (CANDIDATES, SEEDS)
    first = "load_digits" if options.data is None else "optdigits"
    present = [] if options.quick else [name for name in DRAWN if file_of(options.data, name)]
    missing = [f"{name}.csv.gz" for name in DRAWN if not file_of(options.data, name)]

    def case(name: str, seed: int) -> Callable[[], Any]:
        return lambda: measure(read(options.data, name), seed, candidates)

    cases = [Case(f"{name}, seed {seed}", case(name, seed)) for name in [first, *present] for seed in range(seeds)]
    return Bench(
        [*cases, Case(LEFT_OUT, lambda: missing)],
        sections,
        lambda: check(read(options.data, first)),
        ("scikit-learn",),
    )
