"""Tests `ash.ASHSearchCV`: the interface of scikit-learn's searches, metadata, rungs, and training further."""

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import sklearn
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import accuracy_score, get_scorer, make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, StratifiedKFold, cross_val_score, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import ash
from ash.function.answers import Tunable
from ash.sklearn.cv_results import FoldInfo, JobInfo
from ash.sklearn.resumable.choose import way_of
from ash.sklearn.search_ladder import LEAST_ROWS, MOST_RATIO, Rungs, rungs_of
from ash.sklearn.trainer import seed_of_candidate
from callback_help import INTERRUPTED, After, press_ctrl_c
from estimator_help import all_switched_on, scikit_learn_checks
from function_help import FAILURES
from search_help import SPACE, X, Y, fitted, forest, search


def test_a_forest_is_searched() -> None:
    ours = fitted()
    assert ours.resource_ == "n_estimators" and ours.continued_ and not ours.retrained_
    assert [rung["epochs"] for rung in ours.result_.rungs] == [2, 4, 8]
    assert ours.trained_ == ours.result_.epochs == 8 * 2 + 4 * 4 + 2 * 8
    best = ours.result_.best_rung
    assert ours.best_epochs_ == 2 * (2 ** (best + 1) - 1) == ours.best_params_["n_estimators"]
    assert ours.best_params_ == {**ours.result_.best_params, "n_estimators": ours.best_epochs_}
    assert ours.best_score_ == ours.result_.best_score == ours.cv_results_["mean_test_score"].max()
    assert len(ours.best_estimator_.estimators_) == ours.best_epochs_
    assert {name: ours.best_estimator_.get_params()[name] for name in ours.best_params_} == ours.best_params_
    assert ours.predict(X).shape == Y.shape and ours.score(X, Y) > 0.8 and list(ours.classes_) == [0, 1, 2]
    assert ours.n_features_in_ == 10 and ours.n_splits_ == 2 and ours.refit_time_ > 0 and not ours.multimetric_


def test_scores_equal_those_of_one_fit() -> None:
    ours = fitted()
    further = np.flatnonzero(ours.cv_results_["rung"] > 0)[:3]
    assert len(further) == 3
    for place in further:
        params = ours.cv_results_["params"][place]
        seed = seed_of_candidate(0, {name: params[name] for name in SPACE})
        alone = cross_val_score(forest(**params, random_state=seed), X, Y, cv=StratifiedKFold(2))
        np.testing.assert_array_equal(alone, [ours.cv_results_[f"split{k}_test_score"][place] for k in range(2)])
    alone = cross_val_score(clone(ours.best_estimator_), X, Y, cv=2)
    np.testing.assert_array_equal(alone, [ours.cv_results_[f"split{k}_test_score"][ours.best_index_] for k in range(2)])


def test_the_table_of_results_is_complete() -> None:
    table = fitted(return_train_score=True).cv_results_
    names = {"params", "param_max_features", "param_min_samples_leaf", "param_n_estimators", "rung", "resource"}
    names |= {f"{what}_{which}_time" for what in ("mean", "std") for which in ("fit", "score")} | {"fit_time"}
    names |= {f"{what}_{which}_score" for what in ("mean", "std", "split0", "split1") for which in ("test", "train")}
    assert set(table) == names | {"rank_test_score", "continued"}
    assert all(len(column) == 8 for column in table.values())
    splits = np.array([table["split0_test_score"], table["split1_test_score"]])
    np.testing.assert_allclose(table["mean_test_score"], splits.mean(axis=0))
    np.testing.assert_allclose(table["std_test_score"], splits.std(axis=0))
    assert (table["mean_train_score"] > table["mean_test_score"]).all() and (table["mean_fit_time"] > 0).all()
    assert table["rank_test_score"].min() == 1
    assert [params["n_estimators"] for params in table["params"]] == list(table["resource"])
    assert table["rung"].max() == 2 and table["continued"].all()


