"""Tests cross-validation within one job, and the model made from it: the networks of all folds, selected together."""

import importlib
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, ShuffleSplit, StratifiedKFold, TimeSeriesSplit

import ash
from ash import _core
from ash.encoding.data_split import ROWS_A_SECOND, Split
from ash.models.ensemble import class_errors, select, target_errors
from ash.models.model_pool import sharpness
from ash.models.network import sharpen
from config_help import configured
from data_help import parts_from
from ensemble_help import WEIGHTS, YR, X, Y, space
from journal_help import with_states

pytestmark = pytest.mark.core

WINES, CULTIVARS = load_wine(return_X_y=True)
FEW: dict[str, Any] = {"candidates": 8, "random_state": 0, "verbose": 0}


def fold_means(result: ash.Result) -> dict[tuple[int, int], float]:
    found = result.fold_scores
    keys = zip(found["candidate"].tolist(), found["rung"].tolist(), strict=True)
    return dict(zip(keys, found["scores"].mean(axis=1).tolist(), strict=True))


@pytest.mark.parametrize("cv", [3, KFold(4), StratifiedKFold(3, shuffle=True, random_state=1), ShuffleSplit(2)])
def test_the_score_of_a_job_is_the_mean_of_its_folds(cv: Any) -> None:
    result = ash.tune(WINES, CULTIVARS, cv=cv, **FEW)
    means = fold_means(result)
    assert len(result.jobs) == len(means) == 8 + 4 + 2
    for job in result.jobs:
        assert job.score == pytest.approx(means[job.candidate, job.rung], abs=1e-15)
    assert result.best_score == max(job.score for job in result.jobs)


def test_fold_scores_are_in_the_order_of_decisions() -> None:
    result = ash.tune(WINES, CULTIVARS, cv=3, n_jobs=2, candidates=16, random_state=3, verbose=0)
    for name in ("candidate", "rung"):
        assert result.fold_scores[name].tolist() == result.columns[name].tolist()


def test_a_fold_trains_like_a_run_on_its_rows() -> None:
    """Compare the first fold with a run on the same split. Both have the same seed, so their scores are equal."""
    first = np.arange(len(WINES)) % 4 != 0
    pairs = [(np.flatnonzero(first), np.flatnonzero(~first)), (np.flatnonzero(~first), np.flatnonzero(first))]
    space = ash.Space(hidden=ash.choice((8,), (16,)), learning_rate=ash.loguniform(1e-3, 1e-2))
    both = ash.tune(WINES, CULTIVARS, space, cv=pairs, config=ash.SearchConfig(max_rungs=1), **FEW)
    alone = ash.tune(
        WINES[first],
        CULTIVARS[first],
        space,
        validation=(WINES[~first], CULTIVARS[~first]),
        config=ash.SearchConfig(max_rungs=1),
        **FEW,
    )
    scores = dict(zip(both.fold_scores["candidate"].tolist(), both.fold_scores["scores"][:, 0].tolist(), strict=True))
    assert scores == {job.candidate: job.score for job in alone.jobs}


@pytest.mark.parametrize("training", ["resume", "restart"])
def test_the_model_is_trained_on_all_rows_for_as_long_as_the_candidate(training: str) -> None:
    result = ash.tune(WINES, CULTIVARS, cv=3, config=ash.SearchConfig(training=training), **FEW)
    rung, candidate = result.best_rung, result.best_candidate
    whole = ash._core.Data(WINES, CULTIVARS[:, None].astype(float), 3, np.arange(len(WINES)), np.arange(1))
    settings = ash.space.hyperparameters.to_settings(result.best_params)
    epochs, cycles = (1, rung + 1) if training == "resume" else (2**rung, 1)
    network, losses = ash._core.train(whole, settings, epochs, 0, candidate, cycles, 2)
    assert len(losses) == (2 ** (rung + 1) - 1 if training == "resume" else 2**rung)
    outputs = network.predict(np.ascontiguousarray(WINES))
    assert np.array_equal(result.model.predict(WINES), outputs.argmax(axis=1))
    assert np.allclose(result.model.core.input_center, np.median(WINES, axis=0))


