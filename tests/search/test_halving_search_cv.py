"""Compares `ash.HalvingRandomSearchCV` with scikit-learn's class: names, ladders, tables, promotions."""

import inspect
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from scipy.stats import loguniform, norm, randint, uniform
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import HalvingRandomSearchCV, ShuffleSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import ash
from ash.space.function_space import plain_value
from estimator_help import all_switched_on, scikit_learn_checks

OWN = ["time_limit", "first", "callbacks", "journal", "executor", "record", "config"]
BARRIERS = ash.SearchConfig(algorithm="sh")
X, Y = make_classification(200, 8, n_informative=5, random_state=0)
FOREST = {"max_features": [1, 2, 4], "min_samples_leaf": [1, 2, 5]}


class Curve(RegressorMixin, BaseEstimator):
    """An estimator whose learning curve depends on its parameters. Curves cross, so the best candidates change."""

    def __init__(self, limit: float = 0.5, rate: float = 0.5, rounds: int = 1) -> None:
        self.limit, self.rate, self.rounds = limit, rate, rounds

    def fit(self, X: Any, y: Any) -> "Curve":
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Any) -> Any:
        return np.full(len(X), self.limit)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        return self.limit * (1 - 0.9 * (1 - self.rate) ** self.rounds)


def both(distributions: Any, estimator: Any = None, **settings: Any) -> tuple[Any, Any]:
    """Fit the same search twice, with ash (with barriers) and with scikit-learn, and return both in this order."""
    settings = {"resource": "rounds", "random_state": 0, "cv": 2, **settings}
    estimator = Curve() if estimator is None else estimator
    ours = ash.HalvingRandomSearchCV(estimator, distributions, **settings, config=BARRIERS).fit(X, Y)
    return ours, HalvingRandomSearchCV(estimator, distributions, **settings).fit(X, Y)


def ladder_of(search: Any) -> dict[str, Any]:
    names = ("n_resources_", "n_candidates_", "n_remaining_candidates_", "max_resources_", "min_resources_")
    names += ("n_iterations_", "n_possible_iterations_", "n_required_iterations_")
    return {name: getattr(search, name) for name in names}


def rows_of(search: Any) -> list[tuple[Any, ...]]:
    table = search.cv_results_
    columns = ("iter", "n_resources", "mean_test_score", "split1_test_score", "rank_test_score")
    params = [{name: plain_value(value) for name, value in each.items()} for each in table["params"]]
    return sorted((*(table[name][row] for name in columns), str(each)) for row, each in enumerate(params))


def test_the_signature_is_that_of_scikit_learn_followed_by_ours() -> None:
    ours = dict(inspect.signature(ash.HalvingRandomSearchCV).parameters)
    theirs = dict(inspect.signature(HalvingRandomSearchCV).parameters)
    assert list(ours) == [*theirs, *OWN] and len(ours) <= 24
    for name, parameter in theirs.items():
        assert ours[name].kind is parameter.kind
        assert ours[name].default is parameter.default or ours[name].default == parameter.default
    assert {parameter.kind for name, parameter in ours.items() if name in OWN} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize(
    "settings",
    [
        {"max_resources": 27},
        {"max_resources": 100, "n_candidates": 60, "min_resources": "exhaust"},
        {"max_resources": 9, "n_candidates": 60},
        {"max_resources": 9, "n_candidates": 60, "aggressive_elimination": True},
        {"max_resources": 70, "n_candidates": 33, "factor": 2, "min_resources": 3},
        {"max_resources": 50, "n_candidates": 20, "factor": 2.5},
        {"max_resources": 50, "n_candidates": 1},
    ],
    ids=str,
)
def test_with_barriers_the_search_matches_scikit_learn(settings: dict[str, Any]) -> None:
    ours, theirs = both({"limit": uniform(0, 1), "rate": loguniform(1e-3, 0.9)}, **settings)
    assert ladder_of(ours) == ladder_of(theirs)
    assert rows_of(ours) == rows_of(theirs)
    assert ours.best_params_ == theirs.best_params_ and ours.best_score_ == theirs.best_score_
    assert ours.cv_results_["params"][ours.best_index_] == ours.best_params_
    assert ours.cv_results_["iter"][ours.best_index_] == ours.n_iterations_ - 1
    assert set(ours.cv_results_) == set(theirs.cv_results_)
    assert ours.best_estimator_.get_params() == theirs.best_estimator_.get_params()