def test_results_are_the_same_on_any_number_of_threads_and_in_processes() -> None:
    ours = [fitted(n_jobs=jobs, executor=executor) for jobs, executor in ((1, None), (2, None), (2, "processes"))]
    assert len({each.result_.digest for each in ours}) == 1 and ours[0].result_.schedule == "reproducible"
    for each in ours[1:]:
        np.testing.assert_array_equal(each.predict_proba(X), ours[0].predict_proba(X))
        np.testing.assert_array_equal(each.cv_results_["split1_test_score"], ours[0].cv_results_["split1_test_score"])
    assert [len(under.estimator.estimators_) for under in ours[2].result_.best_state] == [ours[0].best_epochs_] * 2
    assert fitted(random_state=1).result_.digest != ours[0].result_.digest


class Counting(HistGradientBoostingClassifier):
    """A classifier that records its number of epochs at the start and at the end of each fit."""

    fits: list[tuple[int, int]] = []  # noqa: RUF012

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        before = getattr(self, "n_iter_", 0)
        super().fit(X, y, sample_weight)
        self.fits.append((before, self.n_iter_))
        return self


def test_no_round_is_repeated() -> None:
    Counting.fits = []
    ours = fitted(Counting(max_iter=7, early_stopping=False), {"learning_rate": ash.loguniform(0.01, 1)}, refit=False)
    assert sorted(Counting.fits) == [(0, 1)] * 16 + [(1, 3)] * 8 + [(3, 7)] * 4
    assert ours.trained_ == sum(end - start for start, end in Counting.fits) // 2
    Counting.fits = []
    restarted = fitted(
        Counting(max_iter=4, early_stopping=False),
        {"learning_rate": ash.loguniform(0.01, 1)},
        refit=False,
        training="restart",
    )
    assert sorted(Counting.fits) == [(0, 1)] * 16 + [(0, 2)] * 8 + [(0, 4)] * 4
    assert not restarted.continued_ and not restarted.cv_results_["continued"].any()


def test_retrained_estimators_are_listed_with_the_reason() -> None:
    ours = fitted(DecisionTreeClassifier(), {"max_depth": [2, 4, 8], "min_samples_leaf": [1, 3]}, candidates=6)
    why = "DecisionTreeClassifier cannot be trained further with more rows"
    assert ours.resource_ == "n_samples" and not ours.continued_ and ours.retrained_ == {why: len(ours.result_.jobs)}
    assert ours.trained_ > ours.result_.epochs and not ours.cv_results_["continued"].any()
    assert ours.cv_results_["resource"].max() <= 150 and "n_samples" not in ours.best_params_
    assert "param_n_samples" not in ours.cv_results_ and ours.best_estimator_.tree_.n_node_samples[0] == 300
    assert fitted(GaussianNB(), {"var_smoothing": ash.loguniform(1e-9, 1e-3)}).continued_


def test_passes_and_a_pipeline_are_trained_further() -> None:
    linear = make_pipeline(StandardScaler(), SGDClassifier())
    ours = fitted(linear, {"sgdclassifier__alpha": ash.loguniform(1e-6, 1e-1)}, max_epochs=14)
    assert ours.resource_ == "epochs" and ours.continued_ and ours.best_params_ == ours.result_.best_params
    assert ours.best_estimator_[-1].t_ == 1 + ours.best_epochs_ * len(Y) and ours.score(X, Y) > 0.5


def test_several_scores_are_computed() -> None:
    for scoring in (["accuracy", "neg_log_loss"], {"accuracy": "accuracy", "neg_log_loss": get_scorer("neg_log_loss")}):
        ours = fitted(scoring=scoring, refit="neg_log_loss")
        table = ours.cv_results_
        assert ours.multimetric_ and set(ours.scorer_) == {"accuracy", "neg_log_loss"}
        assert ours.best_score_ == table["mean_test_neg_log_loss"].max() == ours.result_.best_score
        assert table["rank_test_neg_log_loss"][ours.best_index_] == 1 and "split1_test_accuracy" in table
        assert ours.score(X, Y) == get_scorer("neg_log_loss")(ours.best_estimator_, X, Y)


def test_a_scorer_may_return_a_dict() -> None:
    def both(estimator: Any, X: Any, y: Any) -> dict[str, float]:
        right = float(accuracy_score(y, estimator.predict(X)))
        return {"right": right, "wrong": -1 + right}

    ours = fitted(scoring=both, refit="wrong")
    assert ours.multimetric_ and ours.best_score_ == ours.cv_results_["mean_test_wrong"].max() and ours.score(X, Y) <= 0
    single = fitted(scoring=lambda estimator, X, y: both(estimator, X, y)["right"])
    assert not single.multimetric_ and single.score(X, Y) > 0.8
    with (
        pytest.warns(FitFailedWarning, match="candidate 0 failed"),
        pytest.raises(ash.FitsFailedError, match="refit=True does not say which of several scores ranks"),
    ):
        fitted(scoring=both)


