"""Compares the outcomes of runs with golden records, which are rewritten only if results change intentionally.

`golden/runs.json` contains one record for each run in `RUNS`:

    exact   digests, weights and decisions, which must be equal on all machines
    near    predictions, which must agree within 1e-6 on all machines
    bytes   hashes of predictions and exports, which must be equal if `HERE` is the same as at the time of recording

`golden/files` contains models and journals written by an earlier version of ash. After an intended change of results,
`python tests/core/test_golden.py` writes the records again, and CHANGELOG.md says what has changed.
"""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy
import sklearn
from numpy.typing import NDArray
from safetensors.numpy import load_file
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.datasets import load_diabetes, load_digits, load_linnerud
from sklearn.model_selection import KFold, LeaveOneGroupOut
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

import ash
from config_help import configured, split_once
from function_help import FAILURES

pytestmark = pytest.mark.core
TESTS = Path(__file__).parents[1]
GOLDEN = TESTS / "golden"
SAMPLES = TESTS / "samples"
FILES = GOLDEN / "files"
SHOWN = 5
"""Number of rows whose predictions are recorded."""
HERE = {
    "numpy": np.__version__,
    "pandas": pd.__version__,
    "scikit-learn": sklearn.__version__,
    "scipy": scipy.__version__,
    "instruction set": ash.versions()["instruction set"],
}
"""The facts on which the last bit of a prediction may depend."""

Record = dict[str, dict[str, Any]]
SMALL = ash.Space(
    hidden=ash.choice((16,), (), (24, 12)),
    learning_rate=ash.loguniform(1e-3, 1.0, levels=31),
    optimizer=ash.choice("adamw", "sgd", "momentum"),
    batch_size=ash.choice(32, 16, "full"),
    dropout=ash.choice(0.0, 0.2),
)


def sha256(content: bytes) -> str:
    """Return a hash of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


# Tables


@cache
def digits() -> tuple[Any, Any]:
    X, y = load_digits(return_X_y=True)
    return X[:300], y[:300]


@cache
def diabetes() -> tuple[Any, Any]:
    """Return the table rounded to four decimals, since the last bits differ between versions of scikit-learn."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    return np.rint(10_000 * X[:300]) / 10_000, y[:300]


@cache
def linnerud() -> tuple[Any, Any]:
    """Return a table with three targets."""
    X, y = load_linnerud(return_X_y=True)
    return np.repeat(X, 3, axis=0), np.repeat(y, 3, axis=0)


@cache
def sample(name: str, rows: int) -> tuple[Any, Any]:
    """Return rows of a real table; Python parses the numbers, since pandas rounds differently in different versions."""
    frame = pd.read_csv(SAMPLES / f"{name}.csv.gz", dtype=str).head(rows)
    for column in frame:
        with contextlib.suppress(ValueError):  # a column of text
            frame[column] = list(map(float, frame[column]))
    return frame.drop(columns="target"), frame["target"].to_numpy()


@cache
def holes() -> tuple[Any, Any]:
    """Return the sample of Adult with every seventh cell missing."""
    X, y = sample("adult", 400)
    missing = (np.arange(X.shape[0])[:, None] * 31 + np.arange(X.shape[1]) * 17) % 7 == 0
    return X.mask(missing), y


# The recorded facts


def tensors(model: Any, folder: Path) -> str:
    """Return the hash of all numbers in a model file (weights, scales and tables of levels)."""
    model.save(folder / "model.ash")
    hasher = hashlib.sha256()
    for name, values in sorted(load_file(folder / "model.ash").items()):
        hasher.update(f"{name} {values.dtype} {values.shape}".encode() + values.tobytes())
    return hasher.hexdigest()


def predicted(model: Any, X: Any) -> tuple[list[Any], str]:
    """Return the predictions (or probabilities) of a few rows, and the hash of the predictions of all rows."""
    task = getattr(model, "task", None) or ("classification" if hasattr(model, "classes_") else "regression")
    values = np.asarray(model.predict_proba(X) if task == "classification" else model.predict(X), np.float64)
    shown = values[np.linspace(0, len(values) - 1, SHOWN).astype(int)]
    return [float(f"{value:.8g}") for value in shown.ravel().tolist()], sha256(values.tobytes())


