"""Tests data and charts of a run: ladder, timeline, scaling, importance, and the best model on held-out rows.

Where the marks of a chart are is tested in tests/report, since the report has the same charts.
"""

import base64
import dataclasses
import math
import pickle
import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.datasets import load_diabetes, load_wine
from sklearn.metrics import confusion_matrix, root_mean_squared_error

import ash
from ash._utils.display import show
from ash.history.chart_data import KINDS, barrier_cuts, ladder_points, parameter_axes, varying_axes
from ash.history.importance import importance_of
from ash.history.records import standing_of, survivors
from ash.history.validation import MOST_CLASSES, calibration_of, confusion_of, residuals_of
from ash.report.chart import SHADES
from ash.simulation.simulate import speedups_of
from report_help import SVG
from result_help import columns, make_result

CHARTS = ("plot", "plot_timeline", "plot_ladder", "plot_scaling", "plot_parallel", "plot_importance")
HELD_OUT = ("plot_held_out", "plot_calibration")


@pytest.fixture(scope="module")
def result():
    return make_result(candidates=32, n_jobs=4, diverge=0.2, random_state=1)


@pytest.fixture(scope="module")
def wine():
    space = ash.Space(
        hidden=ash.choice((16,), (32, 16), ()),
        optimizer=ash.choice("adam", "momentum"),
        learning_rate=ash.loguniform(1e-4, 1e-1),
        momentum=ash.uniform(0.5, 0.99).when(optimizer="momentum"),
    )
    return ash.tune(*load_wine(return_X_y=True), space, candidates=48, random_state=2, validation=60, verbose=0)


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return ash.tune(X, np.column_stack([y, -y]), candidates=4, random_state=0, verbose=0, validation=0.2)


def drawn(chart):
    """Return the root of the chart's SVG file."""
    return ElementTree.fromstring(chart.svg())


@pytest.mark.parametrize("method", [*CHARTS, *HELD_OUT, "plot_parameter"])
def test_a_chart_is_a_picture_in_a_notebook_and_in_a_file(result, wine, method, tmp_path):
    run, name = (result, ["hidden"]) if method == "plot_parameter" else (wine, [])
    chart = getattr(run, method)(*name)
    path = chart.save(tmp_path / "chart.svg")
    text = path.read_text(encoding="utf-8")
    assert isinstance(chart, ash.Chart) and text == chart.svg() and chart.title in repr(chart)
    root = ElementTree.fromstring(text)
    assert root[0].text == chart.title and root[1].text == chart.description
    assert not re.search(r"var\(|@import|https?://(?!www\.w3\.org/2000/svg)", text)
    width, height = (float(root.attrib[name]) for name in ("width", "height"))
    keys = re.findall(r'<g transform="translate\(([\d.]+) ([\d.]+)\)">', text)
    assert len(keys) == len(chart.keys) and all(float(x) < width and float(y) < height for x, y in keys)
    image, caption = ElementTree.fromstring(chart._repr_html_())
    assert base64.b64decode(image.attrib["src"].partition(",")[2]).decode() == text and caption.text == chart.caption
    assert chart.figure() in run.report(tmp_path / "run.html").read_text(encoding="utf-8") or name


def test_a_chart_is_saved_as_svg_alone(result, tmp_path):
    with pytest.raises(ash.SettingError, match=r"path must end in '\.svg', got 'ladder\.png'; a browser or Inkscape"):
        result.plot_ladder().save("ladder.png")
    assert not [*tmp_path.iterdir()]


def test_runs_with_one_job_are_drawn():
    smallest = make_result(candidates=1, n_jobs=1)
    for method in CHARTS:
        drawn(getattr(smallest, method)())
    drawn(smallest.plot_parameter("learning_rate"))
    assert all(map(math.isnan, smallest.hyperparameter_importance().values()))
    assert smallest.plot_importance().caption.startswith("Importance cannot be computed from 1 candidate")


def test_a_timeline_names_its_rungs_and_threads(result):
    assert [text for _, text in result.plot_timeline().keys] == [f"rung {rung}" for rung in range(5)]
    assert f"4 threads were busy for {result.utilization:.0%} of" in result.plot_timeline().caption
    assert "Hatched" in result.plot_timeline().caption
    assert "Hatched" not in make_result(candidates=8, n_jobs=1).plot_timeline().caption


def test_shades_of_rungs_get_darker():
    style = make_result(candidates=8).plot().svg()
    shades = [re.search(rf"\.r{number} {{ stroke: #(\w+); fill: #\1;", style)[1] for number in range(SHADES)]
    light = [np.dot([*bytes.fromhex(shade)], (0.2126, 0.7152, 0.0722)) for shade in shades]
    assert all(before > after for before, after in pairwise(light))


