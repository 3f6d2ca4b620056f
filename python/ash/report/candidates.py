"""The section of candidates: a table that can be sorted, a row each."""

import math

from ash._utils.display import show
from ash.history.chart_data import ABSENT
from ash.report.chart import folded
from ash.report.facts import Facts, Section
from ash.report.markup import Markup, join, tag

COLUMNS = ("candidate", "place", "rung", "epochs", "score", "loss")


def candidates(facts: Facts) -> Section:
    """Return the section."""
    names = [*COLUMNS, *(axis.name for axis in facts.varying)]
    head = tag("tr", *(tag("th", name, scope="col") for name in names))
    body = [_row(facts, place, number) for place, number in enumerate(facts.drawn.tolist())]
    caption = f"Candidates, the best first{': ' + facts.drawn_remark.strip() if facts.drawn_remark else ''}"
    whole = tag(
        "table",
        tag("caption", caption, class_="unseen"),
        tag("thead", head),
        tag("tbody", *body),
        class_="numbers sortable",
    )
    box = tag("div", whole, class_="table tall", tabindex="0", role="region", aria_label=caption)
    note = (
        "The winner, then the others by the rung that each has reached and by its score there. Score and loss are "
        "those of its best job."
        f"{facts.drawn_remark}"
    )
    return Section("candidates", "Candidates", join(tag("p", note, class_="note"), box, _constant(facts)))


def _row(facts: Facts, place: int, number: int) -> Markup:
    row, standing = facts.history.candidates[number], facts.standing
    state = f"{standing.rung[number]}" + (" diverged" if standing.diverged[number] else "")
    cells = [str(place + 1), state, f"{row['epochs']}", _number(row["score"]), _number(row["loss"])]
    values = [float(place + 1), float(standing.rung[number]), float(row["epochs"]), row["score"], row["loss"]]
    texts = [ABSENT if axis.level[number] < 0 else axis.texts[axis.level[number]] for axis in facts.varying]
    orders = [int(axis.level[number]) for axis in facts.varying]
    return tag(
        "tr",
        tag("th", tag("button", number, type="button", class_="link", data_c=number), scope="row", data_v=number),
        *(tag("td", text, data_v=_order(value)) for text, value in zip(cells, values, strict=True)),
        *(tag("td", text, data_v=order) for text, order in zip(texts, orders, strict=True)),
        data_c=number,
    )


def _number(value: float) -> str:
    return "\u2013" if math.isnan(value) else show(value)


def _order(value: float) -> str:
    """Return what a column is sorted by; what is unknown is the least."""
    return "-1e999" if math.isnan(value) else f"{value:.9g}"


def _constant(facts: Facts) -> Markup | None:
    same = [axis for axis in facts.axes if not axis.varies]
    if not same:
        return None
    pairs = [tag("div", tag("dt", axis.name), tag("dd", axis.texts[0])) for axis in same]
    return folded("Hyperparameters that all candidates share", tag("dl", *pairs, class_="pairs"))