def test_any_splitter_for_groups_or_time_is_accepted() -> None:
    groups = np.arange(len(WINES)) % 5
    by_group = ash.tune(WINES, CULTIVARS, cv=GroupKFold(5), groups=groups, **FEW)
    assert by_group.fold_scores["scores"].shape == (14, 5)
    left_out = ash.tune(WINES, CULTIVARS, cv=LeaveOneGroupOut(), groups=groups, **FEW)
    assert left_out.fold_scores["scores"].shape == (14, 5)
    in_time = ash.tune(*load_diabetes(return_X_y=True), cv=TimeSeriesSplit(3), **FEW)
    assert in_time.fold_scores["scores"].shape[1] == 3


def test_estimators_accept_folds() -> None:
    model = ash.ASHClassifier(candidates=8, random_state=0, cv=3).fit(WINES, CULTIVARS)
    table = model.cv_results_
    folds = np.column_stack([table[f"split{fold}_test_score"] for fold in range(3)])
    assert np.allclose(folds.mean(axis=1), table["mean_test_score"])
    assert np.allclose(folds.std(axis=1), table["std_test_score"])
    order = np.random.default_rng(0).permutation(len(WINES))
    turned = ash.ASHClassifier(candidates=8, random_state=0, cv=3).fit(WINES[order], CULTIVARS[order])
    assert turned.result_.digest == model.result_.digest
    assert np.array_equal(turned.predict(WINES), model.predict(WINES))


def test_cv_results_has_the_fold_scores_of_the_best_job() -> None:
    """Some of these candidates have two jobs with the same mean score, of which the one with the lower loss is best."""
    model = ash.ASHClassifier(candidates=24, cv=3, random_state=4, ensemble=1).fit(*load_iris(return_X_y=True))
    result, table = model.result_, model.cv_results_
    folds = {
        (job.candidate, job.score, job.loss): scores
        for job, scores in zip(result.jobs, result.fold_scores["scores"].tolist(), strict=True)
    }
    found = np.column_stack([table[f"split{fold}_test_score"] for fold in range(3)])
    assert found.tolist() == [folds[row["candidate"], row["score"], row["loss"]] for row in result.candidates]


