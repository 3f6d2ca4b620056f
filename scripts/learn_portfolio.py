"""Learns the portfolio: the configurations with which `ash`'s adaptive sampler starts.

    tables x pool --train each configuration separately, with equal work--> predictions on validation and held-out rows
        --greedily add the configuration that most lowers the ensemble's error over all tables--> portfolio.json

    python -m scripts.learn_portfolio train FOLDER [TABLE ...]    # an hour on one core; skips tables already in FOLDER
    python -m scripts.learn_portfolio learn FOLDER                # writes portfolio.json
    python -m scripts.learn_portfolio judge FOLDER                # judges, per table, an order learned on the others

The tables are those of `python -m bench quality`, split by a seed that the bench does not use. The pool contains the
default network, draws from the default space, draws from RealMLP's published space (Holzmueller et al.,
arXiv:2407.04491, as in pytabkit 1.7), AutoGluon 1.6's RealMLP configuration, and boosted trees. All values are rounded
to levels of the default space.
"""

import json
import sys
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ash
from ash import _core
from ash.models.ensemble import class_errors, label_probabilities, select, target_errors
from ash.space.defaults import default_space
from ash.space.hyperparameters import to_settings
from ash.space.space import Space
from bench.quality.measure import auc_error, log_losses, root_mean_square
from bench.quality.tables import BINARY, REGRESSION, TABLES, split

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "python/ash/engine/portfolio.json"
SEED = 7
WORK, FEWEST, MOST = 3e10, 6, 64
"""Multiply-adds per configuration (about a second on one core), and the minimum and maximum number of epochs."""
SMALL = 1_000
"""Tables with fewer training rows are small, as in ash/space/defaults.py."""
KINDS = "nlnnnlnnnlnn"
"""The kinds of the first candidates, in order: n for a network, l for LightGBM trees (a quarter of all)."""
DRAWS, ROWS = 8, 2_500
"""Number of draws when selecting an ensemble, and the maximum number of rows used to select and to judge it."""
OTHER_SIZE = 0.3
"""Weight of tables that are not in the size class for which an order is learned."""
LEAST_ERROR = 0.002
"""Added to errors below 0.2, so that a table with errors near 0 does not dominate."""
SHOWN = (2, 4, 6, 8, 12)
TREES = ("shrinkage", "num_leaves", "min_data_in_leaf", "feature_fraction", "lambda_l2", "extra_trees")
CHOSEN_TREES = (
    (10.0, 31, 10, 0.8, 0.1, False),
    (30.0, 7, 5, 0.6, 0.1, False),
    (15.0, 24, 5, 0.7, 0.1, True),
    (20.0, 90, 3, 0.6, 0.01, False),
    (7.0, 220, 2, 0.7, 0.03, False),
    (5.0, 20, 60, 0.9, 0.01, False),
)

Configuration = dict[str, Any]


def space_of(rows: int, classes: int, model: str = "network") -> Space:
    """Return the default space for a table of 20 numeric columns."""
    return default_space(rows, 20, 1, classes, numbers=20, metric="neg_log_loss", models=[model])


def pool(rows: int, classes: int) -> dict[str, Configuration]:
    """Return configurations by name, rounded to levels of the space; omitted hyperparameters have default values."""
    random = np.random.default_rng(2026)
    found: dict[str, Configuration] = {"default": {}}
    autogluon = {"hidden": (256,) * 4, "learning_rate": 0.028, "weight_decay": 0.041, "dropout": 0.46}
    embedding = {"embedding": "periodic", "embedding_frequency": 0.108}
    found["autogluon"] = {**autogluon, **embedding, "label_smoothing": 0.056}
    for number in range(9):
        found[f"realmlp {number}"] = {
            "hidden": [(256,) * 3, (256,) * 3, (64,) * 5, (512,)][random.integers(4)],
            "activation": ["relu", "selu", "mish"][random.integers(3)],
            "learning_rate": np.exp(random.uniform(np.log(2e-2), np.log(3e-1))),
            "dropout": [0.0, 0.15, 0.3][random.integers(3)],
            "weight_decay": [0.0, 0.02][random.integers(2)],
            "embedding": ["none", "periodic", "periodic", "periodic"][random.integers(4)],
            "embedding_frequency": np.exp(random.uniform(np.log(0.05), np.log(0.5))),
            "label_smoothing": [0.0, 0.1][random.integers(2)],
        }
    networks, trees = space_of(rows, classes), space_of(rows, classes, "lightgbm")
    for number, params in enumerate(networks.sample(14, SEED)[1:]):
        found[f"ash {number}"] = params
    found = {name: rounded(params, networks) for name, params in found.items()}
    for number, row in enumerate([*CHOSEN_TREES, *_random_trees(8)]):
        found[f"tree {number}"] = rounded({"model": "lightgbm", **dict(zip(TREES, row, strict=True))}, trees)
    return found


