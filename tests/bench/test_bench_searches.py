"""Tests the benches `searches`, `peers` and `executors`: the planned cases, their measurement, and the tables."""

import os
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import ash
import needs
from bench import executors, peers, searches
from bench.figures import Picture, Table
from bench.machine import CORE
from bench.peers.page import reached, readme, sections, summary
from bench.peers.task import SPACES, as_scikit_learn, improvements
from bench.searches import measure
from bench.searches.models import MODELS, TABLES, levels, rows_for

pytestmark = pytest.mark.slow

# searches


def options(**changes: Any) -> Namespace:
    chosen = dict.fromkeys(("data", "tables", "models", "contenders"))
    return Namespace(**{"quick": False, "seeds": 1, **chosen, **changes})


def test_searches_are_planned() -> None:
    cases = searches.cases(options())
    assert len(cases) == len(TABLES) * len(MODELS) * len(measure.CONTENDERS)
    assert cases[0].key == "adult, random forest, ash, seed 0" and tuple(cases[0].measures or ()) == CORE
    [own] = searches.cases(options(tables=("adult",), models=("PyTorch module",), contenders=("Optuna",)))
    assert own.measures == () and own.packages == ("optuna", "scikit-learn", "skorch", "torch")
    searches.check(options())


def test_a_missing_table_is_shown_as_a_row(tmp_path: Path) -> None:
    found = searches._run(options(data=tmp_path), "adult", "random forest", "ash", 0)
    assert found["skipped"].startswith("no file adult.csv.gz") or "not installed" in found["skipped"]
    table = searches.sections({"one": found})[0]
    assert isinstance(table, Table) and table.rows[0][:3] == ["random forest, ash", "0", found["skipped"]]


@pytest.mark.parametrize("model", MODELS)
def test_a_space_fits_its_model(model: str) -> None:
    for package in (MODELS[model].package, *(["torch"] if model == "PyTorch module" else [])):
        needs.installed(package)
    for classifies in (True, False):
        estimator = MODELS[model].make(classifies, 4, 1)
        first = {name: values[0] for name, values in levels(MODELS[model].space).items()}
        assert estimator.set_params(**first) is estimator and MODELS[model].counts in estimator.get_params()


def test_rows_are_converted_for_each_model() -> None:
    frame = pandas.DataFrame({"number": [1.0, 2.0, 4.0], "text": ["b", "a", "b"]})
    np.testing.assert_array_equal(rows_for("codes", frame), [[1, 1], [2, 0], [4, 1]])
    assert str(rows_for("categories", frame)["text"].dtype) == "category" and rows_for("raw", frame) is frame
    assert rows_for("features", frame).shape == (3, 3)


@pytest.mark.filterwarnings("ignore:the search ended .time_limit. before")
@pytest.mark.parametrize("contender", measure.CONTENDERS)
def test_every_contender_runs_a_search(contender: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    frame = pandas.DataFrame(generator.normal(size=(700, 3)), columns=["a", "b", "c"])
    frame["target"] = frame["a"] * 2 + generator.normal(size=700)
    path = tmp_path / "california.csv.gz"
    frame.to_csv(path, index=False)
    limits: list[int] = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda process, cpus: limits.append(len(cpus)))
    made: list[Any] = []
    fit = ash.ASHSearchCV.fit
    monkeypatch.setattr(ash.ASHSearchCV, "fit", lambda *given: made.append(fit(*given)) or made[-1])
    limit = 3.0 if contender == measure.AS_LONG else 0.0
    given = {"seed": 0, "candidates": 3, "threads": 1, "limit": limit}
    found = measure.measure(str(path), "california", "random forest", contender, **given)
    assert not limit or made[-1].result_.ended == "time_limit"
    assert limits == [1] and found["epochs"] > 0 and -3 < found["test"] < 0 and -3 < found["score"] < 0


# peers


def searched(seconds: float, test: float) -> dict[str, Any]:
    path = [[seconds / 4, 0.94], [seconds / 2, 0.96]]
    return {"seconds": seconds, "validation": 0.96, "test": test, "epochs": 896, "path": path, "peak_bytes": 5e6}


def line(name: str, searches: list[dict[str, Any]], required: float | None = None) -> dict[str, Any]:
    ours = [searched(2.0, 0.97), searched(4.0, 0.98)][: len(searches)]
    whose = {"space": "s", "name": name, "setting": "one", "required": required}
    return {**whose, **summary(searches, ours)}


def test_peers_are_planned() -> None:
    keys = [case.key for case in peers.cases(Namespace(quick=False, data=None))]
    assert len(set(keys)) == len(keys) and sum("small networks" in key for key in keys) == 4
    assert all("default" in key for key in keys if "small networks" not in key)
    assert len(peers.cases(Namespace(quick=True, data=None))) == 3


