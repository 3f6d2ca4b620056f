"""The section of scaling: what more threads would have brought, by simulation on the costs of the run."""

from ash._utils.display import show
from ash.report.chart import axes, figure, legend, svg, table
from ash.report.facts import Facts, Section
from ash.report.marks import polygon, square, star, triangle
from ash.report.markup import Markup, join, num, tag
from ash.report.scale import Scale, padded_log
from ash.simulation.simulate import TEAM_EFFICIENCY, THREADS
from ash.simulation.speedups import Speedups, speedups_of

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640.0, 420.0, 56.0, 16.0, 34.0, 50.0


def scaling(facts: Facts) -> Section:
    """Return the section."""
    if not facts.over:
        return Section("scaling", "Scaling", tag("p", "It is simulated when the run has ended."))
    history = facts.history
    counts = sorted({*THREADS, history.threads})
    found = speedups_of(history, counts)
    best = found.alone if found.shared is None else found.shared
    more = [(threads, gain) for threads, gain in zip(found.threads, best, strict=True) if threads > history.threads]
    here = dict(zip(found.threads, best, strict=True))[history.threads]
    told = [
        f"{threads} threads would have taken {here / gain:.2f} of the time"
        for threads, gain in more
        if threads in (8, 64)
    ]
    caption = (
        "Speed-up by the number of threads: this ladder and schedule on a clock, with what each job of the run took. "
        f"This run came to {show(found.measured)} on {history.threads}"
        f"{'; by simulation ' + ', '.join(told) if told else ''}. No schedule without teams beats the dash-dotted "
        "line: the jobs of a candidate follow each other. With barriers the jobs of a rung count as equal."
    )
    picture = _picture(facts, found)
    body = join(
        figure(picture, caption, _legend(found, history.threads), kind="medium", label="Scaling"), _table(found)
    )
    return Section("scaling", "Scaling", body)


def _lines(found: Speedups) -> list[tuple[str, str, list[float]]]:
    """Return the class, the name and the values of each line."""
    lines = [
        ("even", "bound with teams, W/p", [float(count) for count in found.threads]),
        ("bound", "bound without teams, max(W/p, D)", found.bound),
        ("barriers", "SH with barriers, equal jobs", found.halving),
        ("alone", "simulated, without teams", found.alone),
    ]
    shared = [] if found.shared is None else [("shared", f"simulated, teams of {TEAM_EFFICIENCY:.0%}", found.shared)]
    return lines + shared


def _picture(facts: Facts, found: Speedups) -> Markup:
    top = max(found.threads)
    x = Scale(*padded_log(1.0, top, 0.03), LEFT, WIDTH - RIGHT, log=True)
    y = Scale(*padded_log(min(1.0, found.measured, *found.alone), top, 0.03), HEIGHT - BOTTOM, TOP, log=True)
    ticks = [(float(2**power), str(2**power)) for power in range(top.bit_length()) if 2**power <= top]
    frame = axes(x, y, "threads p", "speed-up", ticks, ticks)
    drawn = []
    for name, _, values in _lines(found):
        points = [(x.at(count), y.at(value)) for count, value in zip(found.threads, values, strict=True)]
        marks = [_mark(name, *point) for point in points]
        drawn.append(tag("g", tag("polyline", points=polygon(points)), *marks, class_=f"scaling {name}"))
    here = tag("g", star(x.at(facts.history.threads), y.at(found.measured), 10), class_="winner")
    pairs = zip(found.threads, found.alone, strict=True)
    description = "without teams: " + ", ".join(f"{gain:.2f} on {count}" for count, gain in pairs)
    return svg("scaling-chart", WIDTH, HEIGHT, "Speed-up by threads", description, frame, *drawn, here)


def _mark(name: str, x: float, y: float) -> Markup | None:
    if name == "barriers":
        return square(x, y, 3)
    if name == "shared":
        return triangle(x, y, 4)
    return tag("circle", cx=num(x), cy=num(y), r="4") if name == "alone" else None


def _legend(found: Speedups, threads: int) -> Markup:
    entries = [
        (tag("g", tag("line", x1="-9", x2="9", y1="0", y2="0"), _mark(name, 0, 0), class_=f"scaling {name}"), text)
        for name, text, _ in _lines(found)
    ]
    return legend([*entries, (tag("g", star(0, 0, 8), class_="winner"), f"this run, measured on {threads}")])


def _table(found: Speedups) -> Markup:
    lines = _lines(found)
    rows = [
        [str(count), *(f"{values[place]:.2f}" for _, _, values in lines)] for place, count in enumerate(found.threads)
    ]
    return table(["threads", *(text for _, text, _ in lines)], rows, "Speed-up by threads", "numbers")
