"""Ours beside those who take a time of their own, in no more of it: the largest limit of ours that is not beyond it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.quality_contenders import CONTENDERS, OURS, REALMLP
from bench.quality_data import TABLES
from bench.quality_figures import Fits, Run
from bench.sections import Table


@dataclass(frozen=True)
class EqualTime:
    """Medians over the seeds that both have."""

    limit: float
    seeds: int
    errors: tuple[float, float]  # ours, theirs
    seconds: tuple[float, float]


def equal_time(runs: Sequence[Run], fits: Fits, table: str, contender: str) -> EqualTime | None:
    """Return ours with the largest limit that is no more than their median time; None where there is no such fit."""
    theirs = fits.of(table, contender)
    if not theirs:
        return None
    taken = median(run["seconds"] for run in theirs.values())
    own: dict[float, dict[int, Run]] = {}
    for run in runs:
        if (run["table"], run["contender"]) == (table, OURS) and "error" in run and run["seed"] in theirs:
            own.setdefault(run["limit"], {})[run["seed"]] = run
    limit = max((each for each in own if each <= taken), default=None)
    if limit is None:
        return None
    pairs = [(run, theirs[seed]) for seed, run in own[limit].items()]

    def medians(what: str) -> tuple[float, float]:
        return median(ours[what] for ours, _ in pairs), median(other[what] for _, other in pairs)

    return EqualTime(limit, len(pairs), medians("error"), medians("seconds"))


def equal_time_table(runs: Sequence[Run], fits: Fits, shown_error: Callable[[str, float], str]) -> Table:
    """Return ours beside RealMLP, a row for each table that both have fitted so."""
    name = CONTENDERS[REALMLP].name
    header = ["table", "seeds", f"seconds of {name}", "limit of ash", "seconds of ash", f"error of {name}"]
    rows = []
    for table in TABLES:
        found = equal_time(runs, fits, table, REALMLP)
        if found is None:
            continue
        ours, theirs = found.errors
        times = [f"{found.seconds[1]:.3g}", f"{found.limit:g}", f"{found.seconds[0]:.3g}"]
        errors = [shown_error(table, theirs), shown_error(table, ours), "yes" if ours < theirs else "NO"]
        rows.append([table, str(found.seeds), *times, *errors])
    note = "Medians over the seeds that both have, with the largest limit measured that is not beyond their time."
    return Table("In no more time than RealMLP", [*header, "error of ash", "required: less"], rows, note)
