"""What the page of the bench `quality` shows: errors, seconds, wins and losses, and error against time.

Contenders are compared on a table by the medians over the seeds that all of them have, so that a record in which fits
are missing compares like with like. What was not fitted is "-".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import fmean, median, stdev
from typing import Any

from bench.figures import Line, Picture, Plot, Section, Table, shown, spread
from bench.quality.contenders import CONTENDERS, OURS, PERCEPTRON, REALMLP, TUNED
from bench.quality.plan import LIMIT, fits
from bench.quality.tables import FILES, TABLES

RECURRING = "Of winequality_white a quarter of the held-out rows are in training too, with the same target."
IN_README = (OURS, TUNED, REALMLP, PERCEPTRON)
Run = Mapping[str, Any]


class Fits:
    """The fits on record by table, contender and limit, then by seed; a contender without limits has the usual one.

    A minute holds more on a faster processor, so beside a fit of `ash` there are only fits made on its processor.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        planned = {fit.key: fit for quick in (True, False) for fit in fits(quick)}  # the usual limit has the last word
        made = [(planned[key], value) for key, value in values.items() if key in planned]
        ours = {(fit.table, fit.seed): value.get("on") for fit, value in made if fit.contender == OURS}
        self.runs: dict[tuple[str, str, float], dict[int, Run]] = {}
        self.reasons: dict[str, str] = {}  # why a contender has no fit
        self.failed: list[str] = []
        for fit, value in made:
            name = CONTENDERS[fit.contender].name
            if "skipped" in value:
                self.reasons[fit.contender] = value["skipped"]
            elif "failed" in value:
                self.reasons[fit.contender] = f"failed: {value['failed']}"
                self.failed.append(f"{name} on {fit.table}")
            elif ours.get((fit.table, fit.seed), value["on"]) == value["on"]:
                self.runs.setdefault((fit.table, fit.contender, fit.limit), {})[fit.seed] = value
        limits = {limit for _, contender, limit in self.runs if contender == OURS}
        self.limit = LIMIT if LIMIT in limits or not limits else max(limits)

    def of(self, table: str, contender: str, limit: float | None = None) -> Mapping[int, Run]:
        """Return those with the usual limit, or another, by seed."""
        limited = CONTENDERS[contender].limited
        return self.runs.get((table, contender, limit or (self.limit if limited else LIMIT)), {})

    @property
    def tables(self) -> list[str]:
        """The tables that some contender has fitted."""
        return [table for table in TABLES if any(self.of(table, each) for each in CONTENDERS)]

    def median(self, table: str, contender: str, what: str) -> float | None:
        """Return the median over the seeds; None where there is nothing."""
        values = [run[what] for run in self.of(table, contender).values() if what in run]
        return median(values) if values else None

    def common(self, table: str, contenders: Sequence[str], what: str) -> list[float] | None:
        """Return the median of each over the seeds that all of them have; None where there is no such seed."""
        return medians([self.of(table, each) for each in contenders], what)


def medians(runs: Sequence[Mapping[int, Run]], what: str) -> list[float] | None:
    """Return the median of each over the seeds that all have; None where there is no such seed."""
    seeds = set.intersection(*map(set, runs)) if runs else set()
    return [median(own[seed][what] for seed in seeds) for own in runs] if seeds else None


def shown_error(table: str, error: float) -> str:
    """Return an error as text: a share of wrong classes, or in the units of the target."""
    return f"{error:.4f}" if TABLES[table].classes else f"{error:.4g}"


def sections(values: Mapping[str, Any]) -> list[Section]:
    """Return all tables, and a picture of the errors against time."""
    fits = Fits(values)
    return [
        error_table(fits),
        log_loss_table(fits),
        wins_table(fits),
        pairs_table(fits),
        equal_time_table(fits),
        minute_table(fits),
        *curve_sections(fits),
    ]


def error_table(fits: Fits) -> Table:
    """Return the median error of each contender, and the seconds of its fit."""

    def cell(table: str, contender: str) -> str:
        error, seconds = (fits.median(table, contender, what) for what in ("error", "seconds"))
        return "-" if error is None or seconds is None else f"{shown_error(table, error)} in {seconds:.3g} s"

    counts = {len(fits.of(table, each)) for table in fits.tables for each in CONTENDERS} - {0} or {0}
    seeds = "-".join(map(str, sorted({min(counts), max(counts)})))
    note = f"Medians over the seeds ({seeds}). {RECURRING if 'winequality_white' in fits.tables else ''}".strip()
    return _by_contender("Error on the held-out rows, and seconds of the fit", fits.tables, cell, note)