def test_attributes_match_scikit_learn() -> None:
    ours, theirs = both(FOREST, RandomForestClassifier(random_state=0), resource="n_estimators", max_resources=9)
    public = {name for name in vars(theirs) if name.endswith("_") and not name.startswith("_")}
    assert {name for name in public if not hasattr(ours, name)} == set()
    assert repr(ours.scorer_) == repr(theirs.scorer_) and ours.n_splits_ == 2 and not ours.multimetric_
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    assert ours.n_features_in_ == 8
    frame = pandas.DataFrame(X, columns=list("abcdefgh"))
    assert list(clone(ours).fit(frame, Y).feature_names_in_) == list("abcdefgh")


def test_without_barriers_the_same_number_is_promoted_reproducibly() -> None:
    space = {"limit": uniform(0, 1), "rate": loguniform(1e-3, 0.9)}
    settings = {"resource": "rounds", "n_candidates": 60, "max_resources": 100, "random_state": 0, "cv": 2}
    one, two, elsewhere = (
        ash.HalvingRandomSearchCV(Curve(), space, **settings, n_jobs=jobs, executor=executor).fit(X, Y)
        for jobs, executor in ((1, None), (2, None), (2, "processes"))
    )
    assert one.n_candidates_ == [60, 20, 7, 3] and one.n_resources_ == [1, 3, 9, 27]
    assert rows_of(one) == rows_of(two) == rows_of(elsewhere)
    assert one.result_.digest == two.result_.digest == elsewhere.result_.digest
    table = one.cv_results_
    for number in range(1, one.n_iterations_):
        before, after = (set(table["param_limit"][table["iter"] == each]) for each in (number - 1, number))
        assert after < before


def test_promoted_forests_keep_their_trees() -> None:
    fits: list[tuple[int, int]] = []

    class Forest(RandomForestClassifier):
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
            before = len(getattr(self, "estimators_", []))
            super().fit(X, y, sample_weight)
            fits.append((before, len(self.estimators_)))
            return self

    settings: dict[str, Any] = {"resource": "n_estimators", "min_resources": 2, "max_resources": 18, "cv": 2}
    ours = ash.HalvingRandomSearchCV(Forest(), FOREST, n_candidates=9, random_state=0, refit=False, **settings).fit(
        X, Y
    )
    assert ours.n_resources_ == [2, 6, 18] and ours.n_candidates_ == [9, 3, 1] and ours.continued_
    assert sorted(fits) == [(0, 2)] * 18 + [(2, 6)] * 6 + [(6, 18)] * 2
    assert ours.trained_ == ours.result_.epochs == 9 * 2 + 3 * 4 + 12
    fits.clear()
    anew = ash.SearchConfig(training="restart")
    again = clone(ours).set_params(config=anew).fit(X, Y)
    assert sorted(fits) == [(0, 2)] * 18 + [(0, 6)] * 6 + [(0, 18)] * 2 and not again.continued_


def test_a_score_equals_that_of_one_fit_with_all_resources() -> None:
    ours, theirs = both(
        {"learning_rate": loguniform(0.01, 1), "max_depth": [1, 2, 3]},
        GradientBoostingClassifier(random_state=0),
        resource="n_estimators",
        max_resources=9,
        scoring="neg_log_loss",
    )
    assert rows_of(ours) == rows_of(theirs) and ours.continued_
    np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))


def test_elimination_with_the_same_resources_trains_nothing() -> None:
    fits: list[int] = []

    class Boosting(GradientBoostingClassifier):
        def fit(self, X: Any, y: Any, sample_weight: Any = None, monitor: Any = None) -> Any:
            fits.append(self.n_estimators)
            return super().fit(X, y, sample_weight, monitor)

    space = {"learning_rate": uniform(0.05, 0.5), "max_depth": [1, 2]}
    settings: dict[str, Any] = {"resource": "n_estimators", "max_resources": 4, "min_resources": 2, "n_candidates": 8}
    ours = ash.HalvingRandomSearchCV(
        Boosting(), space, factor=2, cv=2, aggressive_elimination=True, random_state=0, refit=False, **settings
    ).fit(X, Y)
    assert ours.n_resources_ == [2, 2, 2, 4] and ours.n_candidates_ == [8, 4, 2, 1]
    assert sorted(fits) == [2] * 16 + [4] * 2
    table = pandas.DataFrame(ours.cv_results_)
    scores = table.assign(key=table["params"].astype(str)).groupby(["key", "n_resources"])["mean_test_score"]
    assert (scores.nunique() == 1).all()