def test_the_ladder_shows_promoted_candidates(result):
    found = ladder_points(result)
    above = {(job.candidate, job.rung - 1) for job in result.jobs}
    went_up = [(job.candidate, job.rung) in above for job in result.jobs]
    scores = result.columns["score"]
    assert ((found.kind == 1) == went_up).all() and (found.x[found.kind < 2] == scores[found.kind < 2]).all()
    assert (found.kind == 3).sum() == sum(job.diverged for job in result.jobs) > 0
    assert found.x[found.kind == 3].max() < found.x[found.kind == 0].min()
    assert (np.abs(found.y - result.columns["rung"]) < 0.45).all()
    chart = result.plot_ladder()
    assert [text for _, text in chart.keys] == [*KINDS[1::-1], KINDS[3], f"the best, candidate {result.best_candidate}"]
    first = result.rungs[0]
    told = f"rung 0: {first['promoted']} of {first['finished']} promoted, recall {first['recall']:.2f}; rung 1: "
    assert chart.description.startswith(told)


def test_the_ladder_shows_the_cuts_of_a_barrier(result):
    last = [survivors(result.columns, rung, 2)[-1] for rung in range(len(result.rungs) - 1)]
    assert [*barrier_cuts(result).values()] == [result.columns["score"][row] for row in last]
    assert result.plot_ladder().svg().count('class="cut"') == len(last)


def test_one_outlier_does_not_squeeze_the_ladder(result):
    scores = result.columns["score"].copy()
    worst = np.nanargmin(scores)
    scores[worst] = -1e9
    found = ladder_points(dataclasses.replace(result, columns={**result.columns, "score": scores}))
    assert (found.kind == 2).sum() == 1 and found.left > -10
    assert not (ladder_points(result).kind == 2).any()


def test_a_ladder_of_equal_scores_is_drawn():
    result = make_result(candidates=8)
    equal = dataclasses.replace(result, columns={**result.columns, "score": np.full(len(result.jobs), 0.5)})
    assert ladder_points(equal).left < 0.5 < ladder_points(equal).right
    drawn(equal.plot_ladder())


def test_a_ladder_cut_at_the_best_score_shows_the_lower_scores(result):
    scores = np.where(result.columns["score"] > np.nanquantile(result.columns["score"], 0.2), 1.0, 0.7)
    found = ladder_points(dataclasses.replace(result, columns={**result.columns, "score": scores}))
    assert found.left < 0.7 < 1.0 < found.right and not (found.kind == 2).any()


def test_scaling_shows_the_simulation_and_its_bounds(result):
    found = speedups_of(result, [1, 2, 8])
    rows = result.simulate(threads=[1, 2, 4, 8], teams=False).rows
    work = rows[0]["work_per_thread"]
    assert found.threads == [1, 2, 4, 8] and result.threads == 4
    assert found.bound == pytest.approx([work / row["bound"] for row in rows])
    assert found.halving == pytest.approx([work / row["halving"] for row in rows])
    assert found.alone == pytest.approx([row["speedup"] for row in rows])
    assert found.measured == pytest.approx(4 * result.utilization)
    assert (found.shared is not None) == result.options.teams
    assert (
        result.plot_scaling([1, 2, 8]).svg() == result.plot_scaling([1, 2, 4, 8]).svg() != result.plot_scaling().svg()
    )
    with pytest.raises(ash.SettingError, match="threads must be an integer from 1 to"):
        result.plot_scaling("8")


def test_arguments_of_a_simulation_are_passed_on(result):
    teams, alone = (result.simulate(threads=16, teams=wish).rows[0] for wish in (True, False))
    assert teams["makespan"] < alone["makespan"] and alone["makespan"] >= alone["bound"] * (1 - 1e-9)
    with pytest.raises(ash.SettingError, match="speed"):
        result.simulate(speed=2)


def job(candidate, rung, score, diverged=False):
    return {"candidate": candidate, "rung": rung, "score": score, "diverged": diverged}


def changed(result, params, scores):
    """Return a copy of the result with one rung, in which candidate i has `params[i]` and `scores[i]`."""
    rows = [job(number, 0, score) | {"epochs": 1, "end": 1.0} for number, score in enumerate(scores)]
    return dataclasses.replace(result, params=tuple(params), columns=columns(rows))


def test_candidates_are_ranked_by_rung_then_score_with_diverged_last():
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


