"""Tests the report's file: it shows the run, hostile names have no effect, and equal results give equal bytes."""

import dataclasses
import math
import pickle
import re
from itertools import pairwise

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine

import ash
from ash._utils.display import show, show_param, show_seconds
from ash.history.chart_data import ladder_points, lines_of
from ash.history.importance import importance_of
from ash.history.records import curves
from ash.report import story, threads
from ash.report.candidates import parameter_bins, score_bins
from ash.report.chart import Scale
from ash.report.markup import Markup, escape, join, tag
from ash.report.page import OF_TIME, SECTIONS, page
from ash.report.story import MOST_DRAWN, Story, thinned
from ash.simulation.simulate import speedups_of
from config_help import configured, split_once
from function_help import FAILURES
from report_help import HOSTILE, SVG, Outline, data, group, hostile_result, pictures, section, table, with_predictions
from result_help import columns, make_result

CHARTS = {"ladder-chart", "curves-chart", "parallel-chart", "timeline-chart", "scaling-chart"}
NAMES = [one.__name__ for one in SECTIONS]


@pytest.fixture(scope="module")
def wine():
    return ash.tune(*load_wine(return_X_y=True), candidates=24, random_state=1, n_jobs=2, verbose=0, validation=0.2)


@pytest.fixture(scope="module")
def made():
    return with_predictions(make_result(candidates=32, n_jobs=4, diverge=0.2, random_state=1), ["a", "b", "c"])


def test_the_report_is_one_complete_file(wine, tmp_path):
    path = wine.report(tmp_path / "run.html")
    assert path == tmp_path / "run.html" and [*tmp_path.iterdir()] == [path]
    text = path.read_text(encoding="utf-8")
    outline = Outline(text)
    assert text == page(wine) and text.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert len(outline.ids) == len(set(outline.ids))
    assert {link[1:] for link in outline.links} <= set(outline.ids) and all(link[0] == "#" for link in outline.links)
    assert [name for kind, own in outline.elements if kind == "section" for name in [own["id"]]] == NAMES
    assert pictures(text).keys() >= CHARTS | {"confusion-chart", "calibration-chart", "parameter-0"}


def test_f111_nothing_is_loaded_from_elsewhere(wine):
    text = page(wine)
    outline = Outline(text)
    addresses = [own[name] for _, own in outline.elements for name in ("src", "href", "action") if own.get(name)]
    assert all(address.startswith("#") or address == "data:," for address in addresses)
    assert not re.search(r"url\((?!#hatch\))|@import|https?://(?!www\.w3\.org/2000/svg)", text)
    assert not any(name.startswith("on") or name == "style" for _, own in outline.elements for name in own)
    (policy,) = (own["content"] for _, own in outline.elements if own.get("http-equiv"))
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe" not in policy


def test_headings_are_in_order_and_charts_have_descriptions(made):
    text = page(made)
    levels = [level for level, _ in Outline(text).headings]
    assert levels[0] == 1 and levels.count(1) == 1 and set(levels) == {1, 2, 3}
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for name, picture in pictures(text).items():
        title, description = picture[0], picture[1]
        assert picture.get("role") == "img" and picture.get("aria-labelledby") == f"{name}-title {name}-desc"
        assert title.text and description.text
    for name in NAMES:
        assert re.search(r"<figcaption>.+|<p[ >].+|<table", section(text, name), re.DOTALL)


def test_the_ladder_has_one_mark_per_job_and_one_row_per_rung(made):
    text = page(made)
    picture = pictures(text)["ladder-chart"]
    points = ladder_points(made)
    for kind, classes in enumerate(("waiting", "promoted", "worse", "diverged")):
        drawn = [int(mark.attrib["data-c"]) for mark in group(picture, f"marks {classes}")]
        assert drawn == made.columns["candidate"][points.kind == kind].tolist()
    promoted = group(picture, "marks promoted")
    x = [float(mark.attrib["cx"]) for mark in promoted]
    assert np.corrcoef(x, points.x[points.kind == 1])[0, 1] == pytest.approx(1, abs=1e-4)
    head, *rows = table(text, "Results of each rung")
    assert head[:6] == ["rung", "epochs", "places", "finished", "promoted", "diverged"]
    for row, rung in zip(rows, made.rungs, strict=True):
        assert [int(cell) for cell in row[:6]] == [rung[name] for name in head[:6]]
        assert row[-1] == show(rung["best_score"])


