"""`ash.tune` on the optical digits against scikit-learn's HalvingRandomSearchCV over MLPClassifier, in one run.

Both tune 128 candidates of one space by halving on 1, 2, 4, ... 64 epochs, use two processors, and end with a trained
model, which is scored on test rows that neither has seen. scikit-learn runs twice: scored by one split of 20 %, as ash
does, and with its default, 5 folds. In its favour: its data are scaled before the clock starts, its worker processes
are up, their BLAS is held to one thread, and its early stopping is left on.

Two spaces that both can express: small networks, and the default space of `ash` for this table less what scikit-learn
has not (silu, gelu, dropout, label smoothing, decoupled weight decay). `ash` on its whole default space is shown too.

Required: test accuracy >= 0.965 (on optdigits), and scikit-learn's time >= 40 times ours.
"""

from __future__ import annotations

import argparse
import os
import statistics
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import arguments, digits, machine, print_table, save, show, spread, timed

import ash

CANDIDATES, THREADS, SEED = 128, 2, 0
REQUIRED_ACCURACY, REQUIRED_RATIO = 0.965, 40
HEADER = ["epochs", "seconds min/med/max", "validation accuracy", "test accuracy"]
PENALTIES = [0.0, 1e-5, 1e-4, 1e-3]
NAMES = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic"}  # ours: scikit-learn's


@dataclass(frozen=True)
class Shared:
    """A space in both languages. Rates are (low, high, levels), equal ratios apart."""

    hidden: list[tuple[int, ...]]
    activations: list[str]
    batches: list[int]
    adam_rates: tuple[float, float, int]
    nesterov_rates: tuple[float, float, int]
    beta2: list[float]
    momentum: list[float]

    def ours(self) -> ash.Space:
        """Return it in our words."""
        return ash.Space(
            hidden=ash.choice(*self.hidden),
            activation=ash.choice(*self.activations),
            optimizer=ash.choice("adam", "nesterov"),
            learning_rate=[
                ash.log(*self.adam_rates).when(optimizer="adam"),
                ash.log(*self.nesterov_rates).when(optimizer="nesterov"),
            ],
            beta2=ash.choice(*self.beta2).when(optimizer="adam"),
            momentum=ash.choice(*self.momentum).when(optimizer="nesterov"),
            l2=ash.choice(*PENALTIES),
            batch_size=ash.choice(*self.batches),
        )

    def theirs(self) -> list[dict[str, list[Any]]]:
        """Return it in scikit-learn's words; it divides alpha by the rows of a batch, so alpha = l2 * batch."""
        common: dict[str, list[Any]] = {
            "hidden_layer_sizes": self.hidden,
            "activation": [NAMES[name] for name in self.activations],
        }
        adam = {"solver": ["adam"], "learning_rate_init": list(np.geomspace(*self.adam_rates)), "beta_2": self.beta2}
        nesterov = {
            "solver": ["sgd"],
            "learning_rate_init": list(np.geomspace(*self.nesterov_rates)),
            "momentum": self.momentum,
        }
        return [
            {**common, **solver, "batch_size": [batch], "alpha": [penalty * batch for penalty in PENALTIES]}
            for solver in (adam, nesterov)
            for batch in self.batches
        ]


SPACES = {
    "small networks": Shared(
        hidden=[(64,), (16,), (32,), (32, 16), (32, 32), (64, 32)],
        activations=["relu", "tanh", "sigmoid"],
        batches=[32, 16, 64],
        adam_rates=(1e-3, 2e-2, 14),
        nesterov_rates=(1e-2, 3e-1, 16),
        beta2=[0.999],
        momentum=[0.9],
    ),
    "default, as far as shared": Shared(
        hidden=[
            *((128, 64), (128,), (64,), (32,), (128, 128), (64, 64), (32, 32), (128, 32), (64, 32)),
            *((32, 32, 32), (64, 64, 64), (128, 128, 128)),
        ],
        activations=["relu", "tanh"],
        batches=[32, 16, 64],
        adam_rates=(5e-4, 2e-2, 17),
        nesterov_rates=(1e-2, 3e-1, 16),
        beta2=[0.95, 0.99, 0.999],
        momentum=[0.9, 0.95],
    ),
}


