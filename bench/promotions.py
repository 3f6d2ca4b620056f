"""Quality of promotions: both rules, 1, 8 and 32 virtual workers, both trainings, on three real tables over 10 seeds.

optdigits as it is (3,823 rows, tested on 1,797); of letter and california 4,000 rows to tune on and 4,000 others for
testing, drawn once. Classes are scored by accuracy, california by the mean absolute error, negated: its R2 on test rows
would be decided by a single one, with 1,243 people to a household. 64 candidates of the default space, 2 threads.

For each seed and training, SH with barriers is run first on the same candidates. What it promotes are the true
survivors, and its score of a candidate in a rung must be that of every other run, bit for bit, or the script ends:
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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import arguments, digits, machine, print_table, save, show, spread

import ash

CANDIDATES, THREADS, ROWS = 64, 2, 4000
RULES, WORKERS, TRAININGS = ("capped", "paper"), (1, 8, 32), ("resume", "restart")


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


def read_tables(folder: Path) -> list[Table]:
    tables = [Table(*digits(folder))]
    for name, numeric in (("letter", False), ("california", True)):
        if (folder / f"{name}.csv.gz").exists():
            tables.append(drawn(folder, name, numeric))
        else:
            print(f"{folder} has no {name}.csv.gz: left out\n")
    return tables


def tune(table: Table, seed: int, **options: Any) -> ash.Result:
    given = {"candidates": CANDIDATES, "metric": table.metric, "threads": THREADS, "seed": seed, **options}
    return ash.tune(table.x, table.y, progress=False, **given)


def members(result: ash.Result, rung: int) -> set[int]:
    """Return the candidates that have a job in this rung."""
    return {job.candidate for job in result.jobs if job.rung == rung}


def check_scores(table: Table, truth: ash.Result, result: ash.Result) -> None:
    """End the script where a candidate has another score or other weights in a rung than with barriers."""
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


def measure(table: Table, seeds: int) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return, by training and rule with workers, a comparison for each seed."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for training in TRAININGS:
        for seed in range(seeds):
            truth = tune(table, seed, training=training, algorithm="sh")
            found.setdefault((training, "SH with barriers"), []).append(compare(table, truth, truth))
            for rule in RULES:
                for workers in WORKERS:
                    result = tune(table, seed, training=training, promotion=rule, workers=workers)
                    name = f"{rule}, {workers} worker{'s' if workers > 1 else ''}"
                    found.setdefault((training, name), []).append(compare(table, truth, result))
    return found


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


def main() -> None:
    options = arguments(__doc__.splitlines()[0] if __doc__ else "", data=True)
    facts = machine(["scikit-learn"])
    show(facts)
    seeds = 2 if options.quick else 10
    results: dict[str, Any] = {"seeds": seeds, "candidates": CANDIDATES}
    header = ["training, rule", "recall by rung", "own recall", "epochs", "by SH", "score", "- SH", "test"]
    for table in read_tables(Path(options.data)):
        found = measure(table, seeds)
        results[table.name] = [summary(*names, runs) for names, runs in found.items()]
        print(f"{table.name}: {len(table.x)} rows, {CANDIDATES} candidates, {seeds} seeds, {table.metric}")
        print_table([*header, "same winner", "seconds"], [row(result) for result in results[table.name]])
        print(flush=True)
    save("promotions", facts, results)


if __name__ == "__main__":
    main()