def test_parameters_and_importance_match_the_run():
    random = np.random.default_rng(0)
    params = tuple({"rate": float(rate), "width": (int(rate * 7) % 3,)} for rate in random.uniform(0.1, 1, 60))
    rows = [
        {"candidate": number, "rung": 0, "epochs": 1, "score": one["rate"], "end": 1.0, "core_seconds": 1.0}
        for number, one in enumerate(params)
    ]
    result = dataclasses.replace(make_result(candidates=60), params=params, columns=columns(rows), best_candidate=3)
    text = page(result)
    shares = importance_of(result).shares
    assert [row[0] for row in table(text, "Importance of hyperparameters")[1:]] == sorted(
        shares, key=shares.get, reverse=True
    )
    panel = pictures(text)["parameter-0"]
    points = [one for one in panel.iter(f"{SVG}circle") if "data-c" in one.attrib]
    assert {int(one.attrib["data-c"]) for one in points} == set(range(60)) - {3}
    assert f"{100 * shares['rate']:.0f}\u202f%" in section(text, "importance")


@pytest.mark.filterwarnings(*FAILURES)
@pytest.mark.parametrize("best_rung", [2, 3])
def test_the_rung_of_the_best_score_is_the_same_everywhere(best_rung):
    """Include a candidate that has no score in its highest rung. Rungs are numbered from 0."""
    scores = {0: 0.5, 1: 0.6, 2: 0.7, 3: 0.8 if best_rung == 3 else math.nan}
    found = ash.tune_function(
        lambda params, epochs, state: (scores[(epochs.bit_length() - 1)] + params["a"] / 1e4, None),
        {"a": [*range(16)]},
        candidates=16,
        config=ash.SearchConfig(max_rungs=4),
        random_state=0,
        n_jobs=1,
        verbose=0,
    )
    assert found.best_rung == best_rung and f"in rung {best_rung}\n" in repr(found)
    text = page(found)
    further = "" if best_rung == 3 else ", and had no score in rung 3"
    assert f" in rung {best_rung}{further}. The search completed." in section(text, "overview")
    head, first, *_ = table(text, "Candidates, the best first")
    assert first[head.index("highest rung")].split()[0] == "3" and max(data(text)["rungs"]) == 3
    assert [row[0] for row in table(text, "Results of each rung")[1:]] == ["0", "1", "2", "3"]
    assert [row["rung"] for row in found.rungs] == [0, 1, 2, 3]
    if best_rung == 3:  # the best network may have its best score below its highest rung
        assert "in rung 2, and scored lower in rung 3." in section(
            page(dataclasses.replace(found, best_rung=2)), "overview"
        )


def test_labels_of_the_parallel_coordinates_have_a_background(made):
    picture = pictures(page(made))["parallel-chart"]
    grounds = [one for one in picture.iter(f"{SVG}rect") if one.attrib["class"] == "ground"]
    texts = [one for one in picture.iter(f"{SVG}text") if one.attrib.get("class") != "name"]
    assert len(grounds) == len(texts) > 6
    for ground, text in zip(grounds, texts, strict=True):
        x, y, width, height = (float(ground.attrib[name]) for name in ("x", "y", "width", "height"))
        assert x < float(text.attrib["x"]) < x + width and y < float(text.attrib["y"]) < y + height


def test_importance_is_called_importance_of_hyperparameters(wine):
    assert page(wine).count('<a href="#importance">Importance of hyperparameters</a>') == 1


def test_scaling_matches_the_simulation(made):
    text = page(made)
    head, *rows = table(text, "Speed-up by threads")
    found = speedups_of(made, [int(row[0]) for row in rows])
    assert made.threads in found.threads and head[5] == "simulated, without teams"
    assert [float(row[5]) for row in rows] == pytest.approx(found.alone, abs=0.006)
    assert [float(row[3]) for row in rows] == pytest.approx(found.bound, abs=0.006)


