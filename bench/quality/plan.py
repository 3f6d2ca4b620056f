"""What the bench `quality` fits: which contender on which table, with which seed and time limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.quality.contenders import CONTENDERS, OURS, TUNED
from bench.quality.tables import FILES, SMALL, TABLES

LIMIT, QUICK_LIMIT = 60.0, 5.0  # seconds
QUICK_TABLES = ("wine", "diabetes")
SEEDS, SMALL_SEEDS = 5, 2
CURVE_SEEDS, CURVE_LIMITS, CURVES = 3, (5.0, 15.0, 240.0), (OURS, TUNED)
SECONDS = tuple(f"{limit:g}" for limit in sorted({LIMIT, *CURVE_LIMITS, QUICK_LIMIT}))


@dataclass(frozen=True)
class Fit:
    """A case: which contender fits which table, with which seed and limit."""

    table: str
    contender: str
    limit: float
    seed: int

    @property
    def key(self) -> str:
        """Return its name on record."""
        limit = f", {self.limit:g} s" if CONTENDERS[self.contender].limited else ""
        return f"{self.table}, {CONTENDERS[self.contender].name}{limit}, seed {self.seed}"


def fits(quick: bool = False) -> Iterator[Fit]:
    """Yield all fits, seed by seed, those with other limits last; those of a table follow each other."""
    tables, most, limit = (QUICK_TABLES, 1, QUICK_LIMIT) if quick else (tuple(TABLES), SEEDS, LIMIT)
    for seed in range(most):
        for table in tables:
            for name, contender in CONTENDERS.items():
                if seed < (min(contender.seeds, SMALL_SEEDS) if table in SMALL else contender.seeds):
                    yield Fit(table, name, limit, seed)
    for seed in range(0 if quick else CURVE_SEEDS):
        for table in FILES:
            yield from (Fit(table, each, limit, seed) for limit in CURVE_LIMITS for each in CURVES)