def test_each_search_is_paired_with_a_search_by_ash(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[str, int]] = []

    def run(peer: str, task: dict[str, Any], threads: int | None) -> dict[str, Any]:
        called.append((peer, task["seed"]))
        return searched(1.0 if peer == "ash" else 8.0, 0.9)

    monkeypatch.setattr(peers, "in_child", run)
    way = next(way for way in peers.ways(2) if way.module == "sklearn")
    found = peers._run(way, {"space": "small networks", "data": None, "workers": 2, "candidates": 16}, 2)
    assert called == [("ash", 0), ("sklearn", 0), ("sklearn", 1), ("ash", 1)]
    assert found["seeds"] == 2 and found["times_ash"]["median"] == 8 and found["required"] == 40


def test_a_missing_peer_is_shown_as_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda module: None)
    way = next(way for way in peers.ways(2) if way.module == "ray")
    found = peers._run(way, {"space": "small networks"}, 1)
    assert found["skipped"].startswith("ray[tune] is not installed")
    [totals, moments] = sections({"ray": found})
    assert isinstance(totals, Table) and isinstance(moments, Table)
    assert (
        totals.rows[0][2] == found["skipped"] and moments.rows == [] and "not been measured" in readme({"": found})[0]
    )


def test_a_score_is_reached_when_the_first_candidate_has_it() -> None:
    path = improvements(
        {"time": time, "score": score} for time, score in ((2.0, 0.97), (0.5, 0.9), (1.0, 0.95), (3.0, None))
    )
    assert path == [(0.5, 0.9), (1.0, 0.95), (2.0, 0.97)]
    assert (reached(path, 0.95), reached(path, 0.951), reached(path, 0.98)) == (1.0, 2.0, None)


def test_peers_are_compared_with_ash_for_the_same_seeds() -> None:
    slow = line("slow", [searched(90.0, 0.98), searched(200.0, 0.98)], 40)
    assert slow["times_ash"] == {"min": 45, "median": 47.5, "max": 50} and slow["test_ash"] == pytest.approx(-0.005)
    assert slow["reached"]["ash to theirs"] == (1.5, 2) and slow["reached"]["0.97"] == (None, 0)
    ours = line("ash", [searched(2.0, 0.97), searched(4.0, 0.98)])
    totals, moments, picture, dots = sections({"ash": ours, "slow": slow})
    assert isinstance(totals, Table) and isinstance(moments, Table) and isinstance(picture, Picture)
    assert totals.rows[1][3:5] == ["47.5", ">= 40 yes, worse test"] and moments.rows[1][2] == "never"
    assert [each.label for each in picture.plots[0].lines] == ["ash", "slow"]
    assert isinstance(dots, Picture) and dots.plots[0].values == {"ash": 3, "slow": 145}
    assert dots.plots[0].notes["slow"] == "145 s, test accuracy 0.980"
    assert " ".join(" ".join(readme({"ash": ours, "slow": slow})).split()).endswith(
        "for a test accuracy of 0.975. 1 other tools take 48 to 48 times as long (medians of ratios), for a test "
        "accuracy of 0.980 to 0.980."
    )


@pytest.mark.parametrize("space", SPACES)
def test_a_candidate_has_equal_settings_in_scikit_learn(space: str) -> None:
    from sklearn.neural_network import MLPClassifier

    for params in SPACES[space].ours().sample(32, 0):
        theirs = MLPClassifier(**as_scikit_learn(params))
        assert theirs.hidden_layer_sizes == params["hidden"] and theirs.learning_rate_init == params["learning_rate"]
        assert theirs.alpha == pytest.approx(params["l2"] * params["batch_size"])


# executors


def only_table(values: dict[str, Any]) -> Table:
    [found] = executors.sections(values)
    assert isinstance(found, Table)
    return found


def test_executors_are_planned() -> None:
    keys = [case.key for case in executors.cases(Namespace(quick=False))]
    assert keys == ["2 threads", "1 thread", *executors.PLACES]


def test_an_executor_is_compared_with_threads() -> None:
    found = executors.measure("ThreadPoolExecutor", 8, 1)
    assert found["jobs"] == 14 and found["overhead"]["median"] > 0
    [row] = only_table({"ThreadPoolExecutor": found}).rows
    assert row[0] == "ThreadPoolExecutor" and row[3] == " / ".join([f"{found['more']['median']:.2f}"] * 3)


def test_a_run_with_another_digest_is_refused() -> None:
    runs = {name: lambda name=name: {"seconds": 1.0, "digest": name, "jobs": 2} for name in (executors.BASE, "other")}
    with pytest.raises(SystemExit, match="other: another digest than in threads"):
        executors.compared(runs, "other", 1)


def test_a_missing_executor_is_shown_as_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(executors.NEEDS, "loky", "no_such_package")
    found = executors.measure("loky", 8, 1)
    assert only_table({"loky": found}).rows == [["loky", "no_such_package is not installed", "", ""]]
