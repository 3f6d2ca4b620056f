"""Tests data and plots of a run: ladder, timeline, scaling, importance, and the best model on held-out rows.

Plots must show what happened, cut nothing off, and draw large runs with few artists.
"""

import dataclasses
import math
import pickle
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from sklearn.calibration import calibration_curve
from sklearn.datasets import load_diabetes, load_wine
from sklearn.metrics import confusion_matrix, root_mean_squared_error

import ash
from ash.history.chart_data import parameter_axes, varying_axes
from ash.history.importance import importance_of
from ash.history.records import standing_of, survivors
from ash.history.validation import MOST_CLASSES, calibration_of, confusion_of, residuals_of
from result_help import columns, make_result

matplotlib.use("Agg")
PICTURES = ("plot", "plot_timeline", "plot_ladder", "plot_scaling")
OF_PARAMETERS = ("plot_parallel", "plot_importance")
HELD_OUT = ("plot_held_out", "plot_calibration")


@pytest.fixture(scope="module")
def result():
    return make_result(candidates=32, threads=4, diverge=0.2, seed=1)


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
    return ash.tune(X, np.column_stack([y, -y]), candidates=4, seed=0, progress=False, validation=0.2)


@pytest.fixture(autouse=True)
def close_figures():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def bars(collection):
    """Return (thread, start, end) of each rectangle, sorted."""
    corners = [path.vertices[:4] for path in collection.get_paths()]
    return sorted((round(one[:, 1].mean()), one[:, 0].min(), one[:, 0].max()) for one in corners)


def points(axes):
    """Return a dict from the legend label of each scatter plot in the axes to the positions of its points."""
    return {
        one.get_label(): np.asarray(one.get_offsets()) for one in axes.collections if isinstance(one, PathCollection)
    }


def inside(axes):
    """Return whether the axes, including legend and labels, are completely inside the figure."""
    figure = axes.figure
    figure.canvas.draw()
    box, page = axes.get_tightbbox(), figure.bbox
    return page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1 and page.y0 - 1 <= box.y0 and box.y1 <= page.y1 + 1


@pytest.mark.parametrize("method", [*PICTURES, *OF_PARAMETERS, *HELD_OUT])
def test_a_plot_fits_its_figure_and_accepts_given_axes(result, wine, method):
    import matplotlib.pyplot as plt

    draw = getattr(wine if method in HELD_OUT else result, method)
    axes = draw()
    assert inside(axes) and axes.get_xlabel() + "".join(map(str, axes.get_xticklabels()))
    assert axes.get_ylabel() + "".join(map(str, axes.get_yticklabels()))
    _, own = plt.subplots()
    figures = plt.get_fignums()
    assert draw(ax=own) is own and plt.get_fignums() == figures


@pytest.mark.parametrize("method", PICTURES[:3])
def test_runs_with_one_thread_or_few_jobs_are_drawn(method):
    smallest = make_result(candidates=1, threads=1)
    assert inside(getattr(smallest, method)())
    assert inside(getattr(make_result(candidates=40, threads=3, diverge=0.9, seed=1), method)())


def test_the_timeline_has_one_bar_per_job_and_per_assist(result):
    axes = result.plot_timeline()
    jobs, assists = (one for one in axes.collections if isinstance(one, PolyCollection))
    assert bars(jobs) == sorted((job.thread, job.start, job.end) for job in result.jobs)
    helped = zip(*(result.assists[name].tolist() for name in ("thread", "start", "end")), strict=True)
    assert bars(assists) == sorted(helped) and assists.get_hatch() and not jobs.get_hatch()
    colors = {job.rung: set() for job in result.jobs}
    for job, color in zip(result.jobs, jobs.get_facecolors(), strict=True):
        colors[job.rung].add(tuple(color))
    assert all(len(own) == 1 for own in colors.values()) and len(set.union(*colors.values())) == 5
    assert labels(axes) == [*(f"rung {rung}" for rung in range(5)), "in a team"]
    assert f"4 threads, {result.utilization:.0%} busy" in axes.get_title()
    assert axes.get_ylim()[0] > axes.get_ylim()[1] and axes.get_xlim()[1] >= max(job.end for job in result.jobs)