def run_record(result: Any) -> dict[str, Any]:
    """Return the facts of a run that must be equal on all machines."""
    return {
        "digest": result.digest,
        "ended": result.ended,
        "jobs": len(result.jobs),
        "best": [int(result.best_candidate), int(result.best_rung)],
        "rungs": [[row["epochs"], row["finished"], row["promoted"], row["diverged"]] for row in result.rungs],
    }


def model_record(exact: dict[str, Any], model: Any, X: Any, folder: Path) -> Record:
    """Return the record of a model and of the run that produced it."""
    near, bits = predicted(model, X)
    return {
        "exact": {**exact, "tensors": tensors(model, folder)},
        "near": {"predictions": near},
        "bytes": {"predictions": bits},
    }


def tuned(data: Callable[[], tuple[Any, Any]], **arguments: Any) -> Callable[[Path], Record]:
    """Return a function that records a run of `ash.tune`."""

    def run(folder: Path) -> Record:
        X, y = data()
        settings = {"space": SMALL, "candidates": 24, "n_jobs": 2, "verbose": 0, **arguments}
        result = ash.tune(X, y, **configured(split_once(settings)))
        return model_record({**run_record(result), "score": result.best_score}, result.model, X, folder)

    return run


def fitted(estimator: Any, data: Callable[[], tuple[Any, Any]], **fit: Any) -> Callable[[Path], Record]:
    """Return a function that fits an estimator and records the run and the final model."""

    def run(folder: Path) -> Record:
        X, y = data()
        each = clone(estimator).set_params(n_jobs=2, random_state=7).fit(X, y, **fit)
        exact = {**run_record(each.result_), "score": each.best_score_, "iterations": each.n_iter_}
        return model_record(exact, each.model_, X, folder)

    return run


# Runs of ash.tune that need code around the call


def ensemble(folder: Path) -> Record:
    """Record a run and the ensemble of its best networks."""
    X, y = diabetes()
    result = ash.tune(X, y, SMALL, candidates=24, verbose=0, validation=0.2)
    model = result.ensemble(8)
    exact = {"digest": result.digest, "members": len(model.members), "score": model.validation_score}
    return model_record(exact, model, X, folder)


def resumed(folder: Path) -> Record:
    """Record a run that ended at a limit, was continued by `ash.resume`, and was then extended."""
    X, y = digits()
    journal = folder / "run.journal"
    ash.tune(
        X,
        y,
        SMALL,
        candidates=24,
        verbose=0,
        journal=journal,
        config=ash.SearchConfig(max_total_epochs=30),
        validation=0.2,
    )
    result = ash.resume(journal, X, y, verbose=0, config=ash.SearchConfig(max_total_epochs=1000))
    more = ash.resume(journal, X, y, candidates=40, verbose=0)
    return model_record({**run_record(result), "extended": more.digest}, more.model, X, folder)


def executed(folder: Path) -> Record:
    """Record a run whose jobs were done by an executor."""
    with ThreadPoolExecutor(2) as executor:
        return tuned(digits, executor=executor, virtual_workers=4)(folder)


def exported(data: Callable[[], tuple[Any, Any]], space: ash.Space | None) -> Callable[[Path], Record]:
    """Return a function that records a model's exports; if a `space` is given, it also records that to scikit-learn.

    The `space` must not have embeddings.
    """

    def run(folder: Path) -> Record:
        X, y = data()
        model = ash.tune(X, y, space, candidates=6, verbose=0, validation=0.2).model
        record = model_record({}, model, X, folder)
        record["bytes"]["features"] = sha256(model.encode(X).tobytes())
        for name, export in (("model.onnx", model.to_onnx), ("model.hpp", model.to_cpp)):
            export(folder / name)
            record["bytes"][name] = sha256((folder / name).read_bytes())
        if space is not None:
            record["near"]["sklearn"], record["bytes"]["sklearn"] = predicted(model.to_sklearn(), X)
        return record

    return run


# Users' functions and estimators, with plain arithmetic only