def test_one_of_several_scores_may_be_called_score() -> None:
    ours = fitted(scoring={"score": "accuracy", "loss": "neg_log_loss"}, refit="loss")
    assert ours.multimetric_ and ours.best_score_ == ours.cv_results_["mean_test_loss"].max()


def test_refit_may_be_false_or_a_function() -> None:
    without = fitted(refit=False)
    assert without.best_params_ and not hasattr(without, "best_estimator_") and not hasattr(without, "predict")
    with pytest.raises(AttributeError, match="has no attribute 'predict'") as caught:
        without.predict(X)
    assert "initialized with `refit=False`: predict is available only after" in str(caught.value.__cause__)
    worst = fitted(refit=lambda table: int(table["rank_test_score"].argmax()))
    assert worst.best_index_ == worst.cv_results_["rank_test_score"].argmax() and not hasattr(worst, "best_score_")
    assert worst.best_estimator_.max_features == worst.cv_results_["param_max_features"][worst.best_index_]


@pytest.mark.parametrize("row", [1.0, 8, -1])
def test_refit_must_return_a_row(row: Any) -> None:
    with pytest.raises(ash.SettingError, match=f"refit must return a row from 0 to 7, got {row}"):
        fitted(refit=lambda _: row)


def test_an_unfitted_search_behaves_like_scikit_learn() -> None:
    ours = search()
    with pytest.raises(NotFittedError):
        ours.predict(X)
    assert not hasattr(ours, "n_features_in_") and not hasattr(search(KMeans(), {"n_init": [1]}), "predict_proba")
    copy = clone(search(forest(), {"max_depth": [1, 2]}, scoring="accuracy"))
    assert copy.get_params()["estimator__n_estimators"] == 14 and copy.set_params(estimator__n_estimators=3)
    assert pickle.loads(pickle.dumps(fitted())).predict(X).shape == Y.shape


def test_frames_and_splitters_are_accepted() -> None:
    frame = pandas.DataFrame(X, columns=[f"x{place}" for place in range(10)])
    ours = search().fit(frame, pandas.Series(Y, index=range(5, 305)))
    assert list(ours.feature_names_in_) == list(frame.columns)
    np.testing.assert_array_equal(ours.cv_results_["mean_test_score"], fitted().cv_results_["mean_test_score"])
    splits = list(KFold(3).split(X))
    assert fitted(cv=iter(splits)).n_splits_ == 3 and fitted(cv=None).n_splits_ == 5
    groups = np.arange(len(Y)) % 4
    seen: list[Any] = []

    class Splitter(GroupKFold):
        def split(self, X: Any, y: Any = None, groups: Any = None) -> Any:
            seen.append(groups)
            return super().split(X, y, groups)

    search(cv=Splitter(2)).fit(X, Y, groups=groups)
    assert len(seen) == 1 and (seen[0] == groups).all()


def test_searches_without_y_and_of_other_tasks_are_supported() -> None:
    ours = search(forest(), SPACE).fit(X, np.array(["a", "b", "c"])[Y])
    assert list(ours.classes_) == ["a", "b", "c"] and ours.predict(X).dtype.kind == "U"
    clusters = search(KMeans(n_init=1), {"n_clusters": [2, 3, 4]}, candidates=3).fit(X)
    assert clusters.transform(X).shape[0] == 300 and clusters.best_params_["n_clusters"] == 4


@pytest.mark.filterwarnings(FAILURES[0])
def test_a_failed_job_does_not_end_the_search() -> None:
    space = {"max_features": [1, 2, -1], "min_samples_leaf": [1, 2]}
    with pytest.warns(FitFailedWarning, match=r"2 of \d+ jobs failed"):
        ours = search(space=space, candidates=6, error_score=-5).fit(X, Y)
    failed = np.array([params["max_features"] == -1 for params in ours.cv_results_["params"]])
    assert (ours.cv_results_["mean_test_score"][failed] == -5).all() and failed.sum() == 2
    assert (ours.cv_results_["resource"][failed] == 0).all() and len(ours.result_.failures) == 2
    with pytest.raises(ValueError, match="The 'max_features' parameter of RandomForestClassifier"):
        search(space=space, candidates=6, error_score="raise").fit(X, Y)
    with pytest.raises(ValueError, match="The 'max_features' parameter of RandomForestClassifier"):
        search(space=space, candidates=6, error_score="raise", executor="processes").fit(X, Y)
    with pytest.raises(ash.FitsFailedError, match="all 2 jobs failed") as caught:
        search(space={"max_features": [-1, -2]}, candidates=2).fit(X, Y)
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, ash.AllFailedError)