def test_rows_are_a_share_of_each_training_fold() -> None:
    seen: list[int] = []

    class Bayes(GaussianNB):
        def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:
            seen.append(len(X))
            return super().partial_fit(X, y, classes, sample_weight)

    space = {"var_smoothing": loguniform(1e-9, 1)}
    ours = ash.HalvingRandomSearchCV(Bayes(), space, n_candidates=9, random_state=0, refit=False).fit(X, Y)
    assert ours.min_resources_ == 20 and ours.n_resources_ == [20, 60, 180] and ours.resource_ == "n_samples"
    assert sorted(seen) == [16] * 45 + [32] * 15 + [96] * 5
    assert ours.best_params_.keys() == {"var_smoothing"} and ours.continued_


def test_the_examples_of_the_user_guide_run() -> None:
    rows = make_classification(n_samples=1000, random_state=0)
    space = {"kernel": ("linear", "rbf"), "C": [1, 10, 100]}

    def searched(**settings: Any) -> Any:
        return ash.HalvingRandomSearchCV(SVC(gamma="scale"), space, cv=5, factor=2, n_candidates=6, **settings).fit(
            *rows
        )

    assert searched(min_resources=20).n_resources_ == [20, 40, 80]
    assert searched(min_resources="exhaust").n_resources_ == [250, 500, 1000]
    plain = searched(max_resources=40)
    assert plain.n_resources_ == [20, 40] and plain.n_candidates_ == [6, 3]
    aggressive = searched(max_resources=40, aggressive_elimination=True)
    assert aggressive.n_resources_ == [20, 20, 40] and aggressive.n_candidates_ == [6, 3, 2]


def test_a_pipeline_with_several_scores_is_searched() -> None:
    steps = make_pipeline(StandardScaler(), RandomForestClassifier())
    name = "randomforestclassifier__n_estimators"
    search = ash.HalvingRandomSearchCV(
        steps,
        {"randomforestclassifier__max_depth": [2, 4, None]},
        resource=name,
        max_resources=9,
        scoring=["accuracy", "roc_auc"],
        refit="roc_auc",
        cv=ShuffleSplit(2),
        random_state=0,
    )
    with pytest.warns(UserWarning, match="n_candidates=9 exceeds the 3 possible configurations"):
        search.set_params(n_candidates=9).fit(X, Y)
    assert search.continued_ and search.best_params_[name] == 3 == len(search.best_estimator_[-1].estimators_)
    last = search.cv_results_["iter"] == 1
    assert search.multimetric_ and search.best_score_ == search.cv_results_["mean_test_roc_auc"][last].max()
    assert search.score(X, Y) > 0.8


RANGES = {"limit": uniform(0, 1), "rate": [0.25, 0.5, 0.75], "rounds": norm(5, 1)}


def begun_with(first: Any, distributions: Any = RANGES, estimator: Any = None, **settings: Any) -> Any:
    given: dict[str, Any] = {"n_candidates": 6, "random_state": 0, "cv": 2, "n_jobs": 1, **settings}
    return ash.HalvingRandomSearchCV(estimator or Curve(), distributions, first=first, **given).fit(X, Y)


def test_first_configurations_come_first_and_do_not_change_the_draws() -> None:
    first = [{"limit": 0.123456789, "rate": 0.75, "rounds": 5.5}, {"limit": 0.5, "rate": 0.25, "rounds": 4.5}]
    plain, ours = begun_with(None), begun_with(first)
    assert list(ours.result_.params) == [*first, *plain.result_.params[:4]]
    assert begun_with([plain.result_.params[3]]).result_.params == (
        *plain.result_.params[3:4],
        *(plain.result_.params[n] for n in (0, 1, 2, 4, 5)),
    )
    with pytest.raises(ash.SettingError, match=r"first\[0\]: rate=0\.3 is not in the space"):
        begun_with([{**first[0], "rate": 0.3}])
    with pytest.raises(ash.SettingError, match="first has 2 configurations, more than n_candidates=1"):
        begun_with(first, n_candidates=1)