def test_a_timeline_without_teams_is_drawn(result):
    alone = make_result(candidates=8, threads=1)
    axes = alone.plot_timeline()
    assert len(axes.collections) == 1 and "in a team" not in labels(axes)
    assert [*axes.get_yticks()] == [0] and axes.get_title().startswith("1 thread, ")
    wide = make_result(candidates=64, threads=64)
    assert len(wide.plot_timeline().get_yticks()) <= 16


def test_colors_of_rungs_get_brighter():
    from ash.plots.axes import rung_colors

    light = [np.dot(color[:3], (0.2126, 0.7152, 0.0722)) for color in rung_colors(12)]
    assert all(before < after for before, after in pairwise(light)) and len(rung_colors(1)) == 1


def test_the_ladder_shows_promoted_candidates(result):
    axes = result.plot_ladder()
    found = points(axes)
    above = {(job.candidate, job.rung - 1) for job in result.jobs}
    went_up = [job for job in result.jobs if (job.candidate, job.rung) in above]
    assert sorted(found["promoted"][:, 0]) == sorted(job.score for job in went_up)
    assert len(found["diverged"]) == sum(job.diverged for job in result.jobs) > 0
    assert sum(map(len, found.values())) == len(result.jobs)
    assert found["diverged"][:, 0].max() < found["waiting"][:, 0].min()
    for kind in found.values():
        assert (np.abs(kind[:, 1] - kind[:, 1].round()) < 0.45).all()
    assert f"the best, candidate {result.best_candidate}" in labels(axes)
    way, star = axes.lines
    own = [job for job in result.jobs if job.candidate == result.best_candidate]
    assert [*way.get_xdata()] == [job.score for job in own] and [*star.get_xdata()] == [result.best_score]


def test_the_ladder_shows_the_cuts_of_a_barrier(result):
    axes = result.plot_ladder()
    (cuts,) = (one for one in axes.collections if isinstance(one, LineCollection))
    last = [survivors(result.columns, rung, 2)[-1] for rung in range(len(result.rungs) - 1)]
    assert [line[0][0] for line in cuts.get_segments()] == [result.columns["score"][row] for row in last]
    axes.figure.canvas.draw()
    right = [text.get_text() for text in axes.child_axes[0].get_yticklabels()]
    first = result.rungs[0]
    assert right[0] == f"{first['promoted']} of {first['finished']} promoted\nrecall {first['recall']:.2f}"
    assert right[-1] == f"{result.rungs[-1]['finished']} finished"
    assert axes.get_yticklabels()[0].get_text() == "rung 0\n1 epoch"


def test_one_outlier_does_not_squeeze_the_ladder(result):
    scores = result.columns["score"].copy()
    worst = np.nanargmin(scores)
    scores[worst] = -1e9
    axes = dataclasses.replace(result, columns={**result.columns, "score": scores}).plot_ladder()
    assert len(points(axes)["worse than shown"]) == 1 and axes.get_xlim()[0] > -10
    assert "worse than shown" not in labels(result.plot_ladder())


def test_a_ladder_of_equal_scores_is_drawn():
    result = make_result(candidates=8)
    equal = dataclasses.replace(result, columns={**result.columns, "score": np.full(len(result.jobs), 0.5)})
    low, high = equal.plot_ladder().get_xlim()
    assert low < 0.5 < high


def test_a_ladder_cut_at_the_best_score_shows_the_lower_scores(result):
    scores = np.where(result.columns["score"] > np.nanquantile(result.columns["score"], 0.2), 1.0, 0.7)
    axes = dataclasses.replace(result, columns={**result.columns, "score": scores}).plot_ladder()
    assert axes.get_xlim()[0] < 0.7 < 1.0 < axes.get_xlim()[1] and "worse than shown" not in labels(axes)


