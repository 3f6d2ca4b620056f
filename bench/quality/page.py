"""Generates the page of the bench `quality`: ratios of errors (highest first), and error against time.

    e / b    our error divided by a peer's error on the same split. So that no error near 0 dominates, the standard
             error of the peer's error is added to both (for classes, at least the error of half a held-out row)
    table    the mean of e / b over the seeds that both have fitted; the best peer has the largest mean of all peers
    worse    the number of tables whose 90 % interval, from a jackknife over parts of the held-out rows, is above 1.02
    all      the geometric mean over the tables, with the 90 % interval of 2,000 bootstrap samples of the tables

Below 1, `ash` is better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from statistics import fmean, median
from typing import Any

import numpy as np

from bench.figures import Line, Picture, Plot, Section, Table, Text
from bench.quality.contenders import AUTOGLUON, CONTENDERS, OURS
from bench.quality.measure import COMPARED, PARTS, PREDICTED
from bench.quality.plan import CURVE_LIMITS, LIMIT, LONG_LIMIT, SEEDS, fits
from bench.quality.tables import BINARY, CLASSES, REGRESSION, TABLES, TEST_SHARE

PEERS = [each for each in CONTENDERS if each != OURS]
SAMPLES, INTERVAL = 2_000, (5, 95)
RISE = 2.0  # rises of the error with a longer time limit are counted if they exceed this many standard errors
WORSE, STUDENT = 1.02, 1.833  # limit of "worse" (see above); t quantile of 90 % intervals, PARTS - 1 degrees of freedom
FACTS = ("seconds", "ms", "bytes")
KINDS = {BINARY: "two classes, 1 - AUC", CLASSES: "more classes, log loss", REGRESSION: "numbers, RMSE"}
SKEWED = 1.0
Run = Mapping[str, Any]


class Fits:
    """The recorded fits by table, contender and limit, then by seed; fits without a limit are under LIMIT.

    A faster processor achieves more in a minute, so `ash` is compared only with fits on the same processor.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        planned = {fit.key: fit for quick in (True, False) for fit in fits(quick)}  # full fits replace quick ones
        made = [(planned[key], value) for key, value in values.items() if key in planned]
        ours = {(fit.table, fit.seed): value.get("on") for fit, value in made if fit.contender == OURS}
        self.runs: dict[tuple[str, str, float], dict[int, Run]] = {}
        self.reasons: dict[str, str] = {}  # why fits of a contender were skipped
        self.failed: list[str] = []
        for fit, value in made:
            if "skipped" in value:
                self.reasons[fit.contender] = value["skipped"]
            elif "failed" in value:
                self.failed.append(f"{_name(fit.contender, fit.limit)} on {fit.table}")
            elif ours.get((fit.table, fit.seed), value["on"]) == value["on"]:
                self.runs.setdefault((fit.table, fit.contender, fit.limit), {})[fit.seed] = value

    def of(self, table: str, contender: str, limit: float = LIMIT) -> Mapping[int, Run]:
        """Return the fits of a contender on a table with this limit, by seed."""
        return self.runs.get((table, contender, limit), {})

    @property
    def tables(self) -> list[str]:
        """The tables that ash has fitted with the usual limit."""
        return [table for table in TABLES if self.of(table, OURS)]

    def ratio(self, table: str, peer: str, limit: float = LIMIT, ours: str = OURS) -> float | None:
        """Return the mean ratio of our error to a peer's on a table; None if they have no seed in common."""
        return mean_ratio(table, self.of(table, ours), self.of(table, peer, limit))

    def best_peer(self, table: str) -> tuple[float, str] | None:
        """Return the largest ratio of our error to a peer's, with the usual limit, and the name of that peer."""
        found = [(ratio, peer) for peer in PEERS if (ratio := self.ratio(table, peer)) is not None]
        return max(found, default=None)

    def worse(self, tables: Sequence[str], peer: str, limit: float) -> str:
        """Return "n of m": our error is clearly worse on n of the m tables on which both have a jackknife."""
        runs = [[self.of(t, *of).get(SEEDS[0], {}) for of in ((OURS,), (peer, limit))] for t in tables]
        low = [lowest(t, *both) for t, both in zip(tables, runs, strict=True) if all("without" in run for run in both)]
        return f"{sum(each > WORSE for each in low)} of {len(low)}"


def error_of(table: str, run: Run) -> float:
    """Return the compared error of a fit on this table."""
    return float(run[COMPARED[TABLES[table].kind]])


def mean_error(table: str, runs: Mapping[int, Run], seeds: Sequence[int]) -> float:
    """Return the mean, over these seeds, of the error by which contenders are compared."""
    return fmean(error_of(table, runs[seed]) for seed in seeds)


def shared(own: Mapping[int, Run], their: Mapping[int, Run]) -> list[int]:
    """Return the seeds for which both contenders have fits."""
    return sorted(own.keys() & their.keys())