def quadratic(params: dict[str, Any], epochs: int, state: Any) -> tuple[float, Any]:
    """A score that grows with the epochs, the more the nearer x is to 0.3; the state is the epochs so far."""
    done = epochs + (state or 0)
    return 1 - (params["x"] - 0.3) ** 2 - 0.1 * params["depth"] / done, done


def fails(params: dict[str, Any], epochs: int, state: Any) -> tuple[float, Any]:
    """Return what `quadratic` returns, but fail for some x."""
    if round(params["x"] * 1000) % 5 == 0:
        raise ValueError("a failure that is a result")
    return quadratic(params, epochs, state)


# golden/files/function.ash holds hashes of the sources of `quadratic` and `cost`, docstrings included.
def cost(params: dict[str, Any], epochs: int) -> float:
    """As long as the candidate is deep."""
    return float(epochs * params["depth"])


FUNCTION_SPACE = {"x": ash.uniform(0, 1, levels=1001), "depth": [1, 2, 3], "kind": ["a", "b", None]}


def function_run(train: Any = quadratic, **arguments: Any) -> Callable[[Path], Record]:
    """Return a function that records a run of `ash.tune_function`."""

    def run(folder: Path) -> Record:
        settings = {
            "candidates": 24,
            "random_state": 3,
            "costs": cost,
            "n_jobs": 2,
            "verbose": 0,
            "virtual_workers": 32,
            **arguments,
        }
        result = ash.tune_function(train, FUNCTION_SPACE, **configured(settings))
        failures = [[failure.candidate, failure.rung, failure.kind] for failure in result.failures]
        exact = {**run_record(result), "score": result.best_score, "state": result.best_state, "failures": failures}
        return {"exact": exact}

    return run


def function_resumed(folder: Path) -> Record:
    """Record the run of a function that ended at a limit and was continued from its journal."""
    journal = folder / "run.journal"
    function_run(journal=journal, max_total_epochs=30)(folder)
    return function_run(journal=journal)(folder)


class Slope(BaseEstimator):
    """Fits a line through the origin for one feature by gradient descent, with one pass per call and without BLAS."""

    def __init__(self, feature: int = 0, rate: float = 0.1) -> None:
        self.feature, self.rate = feature, rate

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> "Slope":
        if classes is not None and not hasattr(self, "classes_"):
            self.classes_ = np.asarray(classes)
        x, t = np.asarray(X, float)[:, self.feature].tolist(), np.asarray(y, float).tolist()
        slope = getattr(self, "slope_", 0.0)
        for value, target in zip(x, t, strict=True):
            slope += self.rate * (target - slope * value) * value / len(x)
        self.slope_ = slope
        return self

    def fit(self, X: Any, y: Any) -> "Slope":
        self.__dict__.pop("slope_", None)
        for _ in range(8):
            self.partial_fit(X, y, np.unique(y) if isinstance(self, ClassifierMixin) else None)
        return self

    def products(self, X: Any) -> NDArray[np.float64]:
        return np.array([self.slope_ * value for value in np.asarray(X, float)[:, self.feature].tolist()])


class SlopeRegressor(RegressorMixin, Slope):
    def predict(self, X: Any) -> NDArray[np.float64]:
        return self.products(X)


class SlopeClassifier(ClassifierMixin, Slope):
    def predict(self, X: Any) -> Any:
        return self.classes_[(self.products(X) > 0.5).astype(int)]


class Fitted(RegressorMixin, BaseEstimator):
    """The model of `Slope` as an estimator without `partial_fit`."""

    def __init__(self, feature: int = 0, rate: float = 0.1, passes: int = 8) -> None:
        self.feature, self.rate, self.passes = feature, rate, passes

    def fit(self, X: Any, y: Any) -> "Fitted":
        self.slope_ = SlopeRegressor(self.feature, self.rate)
        for _ in range(self.passes):
            self.slope_.partial_fit(X, y)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        return self.slope_.products(X)


def half(X: Any) -> Any:
    """Return half of each value, as a step of a pipeline."""
    return np.asarray(X) / 2


