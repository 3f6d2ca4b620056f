"""`ash.tune` on the optical digits against scikit-learn's HalvingRandomSearchCV over MLPClassifier, in one run.

Both tune 128 candidates of one space by halving on 1, 2, 4, ... 64 epochs, hold out 20 % for validation, use two
processors, and end with a trained model, which is scored on test rows that neither has seen. In favour of scikit-learn:
its data are scaled before the clock starts, its worker processes are up, their BLAS is held to one thread, and its
early stopping is left on. The space is what both can express; `ash` on its own default space is shown as well.

Required: test accuracy >= 0.965 (on optdigits), and scikit-learn's time >= 40 times ours.
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from common import arguments, digits, machine, print_table, save, show, spread, timed

import ash

CANDIDATES, THREADS, SEED = 128, 2, 0
REQUIRED_ACCURACY, REQUIRED_RATIO = 0.965, 40
WIDTHS = [(16,), (32,), (64,), (32, 16), (32, 32), (64, 32)]
ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic"}
BATCHES = [16, 32, 64]
PENALTIES = [0.0, 1e-5, 1e-4, 1e-3]
ADAM_RATES = (1e-3, 2e-2)
NESTEROV_RATES = (1e-2, 3e-1)
RATES = 14


def space() -> ash.Space:
    """Return the shared space in our words."""
    return ash.Space(
        hidden=ash.choice(*WIDTHS, default=(64,)),
        activation=ash.choice(*ACTIVATIONS),
        optimizer=ash.choice("adam", "nesterov"),
        learning_rate=[
            ash.log(*ADAM_RATES, levels=RATES).when(optimizer="adam"),
            ash.log(*NESTEROV_RATES, levels=RATES).when(optimizer="nesterov"),
        ],
        beta2=0.999,
        l2=ash.choice(*PENALTIES),
        batch_size=ash.choice(*BATCHES, default=32),
    )


def space_of_scikit_learn() -> list[dict[str, list[Any]]]:
    """Return the same space in scikit-learn's words; it divides alpha by the batch, so alpha = l2 * batch."""
    common: dict[str, list[Any]] = {"hidden_layer_sizes": WIDTHS, "activation": list(ACTIVATIONS.values())}
    return [
        {
            **common,
            "solver": [solver],
            "learning_rate_init": list(np.geomspace(*rates, RATES)),
            "batch_size": [batch],
            "alpha": [penalty * batch for penalty in PENALTIES],
        }
        for solver, rates in (("adam", ADAM_RATES), ("sgd", NESTEROV_RATES))
        for batch in BATCHES
    ]


def tune(x: np.ndarray, y: np.ndarray, chosen: ash.Space | None) -> ash.Result:
    return ash.tune(x, y, chosen, candidates=CANDIDATES, threads=THREADS, seed=SEED, progress=False)


def search(x: np.ndarray, y: np.ndarray) -> Any:
    """Return scikit-learn's search, fitted; resource max_iter 1..64, factor 2."""
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingRandomSearchCV, ShuffleSplit
    from sklearn.neural_network import MLPClassifier

    return HalvingRandomSearchCV(
        MLPClassifier(random_state=SEED),
        space_of_scikit_learn(),
        n_candidates=CANDIDATES,
        factor=2,
        resource="max_iter",
        min_resources=1,
        max_resources=64,
        cv=ShuffleSplit(1, test_size=0.2, random_state=SEED),
        random_state=SEED,
        n_jobs=THREADS,
    ).fit(x, y)


def start_workers() -> None:
    """Bring scikit-learn's worker processes up, with its modules imported, so that the clock does not count them."""
    from joblib import Parallel, delayed
    from sklearn.neural_network import MLPClassifier

    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"  # the workers inherit it; ash is told its threads
    os.environ["PYTHONWARNINGS"] = "ignore"  # "maximum iterations reached" is what halving is about
    x, y = np.eye(20), np.arange(20) % 2
    Parallel(n_jobs=THREADS)(delayed(MLPClassifier(max_iter=1).fit)(x, y) for _ in range(4 * THREADS))


