"""Draws the sections on all candidates: parallel coordinates, a table, and the data for selecting candidates.

    axes -> their parts (`Bins`) -> clickable areas that select the candidates whose lines cross them
                                 -> a block of JSON for the script

The block contains all texts in their final form, so the script only selects and inserts them. The block contains no
"<", so no text in the block can end it.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.display import show
from ash.history.chart_data import ABSENT, BELOW, ParameterAxis, axis_labels, lines_of, score_labels
from ash.report.chart import Canvas, Chart, grouped, polyline
from ash.report.markup import Markup, Value, boxed_table, folded, join, pairs, short, shown, tag
from ash.report.story import Section, Story

Job = tuple[int, int, str, str, str]
"""A job as (rung, epochs, score, loss, training loss); the last three are texts."""

STRETCHES = 5
"""Number of equal parts of a numeric axis; an axis with at most this many values has one part per value."""

WIDTH, LEFT, RIGHT, TOP, HEIGHT, BOTTOM = 920.0, 12.0, 110.0, 58.0, 300.0, 24.0
"""Sizes of the parallel coordinates: the width of the picture, the height of an axis, and the margins.

The picture is narrower or wider than WIDTH if the distance between two axes would otherwise be out of its bounds.
"""
LEAST_STEP, MOST_STEP = 84.0, 180.0
"""Bounds of the distance between two axes."""
LEVEL = 18.0
"""Height of the clickable part of a level."""
LETTER = 6.4
"""Approximate width of a character on an axis."""

COLUMNS = ("candidate", "place", "highest rung", "epochs", "score", "loss")


@dataclass(frozen=True, eq=False)
class Bins:
    """The selectable parts of one axis: their labels, their ends as fractions of the axis, and their candidates."""

    labels: list[str]
    ends: list[tuple[float, float]]
    of_candidate: NDArray[np.int64]
    """The index of each candidate's part, [candidates]; -1 for a candidate in no part."""


def parameter_bins(axis: ParameterAxis) -> Bins:
    """Return the parts of the axis of a hyperparameter."""
    if axis.kind == "levels" or len(axis.values) <= STRETCHES:
        ends = [(float(share),) * 2 for share in axis.shares]
        bins = Bins(axis.texts, ends, axis.level)
    else:
        bins = _stretches(axis.of_candidates(axis.shares), axis.texts, axis.level)
    if (axis.level >= 0).all():
        return bins
    of_candidate = np.where(axis.level < 0, len(bins.labels), bins.of_candidate)
    return Bins([*bins.labels, ABSENT], [*bins.ends, (BELOW, BELOW)], of_candidate)


def score_bins(scores: NDArray[np.float64], shares: NDArray[np.float64]) -> Bins:
    """Return the parts of the axis of scores. A candidate without a score belongs to no part."""
    known, levels = np.unique(scores[~np.isnan(scores)], return_inverse=True)
    level = np.full(len(scores), -1)
    level[~np.isnan(scores)] = levels
    return _stretches(np.where(level < 0, np.nan, shares), [show(float(score)) for score in known], level)


def _stretches(shares: NDArray[np.float64], texts: list[str], level: NDArray[np.int64]) -> Bins:
    """Divide an axis into parts of equal length and return those with candidates; `texts` are the values, ascending."""
    stretch = np.clip((np.nan_to_num(shares) * STRETCHES).astype(np.int64), 0, STRETCHES - 1)
    known = level >= 0
    held, place = np.unique(stretch[known], return_inverse=True)
    of_candidate = np.full(len(level), -1)
    of_candidate[known] = place
    labels = []
    for part in range(len(held)):
        own = level[of_candidate == part]
        low, high = texts[own.min()], texts[own.max()]
        labels.append(low if low == high else f"{low} to {high}")
    return Bins(labels, [(part / STRETCHES, (part + 1) / STRETCHES) for part in held.tolist()], of_candidate)


def parallel(story: Story) -> Section:
    """Return the section of parallel coordinates: one line per candidate across all hyperparameters."""
    title = "Parallel coordinates"
    if not story.varying:
        return Section("parallel", title, tag("p", "All candidates have the same hyperparameters."))
    return Section("parallel", title, parallel_chart(story).figure())


