"""Error against time in the bench `quality`: a table, a picture of the ratios, a picture a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.quality_contenders import CONTENDERS, OURS, TUNED
from bench.quality_data import TABLES
from bench.quality_figures import Fits, Run, curves
from bench.sections import Line, Plot, Section, Table

LIMITS = "time limit in seconds"
Curves = Mapping[str, Mapping[str, Mapping[float, float]]]


def curve_sections(runs: Sequence[Run], fits: Fits) -> list[Section]:
    """Return all of it; nothing where no curve was measured."""
    found = {table: own for table, own in curves(runs).items() if table in TABLES}
    if not found:
        return []
    ratios = ratio_plot(found)
    return [
        curve_table(found),
        *([ratios] if ratios.lines else []),
        *(table_plot(table, own, fits) for table, own in found.items()),
    ]


def curve_table(found: Curves) -> Table:
    """Return the errors, a row for each table and contender."""
    limits = sorted({limit for own in found.values() for points in own.values() for limit in points})
    rows = [
        [f"{table}, {CONTENDERS[each].name}", *(f"{points[x]:.4g}" if x in points else "-" for x in limits)]
        for table, own in found.items()
        for each, points in own.items()
    ]
    note = "Medians over the seeds that have all limits. The last fit of the tuned trees comes on top of the limit."
    return Table("Error against time", ["", *(f"{limit:g} s" for limit in limits)], rows, note)


def ratio_plot(found: Curves) -> Plot:
    """Return the error of ours by that of the tuned trees at the same limit, a line a table."""
    lines = []
    for table, own in found.items():
        ours, theirs = own.get(OURS, {}), own.get(TUNED, {})
        points = {limit: ours[limit] / theirs[limit] for limit in ours if theirs.get(limit)}
        if points:
            lines.append(Line(table, points))
    note = "Below 1 ours errs less."
    title = "Error of ash by that of LightGBM tuned for as long"
    return Plot("quality-ratios", title, LIMITS, "error by theirs", lines, ("x",), note)


def table_plot(table: str, own: Mapping[str, Mapping[float, float]], fits: Fits) -> Plot:
    """Return the curves of a table, and the errors of those who take no such limit as level lines."""
    lines = [Line(CONTENDERS[each].name, points) for each, points in own.items()]
    ends = {limit for points in own.values() for limit in points}
    for each, contender in CONTENDERS.items():
        error, seconds = fits.median(table, each, "error"), fits.median(table, each, "seconds")
        if error is not None and seconds is not None and not contender.limited:
            label = f"{contender.name}, {seconds:.3g} s"
            lines.append(Line(label, {min(ends): error, max(ends): error}, "bound"))
    what = "error" if TABLES[table].classes else "root of the mean squared error"
    return Plot(f"quality-{table}", f"{table}: error against time", LIMITS, what, lines, ("x",))