def test_axes_match_the_kind_of_their_domains():
    space = ash.Space(
        learning_rate=[ash.loguniform(1e-4, 1e-1).when(optimizer=("sgd", "adam")), 0.5],
        dropout=ash.uniform(0.0, 0.5, levels=3),
        batch_size=ash.integers(8, 64, 8),
        hidden=ash.choice((8, 8), (), (8,)),
        l2=ash.choice(1e-3, 0.0, 1e-5),
        optimizer=ash.choice("sgd", "momentum", "adam"),
        momentum=ash.uniform(0.5, 0.9, levels=5).when(optimizer="momentum"),
        activation="relu",
    )
    result = dataclasses.replace(make_result(), params=tuple(space.sample(400, random_state=0)), space=space)
    axes = {axis.name: axis for axis in parameter_axes(result)}
    assert {name: axis.kind for name, axis in axes.items()} == {
        **{"learning_rate": "log", "dropout": "linear", "batch_size": "linear", "hidden": "levels"},
        **{"l2": "levels", "optimizer": "levels", "momentum": "linear", "activation": "levels"},
    }
    assert axes["hidden"].values == ((), (8,), (8, 8)) and axes["hidden"].texts == ["none", "8", "8-8"]
    assert axes["optimizer"].values == ("adam", "momentum", "sgd") and axes["l2"].texts == ["0", "1e-05", "0.001"]
    logarithms = np.log(axes["learning_rate"].values)
    assert axes["learning_rate"].shares == pytest.approx((logarithms - logarithms[0]) / np.ptp(logarithms))
    assert axes["dropout"].shares.tolist() == [0, 0.5, 1] and axes["activation"].shares.tolist() == [0.5]
    assert ((axes["momentum"].level < 0) == [one["optimizer"] != "momentum" for one in result.params]).all()
    momentum = axes["momentum"].of_candidates(axes["momentum"].positions)
    assert np.array_equal(momentum, [one.get("momentum", np.nan) for one in result.params], equal_nan=True)
    assert [axis.name for axis in varying_axes(result)] == [name for name in axes if name != "activation"]
    assert [axis.name for axis in varying_axes(result, [0])] == []


def test_hyperparameters_that_determine_the_score_are_important_and_noise_is_not():
    random = np.random.default_rng(0)
    drawn = zip(random.uniform(0, 1, 300), random.normal(size=300), random.integers(0, 2, 300), strict=True)
    params = [{"rate": float(rate), "noise": float(noise), "kind": str(kind), "same": 1} for rate, noise, kind in drawn]
    score = [(2 * one["rate"] + (one["kind"] == "1")) / 3 for one in params]
    found = changed(make_result(), params, score).hyperparameter_importance()
    assert math.isnan(found["same"]) and found["rate"] > found["kind"] > 0.1 and found["noise"] < 0.01
    assert sum(found[name] for name in ("rate", "noise", "kind")) == pytest.approx(1)
    nothing = changed(make_result(), params, random.normal(size=300))
    assert importance_of(nothing).explained < 0.1
    unknown = changed(make_result(), params[:10], score[:10]).hyperparameter_importance()
    assert unknown.keys() == found.keys() and all(map(math.isnan, unknown.values()))
    assert all(map(math.isnan, changed(make_result(), params, [0.5] * 300).hyperparameter_importance().values()))
    assert changed(make_result(), [{}] * 30, np.arange(30.0)).hyperparameter_importance() == {}


def test_the_presence_of_a_hyperparameter_counts_for_the_one_that_decides_it():
    random = np.random.default_rng(1)
    params = [
        {"optimizer": "momentum", "momentum": float(random.uniform(0.5, 1))} if row % 2 else {"optimizer": "adam"}
        for row in range(200)
    ]
    score = [(one["optimizer"] == "adam") + 0.01 * random.normal() for one in params]
    found = changed(make_result(), params, score).hyperparameter_importance()
    assert found["optimizer"] > 0.95 > 0.05 > found["momentum"]


def test_importance_is_the_same_for_the_same_jobs(wine):
    assert pickle.loads(pickle.dumps(wine)).hyperparameter_importance() == wine.hyperparameter_importance()
    assert set(wine.hyperparameter_importance()) == {"hidden", "optimizer", "learning_rate", "momentum"}


def test_confusion_and_calibration_match_the_winner(wine):
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