def test_times_on_other_threads_follow_from_the_speed_up(made):
    _, *rows = table(page(made), "Speed-up by threads")
    took = {int(row[0]): row[1] for row in rows}
    assert took[made.threads] == show_seconds(made.wall_seconds)
    found = speedups_of(made, [*took])
    gains = dict(zip(found.threads, found.alone if found.shared is None else found.shared, strict=True))
    assert all(took[count] == show_seconds(made.wall_seconds * gains[made.threads] / gains[count]) for count in took)
    assert f"by simulation the same jobs take {took[8]} on 8 and {took[64]} on 64. No schedule" in page(made)


def test_candidates_are_listed_with_the_best_first(made):
    text = page(made)
    head, *rows = table(text, "Candidates")
    assert [int(row[0]) for row in rows] == Story(made).ranked.tolist() and int(rows[0][0]) == made.best_candidate
    for row in rows:
        own = made.candidates[int(row[0])]
        assert row[4] == ("\u2013" if math.isnan(own["score"]) else show(own["score"]))
        assert row[head.index("learning_rate")] == f"{own['params']['learning_rate']:g}"
    known = data(text)
    assert known["numbers"] == [int(row[0]) for row in rows] and known["best"] == made.best_candidate
    jobs = {number: [] for number in known["numbers"]}
    for job in made.jobs:
        jobs[job.candidate].append([job.rung, job.epochs, "diverged" if job.diverged else show(job.score)])
    assert [[job[:3] for job in own] for own in known["jobs"]] == [*jobs.values()]
    for number, levels in zip(known["numbers"], known["levels"], strict=True):
        shown = {name: known["texts"][axis][levels[axis]] for axis, name in enumerate(known["names"])}
        assert shown["learning_rate"] == f"{made.params[number]['learning_rate']:g}"


def test_the_bins_of_an_axis_contain_what_their_labels_say():
    space = ash.Space(
        optimizer=ash.choice("adam", "momentum"),
        learning_rate=ash.loguniform(1e-4, 1.0),
        momentum=ash.uniform(0.5, 0.9, levels=3).when(optimizer="momentum"),
    )
    made = space.sample(80, random_state=0)
    axes = {axis.name: axis for axis in Story(dataclasses.replace(make_result(), params=tuple(made), space=space)).axes}
    momentum = parameter_bins(axes["momentum"])
    assert momentum.labels == ["0.5", "0.7", "0.9", "not set"]
    for one, part in zip(made, momentum.of_candidate.tolist(), strict=True):
        assert momentum.labels[part] == f"{one['momentum']:g}" if "momentum" in one else part == 3
    rate = parameter_bins(axes["learning_rate"])
    for one, part in zip(made, rate.of_candidate.tolist(), strict=True):
        low, _, high = rate.labels[part].partition(" to ")
        assert float(low) <= float(show_param(one["learning_rate"])) <= float(high or low)
    scores = np.array([0.0, 0.5, np.nan, 1.0])
    assert score_bins(scores, scores).of_candidate.tolist() == [0, 1, -1, 2]


def test_hostile_names_are_shown_as_text():
    text = page(hostile_result())
    outline = Outline(text)
    assert not {"img", "b"} & {kind for kind, _ in outline.elements}
    assert text.count("</script>") == 2 and "\x00" not in text
    text.encode("utf-8")
    assert all(picture.tag == f"{SVG}svg" for picture in pictures(text).values())
    known = data(text)
    assert HOSTILE in known["names"] and known["metric"] == HOSTILE
    labels = [row[0] for row in table(text, "Confusion matrix")[1:]]
    assert labels[0] == HOSTILE.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")


def test_markup_escapes_everything_that_is_not_markup():
    assert tag("td", "<b>", Markup("<i></i>"), 3, None, ["&"], class_='a"b', data_c=1, hidden=True, role=None) == (
        '<td class="a&quot;b" data-c="1" hidden="">&lt;b&gt;<i></i>3&amp;</td>'
    )
    assert tag("circle", r=2.04) == '<circle r="2"/>' and join("a", None, Markup("&amp;")) == "a&amp;"
    assert escape("\x07\ufffe\udfff\t\n") == "\ufffd\ufffd\ufffd\t\n"