def parallel_chart(story: Story) -> Chart:
    """Return the chart of parallel coordinates; see `Result.plot_parallel`."""
    caption = (
        "A line is a candidate. It crosses each axis at its value and the last one at its best score. It is stronger "
        f"and thicker the higher the rung that the candidate reached.{story.drawn_remark}"
    )
    how = "Select parts of the axes to see only the candidates that cross them there."
    chosen = tag("span", "", id="filter-text", role="status")
    clear = tag("button", "Show all", type="button", id="filter-clear", hidden=True)
    status = [tag("p", how, class_="note scripted"), tag("p", chosen, clear, class_="filter")]
    axes, places, standing = lines_of(story.history)
    names = [*(axis.name for axis in axes), f"best {story.history.metric}"]
    labels = [*map(axis_labels, axes), score_labels(story.history, standing)]
    step = min(max((WIDTH - LEFT - RIGHT) / max(len(axes), 1), LEAST_STEP), MOST_STEP)
    bottom = _y(BELOW if any((axis.level < 0).any() for axis in axes) else 0.0)
    rooms = [*[step] * len(axes), RIGHT]
    frame = [_axis(place, step, rooms[place], names[place], labels[place]) for place in range(len(names))]
    hits = [_parts(place, step, name, bins) for place, (name, bins) in enumerate(parts_of(story))]
    ends = [f"{axis.name}: {axis.texts[0]} to {axis.texts[-1]}" for axis in axes]
    description = f"{len(story.drawn):,} lines over {len(axes)} hyperparameters and the score; {'; '.join(ends)}"

    def line(candidate: int) -> Markup:
        way = ((LEFT + step * place, _y(share)) for place, share in enumerate(places[candidate].tolist()))
        return polyline(way, candidate)

    lines = grouped((f"lines {story.shade_of(row)}", line(row)) for row in story.others)
    winner = tag("g", line(story.history.best_candidate), class_="winner")
    canvas = Canvas(LEFT + step * len(axes) + RIGHT, bottom + BOTTOM, LEFT, RIGHT, TOP, BOTTOM)
    marks, title = [*lines, winner, *frame, *hits], "Parallel coordinates"
    return Chart("parallel-chart", canvas, title, description, marks, caption, (), "natural", status)


def _y(share: float) -> float:
    return TOP + HEIGHT * (1.0 - share)


def _axis(place: int, step: float, room: float, name: str, labels: list[tuple[float, str]]) -> Markup:
    """Return an axis whose labels fit into `room`; every second name is placed higher, so that names do not overlap."""
    x = LEFT + step * place
    y, anchor = TOP - (22 if place % 2 else 40), "middle" if place else "start"
    title = tag("text", short(name, int(2 * step / (LETTER + 1))), x=x, y=y, text_anchor=anchor, class_="name")
    most = int((room - 8) / LETTER)
    texts = [_label(x, _y(share), short(text, most)) for share, text in labels]
    line = tag("line", x1=x, x2=x, y1=_y(1.0), y2=_y(0.0), class_="base")
    return tag("g", line, title, *texts, class_="ticks axis")


def _label(x: float, y: float, text: str) -> Markup:
    """Return the label of a value beside its axis. The label's background covers the lines behind it."""
    ground = tag("rect", x=x + 3, y=y - 8, width=LETTER * len(text) + 6, height="16", rx="3", class_="ground")
    return join(ground, tag("text", text, x=x + 6, y=y + 4))


def _parts(place: int, step: float, name: str, bins: Bins) -> Markup:
    """Return one area for each part of an axis. The page's script turns these areas into buttons."""
    areas = []
    for part, (label, (low, high)) in enumerate(zip(bins.labels, bins.ends, strict=True)):
        top, bottom = (_y(high), _y(low)) if high > low else (_y(high) - LEVEL / 2, _y(high) + LEVEL / 2)
        box = {"x": LEFT + step * place - 4, "y": top, "width": step - 14, "height": bottom - top}
        named: dict[str, Value] = {"data_axis": place, "data_part": part, "aria_label": f"{name}: {label}"}
        areas.append(tag("rect", **box, **named, class_="part"))
    return tag("g", *areas, class_="parts")


