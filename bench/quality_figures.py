"""What the bench `quality` makes of its fits: medians over seeds, wins and losses, ranks, curves.

Two contenders are compared on a table by the medians of their errors over the seeds that both have, so that a run in
which fits are missing compares like with like.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from bench.quality_contenders import OURS

Run = Mapping[str, Any]


@dataclass(frozen=True)
class Fits:
    """The fits with the usual limit: those that are there, by table, contender and seed."""

    runs: Mapping[str, Mapping[str, Mapping[int, Run]]]

    def of(self, table: str, contender: str) -> Mapping[int, Run]:
        """Return them by seed."""
        return self.runs.get(table, {}).get(contender, {})

    def median(self, table: str, contender: str, what: str) -> float | None:
        """Return the median over the seeds; None where there is nothing."""
        values = [run[what] for run in self.of(table, contender).values() if what in run]
        return median(values) if values else None

    def pair(self, table: str, first: str, second: str, what: str = "error") -> tuple[float, float] | None:
        """Return both medians over the seeds that both have."""
        medians = self._medians(table, (first, second), what)
        return None if medians is None else (medians[0], medians[1])

    def ranks(self, contenders: Sequence[str]) -> list[dict[str, float]]:
        """Return a rank each, 1 the least error, for every table that all of them have fitted."""
        found = [self._medians(table, contenders, "error") for table in self.runs]
        return [dict(zip(contenders, ranked(errors), strict=True)) for errors in found if errors is not None]

    def _medians(self, table: str, contenders: Sequence[str], what: str) -> list[float] | None:
        """Return the medians of all of them over the seeds that all have."""
        runs = [self.of(table, contender) for contender in contenders]
        seeds = set.intersection(*(set(own) for own in runs)) if runs else set()
        return [median(own[seed][what] for seed in seeds) for own in runs] if seeds else None


def fits_of(results: Iterable[Run]) -> Fits:
    """Return the fits that were made, without curves and what was skipped; beside ours those of its processor only."""
    made = [run for run in results if run["part"] == "fits" and "error" in run]
    ours = {(run["table"], run["seed"]): run["of"]["processor"] for run in made if run["contender"] == OURS}
    found: dict[str, dict[str, dict[int, Run]]] = {}
    for run in made:
        own = run["of"]["processor"]
        if ours.get((run["table"], run["seed"]), own) == own:
            found.setdefault(run["table"], {}).setdefault(run["contender"], {})[run["seed"]] = run
    return Fits(found)


def is_outdated(run: Run, fits: Fits) -> bool:
    """Return whether a run of a curve is of other code or packages than the fits of the same table, if there are."""
    of = [fit["of"] for fit in fits.of(run["table"], run["contender"]).values()]
    return run["part"] == "curves" and bool(of) and run["of"] not in of


def ranked(values: Sequence[float]) -> list[float]:
    """Return the rank of each, from 1 for the least; equal ones share the mean of their ranks."""
    return [sum((other < value) + 0.5 * (other == value) for other in values) + 0.5 for value in values]


@dataclass(frozen=True)
class Duel:
    """Ours against another, over the tables that both have fitted."""

    errors: Mapping[str, tuple[float, float]]  # by table: ours, theirs
    seconds: Mapping[str, tuple[float, float]]

    @property
    def better(self) -> int:
        """Tables on which our error is less."""
        return sum(ours < theirs for ours, theirs in self.errors.values())

    @property
    def worse(self) -> int:
        """Tables on which it is more."""
        return sum(ours > theirs for ours, theirs in self.errors.values())

    @property
    def equal(self) -> int:
        """Tables on which it is the same."""
        return len(self.errors) - self.better - self.worse

    @property
    def no_slower(self) -> int:
        """Tables on which our fit takes no more time."""
        return sum(ours <= theirs for ours, theirs in self.seconds.values())

    @property
    def ratio(self) -> float | None:
        """The median of our error by theirs, where theirs is not 0."""
        ratios = [ours / theirs for ours, theirs in self.errors.values() if theirs > 0]
        return median(ratios) if ratios else None

    def among(self, tables: Iterable[str]) -> Duel:
        """Return the same over some of the tables."""
        chosen = [table for table in tables if table in self.errors]
        return Duel({t: self.errors[t] for t in chosen}, {t: self.seconds[t] for t in chosen})


def duel(fits: Fits, ours: str, theirs: str) -> Duel:
    """Return ours against theirs."""

    def pairs(what: str) -> dict[str, tuple[float, float]]:
        found = {table: fits.pair(table, ours, theirs, what) for table in fits.runs}
        return {table: pair for table, pair in found.items() if pair is not None}

    return Duel(pairs("error"), pairs("seconds"))


def mean_ranks(fits: Fits, contenders: Sequence[str]) -> tuple[dict[str, float], int]:
    """Return the mean rank of each, and over how many tables: those that all have fitted."""
    tables = fits.ranks(contenders)
    return ({each: fmean(ranks[each] for ranks in tables) for each in contenders} if tables else {}, len(tables))


def curves(results: Sequence[Run]) -> dict[str, dict[str, dict[float, float]]]:
    """Return the median error by table, contender and time limit, over the seeds that its curve has at all limits."""
    curved = {(run["table"], run["contender"]) for run in results if run["part"] == "curves" and "error" in run}
    errors: dict[tuple[str, str], dict[float, dict[int, float]]] = {}
    for run in results:
        whose = run["table"], run["contender"]
        if whose in curved and "error" in run:
            errors.setdefault(whose, {}).setdefault(run["limit"], {})[run["seed"]] = run["error"]
    found: dict[str, dict[str, dict[float, float]]] = {}
    for (table, contender), limits in errors.items():
        seeds = set.intersection(*(set(own) for own in limits.values()))
        if seeds:
            by_limit = {limit: median(own[seed] for seed in seeds) for limit, own in sorted(limits.items())}
            found.setdefault(table, {})[contender] = by_limit
    return found
