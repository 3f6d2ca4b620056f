"""The section of learning curves: score against epochs, a line for each candidate."""

from collections.abc import Sequence

from ash._utils.display import show
from ash.history.chart_data import score_limits
from ash.history.records import Point
from ash.history.records import curves as points_of
from ash.report.chart import axes, counted, figure, svg
from ash.report.facts import Facts, Section
from ash.report.marks import circle, polygon, shade, star
from ash.report.markup import Markup, join, tag
from ash.report.scale import Scale, padded, padded_log

Curves = dict[int, list[Point]]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 880.0, 420.0, 64.0, 20.0, 34.0, 50.0
MOST_TICKS = 10


def curves(facts: Facts) -> Section:
    """Return the section."""
    found = points_of(facts.history.jobs, facts.history.options.training)
    low, high = score_limits(facts.history.columns, facts.history.options.eta)
    below = sum(any(point.score < low for point in points) for points in found.values())
    edge = f" Scores below {show(low)}, of {counted(below, 'candidate')}, stand at the lower edge." if below else ""
    caption = join(
        f"Score{facts.where} after each job; a line joins the jobs of a candidate, stronger and thicker the "
        "higher it came. Epochs are on a logarithmic scale.",
        edge,
        facts.drawn_remark,
    )
    picture = _picture(facts, found, low, high)
    return Section("curves", "Learning curves", figure(picture, caption, kind="wide", label="Learning curves"))


def _picture(facts: Facts, found: Curves, low: float, high: float) -> Markup:
    epochs = sorted({point.epochs for points in found.values() for point in points})
    x = Scale(*padded_log(epochs[0], epochs[-1], 0.02), LEFT, WIDTH - RIGHT, log=True)
    y = Scale(*padded(low, high), HEIGHT - BOTTOM, TOP)
    ticks = [(float(tick), f"{tick:,}") for tick in epochs[:: 1 + (len(epochs) - 1) // MOST_TICKS]]
    frame = axes(x, y, "epochs", facts.scored, ticks)

    def places(points: Sequence[Point]) -> list[tuple[float, float]]:
        return [(x.at(point.epochs), y.at(max(point.score, low))) for point in points]

    number = facts.history.best_candidate
    own = found[number]
    description = (
        f"{counted(len(found), 'candidate')}; the best, candidate {number}, goes "
        f"{', '.join(show(point.score) for point in own)} over {', '.join(str(point.epochs) for point in own)} epochs"
    )
    top = own.index(min(own, key=lambda point: (-point.score, point.loss)))
    marks = [frame, *_lines(facts, {row: places(found[row]) for row in facts.drawn.tolist() if row in found})]
    marks.append(_best(number, places(own), top))
    return svg("curves-chart", WIDTH, HEIGHT, "Score against epochs", description, *marks)


def _lines(facts: Facts, places: dict[int, list[tuple[float, float]]]) -> list[Markup]:
    """Return a group of lines for each shade, the highest rung on top; who has one job has a dot."""
    groups: dict[str, list[Markup]] = {}
    for number, points in places.items():
        if number != facts.history.best_candidate:
            line = tag("polyline", points=polygon(points), data_c=number)
            mark = line if len(points) > 1 else circle(*points[0], 1.6, number)
            groups.setdefault(shade(int(facts.standing.rung[number]), facts.rungs), []).append(mark)
    return [tag("g", *marks[::-1], class_=f"lines {name}") for name, marks in sorted(groups.items())]


def _best(number: int, places: list[tuple[float, float]], top: int) -> Markup:
    dots = [circle(*place, 3.5, number) for place in places]
    line = tag("polyline", points=polygon(places), data_c=number)
    return tag("g", line, *dots, star(*places[top], 9, number), class_="winner")