def measure_ours(
    x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray, chosen: ash.Space | None, repeats: int
) -> dict[str, Any]:
    """Return seconds, accuracies and epochs of repeated runs; winners may differ, since decisions follow real time."""
    runs = [timed(lambda: tune(x, y, chosen)) for _ in range(repeats)]
    return {
        "seconds": spread([seconds for seconds, _ in runs]),
        "validation": spread([result.best_score for _, result in runs]),
        "test": spread([float((result.model.predict(x_test) == y_test).mean()) for _, result in runs]),
        "epochs": runs[0][1].epochs,
        "utilization": spread([result.utilization for _, result in runs]),
    }


def measure_theirs(
    x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray, repeats: int
) -> dict[str, Any]:
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    scaler = StandardScaler().fit(x)
    scaled, scaled_test = scaler.transform(x), scaler.transform(x_test)
    start_workers()
    with threadpool_limits(1):  # of the final fit, which runs in this process
        runs = [timed(lambda: search(scaled, y)) for _ in range(repeats)]
    last = runs[-1][1]
    rungs = zip(last.n_resources_, last.n_candidates_, strict=True)
    return {
        "seconds": spread([seconds for seconds, _ in runs]),
        "validation": spread([float(result.best_score_) for _, result in runs]),
        "test": spread([float(result.score(scaled_test, y_test)) for _, result in runs]),
        "epochs": int(sum(resources * candidates for resources, candidates in rungs)),
    }


def row(name: str, result: dict[str, Any]) -> list[str]:
    seconds, validation, test = result["seconds"], result["validation"], result["test"]
    return [
        name,
        str(result["epochs"]),
        f"{seconds['min']:.3f} / {seconds['median']:.3f} / {seconds['max']:.3f}",
        f"{validation['min']:.4f} .. {validation['max']:.4f}",
        f"{test['min']:.4f} .. {test['max']:.4f}",
    ]


def check(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> None:
    """End the script where a model does not learn, or its score is not what it predicts: not worth timing."""
    result = tune(x, y, space())
    accuracy = float((result.model.predict(x_test) == y_test).mean())
    if accuracy < 0.9 or abs(accuracy - result.model.score(x_test, y_test)) > 1e-12:
        raise SystemExit(f"test accuracy {accuracy:.4f}: nothing to time")


def main() -> None:
    options: argparse.Namespace = arguments(__doc__.splitlines()[0] if __doc__ else "", data=True)
    facts = machine(["scikit-learn", "scipy", "joblib"])
    show(facts)
    warnings.simplefilter("ignore")
    name, x, y, x_test, y_test = digits(Path(options.data))
    print(f"{name}: {len(x)} rows to tune on, {len(x_test)} test rows; {CANDIDATES} candidates, {THREADS} threads\n")
    check(x, y, x_test, y_test)
    repeats = 2 if options.quick else 5
    before = measure_ours(x, y, x_test, y_test, space(), repeats)
    theirs = measure_theirs(x, y, x_test, y_test, 1 if options.quick else 2)
    after = measure_ours(x, y, x_test, y_test, space(), repeats)
    default = measure_ours(x, y, x_test, y_test, None, repeats)
    ours_seconds = (before["seconds"]["median"] + after["seconds"]["median"]) / 2
    ratio = theirs["seconds"]["median"] / ours_seconds
    worst = min(before["test"]["min"], after["test"]["min"])
    rows = [
        row("ash, before", before),
        row("ash, after", after),
        row("scikit-learn", theirs),
        row("ash, its default space", default),
    ]
    print_table(["tuner", "epochs", "seconds min/med/max", "validation accuracy", "test accuracy"], rows)
    print()
    for what, value, required in (
        ("ratio of times", ratio, REQUIRED_RATIO),
        ("test accuracy", worst, REQUIRED_ACCURACY),
    ):
        print(f"{what} {value:.4g}, required >= {required}: {'yes' if value >= required else 'NO'}")
    results = {"ash_before": before, "ash_after": after, "scikit_learn": theirs, "ash_default_space": default}
    save("tune_digits", facts, {**results, "ratio": ratio, "data": name})


if __name__ == "__main__":
    main()
