"""Tests that rows of one group, copies of a row, and rows that stand for a weight are on one side of each split."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold

import ash
from ash.cli.command import main
from ash.data.row_split import grouped_folds, grouped_split
from ash.data.table import read_training
from ash.encoding.data_split import Split, read_table, split_table
from ash.encoding.equal_rows import copied_rows
from ash.encoding.schema import learn_schema
from data_help import options
from fault_help import small_space

pytestmark = pytest.mark.core

COPIES = "rows are equal to other rows, which chance does not explain"
PEOPLE = 60
FIT: dict[str, Any] = {"candidates": 16, "random_state": 0, "n_jobs": 1}


def people(seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return five rows for each of 60 persons, labels that depend on the person only, and the persons' numbers."""
    random = np.random.default_rng(seed)
    who = np.repeat(np.arange(PEOPLE), 5)
    looks = random.normal(size=(PEOPLE, 6))[who]
    order = random.permutation(len(who))
    x, label = looks + 0.05 * random.normal(size=looks.shape), random.integers(0, 2, PEOPLE)[who]
    return x[order], label[order], who[order]


X, Y, WHO = people()


# All ways to give groups, and all splits


def split_of(x: Any, y: Any, cv: Any, validation: Any, weights: Any = None, groups: Any = None, **more: Any) -> Split:
    given = options(**more)
    table, schema = read_table(x, y, given, weights, True, groups)
    return split_table(table, schema, given, validation, cv, X=x, y=y, groups=groups)


@pytest.mark.filterwarnings(f"ignore:.*{COPIES}")
@pytest.mark.parametrize("way", ["groups", "text", "weights", "copies", "weights and groups"])
@pytest.mark.parametrize("task", ["classes", "numbers", "rare class"])
@pytest.mark.parametrize(
    ("split", "is_planned"),
    [
        ({"validation": None}, False),
        ({"validation": None}, True),
        ({"validation": 0.3}, False),
        ({"validation": 40}, False),
        ({"cv": 4}, False),
        ({"cv": GroupKFold(3)}, False),
        ({"cv": StratifiedGroupKFold(3)}, False),
    ],
)
def test_no_group_is_on_both_sides_of_a_split(way: str, task: str, split: dict[str, Any], is_planned: bool) -> None:
    random = np.random.default_rng(1)
    who = WHO
    x, weights, groups = X, None, None
    if way == "copies":
        x = X[[np.flatnonzero(who == each)[0] for each in who]]
    if way.startswith("weights"):
        weights = random.integers(1, 4, len(x)).astype(float)
    if way in ("groups", "weights and groups"):
        groups = who
    if way == "text":
        groups = [f"person {each}" for each in who]
    if way == "weights":
        who = np.arange(len(x))
    if task == "numbers":
        y: Any = who * 1.5 + random.normal(size=len(who)) * (way != "copies")
    else:
        y = who % 2 if task == "classes" else (who % 20 == 3).astype(int)
    splitter = split.get("cv")
    if splitter is not None and not isinstance(splitter, int):
        if isinstance(splitter, StratifiedGroupKFold) and task == "numbers":
            return
        split = {"cv": list(splitter.split(x, y, who))}
    more = {"folds": 5} if is_planned else {}
    found = split_of(x, y, **{"cv": None, "validation": None, **split}, weights=weights, groups=groups, **more)
    numbers = found.table.frame.numbers_of(np.arange(found.table.rows))
    assert found.table.groups is not None
    for fold in found.folds:
        assert not set(who[numbers[fold.training]]) & set(who[numbers[fold.validation]])
        assert len(np.unique(fold.y[fold.training])) == len(np.unique(y)) or task == "numbers"
    validated = np.concatenate([fold.validation for fold in found.folds])
    if len(found.folds) > 1 or "cv" in split:
        assert np.array_equal(np.sort(validated), np.arange(found.table.rows))
    else:
        share = {0.3: 0.3, 40: 40 / found.table.rows, None: 0.2}[split["validation"]]
        assert abs(len(validated) / found.table.rows - share) < 0.03


