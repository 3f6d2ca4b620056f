"""Tests forecasts: laws of learning curves, and a search that promotes by forecasts but changes no score."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.tree import DecisionTreeClassifier

import ash
from ash import _core
from ash.history.records import survivors
from ash.sklearn.cv_results import read_info
from ash.sklearn.forecast import forecast
from ash.sklearn.resumable.protocol import AVERAGE, ROUNDS
from search_help import X, Y, fitted, forest

BOOSTING = {"learning_rate": ash.loguniform(0.01, 1.0), "max_depth": [1, 2, 4]}
RUNGS = {"max_epochs": 28, "max_rungs": 3}


def boosted(**changes: Any) -> ash.ASHSearchCV:
    """Return a search of boosting whose rungs end at 4, 12 and 28 rounds."""
    settings: dict[str, Any] = {"scoring": "neg_log_loss", **RUNGS, **changes}
    return fitted(GradientBoostingClassifier(random_state=0), BOOSTING, **settings)


def jobs(ours: ash.ASHSearchCV) -> dict[tuple[int, int], Any]:
    return {(job.candidate, job.rung): job for job in ours.result_.jobs}


def test_forecasts_follow_the_law() -> None:
    ours = boosted()
    found = jobs(ours)
    infos = dict(zip([(job.candidate, job.rung) for job in ours.result_.jobs], ours.result_.infos, strict=True))
    assert [rung["epochs"] for rung in ours.result_.rungs] == [4, 8, 16]
    constant = {infos[key].folds[0].curve[0] for key in found if key[1] == 0}
    assert len(constant) == 1, "all begin from one constant"
    for (candidate, rung), job in found.items():
        info = read_info(infos[candidate, rung])
        assert info is not None
        if rung == 0:
            (none, at_none), (half, at_half) = info.folds[0].curve
            own = info.folds[0].test["score"]
            expected = job.score + forecast("rounds", [(0, at_none), (half, at_half), (4, own)], 12) - own
            assert (none, half) == (0, 2) and info.folds[1].curve == () and at_none < at_half
        elif rung == 1:
            below = found[candidate, 0].score
            expected = job.score + (job.score - below) * math.log(28 / 12) / math.log(12 / 4)
        else:
            expected = job.score
        assert -job.loss == pytest.approx(expected, rel=1e-12), (candidate, rung)
        assert job.score == np.mean([fold.test["score"] for fold in info.folds])


def test_the_curve_starts_with_a_constant_prediction_of_class_shares() -> None:
    ours = boosted(cv=[(np.arange(200), np.arange(200, 300))])
    alone = DummyClassifier(strategy="prior").fit(X[:200], Y[:200]).predict_proba(X[200:])
    assert ours.result_.infos[0].folds[0].curve[0] == (0, pytest.approx(-log_loss(Y[200:], alone)))


@pytest.mark.parametrize("make", [boosted, lambda **changes: fitted(forest(n_estimators=28), **RUNGS, **changes)])
def test_candidates_expected_to_be_best_are_promoted(make: Any) -> None:
    ours = make(algorithm="sh")
    result = ours.result_
    for rung in range(2):
        best = result.columns["candidate"][survivors(result.ranking, rung, 2)]
        above = [job.candidate for job in result.jobs if job.rung == rung + 1]
        assert set(above) == set(best.tolist()) and result.rungs[rung]["recall"] == 1.0
    assert ours.best_score_ == max(job.score for job in result.jobs), "best is who has the best score, not the forecast"
    assert any(-job.loss != job.score for job in result.jobs)


def test_forests_are_ranked_by_forecasts_for_averages() -> None:
    ours = fitted(forest(n_estimators=28), scoring="neg_log_loss", **RUNGS)
    assert ours.result_.infos[0].folds[0].curve[0][0] == 2, "no constant is needed"
    found = jobs(ours)
    for (candidate, rung), job in found.items():
        if rung == 1:
            gain = (job.score - found[candidate, 0].score) * (1 / 12 - 1 / 28) / (1 / 4 - 1 / 12)
            assert -job.loss == pytest.approx(job.score + gain, rel=1e-12)


def test_without_forecasts_candidates_are_ranked_by_scores() -> None:
    for ours in (
        boosted(forecast=False),
        fitted(SGDClassifier(loss="log_loss"), {"alpha": ash.loguniform(1e-5, 1e-1)}, max_epochs=14),
        fitted(DecisionTreeClassifier(), {"max_depth": [2, 4, 8, 16], "ccp_alpha": [0.0, 0.001]}),
    ):
        columns = ours.result_.columns
        np.testing.assert_array_equal(columns["loss"], -columns["score"])
        assert all(not fold.curve for info in ours.result_.infos for fold in info.folds)


def test_the_outcome_is_the_same_on_all_workers(tmp_path: Path) -> None:
    digests = {boosted(n_jobs=count).result_.digest for count in (1, 2)}
    digests.add(boosted(n_jobs=2, executor="processes").result_.digest)
    digests.add(boosted(journal=tmp_path / "run.ash").result_.digest)
    again = boosted(journal=tmp_path / "run.ash")
    assert len(digests | {again.result_.digest}) == 1
    with pytest.raises(ash.JournalError, match="forecast"):
        boosted(journal=tmp_path / "run.ash", forecast=False)


def test_restarted_training_has_forecasts() -> None:
    ours = boosted(training="restart", max_epochs=16)
    infos = dict(zip([(job.candidate, job.rung) for job in ours.result_.jobs], ours.result_.infos, strict=True))
    assert [rung["epochs"] for rung in ours.result_.rungs] == [4, 8, 16]
    for (_, rung), info in infos.items():
        assert [each[0] for each in info.folds[0].curve] == [0, 2 * 2**rung]


@pytest.mark.filterwarnings("ignore:the search ended")
def test_a_forecast_does_not_reach_a_stop_score() -> None:
    whole = boosted(algorithm="sh")
    first = [job for job in whole.result_.jobs if job.rung == 0]
    between = (max(job.score for job in first) + max(-job.loss for job in first)) / 2
    ours = boosted(algorithm="sh", stop_score=between)
    assert ours.best_score_ >= between and ours.result_.ended == "stop_score" and ours.result_.best_rung > 0
    higher = {(job.candidate, job.rung) for job in ours.result_.jobs if job.rung == 1}
    assert higher <= {(job.candidate, job.rung) for job in whole.result_.jobs}, "who goes up is the same"


def test_scorers_may_use_attributes_of_the_estimator() -> None:
    def by_rounds(estimator: Any, X: Any, y: Any) -> float:
        return float(estimator.score(X, y)) + 0 * estimator.n_features_in_ * len(estimator.classes_)

    def by_leaves(estimator: Any, X: Any, y: Any) -> float:
        return float(estimator.score(X, y)) + 0 * estimator.get_n_leaf_nodes()

    ours = fitted(
        HistGradientBoostingClassifier(), {"learning_rate": ash.loguniform(0.01, 1.0)}, scoring=by_rounds, **RUNGS
    )
    assert [each[0] for each in ours.result_.infos[0].folds[0].curve] == [0, 2]
    with (
        pytest.warns(FitFailedWarning, match="candidate 0 failed"),
        pytest.raises(ash.FitsFailedError, match="get_n_leaf_nodes"),
    ):
        fitted(
            HistGradientBoostingClassifier(), {"learning_rate": ash.loguniform(0.01, 1.0)}, scoring=by_leaves, **RUNGS
        )


def test_forecasts_work_if_a_constant_cannot_be_scored() -> None:
    def deep(estimator: Any, X: Any, y: Any) -> float:
        return float(estimator.score(X, y)) + 0 * len(estimator.estimators_)

    ours = fitted(GradientBoostingClassifier(random_state=0), BOOSTING, scoring=deep, **RUNGS)
    assert {len(info.folds[0].curve) for info in ours.result_.infos} == {1}
    assert {info.folds[0].curve[0][0] for info in ours.result_.infos} == {2, 4, 12}


def test_the_refit_score_is_forecast_if_there_are_several() -> None:
    ours = boosted(scoring=["accuracy", "neg_log_loss"], refit="neg_log_loss")
    assert ours.result_.digest == boosted().result_.digest


def test_a_rung_of_one_epoch_has_no_forecast() -> None:
    ours = fitted(forest(n_estimators=7), eta=2)
    first = [job for job in ours.result_.jobs if job.rung == 0]
    assert {job.epochs for job in first} == {1} and all(-job.loss == job.score for job in first)


def test_samplers_receive_forecasts() -> None:
    import optuna

    class Told(optuna.samplers.RandomSampler):  # type: ignore[misc]
        def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
            told.extend(values)

    told: list[float] = []
    ours = boosted(sampler=Told(seed=0))
    reached: dict[int, tuple[int, float]] = {}
    for job in ours.result_.jobs:
        reached[job.candidate] = job.rung, -job.loss
        if job.rung == 0:  # the sampler gets the share of candidates so far that rank no higher by rung and forecast
            assert told.pop(0) == sum(each <= reached[job.candidate] for each in reached.values()) / len(reached)
    assert not told


def test_a_simulation_decides_by_forecasts(monkeypatch: pytest.MonkeyPatch) -> None:
    tables: list[Any] = []
    real = _core.simulate

    def simulate(**given: Any) -> Any:
        tables.append(given["scores"])
        return real(**given)

    monkeypatch.setattr(_core, "simulate", simulate)
    ours = boosted()
    ours.result_.simulate(threads=1)
    for job in ours.result_.jobs:
        assert tables[0][job.candidate, job.rung] == -job.loss


def test_plots_say_that_they_show_forecasts() -> None:
    ours, without = boosted(), boosted(forecast=False)
    assert "forecast for the next rung" in ours.result_.plot_ladder().svg()
    assert "forecast" not in without.result_.plot_ladder().svg()


def test_a_scorer_that_cannot_score_a_stage_is_not_a_failure() -> None:
    def strict(estimator: Any, X: Any, y: Any) -> float:
        if not isinstance(estimator, HistGradientBoostingClassifier):
            raise TypeError("that is no booster")
        return float(estimator.score(X, y))

    space = {"learning_rate": ash.loguniform(0.01, 1.0)}
    ours = fitted(HistGradientBoostingClassifier(random_state=0), space, scoring=strict, **RUNGS)
    assert not ours.result_.failures
    assert {tuple(each[0] for each in info.folds[0].curve) for info in ours.result_.infos} == {(), (4,), (12,)}


# Laws: learning curves that follow a law are forecast, and all other curves keep their last score


def points(curve: object, *epochs: int) -> list[tuple[int, float]]:
    return [(each, curve(each)) for each in epochs]  # type: ignore[operator]


@pytest.mark.parametrize("epochs", [(1, 2), (2, 4), (2, 5), (4, 20), (7, 8)])
@pytest.mark.parametrize("share", [-0.4, 0.0, 3.0])
def test_an_average_approaches_its_limit_like_one_over_t(epochs: tuple[int, int], share: float) -> None:
    def curve(t: int) -> float:
        return 0.9 - share / t

    assert forecast(AVERAGE, points(curve, *epochs), 100) == pytest.approx(curve(100), rel=1e-12)
    assert forecast(AVERAGE, points(curve, *epochs), 10**9) == pytest.approx(0.9, rel=1e-8)


@pytest.mark.parametrize("halves", [(1, 2), (2, 4), (2, 5), (3, 7), (10, 21)])
@pytest.mark.parametrize("rate", [0.3, 0.7, 0.9, 0.98, 0.999])
def test_the_gains_of_first_rounds_shrink_geometrically(halves: tuple[int, int], rate: float) -> None:
    def curve(t: int) -> float:
        return -0.5 - 0.7 * rate**t

    for after in (22, 100, 1000):
        assert forecast(ROUNDS, points(curve, 0, *halves), after) == pytest.approx(curve(after), rel=1e-6)


def test_gains_that_hardly_shrink_are_extrapolated_almost_linearly() -> None:
    assert forecast(ROUNDS, [(0, 0.0), (2, 0.2), (4, 0.4 - 1e-9)], 20) == pytest.approx(2.0, rel=1e-6)
    assert forecast(ROUNDS, [(0, 0.0), (2, 0.2), (4, 0.4)], 20) == 0.4, "and no further"


FLAT = [(0.5, 0.5, 0.6), (0.5, 0.51, 0.6), (0.5, 0.4, 0.6), (0.5, 0.6, 0.6), (0.5, 0.6, 0.4)]


@pytest.mark.parametrize("scores", FLAT)
def test_first_rounds_without_shrinking_gains_give_no_forecast(scores: tuple[float, ...]) -> None:
    assert forecast(ROUNDS, list(zip((0, 2, 4), scores, strict=True)), 20) == scores[-1]


def test_later_rounds_gain_equally_for_equal_factors() -> None:
    assert forecast(ROUNDS, [(4, 0.7), (20, 0.8)], 100) == pytest.approx(0.9)
    assert forecast(ROUNDS, [(4, 0.8), (20, 0.7)], 100) == pytest.approx(0.6), "who has begun to fall goes on falling"
    assert forecast(ROUNDS, [(4, 0.7), (20, 0.8)], 40) == pytest.approx(0.8 + 0.1 * math.log(2) / math.log(5))


def test_without_a_law_the_forecast_is_the_last_score() -> None:
    for law in (AVERAGE, ROUNDS, ""):
        assert forecast(law, [(4, 0.7)], 20) == forecast(law, [(0, 0.5), (4, 0.7)], 20) == 0.7
    assert forecast("", [(0, 0.5), (2, 0.6), (4, 0.7)], 20) == 0.7


def test_a_forecast_is_finite_and_increases_with_the_last_score() -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        low, half, last = np.sort(random.uniform(-1, 1, 3))
        for law, known in ((AVERAGE, [(2, half)]), (ROUNDS, [(4, half)])):
            here, there = (forecast(law, [*known, (5, last + step)], 25) for step in (0.0, 0.01))
            assert math.isfinite(here) and here < there
        share = random.uniform(0.05, 0.9)
        here, there = (
            forecast(ROUNDS, [(0, low), (2, half), (4, half + (half - low) * part)], 20)
            for part in (share, share + 0.05)
        )
        assert half < here < there
