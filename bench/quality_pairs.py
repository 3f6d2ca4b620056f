"""Ours by theirs, seed by seed: whether a difference of medians is more than the noise of a few splits."""

from __future__ import annotations

from math import sqrt
from statistics import fmean, stdev

from bench.quality_contenders import CONTENDERS, OURS
from bench.quality_data import TABLES
from bench.quality_figures import Fits
from bench.sections import Table


def pairs_table(fits: Fits) -> Table:
    """Return the mean ratio of the errors on the same split, its standard error, and on how many ours is less."""
    others = [each for each in CONTENDERS if each != OURS]
    header = ["error of ash by that of", *(CONTENDERS[each].name for each in others)]
    rows = [[table, *(_cell(fits, table, each) for each in others)] for table in TABLES if fits.of(table, OURS)]
    note = (
        "Mean of the ratios over the seeds that both have, its standard error, and of how many seeds ours is less: of "
        'two that differ by no more than two standard errors these splits do not say who is better. "-": fewer than '
        "two seeds, or an error of 0 of theirs."
    )
    return Table("Seed by seed", header, rows, note)


def _cell(fits: Fits, table: str, other: str) -> str:
    ours, theirs = fits.of(table, OURS), fits.of(table, other)
    errors = [(ours[seed]["error"], theirs[seed]["error"]) for seed in sorted(ours.keys() & theirs.keys())]
    if len(errors) < 2 or not all(other for _, other in errors):
        return "-"
    ratios = [own / other for own, other in errors]
    less = sum(own < other for own, other in errors)
    return f"{fmean(ratios):.3f} ± {stdev(ratios) / sqrt(len(ratios)):.3f}, {less} of {len(ratios)}"