@pytest.mark.parametrize("count", [2, 10, 1000])
def test_grouped_splits_have_about_the_share_of_rows_and_classes(count: int) -> None:
    random = np.random.default_rng(count)
    groups = np.sort(random.integers(0, count, 20 * count))
    groups = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    labels = (random.random(len(groups)) < 0.2).astype(float)
    draws = [grouped_split(groups, labels, 0.5, seed) for seed in range(4)]
    for validates in draws:
        assert abs(validates.mean() - 0.5) < 0.1 and abs(labels[validates].mean() - labels.mean()) < 0.1
    assert np.array_equal(draws[0], grouped_split(groups, labels, 0.5, 0))
    assert count == 2 or any(not np.array_equal(draws[0], each) for each in draws[1:])
    folds = grouped_folds(groups, labels, 2, 0)
    assert abs((folds == 0).mean() - 0.5) < 0.1
    assert all(len(set(folds[groups == group])) == 1 for group in range(int(groups.max()) + 1))


def test_a_class_of_a_single_group_is_in_training() -> None:
    y = np.where(WHO == 7, 2, Y)
    for seed in range(5):
        validates = grouped_split(WHO, y.astype(float), 0.5, seed)
        assert not validates[WHO == 7].any() and 0.4 < validates.mean() < 0.6
    with pytest.raises(ash.DataError, match="groups leave no rows to validate on, since each group has all rows of a"):
        grouped_split(WHO, WHO.astype(float), 0.5, 0)


SOLE = "^all rows of class 2 are in one group or are copies of one row, so they are used for training only"


@pytest.mark.parametrize("split", [{}, {"cv": 4}, {"validation": 0.3}])
@pytest.mark.parametrize("call", ["estimator", "tune"])
def test_a_class_in_one_group_is_named_by_one_warning_and_the_scores_are_finite(call: str, split: Any) -> None:
    y = np.where(WHO == 7, 2, Y)
    with pytest.warns(UserWarning, match=SOLE) as said:
        if call == "tune":
            result = ash.tune(X, y, candidates=4, random_state=0, groups=WHO, n_jobs=1, verbose=0, **split)
        else:
            model = ash.ASHClassifier(candidates=4, random_state=0, n_jobs=1, **split).fit(X, y, groups=WHO)
            result = model.result_
            assert np.isfinite(model.predict_proba(X)).all()
    assert len(said) == 1
    assert np.isfinite([result.best_score, result.estimated_score, result.estimated_score_std_error]).all()
    held_out = ~np.isnan(result.oof_prediction).any(axis=1)
    assert not held_out[WHO == 7].any()
    assert not split.get("cv") or held_out[WHO != 7].all()