@cache
def line() -> tuple[Any, Any]:
    """Return a table with three features, the second of which determines the target."""
    i = np.arange(90)
    X = np.column_stack([(i * 37) % 11 - 5, (i * 53) % 13 - 6, (i * 29) % 7 - 3]) / 4
    return X, 2 * X[:, 1] + (i % 3 - 1) / 8


def searched(estimator: Any, prefix: str = "", **arguments: Any) -> Callable[[Path], Record]:
    """Return a function that records a search over an estimator."""

    def run(folder: Path) -> Record:
        X, y = line()
        if isinstance(estimator, ClassifierMixin):
            y = (y > 0).astype(int)
        space = {f"{prefix}feature": [0, 1, 2], f"{prefix}rate": ash.uniform(0.05, 0.8, levels=16)}
        settings = {
            "candidates": 10, "eta": 2, "max_epochs": 8, "cv": KFold(3), "schedule": "reproducible",
            "random_state": 5, "n_jobs": 2, **arguments,
        }  # fmt: skip
        each = ash.ASHSearchCV(estimator, space, **configured(settings)).fit(X, y)
        exact = {
            **run_record(each.result_),
            "params": each.best_params_,
            "epochs": each.best_epochs_,
            "score": each.best_score_,
            "predictions": each.predict(X[:5]).tolist(),
            "scores": [float(score) for score in each.cv_results_["mean_test_score"]],
        }
        return {"exact": exact}

    return run


def simulated(**arguments: Any) -> Callable[[Path], Record]:
    """Return a function that records a simulation."""

    def run(folder: Path) -> Record:
        simulation = ash.simulate(**{"candidates": 64, "threads": [1, 3, 16], **arguments})
        columns = {name: [row[name] for row in simulation.rows] for name in simulation.rows[0]}
        text = {name for name, values in columns.items() if isinstance(values[0], str)}
        return {
            "exact": {name: columns[name] for name in text},
            "near": {name: values for name, values in columns.items() if name not in text},
        }

    return run