def rounded(params: Configuration, space: Space) -> Configuration:
    """Round a configuration to levels of the space; drop constants, batch sizes and hyperparameters without effect."""

    def nearest(name: str, value: Any) -> Any:
        domain = space.domains[name][0]
        if name == "hidden":
            return min(domain.levels, key=lambda level: _distance(level, value))
        is_number = isinstance(value, float) and domain.has_list
        return (
            min(domain.levels, key=lambda level: abs(np.log((level + 1e-3) / (value + 1e-3)))) if is_number else value
        )

    constant = {name for name, (domain,) in space.domains.items() if len(domain.levels) == 1} - {"model"}
    varied = [name for name in space.domains if name not in constant | {"batch_size"}]
    full = space.completed({name: nearest(name, params[name]) for name in varied if name in params})
    assert full is not None
    return {name: full[name] for name in varied if name in full and name in params}


def _distance(level: tuple[int, ...], wanted: tuple[int, ...]) -> float:
    """Return the distance between two networks in their numbers of layers and the logarithms of their widths."""
    widths = abs(np.log(max(level, default=1) / max(wanted, default=1)))
    return float(10 * abs(len(level) - len(wanted)) + widths)


def _random_trees(count: int) -> Iterable[tuple[Any, ...]]:
    random = np.random.default_rng(99)
    for _ in range(count):
        a, b, c, d, e, f = random.random(6)
        leaves, least = round(4 * 64**b), round(100**c)
        yield _shown(3 * 20**a, 3), leaves, least, _shown(0.3 + 0.7 * d, 3), _shown(1e-3 * 3e4**e, 3), bool(f < 0.33)


