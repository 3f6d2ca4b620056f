"""What the bench `ablation` makes of its fits: ratios to the recipe on the same split and seed, with intervals.

    log ratio of a seed and table = log(of the variant) - log(of the recipe)
    of a table                    = their mean over the seeds
    of several tables             = the mean over the tables, seed by seed, and of that the mean over the seeds

Intervals hold the mean over seeds with 95 %, by Student's t distribution of the logarithms: they say how sure it is for
these tables, not for others, and take the splits for independent, whose rows are the same. An error of classes is taken
half a row higher, the recipe's too, since it may be zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from bench.ablation_variants import RECIPE
from bench.quality_run import LEAST_PROBABILITY

CONFIDENCE = 0.95
ERROR, LOG_LOSS, WORK = "error", "log_loss", "work"
Run = Mapping[str, Any]
Logs = Mapping[int, float]  # by seed


@dataclass(frozen=True)
class Ratio:
    """A geometric mean with its interval; of one value there is none."""

    mean: float
    low: float | None
    high: float | None

    @property
    def verdict(self) -> str:
        """Return what it says about what the recipe has in place of the variant."""
        if self.low is not None and self.low > 1:
            return "pays"
        return "costs" if self.high is not None and self.high < 1 else "not shown"


def ratio(logs: Iterable[float]) -> Ratio | None:
    """Return the ratio of these logarithms; None of none."""
    from scipy.stats import t

    values = list(logs)
    if not values:
        return None
    mean = fmean(values)
    if len(values) == 1:
        return Ratio(math.exp(mean), None, None)
    half = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return Ratio(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def shown_ratio(found: Ratio | None) -> str:
    """Return a ratio and its interval as text."""
    if found is None:
        return "-"
    return f"{found.mean:.3f}" + ("" if found.low is None else f" ({found.low:.3f} to {found.high:.3f})")


def logarithm(fit: Run, what: str) -> float | None:
    """Return the logarithm of what is compared; None where this fit has no such thing."""
    if what not in fit:
        return None
    value = float(fit[what])
    if what == ERROR and LOG_LOSS in fit:  # of classes
        value += 0.5 / fit["test_rows"]
    return math.log(max(value, LEAST_PROBABILITY))


@dataclass(frozen=True)
class Fits:
    """The fits that are there, by table and variant: a list for each configuration."""

    runs: Mapping[str, Mapping[str, Sequence[Sequence[Run]]]]

    def log_ratios(self, table: str, variant: str, what: str) -> Logs:
        """Return those of the seeds that both have, for the configuration with the least mean of them."""
        own = self.runs.get(table, {})
        [recipe] = self._logs(own.get(RECIPE, []), what) or [{}]
        found = [
            {seed: value - recipe[seed] for seed, value in logs.items() if seed in recipe}
            for logs in self._logs(own.get(variant, []), what)
        ]
        return min((logs for logs in found if logs), key=lambda logs: fmean(logs.values()), default={})

    def overall(self, variant: str, what: str, tables: Iterable[str]) -> tuple[Logs, list[str]]:
        """Return the means over the tables that have the variant, of the seeds that all of these have; which they are.

        Tables without the variant have no part in it.
        """
        found = {table: self.log_ratios(table, variant, what) for table in tables}
        ours = {table: logs for table, logs in found.items() if logs}
        seeds = set.intersection(*(set(logs) for logs in ours.values())) if ours else set()
        return {seed: fmean(logs[seed] for logs in ours.values()) for seed in sorted(seeds)}, list(ours)

    @staticmethod
    def _logs(configurations: Sequence[Sequence[Run]], what: str) -> list[dict[int, float]]:
        logs = [{fit["seed"]: logarithm(fit, what) for fit in fits} for fits in configurations]
        return [{seed: value for seed, value in own.items() if value is not None} for own in logs]


def fits_of(cases: Iterable[Run]) -> Fits:
    """Return the fits of the cases that have some."""
    found: dict[str, dict[str, Sequence[Sequence[Run]]]] = {}
    for case in cases:
        if case.get("fits"):
            found.setdefault(case["table"], {})[case["variant"]] = case["fits"]
    return Fits(found)


def fits_of_searches(cases: Iterable[Run], base: str) -> Fits:
    """Return what each kind of the searches loses, with one kind in the place of the recipe."""
    runs: dict[str, dict[str, list[list[Run]]]] = {}
    for case in cases:
        own = runs.setdefault(case["table"], {})
        for search in case["searches"]:
            for kind, losses in search["losses"].items():
                own.setdefault(RECIPE if kind == base else kind, [[]])[0].append({**search, **losses})
    return Fits(runs)


def ratio_rows(fits: Fits, kinds: Mapping[str, str], tables: Sequence[str], what: str) -> list[list[str]]:
    """Return a row a kind: its words, the ratio on each table, and on all of them."""
    return [
        [
            words,
            *(shown_ratio(ratio(fits.log_ratios(table, kind, what).values())) for table in tables),
            shown_ratio(ratio(fits.overall(kind, what, tables)[0].values())),
        ]
        for kind, words in kinds.items()
    ]
