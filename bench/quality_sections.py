"""The tables and pictures of the bench `quality`, out of its JSON alone.

Columns are the contenders, rows the tables. What was not fitted is "-"; why stands in the table of wins and losses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bench.figures import shown, spread, verdict
from bench.quality_contenders import CONTENDERS, OURS, PERCEPTRON, REALMLP, TUNED
from bench.quality_curves import curve_sections
from bench.quality_data import LARGER, TABLES
from bench.quality_equal_time import equal_time_table
from bench.quality_figures import Duel, Fits, Run, duel, fits_of, is_outdated, mean_ranks
from bench.quality_pairs import pairs_table
from bench.quality_reference import COLUMNS, REFERENCE
from bench.sections import Section, Table

GRACE = 1.0  # seconds that a fit of ours may take beyond its limit
LEAST_USE = 0.95  # of the cores, by ours
WINS = ("ash against", "tables", "better", "equal", "worse", "by theirs", "no slower", "required", "mean rank")
LEAST_WINS = 3  # against the tuned trees, of the larger tables
RECURRING = "Of winequality_white a quarter of the rows held out are in training too, with the same target."


def sections(results: Mapping[str, Any]) -> list[Section]:
    """Return errors, log losses, seconds, use of the cores, wins and losses, and error against time."""
    fits = fits_of(results.values())
    runs = [run for run in results.values() if not is_outdated(run, fits)]
    return [
        error_table(fits, runs),
        _table("Log loss", fits, "log_loss", lambda _, value: f"{value:.4f}", [t for t in TABLES if TABLES[t].classes]),
        seconds_table(fits),
        _table("Cores in use, a share", fits, "utilization", lambda _, value: f"{value:.2f}", TABLES),
        minute_table(fits),
        wins_table(fits, runs),
        pairs_table(fits),
        equal_time_table(runs, fits, shown_error),
        *curve_sections(runs, fits),
    ]


def shown_error(table: str, error: float) -> str:
    """Return an error as text: a share of wrong classes, or in the units of the target."""
    return f"{error:.4f}" if TABLES[table].classes else f"{error:.4g}"


def error_table(fits: Fits, runs: Sequence[Run]) -> Table:
    """Return the errors, the reference figures beside them, and why a table has none."""
    table = _table("Error on the rows held out", fits, "error", shown_error, TABLES, reference=0)
    absent = dict.fromkeys(run["table"] for run in runs if run["table"] not in fits.runs)
    rows = [
        [name, why_not([run for run in runs if run["table"] == name]), *[""] * (len(table.header) - 2)]
        for name in absent
    ]
    note = f"{table.note} {_seeds(fits)}" + f" {RECURRING}" * ("winequality_white" in fits.runs)
    return Table(table.title, table.header, [*table.rows, *rows], note)


def seconds_table(fits: Fits) -> Table:
    """Return the seconds, the reference figures beside them."""
    return _table("Seconds of the fit", fits, "seconds", lambda _, value: f"{value:.3g}", TABLES, reference=1)


def _table(
    title: str,
    fits: Fits,
    what: str,
    form: Callable[[str, float], str],
    tables: Iterable[str],
    reference: int | None = None,
) -> Table:
    header = ["table", *(contender.name for contender in CONTENDERS.values())]
    shown_tables = [table for table in tables if table in fits.runs]
    rows = [[_named(table), *(_cell(fits, table, each, what, form) for each in CONTENDERS)] for table in shown_tables]
    note = "Medians over the seeds."
    if reference is not None:
        header += [f"reference: {CONTENDERS[each].name}" for each in COLUMNS]
        for table, row in zip(shown_tables, rows, strict=True):
            row += [REFERENCE[table][each][reference] if table in REFERENCE else "" for each in COLUMNS]
        note += " Reference: by which the goals were set; one split, 2 cores of another machine."
    return Table(title, header, rows, note)


def _named(table: str) -> str:
    return table if TABLES[table].classes else f"{table}, RMSE"


def _cell(fits: Fits, table: str, contender: str, what: str, form: Callable[[str, float], str]) -> str:
    value = fits.median(table, contender, what)
    return "-" if value is None else form(table, value)


def _seeds(fits: Fits) -> str:
    """Return how many seeds there are, which code of ours they are of, and who made the fits of which tables."""
    counts = {len(own) for contenders in fits.runs.values() for own in contenders.values()}
    commits = {run["of"]["ash"] for table in fits.runs for run in fits.of(table, OURS).values()}
    seeds = "-".join(map(str, sorted({min(counts), max(counts)}))) if counts else "0"
    places: dict[str, list[str]] = {}
    for table in fits.runs:
        for place in sorted({run["of"]["processor"] for own in fits.runs[table].values() for run in own.values()}):
            places.setdefault(place, []).append(table)
    where = "; ".join(f"{place}: {', '.join(tables)}" for place, tables in sorted(places.items()))
    return f"Seeds: {seeds}. ash: commit {', '.join(sorted(commits)) or 'none'}. Processors: {where or 'none'}."


def minute_table(fits: Fits) -> Table:
    """Return whether ours keeps to its limit and uses all cores until then."""
    rows = []
    for table in TABLES:
        runs = list(fits.of(table, OURS).values())
        if runs:
            seconds, used = spread([run["seconds"] for run in runs]), spread([run["utilization"] for run in runs])
            longest = verdict(seconds["max"], "<=", max(run["limit"] for run in runs) + GRACE)
            least = verdict(used["min"], ">=", LEAST_USE)
            rows.append([table, shown(seconds, ".3g"), longest, shown(used, ".2f"), least])
    header = ["table", "seconds", "required of the longest", "cores in use", "required of the least"]
    note = "ash; minimum / median / maximum over the seeds. A fit may end before its limit, when it has nothing to try."
    return Table("A minute is a minute", header, rows, note)


def wins_table(fits: Fits, runs: Sequence[Run]) -> Table:
    """Return ours against each, and the mean ranks."""
    present = [each for each in CONTENDERS if any(fits.of(table, each) for table in fits.runs)]
    ranks, tables = mean_ranks(fits, present)
    rows = [_against(each, fits, runs, f"{ranks[each]:.2f}" if each in ranks else "-") for each in CONTENDERS]
    note = (
        "By table, of the medians of errors and seconds over the seeds that both have; by theirs: the median ratio "
        f"of the errors. Mean rank: over the {tables} tables that all have fitted; 1 is the best."
    )
    failed = sorted({f"{CONTENDERS[run['contender']].name} on {run['table']}" for run in runs if "failed" in run})
    return Table("Wins and losses", WINS, rows, f"{note} Failed: {', '.join(failed)}." if failed else note)


def _against(contender: str, fits: Fits, runs: Sequence[Run], rank: str) -> list[str]:
    """Return the row of a contender."""
    name, found = CONTENDERS[contender].name, duel(fits, OURS, contender)
    own = [run for run in runs if run["contender"] == contender]
    if contender == OURS:
        return [name, *[""] * (len(WINS) - 2), rank]
    if not any("error" in run for run in own):
        return [name, why_not(own), *[""] * (len(WINS) - 2)]
    return [name, *_duel_cells(contender, found), rank]


def why_not(runs: Sequence[Run]) -> str:
    """Return why none of these was fitted."""
    reasons = [f"skipped: {run['skipped']}" if "skipped" in run else f"failed: {run['failed']}" for run in runs]
    return reasons[0] if reasons else "not measured"


def _duel_cells(contender: str, found: Duel) -> list[str]:
    count = len(found.errors)
    ratio = "-" if found.ratio is None else f"{found.ratio:.3f}"
    numbers = [str(number) for number in (count, found.better, found.equal, found.worse)]
    return [*numbers, ratio, f"{found.no_slower} of {count}", required(contender, found)]


def required(contender: str, found: Duel) -> str:
    """Return what is required against this contender, and whether it is so."""
    count, larger = len(found.errors), found.among(LARGER)
    goals = {
        REALMLP: ("better on all, no slower", found.better == count and found.no_slower == count),
        TUNED: (f">= {LEAST_WINS} of the {len(LARGER)} larger", larger.better >= LEAST_WINS),
        PERCEPTRON: ("never worse", found.worse == 0),
    }
    if contender not in goals or not count or (contender == TUNED and not larger.errors):
        return "-"
    words, held = goals[contender]
    return f"{words}: {'yes' if held else 'NO'}"