def _shown(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def train(folder: Path, table: str) -> None:
    """Train each configuration of the pool on a table and save the predictions."""
    rows, kind = split(table, ROOT.parent / "shared/data", SEED, categories=False), TABLES[table].kind
    metric = {REGRESSION: "neg_root_mean_squared_error", BINARY: "roc_auc"}.get(kind, "neg_log_loss")
    task = "regression" if kind == REGRESSION else "classification"
    given = {"task": task, "scoring": metric, "validation": 0.2, "random_state": SEED, "candidates": 1, "verbose": 0}
    first = {"max_rungs": 1, "algorithm": "random"}
    probe = ash.tune(rows.x, rows.y, {"hidden": [()]}, config=ash.SearchConfig(min_epochs=1, **first), **given)
    encoding = probe.model.encoding
    numbers, count = int(encoding.scaled.sum()), round(0.8 * len(rows.y))
    space = default_space(count, encoding.features, 1, rows.classes, numbers=numbers, metric=metric)
    shape = encoding.features, rows.classes or 1, numbers
    epochs = WORK / (count * _core.training_cost(to_settings(space.default), *shape))
    config = ash.SearchConfig(min_epochs=int(np.clip(epochs, FEWEST, MOST)), **first)
    names, scores, known, held = [], [], [], []
    trees = default_space(
        count, encoding.features, 1, rows.classes, numbers=numbers, metric=metric, models=["lightgbm"]
    )
    for name, own in pool(count, rows.classes).items():
        chosen = trees if "model" in own else space
        params = chosen.completed({key: value for key, value in own.items() if key in chosen.domains})
        assert params is not None
        result = ash.tune(
            rows.x, rows.y, {key: ash.choice(value) for key, value in params.items()}, config=config, **given
        )
        model = result.model
        names.append(name)
        scores.append(result.best_score)
        known.append(result.kept.predictions[0])
        held.append(model.predict_proba(rows.x_test) if rows.classes else model.predict(rows.x_test))
    truth = {"truth": result.kept.targets, "held_truth": rows.y_test}
    predictions = {"known": np.stack(known), "held": np.stack(held)}
    np.savez_compressed(folder / f"{table}.npz", names=names, scores=scores, rows=count, **truth, **predictions)
    print(table, f"{len(names)} configurations, {config.min_epochs} epochs", flush=True)


@dataclass(eq=False)
class Table:
    """The predictions of all configurations for one table."""

    name: str
    rows: int
    places: dict[str, int]
    scores: NDArray[np.float64]
    terms: NDArray[np.float64]
    held: NDArray[np.float64]
    truth: NDArray[Any]

    @property
    def group(self) -> tuple[bool, bool]:
        """Return whether the table is a regression task, and whether it is small."""
        return TABLES[self.name].kind == REGRESSION, self.rows < SMALL

    def error(self, predictions: NDArray[np.float64]) -> float:
        """Return the error of these predictions by the measure that the bench `quality` compares."""
        kind = TABLES[self.name].kind
        if kind == REGRESSION:
            return root_mean_square(predictions.ravel() - self.truth)
        if kind == BINARY:
            return auc_error(predictions[:, 1], self.truth)[0]
        return float(log_losses(predictions, self.truth, predictions.shape[1]).mean())


def read(file: Path) -> Table:
    """Read the predictions that `train` saved for a table."""
    kept = np.load(file)
    known, truth = kept["known"][:, :ROWS], kept["truth"][:ROWS]
    kind = TABLES[file.stem].kind
    if kind == REGRESSION:
        terms = target_errors(known, truth, np.ones(1))
    else:
        terms = (class_errors if kind == BINARY else label_probabilities)(known, truth[:, 0].astype(np.int64))
    places = {name: place for place, name in enumerate(kept["names"].tolist())}
    held = kept["held"][:, :ROWS].astype(np.float64)
    return Table(file.stem, int(kept["rows"]), places, kept["scores"], terms, held, kept["held_truth"][:ROWS])


@cache
def log_error(table: Table, names: frozenset[str]) -> float:
    """Select an ensemble from these configurations and return the log of its held-out error."""
    places = sorted((table.places[name] for name in names), key=lambda place: (-table.scores[place], place))
    counts = select(table.terms[places], None, DRAWS)
    error = table.error(np.tensordot(counts / counts.sum(), table.held[places], 1))
    return float(np.log(error + LEAST_ERROR * (error < 0.2)))


def learn(tables: Sequence[Table], group: tuple[bool, bool]) -> list[str]:
    """Return configuration names, chosen greedily, for tables of this group (task and size)."""

    def total(names: list[str]) -> float:
        weights = ((table, 1.0 if table.group == group else OTHER_SIZE) for table in alike)
        return sum(weight * log_error(table, frozenset(names)) for table, weight in weights)

    alike = [table for table in tables if table.group[0] == group[0]]
    order = ["default"]
    for kind in KINDS[1:]:
        left = [name for name in alike[0].places if name not in order and name.startswith("tree") == (kind == "l")]
        order.append(min(left, key=lambda name: total([*order, name])))
    return order


def at_random(table: Table, seed: int) -> list[str]:
    """Return the order used without a portfolio: networks drawn at random, and trees chosen by hand."""
    drawn = [name for name in table.places if name.startswith("ash")]
    networks = iter(["default", *np.random.default_rng(seed).permutation(drawn).tolist()])
    trees = iter([name for name in table.places if name.startswith("tree")])
    return [next(trees if kind == "l" else networks) for kind in KINDS]


def judge(tables: Sequence[Table]) -> None:
    """Print, for each table, the error of an order learned on the other tables divided by that of `at_random`."""

    def curve(table: Table, order: Sequence[str]) -> NDArray[np.float64]:
        return np.array([log_error(table, frozenset(order[:count])) for count in SHOWN])

    gains = []
    for table in tables:
        usual = np.mean([curve(table, at_random(table, seed)) for seed in range(8)], axis=0)
        order = learn([other for other in tables if other is not table], table.group)
        gains.append(curve(table, order) - usual)
        print(f"{table.name:20}", *(f"{ratio:6.3f}" for ratio in np.exp(gains[-1])), *order[1:7], flush=True)
    small = np.array([table.group[1] for table in tables])
    for name, rows in {"all": small | True, "small": small, "larger": ~small}.items():
        mean, middle = (np.exp(of(np.array(gains)[rows], axis=0)) for of in (np.mean, np.median))
        shares = (np.array(gains)[rows] < 0).mean(axis=0)
        for count, *values in zip(SHOWN, mean, middle, shares, strict=True):
            print(f"{name:7} first {count:2}: mean {values[0]:.3f}, median {values[1]:.3f}, better on {values[2]:.0%}")


def write(tables: Sequence[Table]) -> None:
    """Write portfolio.json, with one line per configuration."""
    parts = []
    for is_regression in (False, True):
        for is_small in (True, False):
            known = pool(SMALL - 1 if is_small else SMALL, 0 if is_regression else 2)
            lines = [f"  {json.dumps(known[name])}" for name in learn(tables, (is_regression, is_small))[1:]]
            about = {
                "task": "regression" if is_regression else "classification",
                "rows below": SMALL if is_small else None,
            }
            parts.append(f'{json.dumps(about)[:-1]}, "candidates": [\n' + ",\n".join(lines) + "\n]}")
    TARGET.write_text("[" + ",\n".join(parts) + "]\n", encoding="utf-8")


def main(command: str, folder: str, *names: str) -> None:
    """Run the command "train", "learn" or "judge"."""
    warnings.simplefilter("ignore")
    place = Path(folder)
    if command == "train":
        place.mkdir(parents=True, exist_ok=True)
        for table in names or TABLES:
            if not (place / f"{table}.npz").exists():
                train(place, table)
        return
    tables = [read(place / f"{name}.npz") for name in TABLES if (place / f"{name}.npz").exists()]
    {"learn": write, "judge": judge}[command](tables)


if __name__ == "__main__":
    main(*sys.argv[1:])