@pytest.mark.filterwarnings("ignore:.*rows are equal to other rows, which chance does not explain")
def test_weights_equal_repeated_rows_in_the_folds_of_a_splitter() -> None:
    times = np.random.default_rng(2).integers(0, 3, len(WINES))
    place = np.arange(len(WINES)) % 3
    repeated = np.repeat(np.arange(len(WINES)), times)
    pairs = [(np.flatnonzero(place != fold), np.flatnonzero(place == fold)) for fold in range(3)]
    copies = [(np.flatnonzero(place[repeated] != fold), np.flatnonzero(place[repeated] == fold)) for fold in range(3)]
    weighted = ash.ASHClassifier(candidates=4, random_state=0, cv=pairs).fit(WINES, CULTIVARS, sample_weight=times)
    plain = ash.ASHClassifier(candidates=4, random_state=0, cv=copies).fit(WINES[repeated], CULTIVARS[repeated])
    assert weighted.result_.digest == plain.result_.digest


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (1, "cv must be a number of folds from 2 to 178, a splitter, or pairs of row numbers, got 1"),
        (100, "cv=100 cannot split this table: n_splits=100 cannot be greater than the number of members"),
        ("five", "cv='five' cannot split this table: Expected `cv` as an integer, a cross-validation object"),
        (
            [([0, 1, 999], [3])],
            r"fold 0 of cv must hold row numbers from 0 to 177, or one bool per row \(index 999 is out of",
        ),
        ([([0, 1], [])], r"fold 0 of cv has a part without rows"),
        (GroupKFold(3), r"cv=GroupKFold\(n_splits=3, random_state=None, shuffle=False\) cannot split this table: The"),
    ],
)
def test_invalid_cv_is_refused(cv: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ash.tune(WINES, CULTIVARS, cv=cv, **FEW)


# The model after cross-validation

ALL_ROWS = importlib.import_module("ash.engine.refit")
RUN = importlib.import_module("ash.engine.run")
FOLD_SEED = 0x9E3779B97F4A7C15


def fitted(y: Any = Y, **changes: Any) -> Any:
    kind = ash.ASHClassifier if y.ndim == 1 else ash.ASHRegressor
    given = {"space": space(), "candidates": 16, "min_epochs": 4, "random_state": 2, "cv": 3, **changes}
    weight = given.pop("weight", None)
    return kind(**configured(given)).fit(X, y, sample_weight=weight)


def watched(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return a list to which each finished run appends a dict: its kept candidates, its folds and its options."""
    seen: list[dict[str, Any]] = []
    finish = RUN.finish

    def told(tuner: Any, kept: Any, split: Any, options: Any, final: Any, **last: Any) -> Any:
        seen.append({"kept": kept, "folds": split.folds, "options": options})
        return finish(tuner, kept, split, options, final, **last)

    monkeypatch.setattr(RUN, "finish", told)
    return seen


def members(model: Any) -> tuple[Any, ...]:
    return model.members if isinstance(model, ash.Ensemble) else (model,)


def trained(end: dict[str, Any], place: int, parts: Any, seed: int) -> _core.Network:
    """Train kept candidate number `place` on the training rows of `parts`, in the same way as the engine."""
    kept, options = end["kept"], end["options"]
    settings = ash.space.hyperparameters.to_settings(kept.networks[place].params)
    data = ALL_ROWS.prepare(parts, options=options)
    rungs = kept.rungs[place] + 1
    core, _ = _core.train(data, settings, options.min_epochs, seed, kept.candidates[place], rungs, options.eta)
    return sharpen(core, kept.factors[place])


def seed_of_fold(end: dict[str, Any], number: int) -> int:
    return int((end["options"].seed ^ (number * FOLD_SEED)) % 2**64)


def by_hand(end: dict[str, Any], place: int) -> np.ndarray[Any, Any]:
    """Train kept candidate number `place` on each fold; return the predictions for the validation rows of all folds."""
    kept, options, found = end["kept"], end["options"], []
    for number, parts in enumerate(end["folds"]):
        core = trained(end, place, parts, seed_of_fold(end, number))
        network = ALL_ROWS.member_of(core, parts, kept.networks[place].params, options, 0.0)
        rows = X[parts.table.frame.numbers_of(parts.validation)]
        found.append(network.predict(rows) if network.classes_ is None else network.predict_proba(rows))
    return np.concatenate(found)


@pytest.mark.parametrize("y", [Y, YR], ids=["classes", "targets"])
def test_predictions_for_a_row_come_from_networks_that_have_not_seen_it(
    y: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = watched(monkeypatch)
    fitted(y)
    kept = ends[0]["kept"]
    assert kept.predictions.shape == (12, len(X), 3 if y.ndim == 1 else 2)
    for place in (0, 3, 11):
        assert np.allclose(kept.predictions[place], by_hand(ends[0], place), atol=1e-5)
    seen = np.concatenate([parts.validation for parts in ends[0]["folds"]])
    assert sorted(seen.tolist()) == list(range(len(X)))


@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["alike", "weighted"])
@pytest.mark.parametrize("y", [Y, YR], ids=["classes", "targets"])
def test_the_networks_of_all_folds_of_the_selected_candidates_predict(
    y: Any, weight: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = watched(monkeypatch)
    model = fitted(y, weight=weight).model_
    kept, folds = ends[0]["kept"], ends[0]["folds"]
    if y.ndim == 1:
        parts = class_errors(kept.predictions, kept.targets[:, 0].astype(np.int64))
    else:
        parts = target_errors(kept.predictions, kept.targets, np.asarray(kept.networks[0].core.target_scale))
    counts = select(parts, kept.weights, 16)
    places = np.flatnonzero(counts)
    assert isinstance(model, ash.Ensemble) and len(model.members) == len(places) * len(folds) > len(folds)
    assert model.weights.tolist() == np.repeat(counts[places] / counts.sum() / len(folds), len(folds)).tolist()
    shared = 1.0
    if y.ndim == 1:
        shares, labels = counts[places] / counts.sum(), kept.targets[:, 0].astype(np.int64)
        shared = sharpness(kept.predictions[places], shares, labels, kept.weights)
        assert shared != 1
    rows, left = np.random.default_rng(0).normal(size=(9, 6)).astype(np.float32), list(model.members)
    for place in places.tolist():
        for number, fold in enumerate(folds):
            core, member = trained(ends[0], place, fold, seed_of_fold(ends[0], number)), left.pop(0)
            assert member.params == kept.networks[place].params
            assert member.core.predict(rows, 1).tobytes() == sharpen(core, shared).predict(rows, 1).tobytes()


def test_a_single_network_is_trained_on_all_rows() -> None:
    search, alone = fitted(), fitted(ensemble=1)
    assert search.result_.model.params == members(search.model_)[0].params == search.best_params_
    assert alone.model_ is alone.result_.model and alone.best_params_ == search.best_params_
    tuned = ash.tune(
        X, Y, space(), candidates=16, random_state=2, cv=3, verbose=0, config=ash.SearchConfig(min_epochs=4)
    )
    assert isinstance(tuned.model, ash.Network)


@pytest.mark.parametrize("size", [1, 8])
def test_an_ensemble_of_folds_can_be_made_from_a_result(size: int) -> None:
    given: dict[str, Any] = {"space": space(), "candidates": 16, "cv": 3, "config": ash.SearchConfig(min_epochs=4)}
    result = ash.tune(X, Y, random_state=2, verbose=0, **given)
    ensemble = result.ensemble(size)
    assert len(ensemble.members) % 3 == 0 if size > 1 else ensemble.members == (result.model,)
    again = ash.tune(X, Y, verbose=0, record=ensemble.record)
    assert again.ensemble(size).digest == ensemble.digest
    assert again.model.digest == result.model.digest


@pytest.mark.parametrize("training", ["resume", "restart"])
def test_the_bits_do_not_depend_on_the_number_of_threads(training: str) -> None:
    one, two = (fitted(n_jobs=threads, training=training) for threads in (1, 2))
    assert len(members(one.model_)) > 1
    assert one.predict_proba(X).tobytes() == two.predict_proba(X).tobytes()
    assert one.result_.digest == two.result_.digest


@pytest.mark.parametrize(
    "cv", [ShuffleSplit(4, test_size=0.1, random_state=0), list(KFold(4).split(X))[:2]], ids=["overlapping", "some"]
)
def test_folds_may_overlap_or_leave_rows_out(cv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = watched(monkeypatch)
    fitted(cv=cv)
    rows = sum(len(parts.validation) for parts in ends[0]["folds"])
    assert ends[0]["kept"].predictions.shape[1] == len(ends[0]["kept"].targets) == rows != len(X)


def retrained_by(change: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Apply `change` to each network that a tuner trains on all rows. Return a list that receives these networks."""
    seen: list[Any] = []

    class Changed(_core.Tuner):
        def retrain(self, data: Any, candidates: list[int], seconds: float) -> Any:
            networks, stopped = super().retrain(data, candidates, seconds)
            seen.extend(networks)
            return [change(each) for each in networks], stopped

    monkeypatch.setattr("ash._core.Tuner", Changed)
    return seen


def test_the_network_of_a_fold_predicts_if_training_on_all_rows_diverges(monkeypatch: pytest.MonkeyPatch) -> None:
    retrained_by(lambda core: None, monkeypatch)
    with pytest.warns(UserWarning, match="training on all rows diverged, though no fold did"):
        search = fitted(ensemble=1)
    assert isinstance(search.model_, ash.Network)
    assert np.isfinite(search.predict_proba(X)).all()


def test_the_network_of_a_fold_predicts_if_training_on_all_rows_is_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(core: Any) -> Any:
        raise KeyboardInterrupt

    retrained_by(interrupt, monkeypatch)
    search = ash.ASHClassifier(space(), candidates=16, cv=3, ensemble=1)
    words = "training on all rows was interrupted: the model is that of the first fold"
    with (
        pytest.warns(UserWarning, match=words),
        pytest.raises(KeyboardInterrupt, match="the results so far are in result_ and model_"),
    ):
        search.fit(X, Y)
    record = search.result_.record
    assert isinstance(search.model_, ash.Network) and (record.ended, record.refit) == ("interrupted", (0,))
    assert ash.ASHClassifier(record=record).fit(X, Y).result_.record == record


def test_an_interrupted_run_has_the_same_ensemble(monkeypatch: pytest.MonkeyPatch) -> None:
    cores, finish = retrained_by(lambda core: core, monkeypatch), RUN.finish
    whole = fitted()
    monkeypatch.setattr(RUN, "finish", lambda *given, **last: finish(*given, **{**last, "interrupted": True}))
    assert fitted().predict_proba(X).tobytes() == whole.predict_proba(X).tobytes()
    assert cores == []
    fitted(ensemble=1)
    assert len(cores) == 1


def folds_of(x: Any, y: Any, **changes: Any) -> int:
    """Return the number of folds of a fit with 100 s, as if its machine were 100 times slower."""
    kind = ash.ASHRegressor if y.dtype.kind == "f" else ash.ASHClassifier
    given = {"space": space(), "random_state": 0, "time_limit": 100.0, "max_total_epochs": 4, **changes}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ash.encoding.data_split.ROWS_A_SECOND", ROWS_A_SECOND / 100)
        ends = watched(patch)
        kind(**configured(given)).fit(x, y)
    return len(ends[0]["folds"])


def test_a_timed_run_on_a_small_table_uses_folds() -> None:
    for x, y in (load_breast_cancer(return_X_y=True), load_diabetes(return_X_y=True)):
        x, y = x[: ROWS_A_SECOND - 1], y[: ROWS_A_SECOND - 1]
        assert folds_of(x, y) == 5
        assert folds_of(x, y, validation=0.2) == 1
        assert folds_of(x, y, validation=(x[:50], y[:50])) == 1
        assert folds_of(x, y, cv=2) == 2
        assert folds_of(x, y, time_limit=None, candidates=4, min_epochs=1) == 5
        assert folds_of(x, y, time_limit=None, max_total_epochs=None, work_limit=1e6) == 5


@pytest.mark.parametrize("given", [{"candidates": 2}, {"time_limit": 60.0, "max_total_epochs": 4}, {}], ids=str)
def test_ash_tune_uses_folds_on_a_small_table(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ash.engine.planning.WORK", 1e8)
    x, y = load_breast_cancer(return_X_y=True)
    folds, once = (ash.tune(x, y, space(), verbose=0, **configured(given | split)) for split in ({}, {"cv": 2}))
    assert [each.fold_scores["scores"].shape[1] for each in (folds, once)] == [5, 2]
    assert np.isfinite(folds.oof_prediction).all() and folds.model.score(x, y) > 0.5
    with monkeypatch.context() as patch:
        patch.setattr("ash.encoding.data_split.FEW_ROWS", len(y))
        whole = ash.tune(x, y, space(), verbose=0, **configured(given))
    assert whole.fold_scores["scores"].shape[1] == 1


def test_larger_tables_get_no_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(ROWS_A_SECOND, 3))
    y = (x[:, 0] > 0).astype(int)
    assert folds_of(x, y) == 1, "the time is too short"
    assert folds_of(x, y, time_limit=101) == 5
    with monkeypatch.context() as patch:
        patch.setattr("ash.encoding.data_split.FEW_ROWS", len(y))
        assert folds_of(x, y, time_limit=101) == 1


@pytest.mark.parametrize(("scoring", "folds"), [("neg_brier_score", 1), ("roc_auc_ovo", 1), ("jaccard_macro", 5)])
def test_a_rare_class_turns_folds_off_only_for_scorers_of_probabilities(scoring: str, folds: int) -> None:
    y = np.arange(90) % 2
    y[:4] = 2
    fit = ash.ASHClassifier(candidates=2, random_state=0, scoring=scoring).fit(X[:90], y)
    assert len(fit.result_.fold_scores["scores"][0]) == folds


@pytest.mark.parametrize("rare", [1, 2, 4])
def test_a_rare_class_is_in_each_training_part_and_keeps_the_folds(rare: int) -> None:
    x = np.random.default_rng(0).normal(size=(200, 3))
    y = (x[:, 0] > 0).astype(int)
    y[:rare] = 2
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.filterwarnings("error" if rare > 1 else "ignore")
        ends = watched(patch)
        ash.ASHClassifier(space(), candidates=1, random_state=0).fit(x, y)
    folds = ends[0]["folds"]
    assert len(folds) == 5
    of_rare = [np.flatnonzero(fold.y[:, 0] == 2) for fold in folds]
    assert all(np.isin(rows, fold.training).any() for rows, fold in zip(of_rare, folds, strict=True))
    validated = [int(np.isin(fold.validation, rows).sum()) for rows, fold in zip(of_rare, folds, strict=True)]
    assert max(validated) <= 1 and sum(validated) == (rare if rare > 1 else 0)
    assert all(len(np.intersect1d(fold.training, fold.validation)) == 0 for fold in folds)
    assert Split(folds, folds[0]).is_tiled


def test_the_only_row_of_a_class_is_told_of() -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    y = np.where(x[:, 0] > 0, "yes", "no")
    y[0] = "?"
    with pytest.warns(UserWarning, match=r"class '\?' has a single row, which is used for training only"):
        ash.ASHClassifier(space(), candidates=1, random_state=0).fit(x, y)


def test_a_table_without_a_class_of_five_rows_gets_no_folds() -> None:
    x, y = np.random.default_rng(0).normal(size=(12, 2)), np.arange(12) % 3
    assert folds_of(x, y) == 1
    y[:8] = np.arange(8) % 2
    assert folds_of(x, y) == 5
    assert folds_of(x, y, scoring="roc_auc") == 1


def test_a_fold_of_counts_has_a_target_above_zero() -> None:
    x = np.random.default_rng(0).normal(size=(50, 2))
    y = np.zeros(50)
    y[7] = 3.0
    assert np.isfinite(ash.ASHRegressor(loss="poisson", candidates=1, random_state=0).fit(x, y).predict(x)).all()


@pytest.mark.parametrize(("first", "then", "folds"), [(50, 110, 1), (110, 130, 5)])
def test_a_journal_keeps_the_folds(first: float, then: float, folds: int, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(200, 3))
    y = (x[:, 0] > 0).astype(int)
    for limit in (first, then):
        assert folds_of(x, y, time_limit=limit, journal=tmp_path / "run.ash") == folds


@pytest.mark.parametrize("with_files", [True, False], ids=["states", "results"])
@pytest.mark.parametrize("limit", [20, 70, 130])
def test_a_fit_resumed_from_a_journal_predicts_the_same(
    limit: int, with_files: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if with_files:
        with_states(monkeypatch)
    whole = fitted()
    fitted(journal=tmp_path / "run.ash", max_total_epochs=limit)
    again = fitted(journal=tmp_path / "run.ash")
    assert again.result_.digest == whole.result_.digest
    assert len(members(again.model_)) == len(members(whole.model_)) > 1
    assert again.predict_proba(X).tobytes() == whole.predict_proba(X).tobytes()
    assert again.model_.validation_score == whole.model_.validation_score


def test_an_embedding_handles_numbers_that_are_constant_in_some_folds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check that networks may differ in size between folds, even if states come from a journal or another worker."""
    with_states(monkeypatch)
    x = np.random.default_rng(0).normal(size=(90, 4))
    y = (x[:, 0] > 0).astype(int)
    x[30:, 3] = 0.0
    rows = np.arange(90)
    folds = [(rows[:60], rows[60:]), (rows[30:], rows[:30]), (np.r_[rows[:30], rows[60:]], rows[30:60])]
    embedded = ash.Space(hidden=ash.choice((4,), (8,)), embedding="periodic", learning_rate=ash.loguniform(1e-3, 1e-2))

    def digest(**given: Any) -> str:
        return ash.tune(x, y, embedded, candidates=8, cv=folds, verbose=0, **given).digest

    whole = digest(n_jobs=2)
    with ThreadPoolExecutor(2) as pool:
        assert digest(executor=pool) == whole
    digest(n_jobs=1, journal=tmp_path / "run.ash", config=ash.SearchConfig(max_total_epochs=9))
    assert digest(n_jobs=2, journal=tmp_path / "run.ash") == whole
    model = ash.ASHClassifier(space=embedded, candidates=8, cv=folds, random_state=0).fit(x, y)
    assert len({tuple(member.core.numbers) for member in members(model.model_)}) > 1
    model.model_.save(tmp_path / "model.safetensors")
    loaded = ash.load(tmp_path / "model.safetensors")
    assert loaded.predict_proba(x).tobytes() == model.model_.predict_proba(x).tobytes()


def test_no_copy_of_a_row_sees_its_own_target() -> None:
    random = np.random.default_rng(0)
    rows, y = 400, random.normal(size=400)
    x = pd.DataFrame({"city": [f"c{number}" for number in random.integers(0, 380, rows)]})
    drawn = random.integers(0, rows, rows)  # a bootstrap sample: rows recur
    held = np.setdiff1d(np.arange(rows), drawn)
    fold = parts_from(x, y, validation=None, cv=[(drawn, held)])
    features = fold.encoding.fitting_block(slice(0, rows))[drawn]
    assert abs(np.corrcoef(features[:, 0], y[drawn])[0, 1]) < 0.3
    once = parts_from(x, y, validation=None, cv=[(np.unique(drawn), held)])
    assert np.array_equal(once.training, np.unique(fold.training))


@pytest.mark.parametrize("hidden", [(), (128,)])
def test_teams_train_folds_whose_numeric_columns_are_constant(hidden: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    rows = 1200
    x = pd.DataFrame({f"x{k}": random.choice(list("abcd"), rows) for k in range(100)})
    x["number"] = np.r_[random.normal(size=40), np.zeros(rows - 40)]  # constant in the second fold's training rows
    y = random.normal(size=rows) + (x["x0"] == "a")
    halves = np.split(np.arange(rows), 2)
    one, two = (
        ash.tune(
            x,
            y,
            ash.Space(hidden=[hidden], learning_rate=1e-3, precision="bf16", batch_size=256, optimizer="adam"),
            **configured({"candidates": 1, "cv": [halves, halves[::-1]], "min_epochs": 60, "max_rungs": 1}),
            n_jobs=threads,
            verbose=0,
        )
        for threads in (1, 2)
    )
    assert one.digest == two.digest and two.jobs[0].team_limit >= 2