def tune(x: np.ndarray, y: np.ndarray, chosen: ash.Space | None) -> ash.Result:
    return ash.tune(x, y, chosen, candidates=CANDIDATES, threads=THREADS, seed=SEED, progress=False)


def one_split() -> Any:
    from sklearn.model_selection import ShuffleSplit

    return ShuffleSplit(1, test_size=0.2, random_state=SEED)


def search(x: np.ndarray, y: np.ndarray, space: list[dict[str, list[Any]]], cv: Any) -> Any:
    """Return scikit-learn's search, fitted; resource max_iter 1..64, factor 2."""
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingRandomSearchCV
    from sklearn.neural_network import MLPClassifier

    return HalvingRandomSearchCV(
        MLPClassifier(random_state=SEED),
        space,
        n_candidates=CANDIDATES,
        factor=2,
        resource="max_iter",
        min_resources=1,
        max_resources=64,
        cv=cv,
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
    """Return seconds, accuracies and epochs of repeated runs, which all have the same digest."""
    runs = [timed(lambda: tune(x, y, chosen)) for _ in range(repeats)]
    if len({result.digest for _, result in runs}) != 1:
        raise SystemExit("two runs with the same arguments differ")
    return {
        "seconds": spread([seconds for seconds, _ in runs]),
        "validation": spread([result.best_score for _, result in runs]),
        "test": spread([float((result.model.predict(x_test) == y_test).mean()) for _, result in runs]),
        "epochs": runs[0][1].epochs,
        "utilization": spread([result.utilization for _, result in runs]),
    }


def measure_theirs(
    x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray, space: Shared, cv: Any
) -> dict[str, Any]:
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    scaler = StandardScaler().fit(x)
    scaled, scaled_test = scaler.transform(x), scaler.transform(x_test)
    start_workers()
    with threadpool_limits(1):  # of the final fit, which runs in this process
        seconds, found = timed(lambda: search(scaled, y, space.theirs(), cv))
    rungs = zip(found.n_resources_, found.n_candidates_, strict=True)
    return {
        "seconds": spread([seconds]),
        "validation": spread([float(found.best_score_)]),
        "test": spread([float(found.score(scaled_test, y_test))]),
        "epochs": int(sum(resources * candidates for resources, candidates in rungs)) * found.n_splits_,
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
    result = tune(x, y, None)
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
    quick = bool(options.quick)
    repeats, tables = (2 if quick else 5), (x, y, x_test, y_test)
    results: dict[str, Any] = {"data": name}
    for title, space in SPACES.items():
        results[title] = {
            "ash_before": measure_ours(*tables, space.ours(), repeats),
            "scikit_learn": measure_theirs(*tables, space, one_split()),
            **({} if quick else {"scikit_learn_5_folds": measure_theirs(*tables, space, None)}),
            "ash_after": measure_ours(*tables, space.ours(), repeats),
        }
        report(title, results[title])
    results["default"] = {"ash": measure_ours(*tables, None, repeats)}
    report("default", results["default"])
    save("tune_digits", facts, results)


def report(title: str, result: dict[str, Any]) -> None:
    """Print the table of one space, and what is required beside what was found; adds the ratios of times."""
    print_table([title, *HEADER], [row(name, line) for name, line in result.items()])
    ours = [line for name, line in result.items() if name.startswith("ash")]
    theirs = {name: line for name, line in result.items() if name.startswith("scikit_learn")}
    wanted = [("test accuracy", min(line["test"]["min"] for line in ours), REQUIRED_ACCURACY)]
    seconds = statistics.mean(line["seconds"]["median"] for line in ours)
    for name, line in theirs.items():
        result[f"ratio_{name}"] = line["seconds"]["median"] / seconds
        wanted.append((f"time of {name} by ours", result[f"ratio_{name}"], REQUIRED_RATIO))
    for what, value, required in wanted:
        print(f"{what} {value:.4g}, required >= {required}: {'yes' if value >= required else 'NO'}")
    print(flush=True)


if __name__ == "__main__":
    main()