def test_first_configurations_may_hold_objects_and_belong_to_one_of_several_spaces() -> None:
    spaces = [{"base": [GaussianNB(), SVC()]}, {"base": [LogisticRegression()], "limit": [0.25, 0.75]}]

    class Holder(Curve):
        def __init__(self, base: Any = None, limit: float = 0.5, rate: float = 0.5, rounds: int = 1) -> None:
            super().__init__(limit, rate, rounds)
            self.base = base

    for first in ({"base": SVC()}, {"base": LogisticRegression(), "limit": 0.75}):
        found = begun_with([first], spaces, Holder(), n_candidates=2).cv_results_["params"][0]
        assert repr(found) == repr(first)


def test_first_accepts_an_earlier_search_and_is_part_of_the_journal(tmp_path: Path) -> None:
    earlier = begun_with(None, journal=tmp_path / "earlier.ash")
    for first in (earlier.result_, tmp_path / "earlier.ash"):
        ours = begun_with(first, random_state=1, n_candidates=12, journal=tmp_path / "run.ash")
        best = sorted(earlier.result_.candidates, key=lambda row: (-row["score"], row["loss"], row["candidate"]))
        assert list(ours.result_.params[:6]) == [row["params"] for row in best] and len(ours.result_.params) == 12
    with pytest.raises(ash.JournalError, match="first: "):
        begun_with(None, random_state=1, n_candidates=12, journal=tmp_path / "run.ash")


def test_refit_may_be_a_function_or_false() -> None:
    def first(table: dict[str, Any]) -> int:
        return int(np.flatnonzero(table["iter"] == 0)[0])

    settings: dict[str, Any] = {"resource": "n_estimators", "max_resources": 9, "cv": 2, "random_state": 0}
    search = ash.HalvingRandomSearchCV(RandomForestClassifier(), FOREST, refit=first, **settings).fit(X, Y)
    assert search.best_index_ == 0 and search.best_params_["n_estimators"] == 1 == len(search.best_estimator_)
    bare = ash.HalvingRandomSearchCV(RandomForestClassifier(), FOREST, refit=False, **settings).fit(X, Y)
    assert bare.best_params_["n_estimators"] == 9 and not hasattr(bare, "best_estimator_")


class Fragile(Curve):
    def fit(self, X: Any, y: Any) -> "Fragile":
        if self.limit > 0.7:
            raise RuntimeError("this one is too good to be true")
        super().fit(X, y)
        return self


def test_failed_candidates_have_rows_and_are_not_promoted() -> None:
    space, settings = {"limit": uniform(0, 1)}, {"resource": "rounds", "max_resources": 9, "n_candidates": 20, "cv": 2}
    search = ash.HalvingRandomSearchCV(Fragile(), space, random_state=0, error_score=-1, **settings)
    with pytest.warns(FitFailedWarning, match="too good to be true"):
        search.fit(X, Y)
    table = search.cv_results_
    bad = np.array([params["limit"] > 0.7 for params in table["params"]])
    assert 0 < bad.sum() < 20 and (table["iter"][bad] == 0).all() and (table["mean_test_score"][bad] == -1).all()
    assert search.best_params_["limit"] <= 0.7 and search.n_iterations_ == 3
    with pytest.raises(RuntimeError, match="too good"):
        clone(search).set_params(error_score="raise").fit(X, Y)


def test_a_search_that_ends_early_has_its_finished_iterations() -> None:
    config = ash.SearchConfig(algorithm="sh", max_total_epochs=31)
    search = ash.HalvingRandomSearchCV(
        Curve(), {"limit": uniform(0, 1)}, resource="rounds", max_resources=27, config=config
    )
    words = (
        r"ended \(max_total_epochs\) before a candidate had been trained in the last rung; .* has 3: raise max_total"
    )
    with pytest.warns(UserWarning, match=words):
        search.set_params(random_state=0, cv=2).fit(X, Y)
    assert search.n_candidates_ == [27, 2] and search.n_resources_ == [1, 3] and search.n_iterations_ == 2
    assert search.n_remaining_candidates_ == 1 and search.n_required_iterations_ == 4
    assert search.result_.ended == "max_total_epochs" and search.best_params_["rounds"] == 3


