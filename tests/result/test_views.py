"""What is read off a run: standing, axes, importance and the winner on held-out rows, and the pictures of them."""

import dataclasses
import math
import pickle
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from sklearn.calibration import calibration_curve
from sklearn.datasets import load_diabetes, load_wine
from sklearn.metrics import confusion_matrix, root_mean_squared_error

import ash
from ash.history.chart_data import parameter_axes, varying_axes
from ash.history.importance import importance_of
from ash.history.records import standing_of
from ash.history.validation import MOST_CLASSES, calibration_of, confusion_of, residuals_of
from result_help import columns, make_result

matplotlib.use("Agg")
PICTURES = ("plot_parallel", "plot_importance", "plot_held_out", "plot_calibration")


@pytest.fixture(autouse=True)
def close_figures():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.fixture(scope="module")
def wine():
    space = ash.Space(
        hidden=ash.choice((16,), (32, 16), ()),
        optimizer=ash.choice("adam", "momentum"),
        learning_rate=ash.log(1e-4, 1e-1),
        momentum=ash.uniform(0.5, 0.99).when(optimizer="momentum"),
    )
    return ash.tune(*load_wine(return_X_y=True), space, candidates=48, seed=2, validation=60, progress=False)


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return ash.tune(X, np.column_stack([y, -y]), candidates=4, seed=0, progress=False)


def job(candidate, rung, score, diverged=False):
    return {"candidate": candidate, "rung": rung, "score": score, "diverged": diverged}


def changed(result, params, scores):
    """A result of one rung with these hyperparameters and scores."""
    rows = [job(number, 0, score) | {"epochs": 1, "end": 1.0} for number, score in enumerate(scores)]
    return dataclasses.replace(result, params=tuple(params), columns=columns(rows))


