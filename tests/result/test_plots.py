"""Pictures of runs: what is drawn is what happened, nothing is cut off, and large runs are drawn in a moment."""

import dataclasses
import sys
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from sklearn.datasets import load_wine

import ash
from ash.history.records import survivors
from result_help import make_result

matplotlib.use("Agg")
PICTURES = ("plot", "plot_timeline", "plot_ladder", "plot_scaling")


@pytest.fixture(scope="module")
def result():
    return make_result(candidates=32, threads=4, diverge=0.2, seed=1)


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
    """Return the positions of each kind of point by its name in the legend."""
    return {
        one.get_label(): np.asarray(one.get_offsets()) for one in axes.collections if isinstance(one, PathCollection)
    }


def inside(axes):
    """Nothing of the axes, legend and labels included, reaches beyond the figure."""
    figure = axes.figure
    figure.canvas.draw()
    box, page = axes.get_tightbbox(), figure.bbox
    return page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1 and page.y0 - 1 <= box.y0 and box.y1 <= page.y1 + 1


@pytest.mark.parametrize("method", PICTURES)
def test_it_fits_into_its_figure_and_into_given_axes(result, method):
    import matplotlib.pyplot as plt

    axes = getattr(result, method)()
    assert inside(axes) and axes.get_xlabel() and axes.get_ylabel() + "".join(map(str, axes.get_yticklabels()))
    _, own = plt.subplots()
    figures = plt.get_fignums()
    assert getattr(result, method)(ax=own) is own and plt.get_fignums() == figures


@pytest.mark.parametrize("method", PICTURES)
def test_a_missing_matplotlib_is_named(result, monkeypatch, method):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ash.MissingExtra, match=rf"^{method} needs matplotlib; .*pip install"):
        getattr(result, method)()


@pytest.mark.parametrize("method", [*PICTURES[:3]])
def test_runs_of_one_thread_and_few_jobs(method):
    smallest = make_result(candidates=1, threads=1)
    assert inside(getattr(smallest, method)())
    assert inside(getattr(make_result(candidates=40, threads=3, diverge=0.9, seed=1), method)())


def test_timeline_has_a_bar_a_job_and_a_bar_an_assist(result):
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


def test_timeline_without_teams(result):
    alone = make_result(candidates=8, threads=1)
    axes = alone.plot_timeline()
    assert len(axes.collections) == 1 and "in a team" not in labels(axes)
    assert [*axes.get_yticks()] == [0] and axes.get_title().startswith("1 thread, ")
    wide = make_result(candidates=64, threads=64)
    assert len(wide.plot_timeline().get_yticks()) <= 16


def test_rungs_get_brighter():
    from ash.plots.axes import rung_colors

    light = [np.dot(color[:3], (0.2126, 0.7152, 0.0722)) for color in rung_colors(12)]
    assert all(before < after for before, after in pairwise(light)) and len(rung_colors(1)) == 1


def test_ladder_shows_who_went_up(result):
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


def test_ladder_shows_what_a_barrier_would_cut(result):
    axes = result.plot_ladder()
    (cuts,) = (one for one in axes.collections if isinstance(one, LineCollection))
    last = [survivors(result.columns, rung, 2)[-1] for rung in range(len(result.rungs) - 1)]
    assert [line[0][0] for line in cuts.get_segments()] == [result.columns["score"][row] for row in last]
    axes.figure.canvas.draw()
    right = [text.get_text() for text in axes.child_axes[0].get_yticklabels()]
    first = result.rungs[0]
    assert right[0] == f"{first['promoted']} of {first['finished']} went up\nrecall {first['recall']:.2f}"
    assert right[-1] == f"{result.rungs[-1]['finished']} finished"
    assert axes.get_yticklabels()[0].get_text() == "rung 0\n1 epoch"


def test_one_terrible_score_does_not_squeeze_the_ladder(result):
    scores = result.columns["score"].copy()
    worst = np.nanargmin(scores)
    scores[worst] = -1e9
    axes = dataclasses.replace(result, columns={**result.columns, "score": scores}).plot_ladder()
    assert len(points(axes)["worse than shown"]) == 1 and axes.get_xlim()[0] > -10
    assert "worse than shown" not in labels(result.plot_ladder())


def test_ladder_of_equal_scores():
    result = make_result(candidates=8)
    equal = dataclasses.replace(result, columns={**result.columns, "score": np.full(len(result.jobs), 0.5)})
    low, high = equal.plot_ladder().get_xlim()
    assert low < 0.5 < high


def test_ladder_whose_cut_is_the_best_score_shows_the_rest_at_its_place(result):
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


def test_changes_of_a_simulation_are_handed_on(result):
    teams, alone = (result.simulate(threads=16, teams=wish).rows[0] for wish in (True, False))
    assert teams["makespan"] < alone["makespan"] and alone["makespan"] >= alone["bound"] * (1 - 1e-9)
    with pytest.raises(ash.SettingError, match="speed"):
        result.simulate(speed=2)


def test_ten_thousand_jobs_are_a_handful_of_artists():
    result = make_result(candidates=5000, threads=16, teams=False)
    assert len(result.jobs) > 9000
    for method in PICTURES[:3]:
        axes = getattr(result, method)()
        assert len(axes.collections) + len(axes.lines) + len(axes.patches) < 10
        axes.figure.canvas.draw()


def test_pictures_of_a_real_run():
    X, y = load_wine(return_X_y=True)
    result = ash.tune(X, y, candidates=16, threads=2, seed=1, progress=False)
    for method in PICTURES:
        assert inside(getattr(result, method)())