def mean_ratio(table: str, own: Mapping[int, Run], their: Mapping[int, Run]) -> float | None:
    """Return the mean ratio of the errors over the shared seeds; None if no seed is shared."""
    seeds = shared(own, their)
    return fmean(smoothed(table, own[seed], their[seed]) for seed in seeds) if seeds else None


def smoothed(table: str, own: Run, their: Run) -> float:
    """Return the ratio of two errors, after adding the standard error of the second error to both."""
    least = 0.5 / (TEST_SHARE * their["rows"]) if TABLES[table].classes else 0.0
    deviation = max(their["deviation"], least)
    return (error_of(table, own) + deviation) / (error_of(table, their) + deviation)


def lowest(table: str, own: Run, their: Run) -> float:
    """Return the lower end of the 90 % interval of the ratio of the errors, by a jackknife over parts of the rows."""
    name = COMPARED[TABLES[table].kind]
    pairs = zip(own["without"], their["without"], strict=True)
    logs = np.log([smoothed(table, {**own, name: one}, {**their, name: other}) for one, other in pairs])
    spread = np.sqrt((PARTS - 1) / PARTS * np.square(logs - logs.mean()).sum())
    return float(smoothed(table, own, their) * np.exp(-STUDENT * spread))


def geometric_mean(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Return the geometric mean and the ends of its bootstrap interval over the tables."""
    logs = np.log(ratios)
    drawn = np.random.default_rng(0).integers(0, len(logs), (SAMPLES, len(logs)))
    low, high = np.percentile(logs[drawn].mean(axis=1), INTERVAL)
    return float(np.exp(logs.mean())), float(np.exp(low)), float(np.exp(high))


def shown_mean(ratios: Sequence[float]) -> str:
    """Format the geometric mean with its interval."""
    if not ratios:
        return "-"
    return "{:.3f} ({:.3f} to {:.3f})".format(*geometric_mean(ratios))


def sections(values: Mapping[str, Any]) -> list[Section]:
    """Return all tables and a picture of the errors against time."""
    fits = Fits(values)
    if not fits.tables:
        return [Text("No fit of ash is on record.")]
    return [
        losses_table(fits),
        peers_table(fits),
        kinds_table(fits),
        errors_table(fits),
        *curve_sections(fits),
    ]


def losses_table(fits: Fits) -> Table:
    """Return the ratio of our error to the best peer's for each table, highest ratio first."""
    found = [(best, table) for table in fits.tables if (best := fits.best_peer(table)) is not None]
    rows = []
    for (ratio, peer), table in sorted(found, reverse=True):
        runs = [fits.of(table, OURS), fits.of(table, peer)]
        errors = [f"{mean_error(table, each, shared(*runs)):.4g}" for each in runs]
        facts = [str(next(iter(runs[0].values()))["rows"]), KINDS[TABLES[table].kind]]
        rows.append([table, *facts, *errors, CONTENDERS[peer].name, f"{ratio:.3f}"])
    ratios = [ratio for (ratio, _), _ in found]
    wins = sum(ratio < 1 for ratio in ratios)
    note = f"Geometric mean {shown_mean(ratios)}; below 1 on {wins} of {len(ratios)} tables."
    note += f" Failed: {', '.join(sorted(set(fits.failed)))}." if fits.failed else ""
    header = ["table", "rows", "compared", "ash", "best peer", "which", "ash by best peer"]
    return Table("Losses first: ash in a minute on one core, by the best peer on each table", header, rows, note)


def peers_table(fits: Fits) -> Table:
    """Return the ratio of our error to each contender's over all tables, the wins, and the worst table."""
    rows = []
    for each, limit in [(OURS, LIMIT), *((peer, LIMIT) for peer in PEERS), (AUTOGLUON, LONG_LIMIT)]:
        ratios = {t: ratio for t in fits.tables if (ratio := fits.ratio(t, each, limit)) is not None}
        runs = [run for t in fits.tables for run in fits.of(t, each, limit).values()]
        facts = [[run[name] for run in runs if name in run] for name in FACTS]
        medians = [f"{median(own):{'.3g' if median(own) < 1_000 else ',.0f'}}" if own else "-" for own in facts]
        if each == OURS:
            cells = ["", "", "", ""]
        elif not ratios:
            cells = [fits.reasons.get(each, "not measured"), "-", "-", "-"]
        else:
            worst = max(ratios, key=lambda table: ratios[table])
            wins = f"{sum(ratio < 1 for ratio in ratios.values())} of {len(ratios)}"
            shares = [wins, fits.worse(list(ratios), each, limit)]
            cells = [shown_mean(list(ratios.values())), *shares, f"{ratios[worst]:.3f}, {worst}"]
        rows.append([_name(each, limit), str(len(ratios)), *cells, *medians])
    note = (
        "By theirs: geometric mean with its 90 % interval over the tables. Ash worse: tables whose 90 % interval of "
        f"the ratio, paired by held-out rows, is above {WORSE:g}. Medians of the fits: seconds; ms to predict "
        f"{PREDICTED:,} rows on one core (of classes their probabilities); bytes of the saved model. -: not measured."
    )
    header = ["ash against", "tables", "by theirs", "ash better", "ash worse", "worst", *FACTS]
    return Table("ash by each peer", header, rows, note)


def kinds_table(fits: Fits) -> Table:
    """Return the ratio of our error to the best peer's, by kind of table."""
    rows = []
    for name, holds in GROUPS.items():
        tables = [t for t in fits.tables if holds(t, next(iter(fits.of(t, OURS).values())))]
        ratios = [best[0] for table in tables if (best := fits.best_peer(table)) is not None]
        worst = f"{max(ratios):.3f}" if ratios else "-"
        rows.append([name, str(len(ratios)), shown_mean(ratios), str(sum(r < 1 for r in ratios)), worst])
    return Table("ash by the best peer, by kind of table", ["", "tables", "by theirs", "ash better", "worst"], rows)


GROUPS: dict[str, Callable[[str, Run], bool]] = {
    **{words: lambda table, _, kind=kind: TABLES[table].kind == kind for kind, words in KINDS.items()},  # type: ignore[misc]
    "fewer than 1,000 rows": lambda _, run: run["rows"] < 1_000,
    "1,000 to 5,000 rows": lambda _, run: 1_000 <= run["rows"] < 5_000,
    "more rows": lambda _, run: run["rows"] >= 5_000,
    "numbers only": lambda _, run: run["text"] == 0,
    "less than half text": lambda _, run: 0 < run["text"] < 0.5,
    "half text and more": lambda _, run: run["text"] >= 0.5,
    "a skewed target": lambda _, run: abs(run["skew"]) > SKEWED,
}


def errors_table(fits: Fits) -> Table:
    """Return the error of each contender on each table, with the seed that all contenders have."""
    columns = (OURS, *PEERS)

    def cell(table: str, contender: str) -> str:
        run = fits.of(table, contender).get(SEEDS[0])
        return "-" if run is None else f"{error_of(table, run):.4g}"

    rows = [[table, *(cell(table, column) for column in columns)] for table in fits.tables]
    header = ["table", *(CONTENDERS[column].name for column in columns)]
    return Table("Errors", header, rows, "What is compared, on the held-out rows, with the first seed.")


def _name(contender: str, limit: float) -> str:
    return CONTENDERS[contender].name + (f", {limit:g} s" if contender == AUTOGLUON and limit != LIMIT else "")


def curve_sections(fits: Fits) -> list[Section]:
    """Return our errors by time limit, and a picture of their ratios to our errors at LIMIT; [] for a single limit."""
    limits = sorted({*CURVE_LIMITS, LIMIT, LONG_LIMIT})
    rows, curves, rises = [], [], 0
    for table in fits.tables:
        points = {x: runs[SEEDS[0]] for x in limits if SEEDS[0] in (runs := fits.of(table, OURS, x))}
        if len(points) < 2:
            continue
        rise = largest_rise(table, points)
        rises += rise > RISE
        cells = [f"{error_of(table, points[x]):.4g}" if x in points else "-" for x in limits]
        rows.append([table, *cells, f"{rise:+.2f}"])
        if LIMIT in points:
            curves.append({x: smoothed(table, run, points[LIMIT]) for x, run in points.items()})
    if not rows:
        return []
    note = "First seed. Largest rise: of an error above an earlier one, in standard errors of the earlier one. It is "
    note += f"above {RISE:g} on {rises} of {len(rows)} tables."
    header = ["table", *(f"{limit:g} s" for limit in limits), "largest rise"]
    shared_by_all = [x for x in limits if curves and all(x in each for each in curves)]
    means = {x: geometric_mean([each[x] for each in curves])[0] for x in shared_by_all}
    lines = [*(Line("" if number else "a table", each) for number, each in enumerate(curves)), Line("mean", means)]
    plot = Plot("Error against time", "time limit in seconds", "error by that of a minute", lines, ("x",))
    return [Table("Error against time", header, rows, note), Picture("quality", [plot], "A line per table.")]


def largest_rise(table: str, points: Mapping[float, Run]) -> float:
    """Return the largest rise of the error from a limit to a longer one, in standard errors of the first error."""
    pairs = [(points[early], points[late]) for early, late in combinations(sorted(points), 2)]
    return max((error_of(table, two) - error_of(table, one)) / max(one["deviation"], 1e-12) for one, two in pairs)


def readme(values: Mapping[str, Any]) -> list[str]:
    """Return the README's table: the ratios of our error to each peer's over all tables."""
    found = Fits(values)
    rows = [row for row in peers_table(found).rows if row[0] in {CONTENDERS[peer].name for peer in PEERS}]
    return [
        "The error of ash divided by that of each peer, after a minute on one core. Clearly worse means that the 90 % "
        f"interval of this ratio is above {WORSE:g}:",
        "",
        "| ash against | tables | ratio | ash better | clearly worse |",
        "|---|--:|--:|--:|--:|",
        *(f"| {' | '.join(row[:5])} |" for row in rows if row[1] != "0"),
    ]