def test_standing_is_by_rung_then_score_and_the_diverged_are_last():
    jobs = [job(0, 0, 0.9), job(1, 0, 0.5), job(2, 0, 0.5), job(3, 0, np.nan, True), job(1, 1, 0.4)]
    jobs += [job(5, 0, 0.7), job(5, 1, np.nan, True)]
    found = standing_of(columns(jobs), 7)
    assert found.rung.tolist() == [0, 1, 0, 0, -1, 1, -1]
    assert np.array_equal(found.last_score, [0.9, 0.4, 0.5, np.nan, np.nan, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(found.best_score, [0.9, 0.5, 0.5, np.nan, np.nan, 0.7, np.nan], equal_nan=True)
    assert np.array_equal(found.rank, [3, 4, 2, 0, np.nan, 1, np.nan], equal_nan=True)
    assert found.diverged.tolist() == [False, False, False, True, False, True, False]
    ties = standing_of(columns([job(number, 0, 0.5) for number in range(3)]), 3)
    assert ties.rank.tolist() == [1, 1, 1]


def test_axes_are_of_the_kind_of_their_domains():
    space = ash.Space(
        learning_rate=[ash.log(1e-4, 1e-1).when(optimizer=("sgd", "adam")), 0.5],
        dropout=ash.uniform(0.0, 0.5, levels=3),
        batch_size=ash.integers(8, 64, 8),
        hidden=ash.choice((8, 8), (), (8,)),
        l2=ash.choice(1e-3, 0.0, 1e-5),
        optimizer=ash.choice("sgd", "momentum", "adam"),
        momentum=ash.uniform(0.5, 0.9, levels=5).when(optimizer="momentum"),
        activation="relu",
    )
    result = dataclasses.replace(make_result(), params=tuple(space.sample(400, seed=0)), space=space)
    axes = {axis.name: axis for axis in parameter_axes(result)}
    assert {name: axis.kind for name, axis in axes.items()} == {
        **{"learning_rate": "log", "dropout": "linear", "batch_size": "linear", "hidden": "levels"},
        **{"l2": "levels", "optimizer": "levels", "momentum": "linear", "activation": "levels"},
    }
    assert axes["hidden"].values == ((), (8,), (8, 8)) and axes["hidden"].texts == ["none", "8", "8-8"]
    assert axes["optimizer"].values == ("adam", "momentum", "sgd") and axes["l2"].texts == [
        "0",
        "1e-05",
        "0.001",
    ]
    logarithms = np.log(axes["learning_rate"].values)
    assert axes["learning_rate"].shares == pytest.approx((logarithms - logarithms[0]) / np.ptp(logarithms))
    assert axes["dropout"].shares.tolist() == [0, 0.5, 1] and axes["activation"].shares.tolist() == [0.5]
    assert ((axes["momentum"].level < 0) == [one["optimizer"] != "momentum" for one in result.params]).all()
    momentum = axes["momentum"].of_candidates(axes["momentum"].positions)
    assert np.array_equal(momentum, [one.get("momentum", np.nan) for one in result.params], equal_nan=True)
    assert [axis.name for axis in varying_axes(result)] == [name for name in axes if name != "activation"]
    assert [axis.name for axis in varying_axes(result, [0])] == []


def test_what_a_score_is_made_of_is_important_and_noise_is_not():
    random = np.random.default_rng(0)
    drawn = zip(random.uniform(0, 1, 300), random.normal(size=300), random.integers(0, 2, 300), strict=True)
    params = [{"rate": float(rate), "noise": float(noise), "kind": str(kind), "same": 1} for rate, noise, kind in drawn]
    score = [(2 * one["rate"] + (one["kind"] == "1")) / 3 for one in params]
    found = changed(make_result(), params, score).importance()
    assert math.isnan(found["same"]) and found["rate"] > found["kind"] > 0.1 and found["noise"] < 0.01
    assert sum(found[name] for name in ("rate", "noise", "kind")) == pytest.approx(1)
    nothing = changed(make_result(), params, random.normal(size=300))
    assert importance_of(nothing).explained < 0.1
    unknown = changed(make_result(), params[:10], score[:10]).importance()
    assert unknown.keys() == found.keys() and all(map(math.isnan, unknown.values()))
    assert all(map(math.isnan, changed(make_result(), params, [0.5] * 300).importance().values()))
    assert changed(make_result(), [{}] * 30, np.arange(30.0)).importance() == {}


def test_that_a_hyperparameter_is_there_counts_for_what_decides_on_it():
    random = np.random.default_rng(1)
    params = [
        {"optimizer": "momentum", "momentum": float(random.uniform(0.5, 1))} if row % 2 else {"optimizer": "adam"}
        for row in range(200)
    ]
    score = [(one["optimizer"] == "adam") + 0.01 * random.normal() for one in params]
    found = changed(make_result(), params, score).importance()
    assert found["optimizer"] > 0.95 > 0.05 > found["momentum"]


def test_importance_is_the_same_for_the_same_jobs(wine):
    assert pickle.loads(pickle.dumps(wine)).importance() == wine.importance()
    assert set(wine.importance()) == {"hidden", "optimizer", "learning_rate", "momentum"}


def test_confusion_and_calibration_are_those_of_the_winner(wine):
    kept = wine.kept
    true, probabilities = kept.targets[:, 0].astype(int), kept.predictions[0]
    predicted = probabilities.argmax(axis=1)
    found = confusion_of(wine)
    assert found.labels == ["0", "1", "2"] and np.array_equal(found.counts, confusion_matrix(true, predicted))
    assert found.counts.trace() / 60 == pytest.approx(wine.best_score)
    calibration = calibration_of(wine)
    right, sure = calibration_curve(true == predicted, probabilities.max(axis=1), n_bins=10)
    assert calibration.right == pytest.approx(right) and calibration.confidence == pytest.approx(sure)
    assert calibration.weight.sum() == 60
    assert calibration.error == pytest.approx(np.average(np.abs(right - sure), weights=calibration.weight))


def test_rows_count_by_their_weights_and_many_classes_are_put_together(wine):
    random = np.random.default_rng(0)
    targets = random.integers(0, 40, (500, 1)).astype(float)
    outputs = random.dirichlet(np.ones(40), (1, 500)).astype(np.float32)
    winner = wine.kept.networks[0]
    weights = random.integers(1, 4, 500).astype(float)
    kept = dataclasses.replace(
        wine.kept, networks=(copy_with(winner, 40),), predictions=outputs, targets=targets, weights=weights
    )
    many = dataclasses.replace(wine, kept=kept)
    whole = confusion_matrix(targets[:, 0], outputs[0].argmax(axis=1), sample_weight=weights)
    found = confusion_of(many)
    shown = np.array([int(label) for label in found.labels[:-1]])
    assert len(found.labels) == MOST_CLASSES and found.labels[-1] == "others" and sorted(shown) == shown.tolist()
    assert np.array_equal(found.counts[:-1, :-1], whole[np.ix_(shown, shown)]) and found.counts.sum() == weights.sum()
    calibration, sure = calibration_of(many), outputs[0].max(axis=1).astype(float)
    right, place = outputs[0].argmax(axis=1) == targets[:, 0], np.minimum((sure * 10).astype(int), 9)
    bins = [place == each for each in np.unique(place)]
    assert calibration.weight.tolist() == pytest.approx([weights[one].sum() for one in bins])
    for found, values in ((calibration.confidence, sure), (calibration.right, right)):
        assert found.tolist() == pytest.approx([np.average(values[one], weights=weights[one]) for one in bins])
    gaps = [abs(np.average(sure[one] - right[one], weights=weights[one])) * weights[one].sum() for one in bins]
    assert calibration.error == pytest.approx(sum(gaps) / weights.sum())


def copy_with(network, classes):
    """The network as if there were so many classes."""
    other = pickle.loads(pickle.dumps(network))
    other.classes_ = np.arange(classes)
    return other


def test_residuals_are_those_of_the_winner(diabetes, wine):
    kept = diabetes.kept
    for output in (0, 1):
        found = residuals_of(diabetes, output)
        assert np.array_equal(found.true, kept.targets[:, output])
        assert found.rmse == pytest.approx(root_mean_squared_error(found.true, kept.predictions[0][:, output]))
        axes = diabetes.plot_held_out(output=output)
        (points,) = (one for one in axes.collections if isinstance(one, PathCollection))
        assert np.array_equal(points.get_offsets(), np.column_stack([found.true, found.predicted]))
    weights = np.random.default_rng(0).integers(1, 9, len(kept.targets)).astype(float)
    weighted = residuals_of(dataclasses.replace(diabetes, kept=dataclasses.replace(kept, weights=weights)), 1)
    error = root_mean_squared_error(weighted.true, weighted.predicted, sample_weight=weights)
    assert weighted.rmse == pytest.approx(error) != found.rmse
    assert weighted.bias == pytest.approx(np.average(weighted.predicted - weighted.true, weights=weights))
    for wrong in (2, -1, "y", True):
        with pytest.raises(ash.SettingError, match=r"output=.* is not allowed; there are outputs 0\.\.1"):
            diabetes.plot_held_out(output=wrong)
    with pytest.raises(ash.SettingError, match=r"output=1 is not allowed; there are outputs 0\.\.0"):
        wine.plot_held_out(output=1)
    with pytest.raises(ash.SettingError, match="plot_calibration needs probabilities"):
        diabetes.plot_calibration()


def test_a_cross_validated_run_says_that_it_has_no_predictions():
    for method in ("plot_held_out", "plot_calibration"):
        with pytest.raises(ash.SettingError, match=rf"^{method} shows .* cv= .*: pass validation= instead of cv="):
            getattr(make_result(), method)()


@pytest.mark.parametrize("method", PICTURES)
def test_it_draws_into_given_axes_and_names_a_missing_matplotlib(wine, monkeypatch, method):
    import matplotlib.pyplot as plt

    axes = getattr(wine, method)()
    axes.figure.canvas.draw()
    assert axes.get_xlabel() + "".join(map(str, axes.get_xticklabels()))
    _, own = plt.subplots()
    figures = plt.get_fignums()
    assert getattr(wine, method)(ax=own) is own and plt.get_fignums() == figures
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ash.MissingExtra, match=rf"^{method} needs matplotlib; .*pip install"):
        getattr(wine, method)()


def test_a_hyperparameter_is_drawn_with_the_best_score_of_each_candidate():
    result = make_result(candidates=32, threads=4, diverge=0.2, seed=1)
    axes = result.plot_parameter("learning_rate")
    groups = {one.get_label(): one for one in axes.collections}
    drawn = np.concatenate([one.get_offsets() for label, one in groups.items() if label != "diverged"])
    rows = [row for row in result.candidates if not math.isnan(row["score"])]
    assert sorted(map(tuple, drawn)) == sorted((row["params"]["learning_rate"], row["score"]) for row in rows)
    assert len(groups["diverged"].get_offsets()) == sum(row["diverged"] for row in result.candidates) > 0
    sizes = [groups[f"rung {rung}"].get_sizes()[0] for rung in range(5)]
    assert axes.get_xscale() == "log" and sizes == sorted(set(sizes))
    hidden = result.plot_parameter("hidden")
    assert [text.get_text() for text in hidden.get_xticklabels()] == ["16", "64", "256"]
    with pytest.raises(ash.SettingError, match=r"name='depth' is no hyperparameter .* 'learning_rate', 'hidden'"):
        result.plot_parameter("depth")


def test_candidates_without_a_hyperparameter_are_counted(wine):
    without = sum("momentum" not in one for one in wine.params)
    assert f"momentum ({without} candidates are without it)" == wine.plot_parameter("momentum").get_xlabel()
    (lines,) = (one for one in wine.plot_parallel().collections if isinstance(one, LineCollection))
    below = [line for line in lines.get_segments() if line[3][1] < 0]
    assert len(lines.get_segments()) == 48 and len(below) == without


def test_pictures_of_a_run_of_one_candidate():
    smallest = make_result(candidates=1, threads=1)
    for draw in (smallest.plot_parallel, smallest.plot_importance, lambda: smallest.plot_parameter("learning_rate")):
        draw().figure.canvas.draw()
    assert all(map(math.isnan, smallest.importance().values()))


def test_importance_is_drawn_as_it_is():
    params = [{"rate": row / 64, "width": (row * 7 % 5,), "same": 1} for row in range(64)]
    result = changed(make_result(), params, [one["rate"] + one["width"][0] / 9 for one in params])
    axes = result.plot_importance()
    found = result.importance()
    names = [text.get_text() for text in axes.get_yticklabels()]
    widths = [bar.get_width() for bar in axes.patches]
    assert dict(zip(names, widths, strict=True)) == {"rate": found["rate"], "width": found["width"]}
    assert widths == sorted(widths) and "explains" in axes.get_title()