def test_folds_hold_out_only_groups_that_leave_each_class_in_training() -> None:
    y = np.where(WHO % 10 == 0, WHO // 10 + 2, Y)  # six groups have a class of their own
    folds = grouped_folds(WHO, y.astype(float), 54, 0)
    assert (folds[WHO % 10 == 0] == -1).all() and set(folds[WHO % 10 > 0]) == set(range(54))
    fit = ash.ASHClassifier(cv=55, candidates=2, random_state=0)
    with pytest.raises(ash.SettingError, match="from 2 to 54"):
        fit.fit(X, y, groups=WHO)
    for cv in (None, 5):
        with pytest.raises(ash.DataError, match="groups leave no rows to validate on, since each group has all rows"):
            fit.set_params(cv=cv).fit(X, WHO, groups=WHO)


def test_a_class_whose_only_row_is_repeated_for_its_weight_has_a_single_row() -> None:
    y, weights = np.where(np.arange(len(X)) == 7, 2, Y), np.where(np.arange(len(X)) == 7, 3, 1)
    with pytest.warns(UserWarning, match="^class 2 has a single row, which is used for training only$") as said:
        ash.ASHClassifier(candidates=4, random_state=0, n_jobs=1).fit(X, y, sample_weight=weights)
    assert len(said) == 1


def test_names_of_groups_do_not_matter_and_neither_does_the_order_of_rows() -> None:
    def fit(x: Any, y: Any, groups: Any) -> str:
        return ash.ASHClassifier(small_space(), **FIT).fit(x, y, groups=groups).result_.digest

    order = np.random.default_rng(2).permutation(len(X))
    expected = fit(X, Y, WHO)
    assert fit(X, Y, [f"p{99 - each}" for each in WHO]) == expected
    assert fit(X[order], Y[order], pd.Series(WHO[order], index=order)) == expected
    assert fit(X, Y, np.arange(len(X))) == fit(X, Y, None) != expected


# What it is for


def test_labels_that_depend_on_the_person_only_are_predicted_by_chance() -> None:
    scores: dict[tuple[Any, bool], list[float]] = {}
    for seed in range(3):
        x, y, who = people(seed)
        for cv in (None, 5):
            for groups in (None, who):
                fit = ash.ASHClassifier(cv=cv, **FIT).fit(x, y, groups=groups)
                scores.setdefault((cv, groups is not None), []).append(fit.best_score_ - np.bincount(y).max() / len(y))
    for cv in (None, 5):
        assert min(scores[cv, False]) > 0.35, "without groups, the same persons are in training and validation"
        assert np.mean(scores[cv, True]) < 0.2


def test_whole_weights_and_other_weights_have_equal_scores_on_random_labels() -> None:
    gaps = []
    for seed in range(4):
        random = np.random.default_rng(seed)
        x, y, weights = random.normal(size=(300, 5)), random.integers(0, 2, 300), random.integers(1, 6, 300)
        whole, other = (
            ash.ASHClassifier(cv=5, **FIT).fit(x, y, sample_weight=weights * scale).best_score_ for scale in (1, 1.1)
        )
        assert whole < 0.68 and other < 0.68
        gaps.append(whole - other)
    assert abs(np.mean(gaps)) < 0.03


@pytest.mark.filterwarnings(f"ignore:.*{COPIES}")
def test_whole_weights_other_weights_and_repeated_rows_lead_to_the_same_quality() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    y = np.where(np.random.default_rng(0).random(len(y)) < 0.15, 1 - y, y)
    weights = np.random.default_rng(1).integers(1, 4, len(y))
    rest = np.arange(len(y)) % 3 > 0
    x, y, weights, new = x[rest], y[rest], weights[rest], (x[~rest], y[~rest])
    rows = np.repeat(np.arange(len(y)), weights)
    given = [(x, y, weights), (x, y, 1.1 * weights), (x[rows], y[rows], None)]
    fits = [ash.ASHClassifier(cv=5, **FIT).fit(*each) for each in given]
    assert fits[0].result_.digest == fits[2].result_.digest
    for fit in fits:
        assert abs(fit.best_score_ - fits[1].best_score_) < 0.02 and abs(fit.score(*new) - fits[1].score(*new)) < 0.03
        assert abs(fit.best_score_ - fit.score(*new)) < 0.05


# Repeated rows: chance or copies

TITANIC = [  # class, is a child, is female, number of dead, number of survivors
    *[(1, 0, 0, 118, 57), (1, 0, 1, 4, 140), (1, 1, 0, 0, 5), (1, 1, 1, 0, 1)],
    *[(2, 0, 0, 154, 14), (2, 0, 1, 13, 80), (2, 1, 0, 0, 11), (2, 1, 1, 0, 13)],
    *[(3, 0, 0, 387, 75), (3, 0, 1, 89, 76), (3, 1, 0, 35, 13), (3, 1, 1, 17, 14)],
    *[(0, 0, 0, 670, 192), (0, 0, 1, 3, 20)],
]


def titanic() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the class, age and sex of the 2,201 people aboard, and whether they survived."""
    counts = np.array(TITANIC)
    x = np.concatenate([np.repeat(counts[:, :3], counts[:, place], axis=0) for place in (3, 4)]).astype(float)
    return x, np.repeat([0, 1], [counts[:, 3].sum(), counts[:, 4].sum()])


def groups_of(x: Any, y: Any) -> NDArray[np.int64] | None:
    read = read_training(x, y)
    schema = learn_schema(read.frame, missing="indicator")[1]
    return copied_rows(read, schema, tell=False)


def test_rows_that_chance_explains_are_independent() -> None:
    random = np.random.default_rng(3)
    x, y = titanic()
    few = random.integers(0, 4, (600, 4)) // 2
    surveyed = np.column_stack([few, few.sum(axis=1) // 2, few[:, 0] * 2])  # columns that depend on each other
    rounded = random.normal(size=(3000, 2)).round(2)
    one_hot = np.eye(5)[random.integers(0, 5, (600, 3))].reshape(600, 15)
    measured = random.normal(size=(200, 4))[np.repeat(np.arange(200), 3)]
    for table, target in (
        (x, y),
        (surveyed, few.sum(axis=1) % 2),
        (rounded, (rounded[:, 0] > 0).astype(int)),
        (one_hot, one_hot[:, 0]),
        (random.integers(0, 300, (600, 1)), np.arange(600) % 2),
        (measured, random.normal(size=600)),  # repeated measurements, which are not copies
        (random.normal(size=(600, 4)), random.normal(size=600)),
    ):
        assert groups_of(table, target) is None


@pytest.mark.parametrize("labels", ["random", "learnable"])
@pytest.mark.parametrize("kind", ["floats", "rounded", "mixed"])
@pytest.mark.parametrize("how", ["bootstrap", "twice", "a fifth twice", "a class oversampled", "in another order"])
def test_copies_are_recognized_and_grouped_by_x(how: str, kind: str, labels: str) -> None:
    random = np.random.default_rng(4)
    x: Any = random.normal(size=(500, 4))
    y = (random.random(500) < (0.3 if labels == "random" else 0.1 + 0.4 * (x[:, 0] > 0))).astype(int)
    if kind == "rounded":
        x = x.round(1)
    if kind == "mixed":
        x = np.column_stack([x[:, :2].round(2), random.choice(list("abcdef"), 500), random.integers(0, 9, 500)])
    rows = {
        "bootstrap": random.integers(0, 500, 500),
        "twice": np.tile(np.arange(500), 2),
        "a fifth twice": np.r_[np.arange(500), random.permutation(500)[:100]],
        "a class oversampled": np.r_[np.arange(500), np.repeat(np.flatnonzero(y == 1), 2)],
        "in another order": random.permutation(np.tile(np.arange(500), 2)),
    }[how]
    found = groups_of(x[rows], y[rows])
    assert found is not None
    distinct = np.unique(x[rows].astype(str), axis=0, return_inverse=True)[1].reshape(-1)
    assert len(np.unique(found)) == len(np.unique(distinct)) == len(np.unique(np.stack([found, distinct]), axis=1)[0])


def test_copies_are_told_and_the_user_may_declare_them_independent() -> None:
    random = np.random.default_rng(5)
    x, y = random.normal(size=(300, 3)), random.integers(0, 2, 300)
    rows = random.integers(0, 300, 300)
    fit = ash.ASHClassifier(**FIT)
    with pytest.warns(
        UserWarning, match=rf"^19\d of 300 {COPIES}; equal rows are kept together .* groups=range\(len\(X"
    ):
        kept = fit.fit(x[rows], y[rows]).best_score_
    apart = fit.fit(x[rows], y[rows], groups=range(300)).best_score_
    assert kept < 0.62 and kept < apart
    with pytest.warns(UserWarning, match="cv has copies of rows in both parts of a fold"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", f".*{COPIES}")
        fit.set_params(cv=KFold(3)).fit(x[rows], y[rows])


def test_copies_in_a_regression_on_random_targets_do_not_raise_the_score() -> None:
    random = np.random.default_rng(6)
    x, y = random.normal(size=(500, 4)), random.normal(size=500)
    rows = np.r_[np.arange(500), np.arange(120)]
    with pytest.warns(UserWarning, match=f"240 of 620 {COPIES}"):
        fit = ash.ASHRegressor(**FIT).fit(x[rows], y[rows])
    assert not fit.result_.model.encoding.schema.neighbors and fit.best_score_ < 0.05


def test_the_score_on_titanic_is_that_of_new_rows() -> None:
    x, y = titanic()
    gaps = []
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(len(y))
        train, test = order[:1500], order[1500:]
        fit = ash.ASHClassifier(candidates=8, cv=5, random_state=seed, n_jobs=1).fit(x[train], y[train])
        gaps.append(fit.best_score_ - fit.score(x[test], y[test]))
    assert abs(np.mean(gaps)) < 0.012  # the standard error is about 0.006


# Errors


@pytest.mark.filterwarnings("ignore:The groups parameter is ignored by KFold")
@pytest.mark.parametrize(
    ("settings", "groups", "message"),
    [
        (
            {"cv": KFold(3, shuffle=True, random_state=0)},
            WHO,
            r"^fold 0 of cv has rows of one group in both parts: pass a splitter",
        ),
        ({"cv": [(np.arange(100), np.arange(100, 300))]}, WHO, "fold 0 of cv has rows of one group in both parts"),
        ({"validation": (X, Y)}, WHO, r"groups have no effect with validation=\(X, y\)"),
        ({"cv": 61}, WHO, r"cv must be a number of folds from 2 to 60 \(the number of groups\)"),
        ({}, np.zeros(300), "groups has the same group in all rows: at least 2 are needed"),
        ({"cv": 2}, np.zeros(300), r"from 2 to 1 \(the number of groups\)"),
    ],
)
def test_groups_that_cannot_be_kept_are_refused(settings: dict[str, Any], groups: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ash.tune(X, Y, small_space(), candidates=4, groups=groups, verbose=0, **settings)
    with pytest.raises(ValueError, match=message):
        ash.ASHClassifier(small_space(), **FIT, **settings).fit(X, Y, groups=groups)


def test_the_default_has_as_many_folds_as_groups() -> None:
    found = split_of(X, Y, None, None, groups=WHO % 3, folds=5)
    assert len(found.folds) == 3


# Searches, journals, records and the command


def test_searches_keep_groups_together() -> None:
    space = {"max_features": [1, 2, 3]}
    for kind, size in ((ash.ASHSearchCV, {"candidates": 3}), (ash.HalvingRandomSearchCV, {"n_candidates": 3})):
        scores = [
            kind(RandomForestClassifier(20, random_state=0), space, cv=cv, n_jobs=1, random_state=0, **size)
            .fit(X, Y, groups=groups)
            .best_score_
            for cv in (None, 4, StratifiedGroupKFold(5))
            for groups in (WHO,)
        ]
        assert max(scores) < 0.75 and scores[0] == scores[2]
    search = ash.ASHSearchCV(RandomForestClassifier(20, random_state=0), space, candidates=3, n_jobs=1)
    assert search.fit(X, Y).best_score_ > 0.9
    with (
        pytest.warns(UserWarning, match="The groups parameter is ignored by KFold"),
        pytest.raises(ash.SettingError, match="fold 0 of cv has rows of one group in both parts"),
    ):
        search.set_params(cv=KFold(5)).fit(X, Y, groups=WHO)
    with pytest.raises(ash.SettingError, match="cv=None needs 5 groups, one per fold, but there are 3: lower cv"):
        search.set_params(cv=None).fit(X, Y, groups=WHO % 3)


def test_runs_with_groups_are_resumed_and_repeated(tmp_path: Path) -> None:
    given: dict[str, Any] = {"groups": WHO, "verbose": 0}
    first = ash.tune(X, Y, small_space(), candidates=4, cv=3, journal=tmp_path / "a.ash", **given)
    again = ash.resume(tmp_path / "a.ash", X, Y, candidates=8, **given)
    assert again.digest == ash.tune(X, Y, small_space(), candidates=8, cv=3, **given).digest
    with pytest.raises(ash.JournalError, match="holds another run"):
        ash.resume(tmp_path / "a.ash", X, Y, verbose=0)
    assert ash.tune(X, Y, record=first.record, **given).digest == first.digest
    with pytest.raises(ash.DataError, match="the rows differ from those of the recorded run"):
        ash.tune(X, Y, record=first.record, verbose=0)


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize("cv", [[], ["--cv", "3"]])
def test_the_command_keeps_groups_together_and_repeats(cv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    pd.DataFrame(X).add_prefix("x").assign(who=WHO, y=Y).to_csv("a.csv", index=False)
    words = ["a.csv", "--groups", "who", "--candidates", "16", "--json", "a.json", "--quiet", *cv]
    assert main(words) == 0
    scores = pd.read_json("a.json", typ="series")
    assert scores["validation_score"] < 0.9 and scores["test_score"] < 0.8
    assert main(["repeat", "ash-tune-out/model.safetensors", "a.csv", "--groups", "who"]) == 0
    assert capsys.readouterr().out.startswith("identical")
    assert main(["check", "ash-tune-out/model.safetensors", "a.csv", "--groups", "who"]) == 0


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.filterwarnings(f"default:.*{COPIES}")
def test_the_command_keeps_copies_out_of_its_test_part(capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(7)
    x, y = random.normal(size=(300, 4)), random.integers(0, 2, 300)
    rows = np.tile(np.arange(300), 2)
    pd.DataFrame(x[rows]).add_prefix("x").assign(y=y[rows]).to_csv("a.csv", index=False)
    assert main(["a.csv", "--candidates", "8", "--json", "a.json", "--quiet"]) == 0
    assert capsys.readouterr().err.count(COPIES) == 1
    assert pd.read_json("a.json", typ="series")["test_score"] < 0.65
