"""Tests search spaces that contain estimators, and lists of spaces."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import BaggingClassifier, ExtraTreesClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifier, SGDClassifier
from sklearn.model_selection import ParameterSampler, StratifiedKFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import ash
from ash.sklearn.estimator_space import SPACE, read_estimator_space
from ash.sklearn.trainer import seed_of_candidate
from search_help import X, Y, catboost, lightgbm, search, xgboost

PIPELINE = Pipeline([("scale", "passthrough"), ("model", GaussianNB())])
RIDGE, FOREST = RidgeClassifier(), RandomForestClassifier(10, max_depth=4)
MIXED: dict[str, Any] = {
    "scale": ["passthrough", StandardScaler(), MinMaxScaler()],
    "scale__with_mean": [True, False],
    "model": [RIDGE, FOREST],
    "model__alpha": ash.loguniform(1e-3, 1e3),
    "model__max_features": [1, 2, 4],
}


def mixed(space: Any = None, **changes: Any) -> ash.ASHSearchCV:
    return search(PIPELINE, MIXED if space is None else space, **{"candidates": 24, "eta": 4, **changes}).fit(X, Y)


def test_each_candidate_has_the_parameters_of_its_estimators() -> None:
    ours = mixed()
    assert ours.resource_ == "n_samples"
    for params in ours.cv_results_["params"]:
        expected = {"scale", "model"} | {"model__alpha" if params["model"] is RIDGE else "model__max_features"}
        expected |= {"scale__with_mean"} if isinstance(params["scale"], StandardScaler) else set()
        assert set(params) == expected
    kinds = {(type(each["scale"]).__name__, type(each["model"]).__name__) for each in ours.cv_results_["params"]}
    assert len(kinds) == 6  # every combination was drawn
    assert ours.best_params_ == ours.cv_results_["params"][ours.best_index_]
    last = ours.best_estimator_.steps[-1][1]
    assert type(last) is type(ours.best_params_["model"]) and last is not ours.best_params_["model"]
    assert not hasattr(FOREST, "estimators_") and FOREST.max_features == "sqrt"  # the user's estimator is unchanged
    assert ours.predict(X).shape == Y.shape


def test_scores_match_those_of_the_separate_estimators() -> None:
    ours, read = mixed(algorithm="random", candidates=8), read_estimator_space(MIXED, PIPELINE)
    for number, params in enumerate(ours.cv_results_["params"]):
        made = clone(PIPELINE).set_params(**{name: clone(each, safe=False) for name, each in params.items()})
        seed = seed_of_candidate(0, read.objects.places(ours.result_.params[number]))
        made.set_params(model__random_state=seed)
        alone = cross_val_score(made, X, Y, cv=StratifiedKFold(2))
        np.testing.assert_array_equal(alone, [ours.cv_results_[f"split{k}_test_score"][number] for k in range(2)])


def test_the_record_describes_estimators_as_text() -> None:
    ours = mixed()
    models = {params["model"] for params in ours.result_.params}
    assert models == {"RidgeClassifier()", "RandomForestClassifier(max_depth=4, n_estimators=10)"}
    assert {params["scale"] for params in ours.result_.params} == {"passthrough", "StandardScaler()", "MinMaxScaler()"}
    again = mixed()
    assert again.result_.digest == ours.result_.digest


def test_results_are_the_same_in_threads_and_processes() -> None:
    alone = mixed(candidates=16)
    assert mixed(candidates=16, n_jobs=2).result_.digest == alone.result_.digest
    assert mixed(candidates=16, n_jobs=2, executor="processes").result_.digest == alone.result_.digest


def test_options_with_a_common_resource_are_trained_further() -> None:
    trees = [FOREST, ExtraTreesClassifier(20, max_depth=4)]
    ours = mixed({"model": trees, "model__max_features": [1, 2, 4, 8]}, candidates=8, eta=2)
    assert ours.resource_ == "model__n_estimators" and ours.continued_ and ours.result_.rungs[-1]["finished"]
    assert ours.cv_results_["resource"].max() <= 20 and ours.best_estimator_[-1].n_estimators == ours.best_epochs_
    both = mixed({"model": [FOREST, GaussianNB()]}, candidates=2)
    assert both.resource_ == "n_samples"


def test_conditions_may_refer_to_estimators() -> None:
    space = {
        "model": [RIDGE, LogisticRegression(max_iter=50), "passthrough"],
        "model__fit_intercept": [ash.choice(True, False).when(model=RIDGE), False],
        "model__class_weight": ash.choice(None, "balanced").when(model=LogisticRegression(max_iter=50)),
    }
    read = read_estimator_space(space, PIPELINE)
    logistic, ridge = "LogisticRegression(max_iter=50)", "RidgeClassifier()"
    assert [domain.conditions for domain in read.space.domains["model__fit_intercept"]] == [
        (("model", ridge),),
        (("model", (ridge, logistic)),),
    ]
    assert read.space.domains["model__class_weight"][0].conditions == (("model", logistic),)
    assert {SPACE} & set(read.space.domains) == set()


def test_a_choice_of_estimators_has_a_default_and_conditions() -> None:
    logistic = LogisticRegression(max_iter=50)
    space = {
        "model": ash.choice(RIDGE, logistic, RidgeClassifier(), default=LogisticRegression(max_iter=50)),
        "model__fit_intercept": [True, False],
        "model__C": ash.loguniform(1e-2, 1e2),
        "scale": [
            ash.choice("passthrough", StandardScaler()).when(model=RIDGE),
            ash.choice(MinMaxScaler()).when(model=logistic),
        ],
    }
    read = read_estimator_space(space, PIPELINE).space
    assert read.domains["model"][0].levels == ("RidgeClassifier()", "LogisticRegression(max_iter=50)")
    assert read.default["model"] == "LogisticRegression(max_iter=50)" and read.default["scale"] == "MinMaxScaler()"
    assert [domain.levels for domain in read.domains["scale"]] == [
        ("passthrough", "StandardScaler()"),
        ("MinMaxScaler()",),
    ]
    ours = mixed(space, candidates=8)
    assert ours.cv_results_["params"][0]["model"] is logistic
    listed = mixed({"model": [RIDGE, FOREST], "model__alpha": ash.loguniform(1e-3, 1e3)}, candidates=8)
    chosen = mixed({"model": ash.choice(RIDGE, FOREST), "model__alpha": ash.loguniform(1e-3, 1e3)}, candidates=8)
    assert chosen.result_.digest == listed.result_.digest
    with pytest.raises(ash.SettingError, match=r"model=GaussianNB\(\) is not in the space"):
        mixed({"model": ash.choice(RIDGE, FOREST, default=GaussianNB())})
    with pytest.raises(ash.SettingError, match=r"model: default must be one of the options .*, got 3"):
        mixed({"model": ash.choice(RIDGE, FOREST, default=3)})
    with pytest.raises(ash.SettingError, match=r"an option must be text, .* got RidgeClassifier\(\)"):
        ash.FunctionSpace(model=ash.choice(RIDGE, FOREST))


STEPS: dict[str, Any] = {
    "steps": [[("scale", StandardScaler()), ("model", RIDGE)], [("model", FOREST)]],
    "scale__with_mean": [True, False],
    "model__alpha": ash.loguniform(1e-3, 1e3),
    "model__max_features": [1, 2, 4],
}


@pytest.mark.parametrize("inside", [False, True])
def test_parameters_of_parts_are_searched_together_with_alternative_steps(inside: bool) -> None:
    """Check that a parameter that only some options have is drawn only with these options.

    With `inside`, the pipeline is inside another estimator.
    """
    estimator = BaggingClassifier(PIPELINE, n_estimators=2) if inside else PIPELINE
    before = "estimator__" if inside else ""
    space = {before + name: given for name, given in STEPS.items()}
    ours = search(estimator, space, candidates=12, eta=4).fit(X, Y)
    own = {2: {"steps", "scale__with_mean", "model__alpha"}, 1: {"steps", "model__max_features"}}
    found = [(len(each[f"{before}steps"]), set(each) - {"n_estimators"}) for each in ours.cv_results_["params"]]
    assert {steps for steps, _ in found} == {1, 2} and not ours.result_.failures
    assert all(names == {before + name for name in own[steps]} for steps, names in found)


def test_a_step_can_be_searched_together_with_the_list_of_steps() -> None:
    space = {"steps": STEPS["steps"], "scale": ["passthrough", MinMaxScaler()], "model": [RIDGE, FOREST]}
    ours = mixed(space | {"model__alpha": [1.0, 2.0]}, candidates=8)
    for params in ours.cv_results_["params"]:
        assert ("scale" in params) == (len(params["steps"]) == 2)
        assert ("model__alpha" in params) == (params["model"] is RIDGE)
    assert not ours.result_.failures
    with pytest.raises(ash.SettingError, match=r"space has 'model__bad', which steps=.* does not have: leave it out"):
        mixed({"steps": STEPS["steps"], "model__bad": [1]})
    with pytest.raises(ash.SettingError, match=r"space has 'other', which is not a parameter of Pipeline"):
        mixed({"steps": STEPS["steps"], "other": [1]})


def test_estimators_inside_estimators_are_searched() -> None:
    space = {
        "model": [BaggingClassifier(n_estimators=3), RIDGE],
        "model__estimator": [GaussianNB(), DecisionTreeClassifier()],
        "model__estimator__max_depth": [1, 2],
    }
    ours = mixed(space, algorithm="random", candidates=4)
    found = [{name.rpartition("__")[2] or name for name in each} for each in ours.cv_results_["params"]]
    assert sorted(map(sorted, found)) == [
        ["estimator", "max_depth", "model"],
        ["estimator", "max_depth", "model"],
        ["estimator", "model"],
        ["model"],
    ]
    assert not np.isnan(ours.cv_results_["mean_test_score"]).any()


SPACES = [
    {"model": [RIDGE], "model__alpha": loguniform(1e-3, 1e3)},
    {"model": [FOREST], "model__max_features": [1, 2, 4], "scale": ["passthrough"]},
]


def test_a_list_of_spaces_is_searched() -> None:
    first = {"model": FOREST, "model__max_features": 4, "scale": "passthrough"}
    ours = mixed(SPACES, first=[first])
    assert ours.cv_results_["params"][0] == first and ours.result_.params[0][SPACE] == 1
    for params in ours.cv_results_["params"]:
        assert set(params) == set(SPACES[0] if params["model"] is RIDGE else SPACES[1])
    assert {type(params["model"]) for params in ours.cv_results_["params"]} == {RidgeClassifier, RandomForestClassifier}
    with pytest.raises(ash.SettingError, match=re.escape("first[0]: model__max_features=3 is not in the space")):
        mixed(SPACES, first=[{**first, "model__max_features": 3}])


def test_a_journal_continues_only_with_the_same_objects(tmp_path: Path) -> None:
    path = tmp_path / "search.ash"
    whole = mixed()
    with pytest.warns(UserWarning, match="before a candidate had been trained with"):
        part = mixed(journal=path, max_total_epochs=whole.result_.epochs // 4)
    assert len(part.result_.jobs) < len(whole.result_.jobs)
    assert mixed(journal=path).result_.digest == whole.result_.digest
    other = {**MIXED, "scale": ["passthrough", StandardScaler(copy=False), MinMaxScaler()]}
    with pytest.raises(ash.JournalError, match=r"space|objects"):
        mixed(other, journal=path)


def test_candidates_of_halving_match_scikit_learn() -> None:
    for spaces in (SPACES, [SPACES[1], {"model": (RIDGE, GaussianNB())}], {"model": [RIDGE, FOREST]}):
        ours = ash.HalvingRandomSearchCV(PIPELINE, spaces, n_candidates=2, random_state=3, cv=2).fit(X, Y)
        first = [row for row, number in zip(*map(ours.cv_results_.get, ("params", "iter")), strict=True) if number == 0]
        assert first == list(ParameterSampler(spaces, 2, random_state=3))


def twice(values: Any) -> Any:
    return 2 * values


class Wide(BaseEstimator):
    def __init__(self, table: Any = None) -> None:
        self.table = table


def test_different_objects_get_different_texts() -> None:
    tables = [np.arange(40.0).reshape(20, 2), np.arange(40.0).reshape(20, 2)]
    tables[1][-1] = 0
    wide = [Wide(tables[0]), Wide(tables[0].copy()), Wide(tables[1]), None]
    read = read_estimator_space({"model": wide, "scale__func": [twice, None], "scale": FunctionTransformer()}, PIPELINE)
    texts = read.space.domains["model"][0].levels
    assert len(set(texts)) == 3 and texts[-1] is None and texts[1] == f"{texts[0]} (2)" and len(texts[0]) == 100
    assert read.space.domains["scale__func"][0].levels == ("twice", None)
    assert read.objects.values({"scale__func": "twice", "model": None}) == {"scale__func": twice, "model": None}
    clash = read_estimator_space({"model": ["GaussianNB()", GaussianNB()]}, PIPELINE)
    assert clash.space.domains["model"][0].levels == ("GaussianNB()", "GaussianNB() (2)")
    assert clash.objects.values({"model": "GaussianNB()"}) == {"model": "GaussianNB()"}


def test_arrays_and_ranges_are_lists_of_options() -> None:
    read = read_estimator_space({"alpha": np.logspace(-1, 1, 3), "max_iter": range(10, 30, 10)}, RIDGE)
    assert read.space.domains["alpha"][0].levels == (0.1, 1.0, 10.0)
    assert read.space.domains["max_iter"][0].levels == (10, 20)
    assert ash.FunctionSpace(rate=np.array([1, 2])).domains["rate"][0].levels == (1, 2)
    with pytest.raises(ash.SettingError, match="it is empty"):
        ash.FunctionSpace(rate=range(0))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({**MIXED, "model__gamma": [1]}, "space has 'model__gamma', which model='RidgeClassifier()' does not have"),
        (
            {**MIXED, "model__max_features": ash.uniform(0.1, 1).when(model=RIDGE)},
            "space has 'model__max_features', which model='RidgeClassifier()' does not have",
        ),
        (
            {**MIXED, "model__alpha": ash.loguniform(1, 2).when(model=GaussianNB())},
            "the condition of model__alpha: model=GaussianNB() is not in the space, which has RidgeClassifier(),",
        ),
        ([SPACES[0], {"shape": [1]}], "space[1] has 'shape', which is not a parameter of Pipeline"),
        (
            [SPACES[0], 3],
            "space[1] must be ash.FunctionSpace(name=domain, ...), a dict of domains that is not empty",
        ),
        (
            [],
            "space must be ash.FunctionSpace(name=domain, ...), a dict of domains that is not empty",
        ),
        (
            [{}],
            "space must be ash.FunctionSpace(name=domain, ...), a dict of domains that is not empty",
        ),
        ({"model": (RIDGE, FOREST)}, "is a tuple, which is one value: give the options as a list"),
        ({3: [1]}, "the name of a hyperparameter must be text, got 3"),
        ({"model": []}, "space: model=[]: it is empty"),
    ],
)
def test_invalid_spaces_are_refused(space: Any, message: str) -> None:
    with pytest.raises(ash.SettingError, match=re.escape(message)):
        ash.ASHSearchCV(PIPELINE, space).fit(X, Y)


@pytest.mark.parametrize("name", ["max_depth", "modl__max_depth", "model__max_dept", "max_dept"])
def test_a_misspelt_parameter_of_a_part_gets_a_short_message(name: str) -> None:
    pipeline = Pipeline([("scale", StandardScaler()), ("model", FOREST)])
    with pytest.raises(ash.SettingError) as caught:
        read_estimator_space({name: [1, 2]}, pipeline)
    assert str(caught.value) == (
        f"space has {name!r}, which is not a parameter of Pipeline: did you mean model__max_depth?"
    )


def test_an_unlike_parameter_is_answered_with_whole_names() -> None:
    with pytest.raises(ash.SettingError) as caught:
        read_estimator_space({"model__C": [1, 2]}, PIPELINE)
    assert str(caught.value).endswith(
        "'model__C', which is not a parameter of Pipeline: it has memory, model, model__priors, model__var_smoothing, "
        "scale, steps, transform_input, verbose"
    )


MISSPELT = [
    ("lightgbm", "num_leavs", "num_leaves"),
    ("lightgbm", "bagging_fractoin", "bagging_fraction"),
    ("xgboost", "max_leavs", "max_leaves"),
    ("catboost", "l2_leaf_regg", "l2_leaf_reg"),
]


@pytest.mark.parametrize("prefix", ["", "model__"])
@pytest.mark.parametrize(("package", "name", "meant"), MISSPELT)
def test_a_misspelt_keyword_of_a_library_causes_a_warning(package: str, name: str, meant: str, prefix: str) -> None:
    boosting = {"lightgbm": lightgbm, "xgboost": xgboost, "catboost": catboost}[package]()
    estimator = Pipeline([("model", boosting)]) if prefix else boosting
    kind = type(boosting).__name__
    with pytest.warns(UserWarning) as caught:
        read_estimator_space({f"{prefix}{name}": [2, 4], f"{prefix}learning_rate": [0.1, 0.2]}, estimator)
    assert [str(each.message) for each in caught] == [
        f"{prefix}{name} is passed on to {kind}, which does not list it: did you mean {prefix}{meant}?"
    ]


@pytest.mark.parametrize(
    ("package", "names"),
    [
        ("lightgbm", ["num_leaves", "sub_feature", "num_leaf", "lambda_l1", "min_data_in_leaf", "extra_trees"]),
        ("xgboost", ["max_depth", "eta", "min_split_loss", "rate_drop", "refresh_leaf", "seed_per_iteration"]),
        ("catboost", ["depth", "eta", "max_depth", "l2_leaf_reg"]),
    ],
)
def test_other_keywords_of_a_library_pass_silently(
    package: str, names: list[str], recwarn: pytest.WarningsRecorder
) -> None:
    boosting = {"lightgbm": lightgbm, "xgboost": xgboost, "catboost": catboost}[package]()
    read_estimator_space({name: [1, 2] for name in names}, boosting)
    assert not recwarn.list


def test_spaces_of_ash_may_have_any_size() -> None:
    for space in (
        ash.FunctionSpace(C=ash.loguniform(1e-3, 1e3)),
        {"C": (ash.loguniform(1e-3, 1e3),)},
        {"C": [ash.loguniform(1e-3, 1e3)]},
    ):
        read = read_estimator_space(space, LogisticRegression())
        assert read.objects.of == {} and read.space.size > 10**8


def test_an_object_that_is_not_an_option_is_refused() -> None:
    long = {"criterion": "entropy", "min_samples_split": 3, "min_samples_leaf": 2, "min_weight_fraction_leaf": 0.01}
    options = [DecisionTreeClassifier(**long, max_leaf_nodes=leaves) for leaves in (3, 4)]
    space = {"model": options}
    other = DecisionTreeClassifier(**long, max_leaf_nodes=5)
    with pytest.raises(ash.SettingError, match=r"model=DecisionTreeClassifier.* is not in the space"):
        mixed(space, first=[{"model": other}], candidates=2)
    ours = mixed(space, first=[{"model": clone(options[1])}], candidates=2)
    assert [params["model"] for params in ours.cv_results_["params"]] == options[::-1]


def test_functions_are_distinguished_even_in_a_cloned_search() -> None:
    halve, double = FunctionTransformer(lambda values: values / 2), FunctionTransformer(lambda values: values * 2)
    made = search(PIPELINE, {"scale": [halve, double]}, first=[{"scale": double}], candidates=2)
    for each in (made, clone(made)):
        factors = [params["scale"].func(1.0) for params in each.fit(X, Y).cv_results_["params"]]
        assert factors == [2.0, 0.5]


def test_seeds_do_not_depend_on_the_repr_of_an_estimator() -> None:
    space = {"model": [FOREST], "scale": ["passthrough", StandardScaler()]}
    ours = mixed(space, candidates=2)
    with config_context(print_changed_only=False):
        other = mixed(space, candidates=2)
    np.testing.assert_array_equal(other.cv_results_["mean_test_score"], ours.cv_results_["mean_test_score"])
    assert other.result_.digest == ours.result_.digest
    read = read_estimator_space({"model__priors": [{"b", "a", "c"}, np.random.RandomState(0)]}, PIPELINE)
    assert read.space.domains["model__priors"][0].levels == ("['a', 'b', 'c']", "RandomState(MT19937)")


def test_arrays_and_nan_are_options() -> None:
    priors = [None, np.array([0.2, 0.3, 0.5])]
    ours = search(GaussianNB(), {"priors": priors}, candidates=2).fit(X, Y)
    assert any(params["priors"] is priors[1] for params in ours.cv_results_["params"])
    assert not np.isnan(ours.cv_results_["mean_test_score"]).any()
    imputer = Pipeline([("fill", SimpleImputer()), ("model", RIDGE)])
    ours = search(imputer, {"fill__missing_values": [np.nan, -1]}, candidates=2).fit(X, Y)
    assert not np.isnan(ours.cv_results_["mean_test_score"]).any()


def test_the_resource_of_a_placeholder_is_that_of_its_options() -> None:
    steps = Pipeline([("scale", StandardScaler()), ("model", "passthrough")])
    ours = search(steps, {"model": [SGDClassifier(), Perceptron()]}, candidates=2).fit(X, Y)
    assert ours.resource_ == "epochs" and not np.isnan(ours.cv_results_["mean_test_score"]).any()
    trees = {"model": [FOREST, ExtraTreesClassifier(10)]}
    settings = {"resource": "model__n_estimators", "max_resources": 8, "n_candidates": 2, "cv": 2}
    halving = ash.HalvingRandomSearchCV(steps, trees, random_state=0, **settings).fit(X, Y)
    assert halving.n_resources_[-1] <= 8 and halving.continued_


@pytest.mark.parametrize("routing", [False, True])
def test_a_search_with_a_placeholder_as_last_step_has_a_score(routing: bool) -> None:
    steps = Pipeline([("scale", StandardScaler()), ("model", "passthrough")])
    with sklearn.config_context(enable_metadata_routing=routing):
        ours = search(steps, {"model": [GaussianNB(), FOREST]}, candidates=2).fit(X, Y)
        assert ours.score(X, Y) == ours.best_estimator_.score(X, Y)
