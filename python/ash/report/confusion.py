"""The confusion matrix: a cell for each true and predicted class, filled by the share of the rows of the true one."""

import numpy as np

from ash.history.validation import Confusion
from ash.report.chart import figure, folded, shares, svg, table
from ash.report.markup import Markup, num, short, tag

LEFT, TOP, RIGHT, BOTTOM, LEAST_WIDTH = 96.0, 34.0, 12.0, 52.0, 320.0
CELL, LARGE_CELL, FEW = 26.0, 44.0, 8
"""Cells are large where there are few classes."""
MOST_NUMBERS = 12
"""Classes: with more, cells are too small for numbers."""
FAINTEST = 0.12


def confusion(found: Confusion) -> Markup:
    """Return the figure."""
    cell = LARGE_CELL if len(found.labels) <= FEW else CELL
    side = cell * len(found.labels)
    right = float(found.counts.trace()) / float(found.counts.sum())
    frame = tag("rect", x=num(LEFT), y=num(TOP), width=num(side), height=num(side), class_="frame")
    marks = [frame, *_cells(found, cell), tag("g", *_names(found.labels, cell), class_="ticks")]
    width, height = max(LEFT + side + RIGHT, LEAST_WIDTH), TOP + side + BOTTOM
    description = f"{shares(right)} of the rows have the class that is predicted"
    picture = svg("confusion-chart", width, height, "Confusion matrix", description, *marks)
    caption = f"Rows of each true class by the class that is predicted; {shares(right)} lie on the diagonal."
    rows = [
        [label, *(f"{count:g}" for count in row)]
        for label, row in zip(found.labels, found.counts.tolist(), strict=True)
    ]
    listed = table(["true \\ predicted", *found.labels], rows, "Confusion matrix", "numbers")
    return figure(picture, caption, folded("The same as a table", listed))


def _cells(found: Confusion, cell: float) -> list[Markup]:
    totals = found.counts.sum(axis=1, keepdims=True)
    parts = np.divide(found.counts, totals, out=np.zeros_like(found.counts), where=totals > 0)
    marks = []
    for true, predicted in np.argwhere(found.counts > 0).tolist():
        x, y, part = LEFT + cell * predicted, TOP + cell * true, float(parts[true, predicted])
        kind = "right" if true == predicted else "wrong"
        box = {"x": num(x + 1), "y": num(y + 1), "width": num(cell - 2), "height": num(cell - 2)}
        filled = f"{FAINTEST + (1 - FAINTEST) * part:.2f}"
        marks.append(tag("rect", **box, class_=f"cell {kind}", fill_opacity=filled))
        if len(found.labels) <= MOST_NUMBERS:
            place = {"x": num(x + cell / 2), "y": num(y + cell / 2 + 4), "text_anchor": "middle"}
            strength = "count strong" if part > 0.5 else "count"
            marks.append(tag("text", f"{found.counts[true, predicted]:g}", **place, class_=strength))
    return marks


def _names(labels: list[str], cell: float) -> list[Markup]:
    side = cell * len(labels)
    names = []
    for place, label in enumerate(labels):
        middle = cell * (place + 0.5)
        names.append(tag("text", short(label, 11), x=num(LEFT - 8), y=num(TOP + middle + 4), text_anchor="end"))
        below = {"x": num(LEFT + middle), "y": num(TOP + side + 18), "text_anchor": "middle"}
        names.append(tag("text", short(label, 3 if cell == CELL else 6), **below))
    below = {"x": num(LEFT + side / 2), "y": num(TOP + side + 40), "text_anchor": "middle"}
    return [
        *names,
        tag("text", "true class", x="0", y=num(TOP - 14), class_="name"),
        tag("text", "predicted class", **below, class_="name"),
    ]
