"""Tests the estimators' ensemble: members, weighted predictions, predictions on any number of threads, and pickling."""

import importlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

import ash
from config_help import configured, split_once
from ensemble_help import WEIGHTS, YR, X, Y, space
from fault_help import table

pytestmark = pytest.mark.core

Estimator = ash.ASHClassifier | ash.ASHRegressor


SETTINGS = {"space": space(), "candidates": 24, "min_epochs": 4, "random_state": 2, "refit": False}


def classifier(**changes: Any) -> ash.ASHClassifier:
    return ash.ASHClassifier(**configured(split_once({**SETTINGS, **changes})))


def regressor(**changes: Any) -> ash.ASHRegressor:
    return ash.ASHRegressor(**configured(split_once({**SETTINGS, **changes})))


def members(estimator: Estimator) -> tuple[ash.Network, ...]:
    model = estimator.model_
    return model.members if isinstance(model, ash.Ensemble) else (model,)


def bits(estimator: Estimator) -> bytes:
    return estimator.model_.digest.encode() + estimator.predict(X).tobytes()


def test_a_better_ensemble_makes_the_predictions() -> None:
    both = classifier().fit(X, Y), regressor().fit(X, YR)
    assert np.array_equal(both[0].predict_proba(X), both[0].model_.predict_proba(X))
    for fitted in both:
        model = fitted.model_
        assert isinstance(model, ash.Ensemble) and len(model.members) > 1
        assert repr(model) == repr(fitted.result_.ensemble(16))
        assert np.array_equal(fitted.predict(X), model.predict(X))
        assert not np.array_equal(fitted.predict(X), fitted.result_.model.predict(X))
        assert fitted.best_score_ == fitted.result_.best_score == fitted.result_.model.validation_score


def test_an_ensemble_of_one_is_a_single_network() -> None:
    fitted = classifier(ensemble=1).fit(X, Y)
    assert fitted.model_ is fitted.result_.model
    assert fitted.result_.kept is not None and len(fitted.result_.kept.networks) > 1  # they show what the choice gains
    assert fitted.result_.digest == classifier().fit(X, Y).result_.digest


@pytest.mark.parametrize("ensemble", [0, 1025, 1.5, True, "16", None])
def test_invalid_ensemble_sizes_are_refused_before_training(ensemble: Any) -> None:
    estimator = classifier(ensemble=ensemble)
    with pytest.raises(ash.SettingError, match="ensemble must be an integer from 1 to 1024, got"):
        estimator.fit(X, Y)
    assert not hasattr(estimator, "result_")


@pytest.mark.filterwarnings("ignore:.*rows are equal to other rows, which chance does not explain")
def test_the_bits_do_not_depend_on_threads_row_order_or_repetition() -> None:
    order = np.random.default_rng(0).permutation(len(X))
    for make, y in ((classifier, Y), (regressor, YR)):
        expected = bits(make().fit(X, y))
        for n_jobs in (1, 2, -1):
            assert bits(make(n_jobs=n_jobs).fit(X, y)) == expected
        assert bits(make().fit(X[order], y[order])) == expected
    times = np.random.default_rng(1).integers(0, 3, len(X))
    longer = classifier(min_epochs=8)
    weighted = clone(longer).fit(X, Y, sample_weight=times)
    assert bits(weighted) == bits(longer.fit(np.repeat(X, times, axis=0), np.repeat(Y, times)))
    assert isinstance(weighted.model_, ash.Ensemble)


def test_a_second_fit_discards_the_first_model() -> None:
    fitted = classifier().fit(X, Y)
    assert isinstance(fitted.model_, ash.Ensemble)
    rows, labels = table(80)
    fitted.set_params(ensemble=1).fit(rows, labels)
    assert fitted.model_ is fitted.result_.model and fitted.predict(rows).shape == (80,)


def test_a_users_scorer_ranks_networks_but_the_loss_selects_members() -> None:
    fitted = classifier(scoring="f1_micro", candidates=8).fit(X, Y)
    assert fitted.result_.metric == "f1_micro" and fitted.result_.ensemble().metric == "neg_log_loss"


