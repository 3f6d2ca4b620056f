"""Tests single estimators: parameters, attributes, copies, the seed, output, tables of any library, and labels.

Refused arguments and weights are tested in tests/data and by scikit-learn's checks.
"""

import importlib
import inspect
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import ash
from ash.errors import DataError, SettingError
from data_help import mixed_columns, mixed_target
from docstring_help import entries
from estimator_help import COPIES, LIBRARIES, cells, classifier, digest, framed, regressor
from fault_help import small_space, table, targets

pytestmark = pytest.mark.core

X, Y = table(80)
XR, YR = targets(80)
Kind = type[ash.ASHClassifier] | type[ash.ASHRegressor]
KINDS: tuple[Kind, ...] = (ash.ASHClassifier, ash.ASHRegressor)


# Parameters


@pytest.mark.parametrize("kind", KINDS)
def test_init_stores_its_arguments_without_looking_at_them(kind: Kind) -> None:
    names = inspect.signature(kind).parameters
    given: dict[str, Any] = {name: object() for name in names}
    estimator = kind(**given)
    assert vars(estimator) == given
    assert estimator.get_params(deep=False) == given
    assert sorted(names) == sorted(kind().get_params(deep=False))


@pytest.mark.parametrize("kind", KINDS)
def test_both_estimators_have_the_parameters_of_tune(kind: Kind) -> None:
    """Check all parameter names. `task` is missing: the estimator determines it."""
    of_tune = inspect.signature(ash.tune).parameters
    ours = inspect.signature(kind).parameters
    elsewhere = {"X", "y", "task", "sample_weight", "groups", "pos_label"}
    of_classes = {"class_weight", "pos_label", "decision_threshold"}
    own = {"ensemble", "refit"} | (of_classes if kind is ash.ASHClassifier else {"loss", "quantile"})
    assert set(ours) == {name for name in of_tune if name not in elsewhere} | own
    assert ours["random_state"].default is None and ours["verbose"].default == 0, "as in scikit-learn"
    for name in set(of_tune) & set(ours) - {"random_state", "verbose"}:
        assert ours[name].default == of_tune[name].default, name
    assert [name for name in ours if ours[name].kind is not inspect.Parameter.KEYWORD_ONLY] == ["space"]


def test_parameters_are_set_and_survive_fit() -> None:
    estimator = classifier().set_params(candidates=4, config__eta=3)
    before = estimator.get_params()
    assert estimator.fit(X, Y) is estimator
    assert estimator.get_params() == before and estimator.space is before["space"]
    assert len(estimator.result_.params) == 4 and estimator.result_.options.eta == 3
    with pytest.raises(ValueError, match="Invalid parameter 'epochs' for estimator ASHClassifier"):
        estimator.set_params(epochs=3)


@pytest.mark.parametrize("fitted", [False, True])
def test_a_clone_is_unfitted_and_fits_the_same(fitted: bool) -> None:
    estimator = classifier(eta=3)
    if fitted:
        estimator.fit(X, Y)
    cloned = clone(estimator)
    assert not hasattr(cloned, "result_") and not hasattr(cloned, "classes_")
    assert {**cloned.get_params(), "space": 0} == {**estimator.get_params(), "space": 0}
    assert repr(cloned.space) == repr(estimator.space)
    assert digest(cloned, X, Y) == digest(estimator, X, Y)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": 3}, "space must be ash.Space(name=domain, ...) or a dict of domains that is not empty, got 3"),
        ({"random_state": -1}, "random_state must be an integer from 0"),
        ({"random_state": "a"}, "random_state='a' cannot be used: 'a' cannot be used to seed"),
    ],
)
def test_invalid_parameters_are_named_by_fit(changes: dict[str, Any], message: str) -> None:
    estimator = classifier(**changes)
    with pytest.raises(SettingError, match=re.escape(message)):
        estimator.fit(X, Y)
    assert not hasattr(estimator, "result_")


# Attributes


@pytest.mark.parametrize("method", ["predict", "predict_proba", "save"])
def test_an_unfitted_estimator_raises_not_fitted_error(method: str) -> None:
    with pytest.raises(NotFittedError, match="This ASHClassifier instance is not fitted yet"):
        getattr(classifier(), method)(X)


@pytest.mark.parametrize("ensemble", [1, 8])
def test_a_saved_estimator_is_loaded_as_a_model(ensemble: int, tmp_path: Path) -> None:
    for estimator, y in ((classifier(ensemble=ensemble).fit(X, Y), Y), (regressor(ensemble=ensemble).fit(XR, YR), YR)):
        table = X if y is Y else XR
        estimator.save(tmp_path / "model.safetensors")
        model = ash.load(tmp_path / "model.safetensors")
        assert model.digest == estimator.model_.digest and model.record == estimator.result_.record
        assert model.predict(table).tobytes() == estimator.predict(table).tobytes()
        if y is Y:
            assert model.predict_proba(table).tobytes() == estimator.predict_proba(table).tobytes()