def log_loss_table(fits: Fits) -> Table:
    """Return the median log loss of each contender on tables of classes."""

    def cell(table: str, contender: str) -> str:
        value = fits.median(table, contender, "log_loss")
        return "-" if value is None else f"{value:.4f}"

    return _by_contender("Log loss", [t for t in fits.tables if TABLES[t].classes], cell, "Medians over the seeds.")


def _by_contender(title: str, tables: Sequence[str], cell: Any, note: str) -> Table:
    rows = [
        [table if TABLES[table].classes else f"{table}, RMSE", *(cell(table, each) for each in CONTENDERS)]
        for table in tables
    ]
    return Table(title, ["table", *(contender.name for contender in CONTENDERS.values())], rows, note)


def wins_table(fits: Fits) -> Table:
    """Return how often ours is better than each contender, and the mean ranks."""
    ranks, count = mean_ranks(fits)
    rows = [_wins(fits, each, f"{ranks[each]:.2f}" if each in ranks else "-") for each in CONTENDERS]
    note = (
        "By table, of the medians of errors and seconds over the seeds that both have; by theirs: the median ratio "
        f"of the errors. Mean rank: over the {count} tables that all have fitted; 1 is the best."
    )
    note += f" Failed: {', '.join(sorted(set(fits.failed)))}." if fits.failed else ""
    header = ["ash against", "tables", "better", "equal", "worse", "by theirs", "no slower", "mean rank"]
    return Table("Wins and losses", header, rows, note)


def _wins(fits: Fits, other: str, rank: str) -> list[str]:
    name = CONTENDERS[other].name
    pairs = [pair for table in fits.tables if (pair := fits.common(table, (OURS, other), "error"))]
    seconds = [pair for table in fits.tables if (pair := fits.common(table, (OURS, other), "seconds"))]
    if other == OURS:
        return [name, *[""] * 6, rank]
    if not pairs:
        return [name, fits.reasons.get(other, "not measured"), *[""] * 5, rank]
    better, worse = sum(own < their for own, their in pairs), sum(own > their for own, their in pairs)
    ratios = [own / their for own, their in pairs if their]
    ratio = f"{median(ratios):.3f}" if ratios else "-"
    no_slower = sum(own <= their for own, their in seconds)
    numbers = map(str, (len(pairs), better, len(pairs) - better - worse, worse))
    return [name, *numbers, ratio, f"{no_slower} of {len(seconds)}", rank]


def mean_ranks(fits: Fits) -> tuple[dict[str, float], int]:
    """Return the mean rank of each contender that was fitted, over the tables that all of these have, and how many."""
    present = [each for each in CONTENDERS if any(fits.of(table, each) for table in fits.tables)]
    errors = [found for table in fits.tables if (found := fits.common(table, present, "error"))]
    ranks = [ranked(each) for each in errors]
    return ({each: fmean(row[i] for row in ranks) for i, each in enumerate(present)} if ranks else {}), len(ranks)


def ranked(values: Sequence[float]) -> list[float]:
    """Return the rank of each, from 1 for the least; equal ones share the mean of their ranks."""
    return [sum((other < value) + 0.5 * (other == value) for other in values) + 0.5 for value in values]


def pairs_table(fits: Fits) -> Table:
    """Return the mean ratio of the errors on the same split, its standard error, and how often ours is less."""
    others = [each for each in CONTENDERS if each != OURS]

    def cell(table: str, other: str) -> str:
        ours, theirs = fits.of(table, OURS), fits.of(table, other)
        errors = [(ours[seed]["error"], theirs[seed]["error"]) for seed in sorted(ours.keys() & theirs.keys())]
        if len(errors) < 2 or not all(their for _, their in errors):
            return "-"
        ratios = [own / their for own, their in errors]
        less = sum(own < their for own, their in errors)
        return f"{fmean(ratios):.3f} ± {stdev(ratios) / sqrt(len(ratios)):.3f}, {less} of {len(ratios)}"

    header = ["error of ash by that of", *(CONTENDERS[each].name for each in others)]
    rows = [[table, *(cell(table, each) for each in others)] for table in fits.tables if fits.of(table, OURS)]
    note = (
        "Mean of the ratios over the seeds that both have, its standard error, and on how many seeds ours is less. "
        "Where two differ by no more than two standard errors, these splits do not say which is better. "
        '"-": fewer than two seeds, or an error of 0 of theirs.'
    )
    return Table("Seed by seed", header, rows, note)


