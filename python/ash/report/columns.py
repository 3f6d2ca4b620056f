"""Draws the report's part about the winner's use of columns: permutation importance and partial dependence."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ash._utils.display import show
from ash.models.ensemble import Member
from ash.models.inspection import PartialDependence, Sample, importances, partial_dependence
from ash.report.chart import PANEL, SHADES, Chart, Scale, axes, bars, circle, legend, level_ticks, polyline
from ash.report.markup import Markup, join, same_as_table, short, tag
from ash.report.story import Story

MOST_BARS, MOST_PANELS, MOST_CLASSES = 20, 6, 4


class _Curves(NamedTuple):
    """The outputs whose partial dependence is drawn (their indices and names), and the name of the axis."""

    outputs: Sequence[int]
    names: Sequence[str]
    axis: str


def columns(story: Story) -> Markup:
    """Draw how much the winner relies on each column, and how its predictions depend on the most important ones."""
    if not story.over:
        return tag("p", "The importance of columns is computed once the run has ended.")
    model, sample = story.history.inspected
    if model is None or sample is None:
        return tag("p", "The importance of columns is not known: the table is too wide, or the estimator was pickled.")
    falls = importances(model, sample)
    schema = model.encoding.schema
    names = schema.names or [f"x{place}" for place in range(len(falls))]
    means, deviations = falls.mean(axis=1), falls.std(axis=1)
    order = np.lexsort((np.arange(len(means)), -means)).tolist()
    shown = order[:MOST_BARS]
    title = "Permutation importance of columns"
    caption = (
        f"By how much the score of the winner falls on {sample.frame.rows:,} validation rows when the cells of a "
        f"column are shuffled: the mean of {falls.shape[1]} shuffles. Columns with the same information "
        "share their importance."
    )
    rows = [[names[place], show(means[place]), show(deviations[place])] for place in order]
    listed = same_as_table(["column", "importance", "standard deviation"], rows, title)
    values = [(names[place], float(means[place]), show(means[place])) for place in shown]
    drawn = bars("columns-chart", title, values, caption, listed).figure()
    top = [place for place in order[:MOST_PANELS] if means[place] > 0]
    return join(drawn, _dependence(model, sample, top, names))


def _dependence(model: Member, sample: Sample, places: Sequence[int], names: Sequence[str]) -> Markup | None:
    found = {place: partial_dependence(model, sample, place) for place in places}
    found = {place: each for place, each in found.items() if each.values}
    if not found:
        return None
    curves = _curves_of(model, sample)
    ends = np.concatenate([each.predictions[:, list(curves.outputs)].ravel() for each in found.values()])
    y = PANEL.upwards(float(ends.min()), float(ends.max()), room=0.08)
    panels = [
        tag("li", _panel(each, names[place], model.encoding.schema.reads[place], curves, y, number))
        for number, (place, each) in enumerate(found.items())
    ]
    text = f"Partial dependence: the mean of {curves.axis} if all rows had the same value in one column."
    keys = [
        (tag("g", polyline([(-8.0, 0.0), (8.0, 0.0)]), class_=f"lines {_shade(number)}"), name)
        for number, name in enumerate(curves.names)
    ]
    return join(tag("p", text, class_="note"), legend(keys), tag("ul", *panels, class_="panels"))


def _curves_of(model: Member, sample: Sample) -> _Curves:
    """Return the outputs to draw.

    With two classes, only the second class is drawn. With more classes, the MOST_CLASSES most frequent ones are drawn.
    For regression, only the first target is drawn.
    """
    if model.classes_ is None:
        name = "the target" if model.target_names is None else model.target_names[0]
        return _Curves([0], [name], f"the predicted {name.removeprefix('the ')}")
    labels = [str(label) for label in model.classes_.tolist()]
    if len(labels) == 2:
        return _Curves([1], labels[1:], "the predicted probability")
    counts = np.bincount(sample.targets[:, 0].astype(np.int64), minlength=len(labels))
    outputs = sorted(np.argsort(-counts, kind="stable")[:MOST_CLASSES].tolist())
    return _Curves(outputs, [labels[output] for output in outputs], "the predicted probability")


def _shade(number: int) -> str:
    return f"r{SHADES - 1 - number * (SHADES // MOST_CLASSES)}"


def _panel(found: PartialDependence, name: str, kind: str, curves: _Curves, y: Scale, number: int) -> Markup:
    if kind == "number":
        numbers = [value for value in found.values if isinstance(value, float)]
        x = PANEL.across(numbers[0], numbers[-1], room=0.04)
        ticks, places = x.ticks(4), x(numbers).tolist()
    else:
        texts = ["missing" if value is None else short(str(value), 12) for value in found.values]
        x = PANEL.across(-0.5, len(texts) - 0.5)
        ticks, places = level_ticks(texts, x), x(list(range(len(texts)))).tolist()
    lines = []
    for place, output in enumerate(curves.outputs):
        points = list(zip(places, y(found.predictions[:, output]).tolist(), strict=True))
        marks = [circle(*point, 2.5) for point in points]
        line = [] if kind == "category" else [polyline(points)]
        lines.append(tag("g", *line, *marks, class_=f"lines {_shade(place)}"))
    first, last = found.predictions[0, curves.outputs[0]], found.predictions[-1, curves.outputs[0]]
    description = f"{len(found.values)} values; {curves.names[0]} from {show(first)} to {show(last)}"
    marks = [axes(x, y, "", short(name, 26), ticks, y.ticks(4)), *lines]
    title = f"Partial dependence on {name}"
    return Chart(f"dependence-{number}", PANEL, title, description, marks, "", kind="cell").box()
