"""Cross-validation as the parts of one job: scores, splitters, equal bits, the model on all rows."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, ShuffleSplit, StratifiedKFold, TimeSeriesSplit

import ash

pytestmark = pytest.mark.core

X, Y = load_wine(return_X_y=True)
FEW: dict[str, Any] = {"candidates": 8, "seed": 0, "progress": False}


def fold_means(result: ash.Result) -> dict[tuple[int, int], float]:
    found = result.fold_scores
    keys = zip(found["candidate"].tolist(), found["rung"].tolist(), strict=True)
    return dict(zip(keys, found["scores"].mean(axis=1).tolist(), strict=True))


@pytest.mark.parametrize("cv", [3, KFold(4), StratifiedKFold(3, shuffle=True, random_state=1), ShuffleSplit(2)])
def test_the_score_of_a_job_is_the_mean_of_its_folds(cv: Any) -> None:
    result = ash.tune(X, Y, cv=cv, **FEW)
    means = fold_means(result)
    assert len(result.jobs) == len(means) == 8 + 4 + 2
    for job in result.jobs:
        assert job.score == pytest.approx(means[job.candidate, job.rung], abs=1e-15)
    assert result.best_score == max(job.score for job in result.jobs)


def test_a_fold_is_what_a_run_with_its_rows_is() -> None:
    """The first fold trains with the seed of the run, so it scores what a run on its split scores."""
    first = np.arange(len(X)) % 4 != 0
    pairs = [(np.flatnonzero(first), np.flatnonzero(~first)), (np.flatnonzero(~first), np.flatnonzero(first))]
    space = ash.Space(hidden=ash.choice((8,), (16,)), learning_rate=ash.log(1e-3, 1e-2))
    both = ash.tune(X, Y, space, cv=pairs, max_rungs=1, **FEW)
    alone = ash.tune(X[first], Y[first], space, validation=(X[~first], Y[~first]), max_rungs=1, **FEW)
    scores = dict(zip(both.fold_scores["candidate"].tolist(), both.fold_scores["scores"][:, 0].tolist(), strict=True))
    assert scores == {job.candidate: job.score for job in alone.jobs}


@pytest.mark.parametrize("training", ["resume", "restart"])
def test_the_model_is_trained_on_all_rows_as_long_as_the_candidate(training: str) -> None:
    result = ash.tune(X, Y, cv=3, training=training, **FEW)
    rung, candidate = result.best_rung, result.best_candidate
    whole = ash._core.Data(X, Y[:, None].astype(float), 3, np.arange(len(X)), np.arange(1))
    settings = ash.space.hyperparameters.to_settings(result.best_params)
    epochs, cycles = (1, rung + 1) if training == "resume" else (2**rung, 1)
    network, losses = ash._core.train(whole, settings, epochs, 0, candidate, cycles, 2)
    assert len(losses) == (2 ** (rung + 1) - 1 if training == "resume" else 2**rung)
    outputs = network.predict(np.ascontiguousarray(X))
    assert np.array_equal(result.model.predict(X), outputs.argmax(axis=1))
    assert np.allclose(result.model.core.input_center, np.median(X, axis=0))


def test_groups_and_time_by_any_splitter() -> None:
    groups = np.arange(len(X)) % 5
    by_group = ash.tune(X, Y, cv=GroupKFold(5), groups=groups, **FEW)
    assert by_group.fold_scores["scores"].shape == (14, 5)
    left_out = ash.tune(X, Y, cv=LeaveOneGroupOut(), groups=groups, **FEW)
    assert left_out.fold_scores["scores"].shape == (14, 5)
    in_time = ash.tune(*load_diabetes(return_X_y=True), cv=TimeSeriesSplit(3), **FEW)
    assert in_time.fold_scores["scores"].shape[1] == 3


def test_estimators_with_folds() -> None:
    model = ash.ASHClassifier(candidates=8, random_state=0, cv=3).fit(X, Y)
    table = model.cv_results_
    folds = np.column_stack([table[f"split{fold}_test_score"] for fold in range(3)])
    assert np.allclose(folds.mean(axis=1), table["mean_test_score"])
    assert np.allclose(folds.std(axis=1), table["std_test_score"])
    order = np.random.default_rng(0).permutation(len(X))
    turned = ash.ASHClassifier(candidates=8, random_state=0, cv=3).fit(X[order], Y[order])
    assert turned.result_.digest == model.result_.digest
    assert np.array_equal(turned.predict(X), model.predict(X))


def test_weights_are_repeated_rows_in_the_folds_of_a_splitter() -> None:
    times = np.random.default_rng(2).integers(0, 3, len(X))
    place = np.arange(len(X)) % 3
    repeated = np.repeat(np.arange(len(X)), times)
    pairs = [(np.flatnonzero(place != fold), np.flatnonzero(place == fold)) for fold in range(3)]
    copies = [(np.flatnonzero(place[repeated] != fold), np.flatnonzero(place[repeated] == fold)) for fold in range(3)]
    weighted = ash.ASHClassifier(candidates=4, random_state=0, cv=pairs).fit(X, Y, sample_weight=times)
    plain = ash.ASHClassifier(candidates=4, random_state=0, cv=copies).fit(X[repeated], Y[repeated])
    assert weighted.result_.digest == plain.result_.digest


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (1, r"cv=1 is not allowed: a number of folds from 2 to 178"),
        (100, r"cv=100 is not allowed"),
        ("five", r"cv='five' is not allowed"),
        ([([0, 1, 999], [3])], r"fold 0 of cv has no row numbers of a table of 178 rows"),
        ([([0, 1], [])], r"fold 0 of cv has a part without rows"),
        (GroupKFold(3), r"is not allowed: The 'groups' parameter should not be None"),
    ],
)
def test_what_is_no_cross_validation(cv: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ash.tune(X, Y, cv=cv, **FEW)


def test_groups_without_a_splitter_are_refused() -> None:
    with pytest.raises(ash.SettingError, match=r"groups are given, but nothing that splits by them"):
        ash.tune(X, Y, groups=Y, **FEW)
