"""The plan of the bench `quality`: which contender fits which table, with which seed and time limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.quality.contenders import AUTOGLUON, CONTENDERS, OURS
from bench.quality.tables import TABLES

LIMIT, QUICK_LIMIT, LONG_LIMIT = 60.0, 5.0, 300.0  # seconds
QUICK_TABLES = ("wine", "diabetes")
SEEDS, QUICK_SEEDS = (0, 1, 2), (0,)
CURVE_LIMITS = (2.0, 5.0, 15.0)
EVERY = 3  # every third table is also fitted with the long limit
SECONDS = tuple(f"{limit:g}" for limit in sorted({LIMIT, LONG_LIMIT, *CURVE_LIMITS}))


@dataclass(frozen=True)
class Fit:
    """A case: one contender fits one table with one seed and limit."""

    table: str
    contender: str
    limit: float
    seed: int

    @property
    def key(self) -> str:
        """Return the key under which the fit is recorded."""
        limit = f", {self.limit:g} s" if CONTENDERS[self.contender].limited else ""
        return f"{self.table}, {CONTENDERS[self.contender].name}{limit}, seed {self.seed}"


def fits(quick: bool = False) -> Iterator[Fit]:
    """Yield all fits, by seed and then by table; fits with other limits come last."""
    tables, seeds, limit = (QUICK_TABLES, QUICK_SEEDS, QUICK_LIMIT) if quick else (tuple(TABLES), SEEDS, LIMIT)
    for seed in seeds:
        for table in tables:
            yield from (Fit(table, name, limit, seed) for name in CONTENDERS if seed in CONTENDERS[name].seeds)
    if not quick:
        yield from (Fit(table, OURS, limit, SEEDS[0]) for limit in CURVE_LIMITS for table in tables)
        yield from (Fit(table, each, LONG_LIMIT, SEEDS[0]) for table in tables[::EVERY] for each in (OURS, AUTOGLUON))