def parts_of(story: Story) -> list[tuple[str, Bins]]:
    """Return the name and parts of each axis of the parallel coordinates; the axis of the score is last."""
    axes, places, standing = lines_of(story.history)
    named = [(axis.name, parameter_bins(axis)) for axis in axes]
    return [*named, (story.history.metric, score_bins(standing.best_score, places[:, -1]))]


def selection_data(story: Story) -> dict[str, Any]:
    """Return the data for the page's script. Lists with one item per candidate are in the order of `Story.known`."""
    known, standing = story.known.tolist(), story.standing
    jobs = _jobs(story)
    parts = parts_of(story)
    return {
        "best": story.history.best_candidate,
        "metric": story.history.metric,
        "names": [axis.name for axis in story.axes],
        "texts": [[*axis.texts, ABSENT] for axis in story.axes],
        "axes": [name for name, _ in parts],
        "labels": [bins.labels for _, bins in parts],
        "numbers": known,
        # A level of -1 (the candidate lacks the hyperparameter) selects the last text.
        "levels": [[int(axis.level[row]) % (len(axis.values) + 1) for axis in story.axes] for row in known],
        "parts": [[int(bins.of_candidate[row]) for _, bins in parts] for row in known],
        "scores": [_score(float(standing.best_score[row])) for row in known],
        "rungs": [int(standing.rung[row]) for row in known],
        "jobs": [jobs[number] for number in known],
    }


def _score(score: float) -> str:
    return "diverged" if math.isnan(score) else show(score)


def nothing_known() -> dict[str, Any]:
    """Return what `selection_data` returns if there are no candidates."""
    names = ("names", "texts", "axes", "labels", "numbers", "levels", "parts", "scores", "rungs", "jobs")
    return {"best": None, "metric": "", **{name: [] for name in names}}


def data_block(data: dict[str, Any]) -> Markup:
    """Return the data as a JSON block that the script reads."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(f'<script type="application/json" id="data">{text}</script>')


def _jobs(story: Story) -> dict[int, list[Job]]:
    """Return (rung, epochs, score, loss, training loss) of each job, by candidate, of those that can be selected."""
    jobs: dict[int, list[Job]] = {number: [] for number in story.known.tolist()}
    for job in story.history.jobs:
        if job.candidate in jobs:
            score = "diverged" if job.diverged else show(job.score)
            jobs[job.candidate].append((job.rung, job.epochs, score, show(job.loss), show(job.training_loss)))
    return jobs


def candidates(story: Story) -> Section:
    """Return the section with the sortable table, one row per candidate."""
    names = [*COLUMNS, *(axis.name for axis in story.varying)]
    body = [_row(story, place, number) for place, number in enumerate(story.drawn.tolist())]
    caption = f"Candidates, the best first{': ' + story.drawn_remark.strip() if story.drawn_remark else ''}"
    box = boxed_table(names, body, caption, "numbers sortable", "table tall")
    note = (
        "The winner comes first, then the others by the highest rung that each reached and by its score there. Score "
        "and loss are those of its best job."
        f"{story.drawn_remark}"
    )
    return Section("candidates", "Candidates", join(tag("p", note, class_="note"), box, _constant(story)))


def _row(story: Story, place: int, number: int) -> Markup:
    row, standing = story.history.candidates[number], story.standing
    state = f"{standing.rung[number]}" + (" diverged" if standing.diverged[number] else "")
    cells = [(str(place + 1), place + 1), (state, standing.rung[number]), (str(row["epochs"]), row["epochs"])]
    cells += [(shown(row[name]), row[name]) for name in ("score", "loss")]
    levels = [(axis.texts, int(axis.level[number])) for axis in story.varying]
    cells += [(ABSENT if level < 0 else texts[level], level) for texts, level in levels]
    button = tag("button", number, type="button", class_="link", data_c=number)
    head = tag("th", button, scope="row", data_v=number)
    return tag("tr", head, *(tag("td", text, data_v=_order(value)) for text, value in cells), data_c=number)


def _order(value: float) -> str:
    """Return the sort key of a value; unknown values come first."""
    return "-1e999" if math.isnan(value) else f"{value:.9g}"


def _constant(story: Story) -> Markup | None:
    same = [axis for axis in story.axes if not axis.varies]
    if not same:
        return None
    return folded("Hyperparameters that all candidates share", pairs((axis.name, axis.texts[0]) for axis in same))