def test_the_best_candidate_has_finished_the_last_rung() -> None:
    """Use a score that falls with the number of trees, so that the best scores are in the first rung."""

    def fewer(forest: Any, X: Any, y: Any) -> float:
        return -len(forest.estimators_) - forest.max_features / 10

    ours = fitted(scoring=fewer)
    table, best = ours.cv_results_, ours.best_index_
    assert ours.best_epochs_ == 14 == len(ours.best_estimator_.estimators_) and table["rung"][best] == 2
    assert ours.best_score_ == table["mean_test_score"][table["rung"] == 2].max() < table["mean_test_score"].max()
    assert table["rank_test_score"][best] == 1 and ours.result_.best_score == ours.best_score_
    order = np.lexsort((-table["mean_test_score"], -table["rung"]))
    assert (np.diff(table["rank_test_score"][order]) >= 0).all() and len(set(table["rung"])) == 3


class OneFold(DecisionTreeClassifier):
    """Fails if `max_depth` is above 1 and the training rows begin with the first row of all."""

    def fit(self, X: Any, y: Any) -> Any:
        if self.max_depth > 1 and X[0, 0] == 0:
            raise ValueError("one fold only")
        return super().fit(X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more of the .* scores")
@pytest.mark.parametrize("executor", [None, "processes"])
def test_a_failed_fold_keeps_the_scores_of_the_other_folds(executor: str | None, tmp_path: Path) -> None:
    rows = np.column_stack([np.arange(300), X])
    for error_score in (np.nan, 2.0):
        settings: dict[str, Any] = {"cv": KFold(2), "scoring": ["accuracy", "r2"], "return_train_score": True}
        settings["error_score"] = error_score
        grid = GridSearchCV(OneFold(random_state=0), {"max_depth": [1, 2]}, refit=False, **settings).fit(rows, Y)
        settings |= {"candidates": 2, "max_rungs": 1, "executor": executor, "journal": tmp_path / "search.ash"}
        ours = search(OneFold(random_state=0), {"max_depth": [1, 2]}, refit="accuracy", **settings).fit(rows, Y)
        place = [[params["max_depth"] for params in ours.cv_results_["params"]].index(depth) for depth in (1, 2)]
        names = [name for name in grid.cv_results_ if name.endswith(("test_accuracy", "test_r2", "train_accuracy"))]
        for name in names:
            if not name.startswith("rank"):
                np.testing.assert_allclose(ours.cv_results_[name][place], grid.cv_results_[name], err_msg=name)
        assert (ours.cv_results_["rank_test_accuracy"][place] == [1, 2]).all() and ours.best_params_ == {"max_depth": 1}
        assert len(ours.result_.failures) == 1 and ours.cv_results_["rung"][place].tolist() == [0, -1]


WRONG = [
    ({"estimator": 3}, "estimator must be an instance with fit and get_params, got 3"),
    ({"estimator": LogisticRegression}, "estimator must be an instance with fit and get_params, got <class"),
    (
        {"space": {"max_feature": [1]}},
        r"'max_feature', which is not a parameter of RandomForest.*: did you mean max_features\?$",
    ),
    ({"space": {"n_estimators": [1, 2]}}, "space has 'n_estimators', which the ladder sets"),
    ({"resource": "trees"}, "resource='trees' is not a parameter of RandomForestClassifier: give one of 'auto',"),
    ({"resource": "max_leaf_nodes"}, "resource='max_leaf_nodes' has no value in the estimator"),
    ({"min_epochs": 0}, "min_epochs must be an integer from 1 to 2147483647, got 0"),
    ({"min_epochs": 1, "max_epochs": 4, "max_rungs": 2}, "max_epochs=4 contradicts min_epochs and max_rungs: leave"),
    ({"min_epochs": 20, "max_epochs": 10}, "min_epochs=20 must be at most max_epochs=10: change one of them"),
    ({"cv": []}, r"cv must give at least one pair of training and test rows, got \[\]"),
    (
        {"scoring": "acuracy"},
        r"scoring='acuracy' cannot be used: scikit-learn has no scorer 'acuracy'; give a name that "
        r"sklearn.metrics.get_scorer_names\(\) lists, or a function of estimator, X and y; did you mean accuracy\?$",
    ),
    ({"scoring": "auc_roc"}, "function of estimator, X and y; did you mean roc_auc?"),
    ({"scoring": ["accuracy", "rmse"]}, "no scorer 'rmse'; .*; did you mean neg_root_mean_squared_error?"),
    (
        {"scoring": {"right": "qqqqqq"}},
        "no scorer 'qqqqqq'; .*, or a function of estimator, X and y$",
    ),
    ({"scoring": ["accuracy", "f1_macro"]}, "refit=True does not say which of several scores"),
    ({"scoring": ["accuracy"], "refit": False}, "refit=False does not say which"),
    ({"refit": 3}, "refit must be True, False, the name of a score, or a function, got 3"),
    ({"error_score": "nan"}, "error_score must be a number, or 'raise', got 'nan'"),
    ({"return_train_score": 2}, "return_train_score must be True or False, got 2"),
    ({"executor": "loky"}, "executor must be 'processes', an object with submit, or None"),
    ({"costs": 3}, "costs must be a function of parameters and epochs, or the result of an earlier run, got 3"),
    ({"forecast": "no"}, "forecast must be True or False, got 'no'"),
]


@pytest.mark.parametrize(("changes", "words"), WRONG)
def test_invalid_arguments_are_refused_before_training(
    changes: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ash.sklearn.resumable.ensembles.WarmStarted.more", lambda *_: pytest.fail("something was trained")
    )
    with pytest.raises(ash.SettingError, match=words):
        search(**{"estimator": forest(), "space": SPACE, **changes}).fit(X, Y)


def test_a_short_y_is_refused_with_advice() -> None:
    with pytest.raises(ash.DataError, match=r"numbers of samples: \[300, 299\]; pass one y per row$"):
        search(forest(), SPACE).fit(X, Y[:-1])


class Plain(BaseEstimator):
    """An estimator without `score`."""

    def fit(self, X: Any, y: Any) -> Any:
        return self


def test_an_estimator_without_a_score_is_refused() -> None:
    with pytest.raises(ash.SettingError, match="scoring=None cannot be used: If no scoring is"):
        search(Plain(), {"x": [1]}).fit(X, Y)


@pytest.mark.parametrize("kind", ["result", "journal", "study"])
def test_the_best_candidates_of_an_earlier_search_come_first(kind: str, tmp_path: Path) -> None:
    """Pass a result, a journal or a study as `first`. A study may contain the parameter that the ladder sets."""
    path = tmp_path / "run.ash"
    earlier = fitted(journal=path)
    first: Any = {"result": earlier.result_, "journal": path}.get(kind)
    if kind == "study":
        import optuna

        params = {**earlier.result_.best_params, "n_estimators": 7}
        spans = dict.fromkeys(params, optuna.distributions.IntDistribution(1, 9))
        first = optuna.create_study(direction="maximize")
        first.add_trial(optuna.create_trial(value=1.0, params=params, distributions=spans))
        with pytest.warns(UserWarning, match="first: 1 parameters of the study .* left out: n_estimators"):
            later = fitted(first=first, random_state=5)
    else:
        later = fitted(first=first, random_state=5)
    assert later.result_.params[0] == earlier.result_.best_params and len(later.result_.params) == 8


@pytest.mark.filterwarnings("ignore:the search ended")
def test_arguments_of_the_run_are_passed_on() -> None:
    told: list[Any] = []

    class Watch(ash.Callback):
        def on_end(self, result: Any) -> None:
            told.append(result)

    first = [{"max_features": 8, "min_samples_leaf": 5}]
    ours = fitted(
        first=first, max_total_epochs=40, callbacks=[Watch()], sampler="sobol", schedule="greedy", algorithm="sh"
    )
    assert ours.result_.params[0] == first[0] and ours.result_.ended == "max_total_epochs" and told == [ours.result_]
    assert ours.result_.schedule == "greedy" and ours.result_.options.algorithm == "sh"
    assert fitted(stop_score=0.0).result_.ended == "stop_score" and ours.result_.hyperparameter_importance()


# Weights, groups and other metadata, with and without routing

WEIGHTS = np.where(Y == 0, 5.0, np.linspace(0.1, 1, len(Y)))
GROUPS = np.arange(len(Y)) % 4


def weighted(estimator: Any, folds: Any) -> list[float]:
    """Fit a copy of the estimator on each fold with sample weights, and return the weighted accuracies."""
    scores = []
    for train, test in folds:
        made = sklearn.clone(estimator).fit(X[train], Y[train], sample_weight=WEIGHTS[train])
        scores.append(accuracy_score(Y[test], made.predict(X[test]), sample_weight=WEIGHTS[test]))
    return scores


def of_best(ours: Any) -> list[float]:
    return [ours.cv_results_[f"split{fold}_test_score"][ours.best_index_] for fold in range(ours.n_splits_)]


def best(ours: Any) -> Any:
    return sklearn.clone(ours.best_estimator_)


def test_ctrl_c_ends_the_caller_of_a_search_too(tmp_path: Path) -> None:
    ours, held = (search(candidates=12, callbacks=After(9, press_ctrl_c)), "the results so far are in result_")
    with pytest.raises(KeyboardInterrupt, match=f"^ASHSearchCV.fit was {INTERRUPTED}; {held}"):
        cross_val_score(ours, X, Y)
    ours.set_params(journal=tmp_path / "run.ash")
    with pytest.raises(KeyboardInterrupt, match=f"{INTERRUPTED}; the same call continues from the journal; {held}"):
        ours.fit(X, Y)
    assert len(ours.result_.jobs) >= 9 and ours.best_params_ in ours.cv_results_["params"]
    assert not hasattr(ours, "best_estimator_") and not hasattr(ours, "n_features_in_")
    for method in (ours.predict, ours.score):
        with pytest.raises(sklearn.exceptions.NotFittedError):
            method(X, *([Y] if method == ours.score else []))


def test_weights_are_used_in_fits_and_scores() -> None:
    folds = list(sklearn.model_selection.StratifiedKFold(2).split(X, Y))
    for scoring in (None, "accuracy"):
        ours = search(scoring=scoring).fit(X, Y, sample_weight=WEIGHTS)
        np.testing.assert_allclose(of_best(ours), weighted(best(ours), folds))
        alone = best(ours).fit(X, Y, sample_weight=WEIGHTS)
        np.testing.assert_array_equal(ours.predict_proba(X), alone.predict_proba(X))
    assert search().fit(X, Y, sample_weight=None).result_.digest == fitted().result_.digest


def test_a_scorer_without_weights_is_called_without_them() -> None:
    plain = search(scoring=lambda estimator, X, y: accuracy_score(y, estimator.predict(X)))
    plain.fit(X, Y, sample_weight=WEIGHTS)
    several = search(scoring={"plain": plain.scoring, "known": "accuracy"}, refit="plain")
    several.fit(X, Y, sample_weight=WEIGHTS)
    assert several.cv_results_["mean_test_plain"][several.best_index_] == several.best_score_
    np.testing.assert_array_equal(several.cv_results_["mean_test_plain"], several.cv_results_["mean_test_known"])


def test_fit_parameters_of_a_step_are_passed_on() -> None:
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(n_estimators=7, max_depth=4))
    space = {"randomforestclassifier__max_features": [1, 2, 4]}
    ours = search(pipeline, space, candidates=3).fit(X, Y, randomforestclassifier__sample_weight=WEIGHTS)
    alone = best(ours).fit(X, Y, randomforestclassifier__sample_weight=WEIGHTS)
    np.testing.assert_array_equal(ours.predict_proba(X), alone.predict_proba(X))
    assert ours.continued_


