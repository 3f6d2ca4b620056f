"""The section of the winner: its hyperparameters, and how it does on the validation rows that chose it."""

import numpy as np

from ash._utils.display import show, show_param
from ash.history.validation import Calibration, Residuals, calibration_of, confusion_of, residuals_of
from ash.models.pool import Kept
from ash.options import FUNCTION
from ash.report.chart import axes, figure, folded, svg, table
from ash.report.confusion import confusion
from ash.report.facts import Facts, Section
from ash.report.marks import polygon
from ash.report.markup import Markup, join, num, short, tag
from ash.report.scale import Scale, padded

MOST_OUTPUTS = 4
MOST_ROWS = 1000
"""Points of a chart of predictions."""
SIDE, LEFT, RIGHT, TOP, BOTTOM = 420.0, 66.0, 16.0, 34.0, 50.0


def winner(facts: Facts) -> Section:
    """Return the section."""
    history = facts.history
    pairs = [tag("div", tag("dt", name), tag("dd", show_param(value))) for name, value in history.best_params.items()]
    body = join(
        tag("h3", f"Hyperparameters of candidate {history.best_candidate}"),
        tag("dl", *pairs, class_="pairs"),
        None if history.task == FUNCTION else tag("h3", "On the validation rows"),
        None if history.task == FUNCTION else _held_out(facts),
    )
    return Section("winner", "Winner", body)


def _held_out(facts: Facts) -> Markup:
    if not facts.over:
        return tag("p", "Its predictions are shown when the run has ended.")
    kept = facts.history.validation_pool
    if kept is None:
        return tag(
            "p", "A cross-validated run keeps no predictions of validation rows: pass validation= instead of cv=."
        )
    note = tag("p", "These rows chose the winner, so it looks better here than on new ones.", class_="note")
    if facts.history.task == "regression":
        outputs = range(min(kept.targets.shape[1], MOST_OUTPUTS))
        charts = [_residuals(residuals_of(facts.history, output), output) for output in outputs]
    else:
        charts = [confusion(confusion_of(facts.history)), _calibration(calibration_of(facts.history))]
    return join(note, tag("div", *charts, class_="pair"), _of_more_outputs(kept))


def _of_more_outputs(kept: Kept) -> Markup | None:
    more = kept.targets.shape[1] - MOST_OUTPUTS
    return tag("p", f"{more} more targets are not drawn.", class_="note") if more > 0 else None


def _calibration(found: Calibration) -> Markup:
    x = Scale(0.0, 1.0, LEFT, SIDE - RIGHT)
    y = Scale(0.0, 1.0, SIDE - BOTTOM, TOP)
    px, py = x(found.confidence).tolist(), y(found.right).tolist()
    radius = (3.0 + 9.0 * np.sqrt(found.weight / found.weight.max())).tolist()
    points = [tag("circle", cx=num(a), cy=num(b), r=num(r)) for a, b, r in zip(px, py, radius, strict=True)]
    even = tag("line", x1=x.at(0), y1=y.at(0), x2=x.at(1), y2=y.at(1), class_="even")
    way = tag("g", tag("polyline", points=polygon(zip(px, py, strict=True))), *points, class_="series")
    frame = axes(x, y, "mean probability of the predicted class", "share of rows of that class")
    description = f"expected calibration error {show(found.error)}"
    picture = svg("calibration-chart", SIDE, SIDE, "Calibration", description, frame, even, way)
    caption = (
        "How often the predicted class is right by how probable it was, in ten bins; a point is as large as its "
        "bin has rows. On the dotted line the winner is as sure as it is right; "
        f"expected calibration error {show(found.error)}."
    )
    values = zip(found.confidence.tolist(), found.right.tolist(), found.weight.tolist(), strict=True)
    rows = [[show(sure), show(right), f"{weight:g}"] for sure, right, weight in values]
    listed = table(["mean probability", "share right", "rows"], rows, "Calibration", "numbers")
    return figure(picture, caption, folded("The same as a table", listed))


def _residuals(found: Residuals, output: int) -> Markup:
    both = np.concatenate([found.true, found.predicted])
    ends = padded(float(both.min()), float(both.max()))
    x, y = Scale(*ends, LEFT, SIDE - RIGHT), Scale(*ends, SIDE - BOTTOM, TOP)
    every = -(-len(found.true) // MOST_ROWS)
    pairs = zip(x(found.true[::every]).tolist(), y(found.predicted[::every]).tolist(), strict=True)
    points = [tag("circle", cx=num(a), cy=num(b), r="2.5") for a, b in pairs]
    even = tag("line", x1=x.at(ends[0]), y1=y.at(ends[0]), x2=x.at(ends[1]), y2=y.at(ends[1]), class_="even")
    name = short(found.name, 30)
    frame = axes(x, y, f"true {name}", f"predicted {name}", x.ticks(5))
    summary = f"root of the mean squared error {show(found.rmse)}, mean error {show(found.bias)}"
    picture = svg(
        f"residuals-{output}",
        SIDE,
        SIDE,
        f"Predicted against true {found.name}",
        summary,
        frame,
        even,
        tag("g", *points, class_="cloud"),
    )
    part = "" if every == 1 else f" Drawn is every {every}th row."
    return figure(
        picture,
        f"Predicted against true {found.name} of {len(found.true):,} rows: {summary}. On the dotted line they are "
        f"equal.{part}",
    )