def test_attributes_agree_with_the_result() -> None:
    estimator = classifier(refit=False, ensemble=1).fit(X, Y)
    result = estimator.result_
    assert estimator.best_params_ == result.best_params == dict(result.params[result.best_candidate])
    assert estimator.best_score_ == result.best_score == max(job.score for job in result.jobs)
    assert (estimator.n_features_in_, estimator.classes_.tolist()) == (3, [0, 1])
    assert not hasattr(estimator, "feature_names_in_")
    assert np.array_equal(estimator.predict(X), result.model.predict(X))
    assert np.array_equal(estimator.predict_proba(X), result.model.predict_proba(X))
    assert estimator.score(X, Y) == (estimator.predict(X) == Y).mean()
    assert regressor().fit(XR, YR).score(XR, YR) > 0.3


@pytest.mark.parametrize("training", ["resume", "restart"])
def test_n_iter_counts_the_epochs_of_the_network(training: str) -> None:
    result = regressor(training=training, min_epochs=2).fit(XR, YR)
    of_best = [job for job in result.result_.jobs if job.candidate == result.result_.best_candidate]
    epochs = {job.rung: job.epochs for job in of_best if job.rung <= result.result_.best_rung}
    assert sorted(epochs) == list(range(result.result_.best_rung + 1))
    assert result.n_iter_ == (sum(epochs.values()) if training == "resume" else max(epochs.values()))


def test_feature_names_are_set_only_if_the_table_has_names() -> None:
    estimator = classifier(candidates=2).fit(pandas.DataFrame(X, columns=["a", "b", "c"]), Y)
    assert (estimator.feature_names_in_.tolist(), estimator.feature_names_in_.dtype) == (["a", "b", "c"], object)
    assert not hasattr(estimator.fit(X, Y), "feature_names_in_")


def test_cv_results_can_become_a_table() -> None:
    diverging = small_space(learning_rate=ash.choice(1e-2, 1e20, 3e-3), optimizer="sgd")
    estimator = classifier(space=diverging, candidates=9).fit(X, Y)
    found = estimator.cv_results_
    frame = pandas.DataFrame(found)
    assert len(frame) == 9 and {len(values) for values in found.values()} == {9}
    scores = frame["mean_test_score"].to_numpy()
    assert np.isnan(scores).any() and scores[estimator.result_.best_candidate] == estimator.best_score_
    expected = rankdata(np.where(np.isnan(scores), np.inf, -scores), method="min")
    assert frame["rank_test_score"].tolist() == expected.astype(int).tolist()
    assert frame["rank_test_score"][estimator.result_.best_candidate] == 1
    assert found["params"] == list(estimator.result_.params)
    for name in ("hidden", "learning_rate", "batch_size"):
        assert list(found[f"param_{name}"]) == [params[name] for params in found["params"]]
    assert frame["epochs"].sum() == estimator.result_.epochs and (frame["fit_time"] >= 0).all()
    assert frame["rungs"].sum() == len(estimator.result_.jobs)


def test_cv_results_mask_hyperparameters_that_a_candidate_lacks() -> None:
    space = ash.Space(
        hidden=(3,),
        optimizer=ash.choice("adamw", "momentum"),
        momentum=ash.uniform(0.8, 0.9).when(optimizer="momentum"),
    )
    found = classifier(space=space, candidates=6).fit(X, Y).cv_results_
    mask = found["param_momentum"].mask
    assert mask.tolist() == ["momentum" not in params for params in found["params"]]
    assert 0 < mask.sum() < 6


# Copies (F91)


def by_pickle(protocol: int) -> Callable[[Any, Path], Any]:
    return lambda estimator, folder: pickle.loads(pickle.dumps(estimator, protocol=protocol))


WAYS = {**COPIES, **{f"protocol {protocol}": by_pickle(protocol) for protocol in range(2, 6)}}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_f91_copies_predict_the_same(way: str, kind: str, tmp_path: Path) -> None:
    estimator, y = (classifier(), Y) if kind == "classifier" else (regressor(), np.column_stack([YR, -YR]))
    unfitted = WAYS[way](estimator, tmp_path)
    assert not hasattr(unfitted, "result_")
    estimator.fit(X, y)
    expected = digest(estimator, X, y)
    fitted = WAYS[way](estimator, tmp_path)
    assert fitted.result_.digest == expected == digest(unfitted, X, y)
    for other in (fitted, unfitted):
        assert np.array_equal(other.predict(X), estimator.predict(X))
    if kind == "classifier":
        assert np.array_equal(fitted.predict_proba(X), estimator.predict_proba(X))
    before = fitted.predict(X)
    estimator.fit(X[:, :2], y)
    assert fitted.n_features_in_ == 3 and np.array_equal(fitted.predict(X), before)