def test_metadata_is_routed_as_requested() -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        asks = forest().set_fit_request(sample_weight=True)
        ours = search(asks, cv=GroupKFold(2), scoring=scorer).fit(X, Y, sample_weight=WEIGHTS, groups=GROUPS)
        np.testing.assert_allclose(of_best(ours), weighted(best(ours), GroupKFold(2).split(X, Y, GROUPS)))
        expected = scorer(ours.best_estimator_, X, Y, sample_weight=WEIGHTS)
        assert ours.score(X, Y, sample_weight=WEIGHTS) == expected
        unweighted = search(forest().set_fit_request(sample_weight=False), scoring=scorer)
        unweighted.fit(X, Y, sample_weight=WEIGHTS)
        np.testing.assert_array_equal(unweighted.predict_proba(X), best(unweighted).fit(X, Y).predict_proba(X))
        with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"):
            search(scoring=scorer).fit(X, Y, sample_weight=WEIGHTS)


def test_metadata_is_routed_through_a_search() -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = get_scorer("accuracy").set_score_request(sample_weight=True)
        inner = search(forest().set_fit_request(sample_weight=True), SPACE, candidates=2, scoring=scorer)
        found = cross_validate(
            inner,
            X,
            Y,
            params={"sample_weight": WEIGHTS},
            cv=2,
            return_estimator=True,
            error_score="raise",
            scoring=scorer,
        )
        assert (found["test_score"] > 0.5).all()
        requests = inner.get_metadata_routing()
        assert requests.consumes("fit", ["sample_weight", "groups"]) == {"sample_weight", "groups"}