def test_rows_are_weighted_and_many_classes_are_merged(wine):
    random = np.random.default_rng(0)
    targets = random.integers(0, 40, (500, 1)).astype(float)
    outputs = random.dirichlet(np.ones(40), (1, 500)).astype(np.float32)
    winner = wine.kept.networks[0]
    weights = random.integers(1, 4, 500).astype(float)
    kept = dataclasses.replace(
        wine.kept, members=((copy_with(winner, 40),),), predictions=outputs, targets=targets, weights=weights
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
    """Return a copy of the network with the given number of classes."""
    other = pickle.loads(pickle.dumps(network))
    other.classes_ = np.arange(classes)
    return other


def test_residuals_match_the_winner(diabetes, wine):
    kept = diabetes.kept
    for output in (0, 1):
        found = residuals_of(diabetes, output)
        assert np.array_equal(found.true, kept.targets[:, output])
        assert found.rmse == pytest.approx(root_mean_squared_error(found.true, kept.predictions[0][:, output]))
        assert f"root mean squared error {show(found.rmse)}" in diabetes.plot_held_out(output=output).caption
    weights = np.random.default_rng(0).integers(1, 9, len(kept.targets)).astype(float)
    weighted = residuals_of(dataclasses.replace(diabetes, kept=dataclasses.replace(kept, weights=weights)), 1)
    error = root_mean_squared_error(weighted.true, weighted.predicted, sample_weight=weights)
    assert weighted.rmse == pytest.approx(error) != found.rmse
    assert weighted.bias == pytest.approx(np.average(weighted.predicted - weighted.true, weights=weights))
    for wrong in (2, -1, "y", True):
        with pytest.raises(ash.SettingError, match="output must be an integer from 0 to 1, got "):
            diabetes.plot_held_out(output=wrong)
    with pytest.raises(ash.SettingError, match="output must be an integer from 0 to 0, got 1"):
        wine.plot_held_out(output=1)
    with pytest.raises(ash.SettingError, match="plot_calibration needs probabilities"):
        diabetes.plot_calibration()


def test_a_result_without_predictions_says_so():
    for method in ("plot_held_out", "plot_calibration"):
        with pytest.raises(ash.SettingError, match=rf"^{method} needs the predictions .*: call it before pickling"):
            getattr(make_result(), method)()


def test_a_hyperparameter_is_drawn_with_the_best_score_of_each_candidate():
    result = make_result(candidates=32, n_jobs=4, diverge=0.2, random_state=1)
    picture = drawn(result.plot_parameter("learning_rate"))
    marks = {int(one.attrib["data-c"]): one for one in picture.iter() if "data-c" in one.attrib}
    assert set(marks) == set(range(32))
    rows = [row for row in result.candidates if marks[row["candidate"]].tag == f"{SVG}circle"]
    lost = [mark for mark in marks.values() if mark.attrib.get("class") == "cross"]
    assert len(lost) == sum(row["diverged"] and math.isnan(row["score"]) for row in result.candidates) > 0
    for name, values in (
        ("cx", [math.log(row["params"]["learning_rate"]) for row in rows]),
        ("cy", [-row["score"] for row in rows]),
    ):
        places = [float(marks[row["candidate"]].attrib[name]) for row in rows]
        assert np.corrcoef(places, values)[0, 1] == pytest.approx(1, abs=1e-3)
    sizes = {row["rungs"]: float(marks[row["candidate"]].attrib["r"]) for row in rows}
    assert [sizes[rungs] for rungs in sorted(sizes)] == sorted(set(sizes.values())) and len(sizes) > 2
    assert {"16", "64", "256"} < {one.text for one in drawn(result.plot_parameter("hidden")).iter(f"{SVG}text")}
    with pytest.raises(
        ash.SettingError,
        match="name must be a hyperparameter of this run, one of 'learning_rate', 'hidden', got 'depth'",
    ):
        result.plot_parameter("depth")


def test_candidates_without_a_hyperparameter_are_counted(wine):
    without = sum("momentum" not in one for one in wine.params)
    assert f"{without} without it" in {one.text for one in drawn(wine.plot_parameter("momentum")).iter(f"{SVG}text")}


def test_the_chart_of_importance_matches_the_numbers():
    params = [{"rate": row / 64, "width": (row * 7 % 5,), "same": 1} for row in range(64)]
    result = changed(make_result(), params, [one["rate"] + one["width"][0] / 9 for one in params])
    chart, found = result.plot_importance(), result.hyperparameter_importance()
    widths = [float(one.attrib["width"]) for one in drawn(chart).iter(f"{SVG}rect") if one.get("class") == "bar"]
    assert widths == sorted(widths, reverse=True) and "explains" in chart.caption
    assert widths[1] / widths[0] == pytest.approx(
        min(found["rate"], found["width"]) / max(found["rate"], found["width"]), abs=1e-3
    )
    best = max(("rate", "width"), key=found.get)
    assert chart.description.startswith(f"{best} {100 * found[best]:.0f}\u202f%, ")
