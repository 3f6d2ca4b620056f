"""Draws the section on the winner: its hyperparameters, results on the validation rows, and use of columns."""

from dataclasses import replace

import numpy as np

from ash._utils.display import show, show_param
from ash.history.validation import (
    Confusion,
    calibration_of,
    check_output,
    confusion_of,
    residuals_of,
    winner_on_held_out,
)
from ash.report.chart import Canvas, Chart, axes, circle, polyline
from ash.report.columns import columns
from ash.report.markup import Markup, join, pairs, same_as_table, shares, short, tag
from ash.report.story import Section, Story
from ash.run_record import FUNCTION

MOST_OUTPUTS = 4
MOST_ROWS = 1000
"""The largest number of points in a chart of predictions."""
SQUARE = Canvas(width=420.0, height=420.0, left=66.0, right=16.0, top=34.0, bottom=50.0)

MATRIX = Canvas(width=108.0, height=86.0, left=96.0, right=12.0, top=34.0, bottom=52.0)
"""The size of a confusion matrix before the size of its cells is added."""
LEAST_WIDTH = 320.0
CELL, LARGE_CELL, FEW = 26.0, 44.0, 8
"""Sizes of cells; cells are large if there are at most FEW classes."""
MOST_NUMBERS = 12
"""With more classes than this, cells are too small for numbers."""
FAINTEST = 0.12


def winner(story: Story) -> Section:
    """Return the section on the winner."""
    history = story.history
    params = ((name, show_param(value)) for name, value in history.best_params.items())
    body = join(tag("h3", f"Hyperparameters of candidate {history.best_candidate}"), pairs(params))
    if metrics := getattr(history, "best_metrics", {}):
        shown = ((name, show(value)) for name, value in metrics.items())
        body = join(body, tag("h3", "Further metrics"), pairs(shown))
    if history.task != FUNCTION and history.best_params.get("target_transform") == "log":
        body = join(body, tag("p", "The winner was trained on the logarithm of the target."))
    if history.task != FUNCTION:
        body = join(body, tag("h3", "On the validation rows"), _held_out(story), tag("h3", "Columns"), columns(story))
    return Section("winner", "Winner", body)


def _held_out(story: Story) -> Markup:
    if not story.over:
        return tag("p", "The predictions of the winner are shown once the run has ended.")
    kept = story.history.validation_pool
    if kept is None:
        text = "The predictions of the validation rows are missing, since the pickle of an estimator leaves them out."
        return tag("p", text)
    note = tag("p", "The winner was chosen on these rows, so it looks better here than on new ones.", class_="note")
    if story.history.task == "regression":
        charts = [held_out_chart(story, output) for output in range(min(kept.targets.shape[1], MOST_OUTPUTS))]
    else:
        charts = [held_out_chart(story), calibration_chart(story)]
    more = kept.targets.shape[1] - MOST_OUTPUTS
    rest = tag("p", f"{more} more targets are not drawn.", class_="note") if more > 0 else None
    return join(note, tag("div", *(chart.figure() for chart in charts), class_="pair"), rest)


def held_out_chart(story: Story, output: int = 0) -> Chart:
    """Return the confusion matrix of classes, or a target's predictions; see `Result.plot_held_out`."""
    kept = winner_on_held_out(story.history, "plot_held_out")
    check_output(kept, output)
    is_regression = kept.networks[0].classes_ is None
    return _residuals(story, output) if is_regression else _confusion(story)


def _confusion(story: Story) -> Chart:
    """Return the confusion matrix. Cells are shaded by their share of the true class's rows."""
    found = confusion_of(story.history)
    cell = LARGE_CELL if len(found.labels) <= FEW else CELL
    side = cell * len(found.labels)
    canvas = replace(MATRIX, width=max(MATRIX.width + side, LEAST_WIDTH), height=MATRIX.height + side)
    right = float(found.counts.trace()) / float(found.counts.sum())
    frame = tag("rect", x=canvas.left, y=canvas.top, width=side, height=side, class_="frame")
    marks = [frame, *_cells(found, cell), tag("g", *_names(found.labels, cell), class_="ticks")]
    description = f"the predicted class is right for {shares(right)} of the rows"
    caption = f"Rows of each true class by predicted class; {shares(right)} lie on the diagonal."
    rows = [
        [label, *(f"{count:g}" for count in row)]
        for label, row in zip(found.labels, found.counts.tolist(), strict=True)
    ]
    title = "Confusion matrix"
    listed = same_as_table(["true \\ predicted", *found.labels], rows, title)
    return Chart("confusion-chart", canvas, title, description, marks, caption, more=listed)