def test_scales_map_values_correctly_and_ticks_are_round():
    assert Scale(0, 10, 100, 200).at(5) == 150 and Scale(1, 100, 0, 10, log=True).at(10) == pytest.approx(5)
    assert Scale(3, 3, 0, 10).at(3) == 5 and Scale(3.5, -0.5, 40, 0).at(3) == 35
    assert Scale(0.813, 0.998, 0, 1).ticks() == [(0.85, "0.85"), (0.9, "0.9"), (0.95, "0.95")]
    assert [text for _, text in Scale(-20, 90, 0, 1).ticks()] == ["-20", "0", "20", "40", "60", "80"]
    assert [text for _, text in Scale(1e-4, 0.1, 0, 1, log=True).ticks(4)] == ["0.0001", "0.001", "0.01", "0.1"]
    assert [text for _, text in Scale(0.2, 0.3, 0, 1, log=True).ticks()] == ["0.2"]
    random = np.random.default_rng(0)
    for low, length in zip(random.normal(size=200) * 1e3, 10 ** random.uniform(-6, 6, 200), strict=True):
        ticks = [value for value, _ in Scale(low, low + length, 0, 1).ticks(6)]
        assert 2 <= len(ticks) <= 7 and low - length * 1e-6 <= ticks[0] and ticks[-1] <= low + length * (1 + 1e-6)


def test_equal_results_give_equal_bytes(wine):
    again = ash.tune(*load_wine(return_X_y=True), candidates=24, random_state=1, n_jobs=1, verbose=0, validation=0.2)
    text, other = page(wine), page(again)
    assert text == page(wine) == page(pickle.loads(pickle.dumps(wine))) and again.digest == wine.digest
    for name in NAMES:
        assert name in OF_TIME or section(text, name) == section(other, name), name
    assert data(text) == data(other)


def test_a_regression_shows_predicted_against_true():
    X, y = load_diabetes(return_X_y=True)
    result = ash.tune(X, np.column_stack([y, y**2]), candidates=4, random_state=0, verbose=0, validation=0.2)
    text = page(result)
    charts = pictures(text)
    assert {"residuals-0", "residuals-1"} <= charts.keys() and "confusion-chart" not in charts
    assert len(group(charts["residuals-0"], "cloud")) == len(result.kept.targets)


@pytest.mark.parametrize("settings", [{"cv": 3}, {"max_total_epochs": 3}, {"candidates": None, "max_total_epochs": 40}])
def test_cross_validated_and_limited_runs_have_a_report(settings):
    settings = split_once({"candidates": 6, "random_state": 0, "verbose": 0, **settings})
    result = ash.tune(*load_wine(return_X_y=True), **configured(settings))
    text = page(result)
    assert pictures(text).keys() >= CHARTS
    assert "The predictions of the validation rows are missing" not in text
    assert ("unlimited" in section(text, "ladder")) == (settings.get("candidates", 6) is None)


def test_runs_with_one_job_and_with_many_candidates_have_a_report(tmp_path):
    smallest = page(make_result(candidates=1, n_jobs=1))
    assert len(data(smallest)["numbers"]) == 1 and "1 candidate," in smallest
    large = make_result(candidates=2048, n_jobs=16, diverge=0.1)
    text = page(large)
    assert len(text) < 5e6 and len(data(text)["numbers"]) == 2048
    assert f"{MOST_DRAWN} of 2,048 candidates are drawn" in section(text, "curves")
    assert len(table(text, "Candidates")) == MOST_DRAWN + 1
    drawn = {one.get("data-c") for one in pictures(text)["ladder-chart"].iter()}
    assert len(drawn - {None}) == 2048


def test_thinning_keeps_the_best_and_the_ends():
    rows = np.arange(100)
    assert thinned(rows, 100) is rows and len(thinned(rows, 20)) == 20
    assert thinned(rows, 20)[:10].tolist() == [*range(10)] and thinned(rows, 20)[-1] == 99
    assert np.unique(thinned(np.arange(21), 20)).size == 20


def figures(text):
    return dict(re.findall(r"<div><dt>(.*?)</dt><dd>(.*?)</dd></div>", section(text, "overview")))