def test_a_search_continues_from_its_journal(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"resource": "n_estimators", "max_resources": 9, "cv": 2, "random_state": 0}
    made = ash.HalvingRandomSearchCV(RandomForestClassifier(), FOREST, journal=tmp_path / "run.ash", **settings)
    first = clone(made).fit(X, Y)
    again = clone(made).fit(X, Y)
    assert rows_of(first) == rows_of(again) and first.result_.digest == again.result_.digest
    unseeded = clone(made).set_params(random_state=None, journal=tmp_path / "unseeded.ash")
    first, again = clone(unseeded).fit(X, Y), clone(unseeded).fit(X, Y)
    assert rows_of(first) == rows_of(again) and first.result_.digest == again.result_.digest
    with pytest.raises(ash.JournalError, match="rungs"):
        clone(made).set_params(max_resources=8, n_candidates=9).fit(X, Y)


def test_parameters_copies_and_files_are_supported() -> None:
    made = ash.HalvingRandomSearchCV(Curve(), {"limit": uniform(0, 1)}, resource="rounds", max_resources=9, cv=2)
    made.set_params(factor=2, config__algorithm="sh", estimator__rate=0.25)
    assert made.get_params()["factor"] == 2 and made.get_params()["config__algorithm"] == "sh"
    assert clone(made).estimator.rate == 0.25 and clone(made).config == BARRIERS
    assert "factor=2" in repr(made) and repr(made).startswith("HalvingRandomSearchCV(")
    fitted = made.set_params(random_state=0).fit(X, Y)
    copied = pickle.loads(pickle.dumps(fitted))
    assert rows_of(copied) == rows_of(fitted) and copied.best_params_ == fitted.best_params_
    assert {"HalvingRandomSearchCV"} <= set(dir(ash)) and ash.HalvingRandomSearchCV.__name__ in ash.__all__
    with pytest.raises(ash.UnknownArgumentError, match="did you mean n_candidates"):
        ash.HalvingRandomSearchCV(Curve(), {}, candidates=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_candidates": 0}, "n_candidates must be"),
        ({"n_candidates": "many"}, "n_candidates must be an integer from 1 .* got 'many'"),
        ({"factor": 1}, "factor must be a number above 1, got 1"),
        ({"factor": 1 + 1e-9}, "takes .* iterations, more than 63: raise it"),
        ({"max_resources": "auto"}, "when max_resources='auto': give max_resources=, the most rounds of a candidate"),
        ({"max_resources": 0}, "max_resources must be an integer from 1 to .*, got 0"),
        ({"resource": "n_samples", "max_resources": 201}, "max_resources must be an integer from 1 to 200, got 201"),
        ({"min_resources": 10}, "min_resources_=10 is greater than max_resources_=9: lower min_resources"),
        ({"min_resources": "most"}, "min_resources must be an integer from 1 to .*, got 'most'"),
        ({"min_resources": "exhaust"}, "cannot be both set to 'exhaust': give a number for one of them"),
        ({"resource": "layers"}, "resource='layers' is not a parameter of Curve"),
        ({"resource": "limit"}, "resource='limit' must name a parameter that counts"),
        ({"param_distributions": {"rounds": [1, 2]}}, "param_distributions has 'rounds', which the ladder sets"),
        ({"param_distributions": {"depth": [1, 2]}}, "has 'depth', which is not a parameter of Curve"),
        ({"param_distributions": [{"limit": [1]}, 3]}, r"param_distributions\[1\] must be ash.FunctionSpace"),
        ({"param_distributions": {}}, "a dict of domains that is not empty"),
        ({"param_distributions": {"limit": 0.5}}, "param_distributions cannot be used: "),
        ({"aggressive_elimination": "yes"}, "aggressive_elimination must be True or False, got 'yes'"),
        ({"random_state": "zero"}, "random_state='zero' cannot be used"),
        ({"config": ash.SearchConfig(eta=2)}, "config has eta=2, which is factor= here"),
        ({"config": ash.SearchConfig(min_epochs=2)}, "config has min_epochs=2, which is min_resources= here"),
        ({"config": ash.SearchConfig(max_rungs=2)}, "config has max_rungs=2, which is max_resources= here"),
        ({"config": ash.SearchConfig(keep=2)}, "keep"),
    ],
    ids=str,
)  # fmt: skip
def test_invalid_arguments_are_refused(changes: dict[str, Any], message: str) -> None:
    made = ash.HalvingRandomSearchCV(Curve(), {"limit": uniform(0, 1)}, resource="rounds", max_resources=9)
    with pytest.raises(ash.SettingError, match=message):
        made.set_params(**changes).fit(X, Y)
    with pytest.raises(NotFittedError):
        made.predict(X)


