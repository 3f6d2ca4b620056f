"""What the drawings of a report show stands where the numbers of the run say."""

import math

import numpy as np
import pytest

from ash.history.chart_data import lines_of
from ash.history.records import curves
from ash.report import facts, threads
from ash.report.page import page
from report_help import SVG, pictures, section, with_predictions
from result_help import make_result


@pytest.fixture(scope="module")
def made():
    return with_predictions(make_result(candidates=32, threads=4, diverge=0.2, seed=1), ["a", "b", "c"])


def test_curves_have_a_line_for_each_candidate(made):
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
    inside = y < y.max()  # what is worse stands at the lower edge
    assert np.corrcoef(x, epochs)[0, 1] == pytest.approx(1, abs=1e-4)
    assert np.corrcoef(y[inside], scores[inside])[0, 1] == pytest.approx(-1, abs=1e-4) and inside.sum() > 20


def test_lines_of_the_parallel_coordinates_go_through_their_places(made):
    axes, places, _ = lines_of(made)
    lines = list(pictures(page(made))["parallel-chart"].iter(f"{SVG}polyline"))
    heights = [[float(point.split(",")[1]) for point in line.attrib["points"].split()] for line in lines]
    expected = places[[int(line.attrib["data-c"]) for line in lines]]
    assert np.shape(heights) == expected.shape == (len(lines), len(axes) + 1) and len(lines) > 10
    assert np.corrcoef(np.ravel(heights), expected.ravel())[0, 1] == pytest.approx(-1, abs=1e-4)


def test_the_timeline_has_a_bar_a_job_and_a_bar_an_assist(made):
    picture = pictures(page(made))["timeline-chart"]
    bars = [one for one in picture.iter(f"{SVG}g") if (one.get("class") or "").startswith("bars")]
    jobs = [int(bar.attrib["data-c"]) for one in bars if "team" not in one.attrib["class"] for bar in one]
    helped = [int(bar.attrib["data-c"]) for one in bars if "team" in one.attrib["class"] for bar in one]
    assert sorted(jobs) == sorted(made.columns["candidate"]) and sorted(helped) == sorted(made.assists["candidate"])


def test_bars_that_are_left_out_are_counted(made, monkeypatch):
    monkeypatch.setattr(facts, "MOST_KNOWN", 12)
    monkeypatch.setattr(threads, "MOST_BARS", 9)
    text = page(made)
    groups = [one for one in pictures(text)["timeline-chart"].iter(f"{SVG}g") if "bars" in (one.get("class") or "")]
    bars = [bar for one in groups for bar in one]
    left_out = len(made.columns["rung"]) + len(made.assists["rung"]) - len(bars)
    assert left_out > 0 and f" {left_out:,} bars, the shortest" in section(text, "timeline")
    jobs = [bar for one in groups if "team" not in one.attrib["class"] for bar in one]
    assert len(jobs) == 9, "all places are used"