@pytest.mark.parametrize("kind", ["classes", "targets"])
def test_a_refit_trains_the_same_members_further(kind: str) -> None:
    estimator, y = (classifier, Y) if kind == "classes" else (regressor, YR)
    plain, trained = (estimator(refit=refit).fit(X, y) for refit in (False, True))
    assert trained.result_.digest == plain.result_.digest and trained.best_score_ == plain.best_score_
    assert isinstance(plain.model_, ash.Ensemble) and isinstance(trained.model_, ash.Ensemble)
    assert trained.model_.weights.tolist() == plain.model_.weights.tolist()
    assert [one.params for one in trained.model_.members] == [one.params for one in plain.model_.members]
    pairs = zip(trained.model_.members, plain.model_.members, strict=True)
    assert all(not np.array_equal(one.core.weights[0], other.core.weights[0]) for one, other in pairs)
    scored = zip(trained.result_.kept.networks, plain.result_.kept.networks, strict=True)
    assert all(np.array_equal(one.core.weights[0], other.core.weights[0]) for one, other in scored), "results keep them"


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
def test_a_refit_trains_on_all_rows(weights: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    prepare = importlib.import_module("ash.engine.refit").prepare
    monkeypatch.setattr(
        "ash.engine.refit.prepare", lambda parts, **given: seen.append(parts) or prepare(parts, **given)
    )
    classifier(refit=True).fit(X, Y, sample_weight=weights)
    (parts,) = seen
    assert sorted(parts.training.tolist()) == list(range(parts.table.rows))


@pytest.mark.parametrize("kind", ["classes", "targets"])
def test_the_last_cycle_uses_a_share_of_the_learning_rate(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    estimator, y = (classifier, Y) if kind == "classes" else (regressor, YR)
    monkeypatch.setattr("ash.engine.refit.RATE", 0.0)  # at this rate, the last cycle changes no weights
    plain, trained = (estimator(refit=refit).fit(X, y) for refit in (False, True))
    for one, other in zip(members(trained), members(plain), strict=True):
        assert all(np.array_equal(*pair) for pair in zip(one.core.weights, other.core.weights, strict=True))


def test_the_last_cycle_has_a_share_of_the_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []
    with_last_cycle = importlib.import_module("ash.engine.refit").Refit.with_last_cycle

    def told(refit: Any, counts: Any, tuner: Any, recorded: Any) -> Any:
        columns, kept, parts = refit.columns, refit.kept, refit.split.folds[0]

        def job(place: int) -> Any:
            return (columns["candidate"] == kept.candidates[place]) & (columns["rung"] == kept.rungs[place])

        def trained(data: Any, candidates: list[int], settings: Any, epochs: list[int], *rest: Any) -> Any:
            places = [kept.candidates.index(candidate) for candidate in candidates]
            for place, seconds, length in zip(places, refit.seconds(np.array(places)), epochs, strict=True):
                spent = columns["core_seconds"][job(place)].item()
                assert seconds == pytest.approx(0.5 * spent * len(X) / len(parts.training))
                shares.append(length / columns["epochs"][job(place)].item())
            return tuner.refit(data, candidates, settings, epochs, *rest)

        return with_last_cycle(refit, counts, SimpleNamespace(refit=trained), recorded)

    monkeypatch.setattr("ash.engine.refit.Refit.with_last_cycle", told)
    fitted = classifier(refit=True).fit(X, Y)
    assert isinstance(fitted.model_, ash.Ensemble) and shares == [0.5] * len(fitted.model_.members)


def test_time_is_reserved_for_a_refit_or_for_the_selection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check how much of the time limit is reserved for the time after the search.

    A planned run that trains nothing after the search reserves 1/25. Any other run reserves more.
    """
    module, left = importlib.import_module("ash.engine.run"), []
    monkeypatch.setattr(module, "planned", lambda options, space, folds, seconds: left.append(seconds) or options)
    trained_on: list[dict[str, Any]] = [{"refit": True, "validation": 0.3}, {"refit": False, "cv": 2, "ensemble": 1}]
    as_they_are: list[dict[str, Any]] = [{"refit": False}, {"refit": True, "validation": (X, Y)}, {"cv": 2}]
    for given in (*trained_on, *as_they_are):
        classifier(candidates="auto", min_epochs=None, time_limit=1000, max_total_epochs=4, **given).fit(X, Y)
    classifier(candidates=2, time_limit=1000, refit=False).fit(X, Y)
    *planned, last = left
    assert all(seconds < 850 for seconds in planned[:2]) and all(950 < seconds < 960 for seconds in planned[2:])
    assert last < 850


def test_a_separate_validation_table_is_not_trained_on() -> None:
    held = (X[:40], Y[:40])
    first, second = (classifier(validation=held, refit=refit).fit(X[40:], Y[40:]) for refit in (True, False))
    assert bits(first) == bits(second)


@pytest.mark.parametrize("refit", [None, 1, "yes"])
def test_refit_must_be_true_or_false(refit: Any) -> None:
    with pytest.raises(ash.SettingError, match="refit must be True or False, got"):
        classifier(refit=refit).fit(X, Y)
