"""How good a model a minute brings: `ash` beside other networks and boosted trees, on nine tables.

A case is one fit in a process of its own, on all CPUs: three quarters of the rows to fit, the others to test on, by
seed. Errors are shares of wrong classes, or roots of mean squared errors in the units of the target. The seconds are
those of the fit; a first one on few rows loads what is loaded once.

    fits     all contenders, five seeds, with a limit of 60 seconds for those who take one
    curves   ash and the tuned trees on the larger tables, with 5, 15 and 240 seconds too, three seeds

What favours whom. Others: RealMLP takes its time, TabM may take three limits, and the last fit of the tuned trees comes
on top of theirs; it is on all rows, where networks hold some out. Those who choose do so by what is compared here:
`ash`, FLAML and the tuned trees. `ash`: TabM would often go on for longer. Who knows rows again: about a quarter of the
rows to test on of winequality_white are in training too, targets included, and `ash` looks for such rows
(python/ash/neighbors.py).

A minute holds more on a faster processor, so each fit says on which it was made, and ours is compared with what was
fitted to the same table and seed on the same one.

It takes hours, so it is not part of `all`, and what results/quality.json holds stays on record: --tables, --contenders,
--limits and --seeds choose what to measure now. A fit counts until its packages have other versions or the processor
is another; one of `ash` until its code has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.child import call
from bench.machine import cpus, package_commit, versions_of
from bench.quality_contenders import CONTENDERS, OURS, PERCEPTRON, TUNED
from bench.quality_data import LARGER, SMALL, TABLES
from bench.quality_sections import sections
from bench.suite import Bench, Case, Options

__all__ = ["bench", "sections"]

SEEDS, LIMIT = 5, 60.0
CURVE_SEEDS, CURVE_LIMITS, CURVES = 3, (5.0, 15.0, 240.0), (OURS, TUNED)
QUICK_LIMIT, QUICK_CURVE_LIMIT = 5.0, 2.0
SECONDS = tuple(f"{limit:g}" for limit in sorted({LIMIT, *CURVE_LIMITS, QUICK_LIMIT, QUICK_CURVE_LIMIT}))
LEAST_ACCURACY = 0.9


@dataclass(frozen=True)
class Fit:
    """A case: who fits what, with which seed and limit; the part is "fits" or "curves"."""

    part: str
    contender: str
    table: str
    seed: int
    limit: float

    @property
    def key(self) -> str:
        """Return its name on record."""
        limit = f", {self.limit:g} s" if CONTENDERS[self.contender].limited else ""
        return f"{self.table}, {CONTENDERS[self.contender].name}{limit}, seed {self.seed}"

    def chosen(self, options: Options) -> bool:
        """Return whether it is to be measured now."""
        return (
            (not options.tables or self.table in options.tables)
            and (not options.contenders or self.contender in options.contenders)
            and (not options.limits or f"{self.limit:g}" in options.limits)
            and (options.seeds is None or self.seed < options.seeds)
        )


def bench(options: Options) -> Bench:
    """Return the bench: all cases, of which some may be chosen."""
    planned = {fit.key: fit for fit in fits(options.quick)}
    return Bench(
        cases=[_case(fit, options.data) for fit in planned.values()],
        sections=sections,
        check=check,
        packages=("scikit-learn", "pandas", "lightgbm", "optuna", "torch", "pytabkit", "flaml"),
        kept=not options.quick,
        one_machine=False,
        chosen=lambda key: planned[key].chosen(options),
    )


def fits(quick: bool) -> Iterator[Fit]:
    """Yield all fits, seed by seed, the curves last; those of a table follow each other, since they are compared."""
    tables, seeds, limit = (SMALL, 1, QUICK_LIMIT) if quick else (tuple(TABLES), SEEDS, LIMIT)
    for seed in range(seeds):
        for table in tables:
            yield from (Fit("fits", contender, table, seed, limit) for contender in CONTENDERS)
    curves = (SMALL[-1:], 1, (QUICK_CURVE_LIMIT,)) if quick else (LARGER, CURVE_SEEDS, CURVE_LIMITS)
    for seed in range(curves[1]):
        for table in curves[0]:
            yield from (Fit("curves", each, table, seed, limit) for limit in curves[2] for each in CURVES)


def _case(fit: Fit, data: Path | None) -> Case:
    of = versions(fit.contender)
    return Case(fit.key, partial(_run, fit, data, of), lambda value: "skipped" not in value and value["of"] == of)


def versions(contender: str) -> dict[str, str]:
    """Return what a fit depends on besides its arguments: the processor, and our commit or versions of packages."""
    if contender == OURS:
        return {**versions_of(()), "ash": package_commit()}
    return versions_of(CONTENDERS[contender].needs if contender != PERCEPTRON else ("scikit-learn",))


def _run(fit: Fit, data: Path | None, of: dict[str, str]) -> dict[str, Any]:
    """Return a fit with whose it was, or why there is none; of others also that they have failed."""
    whose = {**vars(fit), "of": of}
    missing = CONTENDERS[fit.contender].missing() or TABLES[fit.table].missing(data)
    if missing is not None:
        return {**whose, "skipped": missing}
    arguments = {name: value for name, value in vars(fit).items() if name != "part"}
    told = {**arguments, "folder": None if data is None else str(data), "threads": cpus()}
    environment = {"OMP_NUM_THREADS": str(cpus()), "PYTHONWARNINGS": "ignore"}
    try:
        return {**whose, **call("bench.quality_run", "measure", told, environment)}
    except SystemExit as error:
        if fit.contender == OURS:
            raise
        return {**whose, "failed": str(error.code)}


def check() -> None:
    """End the bench unless ash learns, and twice the same where no clock decides."""
    from ash import ASHClassifier
    from bench.quality_data import split

    rows = split("digits", None, 0, categories=False)
    first, second = (ASHClassifier(candidates=8, random_state=0).fit(rows.x, rows.y) for _ in range(2))
    accuracy = first.score(rows.x_test, rows.y_test)
    if accuracy < LEAST_ACCURACY:
        raise SystemExit(f"ash: an accuracy of {accuracy:.4f} on the digits: nothing to compare")
    if first.result_.digest != second.result_.digest:
        raise SystemExit("ash: two fits with the same arguments differ: nothing to compare")