def test_the_positive_class_and_the_threshold_are_beside_the_estimated_score():
    X, y = load_wine(return_X_y=True)
    labels = np.where(y == 0, "left", "stay")
    fit = {"candidates": 4, "cv": 3, "random_state": 0, "n_jobs": 1}
    model = ash.ASHClassifier(scoring="f1", pos_label="left", **fit).fit(X, labels)
    shown = figures(page(model.result_))
    assert [*shown][:3] == ["estimated f1", "positive class", "decision threshold"]
    assert shown["positive class"] == "left" and shown["decision threshold"] == show(model.decision_threshold_)
    copy = figures(page(pickle.loads(pickle.dumps(model)).result_))
    assert copy["decision threshold"] == shown["decision threshold"]

    usual = ash.ASHClassifier(scoring="f1", pos_label="left", decision_threshold=None, **fit).fit(X, labels)
    assert figures(page(usual.result_))["decision threshold"] == show(0.5)
    plain = ash.ASHClassifier(scoring="neg_log_loss", **fit).fit(X, labels)
    assert not {"positive class", "decision threshold", "decision weights"} & figures(page(plain.result_)).keys()

    several = ash.ASHClassifier(scoring="f1_macro", **fit).fit(X, y)
    weights = [f"{label} {show(weight)}" for label, weight in enumerate(several.decision_threshold_.tolist())]
    assert figures(page(several.result_))["decision weights"] == ", ".join(weights)


# Positions in charts match the numbers of the run


def test_each_candidate_has_a_curve(made):
    picture = pictures(page(made))["curves-chart"]
    found = curves(made.jobs, made.options.training)
    drawn = {int(one.attrib["data-c"]) for one in picture.iter() if "data-c" in one.attrib}
    assert drawn == set(found)
    drawn, known = [], []
    for line in picture.iter(f"{SVG}polyline"):
        points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        own = found[int(line.attrib["data-c"])]
        assert len(points) == len(own)
        drawn += points
        known += [(math.log(point.epochs), point.score) for point in own]
    (x, y), (epochs, scores) = np.transpose(drawn), np.transpose(known)
    inside = y < y.max()  # worse values are drawn at the lower edge
    assert np.corrcoef(x, epochs)[0, 1] == pytest.approx(1, abs=1e-4)
    assert np.corrcoef(y[inside], scores[inside])[0, 1] == pytest.approx(-1, abs=1e-4) and inside.sum() > 20


def test_lines_of_the_parallel_coordinates_pass_through_their_values(made):
    axes, places, _ = lines_of(made)
    lines = list(pictures(page(made))["parallel-chart"].iter(f"{SVG}polyline"))
    heights = [[float(point.split(",")[1]) for point in line.attrib["points"].split()] for line in lines]
    expected = places[[int(line.attrib["data-c"]) for line in lines]]
    assert np.shape(heights) == expected.shape == (len(lines), len(axes) + 1) and len(lines) > 10
    assert np.corrcoef(np.ravel(heights), expected.ravel())[0, 1] == pytest.approx(-1, abs=1e-4)


def test_the_timeline_has_one_bar_per_job_and_per_assist(made):
    picture = pictures(page(made))["timeline-chart"]
    bars = [one for one in picture.iter(f"{SVG}g") if (one.get("class") or "").startswith("bars")]
    jobs = [int(bar.attrib["data-c"]) for one in bars if "team" not in one.attrib["class"] for bar in one]
    helped = [int(bar.attrib["data-c"]) for one in bars if "team" in one.attrib["class"] for bar in one]
    assert sorted(jobs) == sorted(made.columns["candidate"]) and sorted(helped) == sorted(made.assists["candidate"])


def test_omitted_bars_are_counted(made, monkeypatch):
    monkeypatch.setattr(story, "MOST_KNOWN", 12)
    monkeypatch.setattr(threads, "MOST_BARS", 9)
    text = page(made)
    groups = [one for one in pictures(text)["timeline-chart"].iter(f"{SVG}g") if "bars" in (one.get("class") or "")]
    bars = [bar for one in groups for bar in one]
    left_out = len(made.columns["rung"]) + len(made.assists["rung"]) - len(bars)
    assert left_out > 0 and f" {left_out:,} bars, the shortest" in section(text, "timeline")
    jobs = [bar for one in groups if "team" not in one.attrib["class"] for bar in one]
    assert len(jobs) == 9, "all places are used"