def test_scaling_shows_the_simulation_and_its_bounds(result):
    axes = result.plot_scaling(threads=[1, 2, 4, 8])
    rows = result.simulate(threads=[1, 2, 4, 8], teams=False).rows
    with_teams, without, barriers, simulated, *shared, star = axes.lines
    assert [*with_teams.get_xdata()] == [1, 2, 4, 8] == [*with_teams.get_ydata()]
    work = rows[0]["work_per_thread"]
    assert without.get_ydata() == pytest.approx([work / row["bound"] for row in rows])
    assert barriers.get_ydata() == pytest.approx([work / row["halving"] for row in rows])
    assert simulated.get_ydata() == pytest.approx([row["speedup"] for row in rows])
    assert star.get_xdata() == [4] and star.get_ydata() == pytest.approx([4 * result.utilization])
    assert len(shared) == result.options.teams and len(labels(axes)) == 5 + len(shared)
    assert [*result.plot_scaling().lines[0].get_xdata()] == [row["threads"] for row in result.simulate().rows]


def test_arguments_of_a_simulation_are_passed_on(result):
    teams, alone = (result.simulate(threads=16, teams=wish).rows[0] for wish in (True, False))
    assert teams["makespan"] < alone["makespan"] and alone["makespan"] >= alone["bound"] * (1 - 1e-9)
    with pytest.raises(ash.SettingError, match="speed"):
        result.simulate(speed=2)


def test_ten_thousand_jobs_are_drawn_with_few_artists():
    result = make_result(candidates=5000, threads=16, teams=False)
    assert len(result.jobs) > 9000
    for method in PICTURES[:3]:
        axes = getattr(result, method)()
        assert len(axes.collections) + len(axes.lines) + len(axes.patches) < 10
        axes.figure.canvas.draw()


def test_plots_of_a_real_run_fit_their_figures():
    X, y = load_wine(return_X_y=True)
    result = ash.tune(X, y, candidates=16, threads=2, seed=1, progress=False, validation=0.2)
    for method in PICTURES:
        assert inside(getattr(result, method)())


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
    found = changed(make_result(), params, score).importance()
    assert math.isnan(found["same"]) and found["rate"] > found["kind"] > 0.1 and found["noise"] < 0.01
    assert sum(found[name] for name in ("rate", "noise", "kind")) == pytest.approx(1)
    nothing = changed(make_result(), params, random.normal(size=300))
    assert importance_of(nothing).explained < 0.1
    unknown = changed(make_result(), params[:10], score[:10]).importance()
    assert unknown.keys() == found.keys() and all(map(math.isnan, unknown.values()))
    assert all(map(math.isnan, changed(make_result(), params, [0.5] * 300).importance().values()))
    assert changed(make_result(), [{}] * 30, np.arange(30.0)).importance() == {}


def test_the_presence_of_a_hyperparameter_counts_for_the_one_that_decides_it():
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
        axes = diabetes.plot_held_out(output=output)
        (points,) = (one for one in axes.collections if isinstance(one, PathCollection))
        assert np.array_equal(points.get_offsets(), np.column_stack([found.true, found.predicted]))
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
    with pytest.raises(
        ash.SettingError,
        match="name must be a hyperparameter of this run, one of 'learning_rate', 'hidden', got 'depth'",
    ):
        result.plot_parameter("depth")


def test_candidates_without_a_hyperparameter_are_counted(wine):
    without = sum("momentum" not in one for one in wine.params)
    assert f"momentum ({without} candidates do not have it)" == wine.plot_parameter("momentum").get_xlabel()
    (lines,) = (one for one in wine.plot_parallel().collections if isinstance(one, LineCollection))
    below = [line for line in lines.get_segments() if line[3][1] < 0]
    assert len(lines.get_segments()) == 48 and len(below) == without


def test_parameters_of_a_single_candidate_are_drawn():
    smallest = make_result(candidates=1, threads=1)
    for draw in (smallest.plot_parallel, smallest.plot_importance, lambda: smallest.plot_parameter("learning_rate")):
        draw().figure.canvas.draw()
    assert all(map(math.isnan, smallest.importance().values()))


def test_the_plot_of_importance_matches_the_numbers():
    params = [{"rate": row / 64, "width": (row * 7 % 5,), "same": 1} for row in range(64)]
    result = changed(make_result(), params, [one["rate"] + one["width"][0] / 9 for one in params])
    axes = result.plot_importance()
    found = result.importance()
    names = [text.get_text() for text in axes.get_yticklabels()]
    widths = [bar.get_width() for bar in axes.patches]
    assert dict(zip(names, widths, strict=True)) == {"rate": found["rate"], "width": found["width"]}
    assert widths == sorted(widths) and "explains" in axes.get_title()