def _cells(found: Confusion, cell: float) -> list[Markup]:
    totals = found.counts.sum(axis=1, keepdims=True)
    parts = np.divide(found.counts, totals, out=np.zeros_like(found.counts), where=totals > 0)
    marks = []
    for true, predicted in np.argwhere(found.counts > 0).tolist():
        x, y, part = MATRIX.left + cell * predicted, MATRIX.top + cell * true, float(parts[true, predicted])
        kind = "right" if true == predicted else "wrong"
        filled = f"{FAINTEST + (1 - FAINTEST) * part:.2f}"
        box = {"x": x + 1, "y": y + 1, "width": cell - 2, "height": cell - 2}
        marks.append(tag("rect", **box, class_=f"cell {kind}", fill_opacity=filled))
        if len(found.labels) <= MOST_NUMBERS:
            place = {"x": x + cell / 2, "y": y + cell / 2 + 4}
            strength = "count strong" if part > 0.5 else "count"
            count = f"{found.counts[true, predicted]:g}"
            marks.append(tag("text", count, **place, text_anchor="middle", class_=strength))
    return marks


def _names(labels: list[str], cell: float) -> list[Markup]:
    left, top, side = MATRIX.left, MATRIX.top, cell * len(labels)
    names = []
    for place, label in enumerate(labels):
        middle = cell * (place + 0.5)
        below = short(label, 3 if cell == CELL else 6)
        names.append(tag("text", short(label, 11), x=left - 8, y=top + middle + 4, text_anchor="end"))
        names.append(tag("text", below, x=left + middle, y=top + side + 18, text_anchor="middle"))
    middle = left + side / 2
    return [
        *names,
        tag("text", "true class", x="0", y=top - 14, class_="name"),
        tag("text", "predicted class", x=middle, y=top + side + 40, text_anchor="middle", class_="name"),
    ]


def calibration_chart(story: Story) -> Chart:
    """Return the chart of calibration; see `Result.plot_calibration`."""
    found = calibration_of(story.history)
    x, y = SQUARE.across(0.0, 1.0), SQUARE.upwards(0.0, 1.0)
    px, py = x(found.confidence).tolist(), y(found.right).tolist()
    radius = (3.0 + 9.0 * np.sqrt(found.weight / found.weight.max())).tolist()
    points = [circle(*place) for place in zip(px, py, radius, strict=True)]
    even = tag("line", x1=x.start, y1=y.start, x2=x.stop, y2=y.stop, class_="even")
    way = tag("g", polyline(zip(px, py, strict=True)), *points, class_="series")
    frame = axes(x, y, "mean probability of the predicted class", "share of rows predicted correctly")
    description = f"expected calibration error {show(found.error)}"
    caption = (
        "How often the predicted class is right, against its predicted probability, in ten bins. The size of a point "
        "shows the number of rows in its bin. On the dotted line both are equal; "
        f"expected calibration error {show(found.error)}."
    )
    values = zip(found.confidence.tolist(), found.right.tolist(), found.weight.tolist(), strict=True)
    rows = [[show(sure), show(right), f"{weight:g}"] for sure, right, weight in values]
    listed = same_as_table(["mean probability", "share right", "rows"], rows, "Calibration")
    marks = [frame, even, way]
    return Chart("calibration-chart", SQUARE, "Calibration", description, marks, caption, more=listed)


def _residuals(story: Story, output: int) -> Chart:
    found = residuals_of(story.history, output)
    both = np.concatenate([found.true, found.predicted])
    ends = float(both.min()), float(both.max())
    x, y = SQUARE.across(*ends, room=0.04), SQUARE.upwards(*ends, room=0.04)
    every = -(-len(found.true) // MOST_ROWS)
    places = zip(x(found.true[::every]).tolist(), y(found.predicted[::every]).tolist(), strict=True)
    points = tag("g", *(circle(*place, 2.5) for place in places), class_="cloud")
    even = tag("line", x1=x.start, y1=y.start, x2=x.stop, y2=y.stop, class_="even")
    name = short(found.name, 30)
    frame = axes(x, y, f"true {name}", f"predicted {name}", x.ticks(5))
    summary = f"root mean squared error {show(found.rmse)}, mean error {show(found.bias)}"
    title = f"Predicted against true {found.name}"
    part = "" if every == 1 else f" One row in {every} is drawn."
    caption = f"{title} of {len(found.true):,} rows: {summary}. On the dotted line they are equal.{part}"
    return Chart(f"residuals-{output}", SQUARE, title, summary, [frame, even, points], caption)