def equal_time_table(fits: Fits) -> Table:
    """Return ours beside RealMLP, with the largest limit that is no more than the time RealMLP took."""
    name = CONTENDERS[REALMLP].name
    header = ["table", "seeds", f"seconds of {name}", "limit of ash", "seconds of ash", f"error of {name}"]
    rows = []
    for table in fits.tables:
        taken = fits.median(table, REALMLP, "seconds")
        limits = [limit for place, which, limit in fits.runs if (place, which) == (table, OURS)]
        limit = max((each for each in limits if taken is not None and each <= taken), default=None)
        if limit is None:
            continue
        both = [fits.of(table, OURS, limit), fits.of(table, REALMLP)]
        errors, seconds = medians(both, "error"), medians(both, "seconds")
        if errors and seconds:
            count = str(len(both[0].keys() & both[1].keys()))
            own, their = (shown_error(table, error) for error in errors)
            rows.append([table, count, f"{seconds[1]:.3g}", f"{limit:g}", f"{seconds[0]:.3g}", their, own])
    note = "Medians over the seeds that both have, with the largest measured limit that is not beyond their time."
    return Table(f"In no more time than {name}", [*header, "error of ash"], rows, note)


def minute_table(fits: Fits) -> Table:
    """Return whether ours keeps to its limit and uses all cores until then."""
    rows = []
    for table in fits.tables:
        if runs := list(fits.of(table, OURS).values()):
            seconds, used = spread([run["seconds"] for run in runs]), spread([run["utilization"] for run in runs])
            rows.append([table, shown(seconds, ".3g"), shown(used, ".2f")])
    note = "ash; minimum / median / maximum over the seeds. A fit may end before its limit when nothing is left to try."
    return Table(f"Within {fits.limit:g} seconds", ["table", "seconds", "share of the cores in use"], rows, note)


def curves(fits: Fits, table: str) -> tuple[dict[tuple[str, float], float], int]:
    """Return the median errors by contender and limit over the seeds that all of these have, and how many there are."""
    keys = [(which, limit) for place, which, limit in sorted(fits.runs) if place == table and which in (OURS, TUNED)]
    several = [key for key in keys if sum(which == key[0] for which, _ in keys) > 1]
    runs = [fits.of(table, *key) for key in several]
    errors = medians(runs, "error") or []
    return dict(zip(several, errors, strict=False)), len(set.intersection(*map(set, runs))) if runs else 0


def curve_sections(fits: Fits) -> list[Section]:
    """Return the errors by limit, and a picture of the ratios; nothing where only one limit was measured."""
    rows, lines = [], []
    found = {table: curves(fits, table) for table in FILES}
    limits = sorted({limit for points, _ in found.values() for _, limit in points})
    for table, (points, seeds) in found.items():
        for which in dict.fromkeys(which for which, _ in points):
            cells = [shown_error(table, points[which, x]) if (which, x) in points else "-" for x in limits]
            rows.append([f"{table}, {CONTENDERS[which].name}", str(seeds), *cells])
        both = [x for x in limits if (OURS, x) in points and points.get((TUNED, x))]
        if both:
            lines.append(Line(table, {x: points[OURS, x] / points[TUNED, x] for x in both}))
    if not rows:
        return []
    note = "Medians over the seeds that all of a table have. The last fit of the tuned trees comes on top of the limit."
    title = "Error of ash by that of LightGBM tuned for as long"
    plot = Plot(title, "time limit in seconds", "error by theirs", lines, ("x",))
    return [
        Table("Error against time", ["", "seeds", *(f"{limit:g} s" for limit in limits)], rows, note),
        *([Picture("quality", [plot], "Below 1 ash errs less.")] if lines else []),
    ]


def readme(values: Mapping[str, Any]) -> list[str]:
    """Return the README's table: errors and seconds of ours and the closest contenders on the larger tables."""
    fits = Fits(values)
    names = ["table", "seeds", *(CONTENDERS[each].name for each in IN_README)]
    rows = []
    for table in (each for each in FILES if each in fits.tables):
        runs = {each: fits.of(table, each) for each in IN_README}
        present = [each for each in IN_README if runs[each]]
        errors, seconds = (fits.common(table, present, what) for what in ("error", "seconds"))
        cells = dict.fromkeys(IN_README, "-")
        for each, error, took in zip(present, errors or (), seconds or (), strict=False):
            cells[each] = f"{shown_error(table, error)} in {took:.3g} s"
        count = len(set.intersection(*(set(runs[each]) for each in present)))
        rows.append(f"| {' | '.join([table, str(count), *cells.values()])} |")
    return [
        "Error rate (RMSE for winequality_white and california) on held-out rows, and seconds of the fit on two cores:",
        "",
        f"| {' | '.join(names)} |",
        "|---|" + "--:|" * (len(names) - 1),
        *rows,
    ]