@pytest.mark.parametrize("cv", [None, 3, GroupKFold(3)])
def test_routed_groups_hold_with_every_split(cv: Any) -> None:
    groups = np.arange(len(Y)) % 6
    alone = search(cv=cv).fit(X, Y, groups=groups)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = search(cv=cv).fit(X, Y, groups=groups)
    assert routed.n_splits_ == alone.n_splits_
    np.testing.assert_array_equal(of_best(routed), of_best(alone))


def test_without_routing_score_accepts_no_metadata() -> None:
    with pytest.raises(ValueError, match=r"score got \['sample_weight'\], which need metadata routing"):
        fitted().score(X, Y, sample_weight=WEIGHTS)


# The rungs of a search, and the total epochs of its estimators after each rung


def rungs(epochs: int, eta: int, restart: bool = False, candidates: int | None = None, **given: Any) -> Rungs:
    asked = {"min_epochs": None, "max_epochs": epochs, "max_rungs": None, **given}
    return rungs_of(way_of(forest()), eta, **asked, candidates=candidates, restart=restart, rows=len(Y), classes=3)


def totals(found: Rungs, eta: int, restart: bool) -> list[int]:
    """Return the total epochs of a candidate after each rung, as computed by `found`; nothing is trained."""
    assert found.max_rungs is not None
    done = [0]
    for rung in range(found.max_rungs):
        job = found.min_epochs * eta**rung
        before = 0 if restart else done[-1]
        done.append(before + found.missing(job, before))
    return done[1:]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("eta", [2, 3, 4, 7])