# Pickle size and the seed


def test_a_pickle_is_not_much_larger_than_the_model(tmp_path: Path) -> None:
    fit = ash.ASHClassifier(candidates=32, random_state=0, n_jobs=1).fit(X, Y)
    fit.save(tmp_path / "model.safetensors")
    pickled = pickle.dumps(fit)
    assert len(pickled) < 2 * (tmp_path / "model.safetensors").stat().st_size < len(pickle.dumps(fit.result_))
    twin = pickle.loads(pickled)
    assert (twin.predict(X) == fit.predict(X)).all() and twin.result_.digest == fit.result_.digest
    with pytest.raises(ash.SettingError, match="which the pickle of an estimator leaves out"):
        twin.result_.ensemble()
    assert fit.result_.ensemble(2).members


def test_an_integer_seed_gives_the_same_run_each_time() -> None:
    same = {digest(classifier(random_state=seed), X, Y) for seed in (5, 5, np.int64(5))}
    assert len(same) == 1 and digest(classifier(random_state=6), X, Y) not in same
    assert classifier(random_state=2**64 - 1).fit(X, Y).result_.seed == 2**64 - 1


def test_each_fit_draws_from_a_given_random_state() -> None:
    one, other = np.random.RandomState(3), np.random.RandomState(3)
    first = digest(classifier(random_state=one), X, Y)
    assert digest(classifier(random_state=one), X, Y) != first == digest(classifier(random_state=other), X, Y)


def test_random_state_none_uses_the_global_numpy_generator() -> None:
    kept = np.random.get_state()
    try:
        np.random.seed(7)
        first, second = (digest(classifier(random_state=None), X, Y) for _ in range(2))
        np.random.seed(7)
        assert first == digest(classifier(random_state=None), X, Y) != second
    finally:
        np.random.set_state(kept)


# Output


def test_verbose_controls_the_progress_output(capsys: pytest.CaptureFixture[str]) -> None:
    for verbose in (False, 0, True, 1, 2, 10):
        assert classifier(verbose=verbose, candidates=2).fit(X, Y).result_.options.verbose == verbose
    capsys.readouterr()
    classifier(verbose=0).fit(X, Y)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("fitted", [False, True])
def test_an_estimator_is_shown_in_a_notebook(fitted: bool) -> None:
    estimator = classifier(candidates=5)
    if fitted:
        estimator.fit(X, Y)
    html = estimator._repr_html_()
    assert "ASHClassifier" in html and ("Not fitted" in html) is not fitted
    assert "candidates=5" in repr(estimator)


def test_docstrings_describe_the_attributes_set_by_fit() -> None:
    for kind in KINDS:
        names = {name for name in entries(inspect.getdoc(kind) or "", "Attributes") if name.endswith("_")}
        fitted = kind(candidates=2, space=small_space()).fit(X, Y)
        assert names - {"feature_names_in_"} == {name for name in vars(fitted) if name.endswith("_")}


# Tables and labels
MIXED = mixed_target(mixed_columns(200))
WEIGHTS = np.linspace(0.1, 2, 80)


# Libraries


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("scoring", [None, "explained_variance"])
def test_every_library_gives_the_same_run_as_numpy(library: str, scoring: str | None) -> None:
    """F25: use columns of floats, integers, booleans, text and categories, each with missing cells."""
    estimator = regressor(scoring=scoring)
    expected = digest(estimator, cells(), MIXED)
    assert digest(estimator, framed(library), MIXED) == expected
    held_out = estimator.set_params(validation=(framed(library), MIXED))
    beside = digest(held_out, framed(library), MIXED)
    assert beside == digest(estimator.set_params(validation=(cells(), MIXED)), cells(), MIXED) != expected


@pytest.mark.parametrize("fitted", LIBRARIES)
def test_predictions_for_frames_of_every_library_are_equal(fitted: str) -> None:
    estimator = classifier().fit(framed(fitted), MIXED > 5)
    expected = estimator.predict_proba(framed("pandas"))
    for library in LIBRARIES:
        assert np.array_equal(estimator.predict_proba(framed(library)), expected), library


def test_missing_names_warn_and_a_wrong_number_of_columns_raises() -> None:
    """F19, F20: fit to a frame and predict an array, the reverse, and predict rows with too few columns."""
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    plain, named = classifier(candidates=2).fit(X, Y), classifier(candidates=2).fit(frame, Y)
    with pytest.warns(UserWarning, match="X does not have valid feature names, but ASHClassifier was fitted with"):
        unnamed = named.predict(X)
    with pytest.warns(UserWarning, match="X has feature names, but ASHClassifier was fitted without feature names"):
        assert np.array_equal(plain.predict(frame), unnamed)
    with pytest.raises(DataError, match="X has 2 features, but ASHClassifier is expecting 3 features as input"):
        plain.predict(X[:, :2])