def test_candidates_are_drawn_like_those_of_scikit_learn() -> None:
    many = randint(0, 10**7)  # more levels than a domain may have
    ours, theirs = both({"limit": norm, "rate": [0.1, 0.5], "rounds": many}, resource="n_samples")
    drawn = [{name: params[name] for name in ("limit", "rate", "rounds")} for params in ours.cv_results_["params"]]
    count = ours.n_candidates_[0]
    assert drawn[:count] == theirs.cv_results_["params"][:count] and count == theirs.n_candidates_[0] == 50


def test_domains_of_ash_are_drawn_like_distributions() -> None:
    domains = {"C": ash.loguniform(1e-2, 10), "max_iter": ash.integers(100, 105), "tol": ash.choice(1e-3, 1e-4)}
    search = ash.HalvingRandomSearchCV(LogisticRegression(), domains, n_candidates=9, random_state=0).fit(X, Y)
    drawn = search.result_.params
    assert len({params["C"] for params in drawn}) == len(drawn) == 9
    assert all(0.01 <= params["C"] <= 10 for params in drawn)
    assert {params["max_iter"] for params in drawn} <= {*range(100, 106)} and len({p["tol"] for p in drawn}) == 2
    assert search.result_.space.domains["C"] == (domains["C"],), "which is shown on a logarithmic scale"
    again = ash.HalvingRandomSearchCV(LogisticRegression(), domains, n_candidates=9, random_state=0).fit(X, Y)
    assert again.result_.digest == search.result_.digest
    conditional = {**domains, "l1_ratio": ash.uniform(0, 1).when(tol=1e-3)}
    with pytest.raises(ash.SettingError, match="l1_ratio has a condition; give a list of dicts instead"):
        ash.HalvingRandomSearchCV(LogisticRegression(), conditional, random_state=0).fit(X, Y)
    several = {**domains, "C": [ash.loguniform(1e-3, 1), ash.loguniform(1, 10)]}
    with pytest.raises(ash.SettingError, match="C has several domains; give a list of dicts instead"):
        ash.HalvingRandomSearchCV(LogisticRegression(), several, random_state=0).fit(X, Y)


@pytest.mark.parametrize("seed", range(5))
def test_every_value_of_a_distribution_is_tried_before_drawing_ends(seed: int) -> None:
    search = ash.HalvingRandomSearchCV(Curve(), {"limit": randint(2, 22)}, n_candidates=20, random_state=seed, cv=2)
    search.set_params(resource="rounds", max_resources=3).fit(X, Y)
    assert search.n_candidates_[0] == 20
    search.set_params(param_distributions={"limit": [2, 2, 3]}, n_candidates=2).fit(X, Y)
    assert search.n_candidates_[0] == 2


def test_a_power_of_the_factor_gives_all_iterations() -> None:
    search = ash.HalvingRandomSearchCV(Curve(), {"limit": uniform(0, 1)}, resource="rounds", max_resources=243, cv=2)
    assert search.set_params(random_state=0, refit=False).fit(X, Y).n_candidates_ == [243, 81, 27, 9, 3, 1]


CHECKED = ash.HalvingRandomSearchCV(
    LogisticRegression(),
    {"C": [0.1, 1.0]},
    resource="max_iter",
    min_resources=50,
    max_resources=100,
    factor=2,
    n_candidates=2,
    cv=2,
    error_score="raise",
    random_state=0,
)


@scikit_learn_checks(CHECKED)
@pytest.mark.filterwarnings("default")
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    with all_switched_on(array_api=False):  # LogisticRegression itself fails check_classifier_data_not_an_array
        check(estimator)