def test_the_top_rung_ends_at_max_epochs(eta: int, restart: bool) -> None:
    for epochs in range(1, 300):
        found = rungs(epochs, eta, restart)
        after = totals(found, eta, restart)
        trained = np.array(after) if restart else np.diff([0, *after])
        assert after[-1] == epochs and (np.diff(trained) > 0).all(), (epochs, after)
        assert after[0] >= max(1, epochs // MOST_RATIO)


def test_the_default_rungs_are_correct() -> None:
    assert totals(rungs(100, 4), 4, False) == [4, 20, 100]
    assert totals(rungs(100, 3), 3, False) == [7, 28, 100]
    assert totals(rungs(100, 2, restart=True), 2, True) == [6, 12, 24, 48, 100]
    assert totals(rungs(100, 4, candidates=64), 4, False) == [4, 20, 100]
    assert totals(rungs(100, 4, candidates=63), 4, False) == [20, 100]
    assert totals(rungs(100, 4, candidates=15), 4, False) == [100]


def test_explicit_rungs_are_kept() -> None:
    assert rungs(100, 3, min_epochs=2) == Rungs(2, 4)
    assert rungs(5, 3, max_epochs=None, min_epochs=2, max_rungs=3) == Rungs(2, 3)
    assert totals(rungs(100, 3, max_rungs=4), 3, False) == [2, 8, 26, 100]
    assert rungs(12, 3, max_rungs=4).max_rungs == 2  # three rungs would need 13 epochs


def test_the_top_rung_trains_on_all_rows() -> None:
    ours = fitted(DecisionTreeClassifier(), {"max_depth": [2, 4, 8, 16], "ccp_alpha": [0.0, 0.001]}, cv=2)
    table = ours.cv_results_
    assert ours.resource_ == "n_samples" and table["resource"].min() >= LEAST_ROWS
    top = table["resource"][table["rung"] == table["rung"].max()]
    assert table["rung"].max() > 0 and set(top) == {len(Y) // 2}


# scikit-learn's estimator checks

CHECKED = [
    ash.ASHSearchCV(
        LogisticRegression(), {"C": [0.1, 1.0]}, candidates=2, cv=2, error_score="raise", random_state=0, n_jobs=1
    ),
    ash.ASHSearchCV(
        SGDClassifier(), {"alpha": [1e-4, 1e-2]}, candidates=2, cv=2, max_epochs=6, error_score="raise", n_jobs=1
    ),
]


@scikit_learn_checks(*CHECKED)
@pytest.mark.filterwarnings("default")
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    with all_switched_on(array_api=False):  # LogisticRegression itself fails check_classifier_data_not_an_array
        check(estimator)


def test_the_time_limit_includes_the_refit() -> None:
    ours = fitted(cv=3)
    trainer, _ = search(cv=3)._prepared(X, Y, {})
    jobs = [job for job in ours.result_.jobs if job.candidate == ours.result_.best_candidate]
    infos = [info for job, info in zip(ours.result_.jobs, ours.result_.infos, strict=True) if job in jobs]
    seconds = sum(np.mean([fold.fit_seconds for fold in info.folds]) for info in infos)
    assert len(jobs) > 1 and trainer.refit_seconds(infos) == pytest.approx(seconds * 300 / 200)
    assert trainer.refit_seconds([]) == trainer.refit_seconds([None]) == 0.0
    without, _ = search(cv=3, refit=False)._prepared(X, Y, {})
    assert without.refit_seconds(infos) == 0.0
    anew, _ = search(cv=3, training="restart")._prepared(X, Y, {})
    assert anew.refit_seconds(infos) == pytest.approx(np.mean([f.fit_seconds for f in infos[-1].folds]) * 1.5)


def test_the_estimated_refit_takes_longer_for_more_rows() -> None:
    trainer, _ = search(DecisionTreeClassifier(), {"max_depth": [2, 4]}, cv=3, candidates=2)._prepared(X, Y, {})
    fold = FoldInfo({"score": 0.5}, {}, 2.0, 0.1)
    assert trainer.refit_seconds([JobInfo(50, 50, "anew", (fold,) * 3)]) == pytest.approx(2.0 * 300 / 50)
    assert trainer.refit_seconds([JobInfo(200, 200, "anew", (fold,) * 3)]) == pytest.approx(2.0 * 300 / 200)


class Reserving(Tunable):
    """Tunes a function, and claims that the step after the search takes hours."""

    def refit_seconds(self, infos: Iterable[Any]) -> float:
        return 3600.0 * len(list(infos))


def test_no_job_starts_in_the_time_reserved_for_the_refit() -> None:
    space, train = {"width": list(range(1, 33))}, Reserving(lambda params, epochs, state: float(params["width"]))
    one = ash.SearchConfig(
        virtual_workers=1
    )  # the first job is decided, and its refit reserved, before the second starts
    early = ash.tune_function(train, space, candidates=32, time_limit=3000, n_jobs=1, config=one)
    assert early.ended == "time_limit" and len(early.jobs) == 1
    whole = ash.tune_function(train, space, candidates=32, time_limit=36000, n_jobs=1)
    assert whole.ended == "finished" and whole.best_score == 32


@pytest.mark.filterwarnings("ignore:the search ended")
def test_patience_is_based_on_scores_and_not_forecasts() -> None:
    settings = {"scoring": "neg_log_loss", "candidates": 12, "eta": 2, "cv": 2}
    whole = fitted(**settings)
    best, without = -np.inf, []
    for job in whole.result_.jobs:
        without.append(0 if job.score > best else without[-1] + 1)
        best = max(best, job.score)
    patience = max(without)
    ours = fitted(patience=patience, **settings)
    assert ours.result_.ended == "patience" and len(ours.result_.jobs) == without.index(patience) + 1
    assert fitted(patience=patience + 1, **settings).result_.ended == "finished"