def test_unseen_levels_share_a_bucket_or_are_refused() -> None:
    """F22: check that all unseen levels give equal predictions, or an error that names column, row and level."""
    frame = framed("pandas")
    purple, brown = frame.assign(color="purple"), frame.assign(color="brown")
    bucket, strict = (classifier(unknown=unknown).fit(frame, MIXED > 5) for unknown in ("bucket", "error"))
    assert np.array_equal(bucket.predict_proba(purple), bucket.predict_proba(brown))
    assert not np.array_equal(bucket.predict_proba(purple), bucket.predict_proba(frame))
    with pytest.raises(DataError, match=r"X in column 3 \('color'\), row 0: level 'purple' was not seen in training"):
        strict.predict(purple)
    assert np.array_equal(strict.predict(frame), bucket.predict(frame))


# Targets


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_f11_a_class_with_one_row_keeps_its_column(weights: np.ndarray | None) -> None:
    """Check that a warning says that the only row of a class is used for training."""
    labels = np.where(np.arange(80) == 17, "rare", np.array(["no", "yes"])[Y])
    with pytest.warns(UserWarning, match="class 'rare' has a single row, which is used for training only"):
        fitted = classifier().fit(X, labels, weights)
    assert fitted.classes_.tolist() == ["no", "rare", "yes"]
    probabilities = fitted.predict_proba(X)
    assert probabilities.shape == (80, 3) and (probabilities > 0).all()
    assert np.allclose(probabilities.sum(axis=1), 1, rtol=1e-12)


def labels(kind: str) -> tuple[Any, list[Any]]:
    """Return labels of the given kind and the expected sorted classes."""
    library, _, dtype = kind.partition(" ")
    if library == "numpy":
        pair = {
            "str": ["b", "a"], "object": ["b", "a"], "bool": [True, False], "gaps": [1000, 7], "signs": [1, -1],
            "float": [2.0, -1.0], "int8": [3, -3], "uint64": [2**63 + 2, 2**63], "swapped": [4, 2],
        }[dtype]  # fmt: skip
        type_ = {"object": "O", "int8": "i1", "uint64": "u8", "swapped": ">i4"}.get(dtype)
        return np.array(pair, type_)[Y], sorted(pair)
    module = importlib.import_module(library)
    text, numbers = np.array(["b", "a"])[Y], np.array([9, 2])[Y]
    made = {
        "pandas text": lambda: (module.Series(text), ["a", "b"]),
        "pandas categories": lambda: (module.Categorical(text, categories=["b", "a", "never"]), ["a", "b"]),
        "pandas number categories": lambda: (module.Series(module.Categorical(numbers)), [2, 9]),
        "pandas Int64": lambda: (module.Series(numbers, dtype="Int64"), [2, 9]),
        "pandas boolean": lambda: (module.Series(Y == 1, dtype="boolean"), [False, True]),
        "polars text": lambda: (module.Series(text), ["a", "b"]),
        "polars enum": lambda: (module.Series(text, dtype=module.Enum(["b", "a"])), ["a", "b"]),
        "pyarrow text": lambda: (module.array(text), ["a", "b"]),
        "pyarrow dictionary": lambda: (module.array(text).dictionary_encode(), ["a", "b"]),
    }
    return made[kind]()


@pytest.mark.parametrize(
    "kind",
    [
        *(f"numpy {one}" for one in ["str", "object", "bool", "gaps", "signs", "float", "int8", "uint64", "swapped"]),
        *(f"pandas {one}" for one in ("text", "categories", "number categories", "Int64", "boolean")),
        *("polars text", "polars enum", "pyarrow text", "pyarrow dictionary"),
    ],
)
def test_labels_keep_their_type(kind: str) -> None:
    """F12: check that `classes_` is sorted, and that predicted labels have the type of the training labels."""
    y, expected = labels(kind)
    fitted = classifier().fit(X, y)
    assert fitted.classes_.tolist() == expected
    assert [type(label) for label in fitted.classes_.tolist()] == [type(label) for label in expected]
    predicted = fitted.predict(X)
    assert predicted.dtype == fitted.classes_.dtype and set(predicted.tolist()) <= set(expected)
    if isinstance(y, np.ndarray) and y.dtype.kind != "O":
        assert fitted.classes_.dtype == y.dtype
    assert np.mean([one == other for one, other in zip(predicted.tolist(), list(np.asarray(y)), strict=True)]) > 0.6
    assert 0.6 < fitted.score(X, y) <= 1