GREEDY: dict[str, Any] = {"schedule": "greedy", "n_jobs": 1}
RUNS: dict[str, Callable[[Path], Record]] = {
    # Tables and tasks
    "classes": tuned(digits),
    "regression": tuned(diabetes),
    "three targets": tuned(linnerud),
    "default space": tuned(diabetes, space=None, candidates=6),
    "categories": tuned(lambda: sample("adult", 400), space=None, candidates=6),
    "missing cells": tuned(holes, space=None, candidates=6),
    "recurring rows": tuned(lambda: sample("winequality_white", 600), space=None, task="classification", candidates=6),
    "rows in other epochs": tuned(digits, epoch_rows=100),
    # Scoring
    "validation rows": tuned(digits, validation=50),
    "validation table": tuned(digits, validation=(digits()[0][200:], digits()[1][200:])),
    "folds of classes": tuned(digits, cv=3, candidates=6),
    "folds of a regression": tuned(diabetes, cv=3, candidates=6),
    "folds of groups": tuned(diabetes, cv=LeaveOneGroupOut(), groups=np.arange(300) // 100, candidates=6),
    "weights": tuned(digits, sample_weight=np.arange(300) % 4 / 2),
    "log_loss": tuned(digits, scoring="log_loss"),
    "auc": tuned(digits, scoring="auc"),
    "balanced_accuracy": tuned(digits, scoring="balanced_accuracy"),
    "rmse": tuned(diabetes, scoring="rmse"),
    "mae": tuned(diabetes, scoring="mae"),
    # Rules of promotion and endings
    "paper": tuned(diabetes, promotion="paper"),
    "improving": tuned(diabetes, promotion="improving"),
    "capped by three": tuned(digits, eta=3, min_epochs=2, promotion="capped"),
    "halving with barriers": tuned(digits, algorithm="sh"),
    "random": tuned(digits, algorithm="random", max_rungs=3),
    "restart": tuned(digits, training="restart"),
    "three workers": tuned(digits, virtual_workers=3),
    "greedy": tuned(digits, **GREEDY),
    "epoch limit": tuned(digits, max_total_epochs=29),
    "target": tuned(digits, stop_score=0.5),
    "stream": tuned(digits, candidates=None, max_total_epochs=60),
    "improving stream": tuned(digits, candidates=None, max_total_epochs=60, promotion="improving", virtual_workers=5),
    "little memory": tuned(digits, memory_limit=1),
    # Ensembles, journals, executors, exports
    "ensemble": ensemble,
    "journal and resume": resumed,
    "executor": executed,
    "exports of numbers": exported(diabetes, SMALL),
    "exports of categories": exported(holes, SMALL),
    "exports of embedded numbers": exported(diabetes, None),
    # Estimators
    "classifier": fitted(ash.ASHClassifier(SMALL, candidates=24), digits),
    "classifier of categories": fitted(ash.ASHClassifier(candidates=6), holes),
    "classifier of many levels": fitted(
        ash.ASHClassifier(candidates=6, categorical_features=["age"]), lambda: sample("adult", 400)
    ),
    "classifier without refit": fitted(ash.ASHClassifier(SMALL, candidates=24, refit=False), digits),
    "classifier of one network": fitted(ash.ASHClassifier(SMALL, candidates=24, ensemble=1), digits),
    "classifier by folds": fitted(ash.ASHClassifier(SMALL, candidates=6, cv=3), digits),
    "classifier with weights": fitted(
        ash.ASHClassifier(SMALL, candidates=24, scoring="neg_log_loss"), digits, sample_weight=np.arange(300) % 3
    ),
    "regressor": fitted(ash.ASHRegressor(SMALL, candidates=24), diabetes),
    "regressor of recurring rows": fitted(ash.ASHRegressor(candidates=6), lambda: sample("winequality_white", 600)),
    "regressor of numbers": fitted(ash.ASHRegressor(candidates=6), lambda: sample("california", 400)),
    # Functions
    "function": function_run(),
    "function from scratch": function_run(training="restart"),
    "function that fails": function_run(fails),
    "function by the paper": function_run(promotion="paper"),
    "function with barriers": function_run(algorithm="sh"),
    "function, greedy": function_run(costs=None, schedule="greedy", virtual_workers=None, n_jobs=1, sampler="random"),
    "function, adaptive": function_run(costs=None, virtual_workers=None, n_jobs=1),
    "function, sobol": function_run(sampler="sobol"),
    "function in processes": function_run(executor="processes"),
    "function resumed": function_resumed,
    # Searches
    "search for a regressor": searched(SlopeRegressor()),
    "search for a classifier": searched(SlopeClassifier()),
    "search from scratch": searched(SlopeRegressor(), training="restart"),
    "search of a pipeline": searched(
        Pipeline([("halve", FunctionTransformer(half)), ("slope", SlopeRegressor())]), prefix="slope__"
    ),
    "search by a parameter": searched(Fitted(), resource="passes"),
    "search by rows": searched(Fitted(), max_epochs=60),
    "search without forecasts": searched(SlopeRegressor(), forecast=False, eta=3),
    # Simulations
    "simulation": simulated(),
    "simulation of barriers": simulated(algorithm="sh"),
    "simulation with noise": simulated(noise=0.2, schedule="greedy", random_state=4),
    "simulation of a cluster": simulated(cluster=ash.Cluster(latency=0.01)),
}


def near(here: Any, there: Any) -> bool:
    """Return whether all numbers are equal within 1e-6, either relatively or absolutely."""
    return bool(np.allclose(np.asarray(here, float), np.asarray(there, float), rtol=1e-6, atol=1e-6, equal_nan=True))


@cache
def golden() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((GOLDEN / "runs.json").read_text())
    return content


@pytest.mark.filterwarnings(*FAILURES, "ignore:.*rows are equal to other rows, which chance does not explain")
@pytest.mark.parametrize("name", RUNS)
def test_a_run_equals_its_golden_record(name: str, tmp_path: Path) -> None:
    here, there = json.loads(json.dumps(RUNS[name](tmp_path))), golden()["runs"][name]
    assert here["exact"] == there["exact"]
    for what, values in there.get("near", {}).items():
        assert near(here["near"][what], values), what
    if golden()["versions"] == HERE:
        assert here.get("bytes") == there.get("bytes")


def test_every_record_has_a_run() -> None:
    assert list(golden()["runs"]) == list(RUNS)
    assert len(RUNS) >= 40


# Files


def write_files(folder: Path) -> None:
    """Write models, and journals of runs that ended at a limit."""
    folder.mkdir(parents=True)
    for name, (data, space) in MODELS.items():
        result = ash.tune(*data(), space, candidates=6 if space is SMALL else 1, verbose=0, validation=0.2)
        (result.ensemble(8) if name == "ensemble" else result.model).save(folder / f"{name}.safetensors")
    ash.tune(
        *diabetes(),
        SMALL,
        candidates=24,
        verbose=0,
        journal=folder / "table.ash",
        config=ash.SearchConfig(max_total_epochs=30),
        validation=0.2,
    )
    function_run(journal=folder / "function.ash", max_total_epochs=30)(folder)
    for lock in folder.glob("*-lock"):
        lock.unlink()


MODELS: dict[str, tuple[Callable[[], tuple[Any, Any]], ash.Space | None]] = {
    "network": (diabetes, SMALL),
    "ensemble": (diabetes, SMALL),
    "categories": (holes, ash.Space(hidden=(8,), embedding="none")),
    "embedding": (lambda: sample("california", 400), ash.Space(hidden=(8,))),
    "neighbors": (lambda: sample("winequality_white", 600), ash.Space(hidden=(8,))),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_an_earlier_ash_predicts_the_same(name: str) -> None:
    shown, bits = predicted(ash.load(FILES / f"{name}.safetensors"), MODELS[name][0]()[0])
    record = golden()["models"][name]
    assert near(shown, record["near"])
    if golden()["versions"] == HERE:
        assert bits == record["bytes"]


def test_a_journal_of_an_earlier_ash_is_resumed(tmp_path: Path) -> None:
    """Check that the recorded jobs stay unchanged; later jobs are scored by the current version."""
    journal = ash.Journal(shutil.copy(FILES / "table.ash", tmp_path), allow_change=["version"])
    ended = ash.resume(journal, *diabetes(), verbose=0)
    result = ash.resume(journal, *diabetes(), verbose=0, config=ash.SearchConfig(max_total_epochs=1000))
    assert (ended.ended, result.ended) == ("max_total_epochs", "finished")
    before, after = ({(job.candidate, job.rung): job.score for job in each.jobs} for each in (ended, result))
    assert before.items() < after.items()
    today = golden()["runs"]["regression"]["exact"]
    assert all(run_record(result)[what] == today[what] for what in ("jobs", "best", "rungs"))


def test_a_journal_of_a_function_is_resumed(tmp_path: Path) -> None:
    journal = ash.Journal(shutil.copy(FILES / "function.ash", tmp_path), allow_change=["version"])
    ended = function_run(journal=journal, max_total_epochs=30, sampler="random")(tmp_path)
    assert ended["exact"]["jobs"] < golden()["runs"]["function"]["exact"]["jobs"]
    assert function_run(journal=journal, sampler="random")(tmp_path) == golden()["runs"]["function"]


def write() -> None:
    """Write the records, and files if there are none: files of earlier versions must stay readable."""
    if not FILES.exists():
        write_files(FILES)
    runs = {}
    for name, run in RUNS.items():
        with TemporaryDirectory() as scratch:
            runs[name] = run(Path(scratch))
    models = {}
    for name, (data, _) in MODELS.items():
        shown, bits = predicted(ash.load(FILES / f"{name}.safetensors"), data()[0])
        models[name] = {"near": shown, "bytes": bits}
    sections = [f'"versions": {json.dumps(HERE)}']
    for section, records in (("runs", runs), ("models", models)):
        lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(record)}" for name, record in records.items())
        sections.append(f'"{section}": {{\n{lines}\n}}')
    (GOLDEN / "runs.json").write_text("{" + ",\n".join(sections) + "}\n")


if __name__ == "__main__":
    import test_golden

    test_golden.write()  # not write(), since journals store the module of a function, which is __main__ here
