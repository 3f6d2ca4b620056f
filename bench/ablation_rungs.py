"""How well early scores foretell late ones, and what that is worth: reduction factors and first rungs.

    correlations  32 candidates of the default space, all of them trained up all rungs, so that the order in a rung is
                  compared with the last one over all, not over those that were promoted; one seed
    ensembles     halving with as many candidates as make the epochs in all equal; error of the ensemble; some seeds

No rung is longer than a stated number of epochs. One thread, in a process of its own.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ash
from bench.ablation_figures import ERROR, ratio
from bench.figures import shown, spread
from bench.quality_data import Split, split
from bench.quality_run import scores
from bench.sections import Section, Table

Run = Mapping[str, Any]
USUAL = (2, 1)  # eta and first rung of ash.tune's defaults
HEADER = (
    "eta, first rung",
    "rungs",
    "last rung",
    "candidates",
    "epochs in all",
    "best network",
    "ensemble",
    "by eta 2, 1",
)


@dataclass(frozen=True)
class Scope:
    """What is measured: one setting is an eta and the epochs of the first rung."""

    tables: tuple[str, ...] = ("optdigits", "winequality_white")  # one of classes, one of numbers
    etas: tuple[int, ...] = (2, 3, 4)
    firsts: tuple[int, ...] = (1, 4, 16)
    candidates: int = 32  # of the correlations
    longest: int = 64  # epochs of a rung
    epochs: int = 1280  # in all, of a search for an ensemble: 64 candidates on 5 rungs from 4 epochs on
    seeds: int = 3  # of the ensembles


FULL = Scope()
QUICK = Scope(tables=("diabetes",), etas=(2, 3), firsts=(1, 4), candidates=12, longest=8, epochs=96, seeds=1)


@dataclass(frozen=True)
class Setting:
    """A ladder on a table."""

    table: str
    eta: int
    first: int

    @property
    def key(self) -> str:
        """Return its name on record."""
        return f"rungs, {self.table}, eta {self.eta}, first rung {self.first}"


def settings(scope: Scope) -> Iterator[Setting]:
    """Yield all of them; those of a table follow each other, since they are compared."""
    for table in scope.tables:
        yield from (Setting(table, eta, first) for eta in scope.etas for first in scope.firsts)


def rungs_of(candidates: int, eta: int, first: int, longest: int) -> int:
    """Return how many rungs so many candidates have: the last has eta places at least, none is longer than that."""
    rungs = 1
    while candidates // eta**rungs >= eta and first * eta**rungs <= longest:
        rungs += 1
    return rungs


def ladder_of(eta: int, first: int, longest: int, epochs: int) -> tuple[int, int]:
    """Return how many candidates, on how many rungs, have so many epochs in all: each rung takes as many as the first.

    The rungs are as many as there are candidates for.
    """
    rungs = rungs_of(epochs, eta, first, longest)
    while rungs > 1 and rungs_of(epochs // (rungs * first), eta, first, longest) < rungs:
        rungs -= 1
    return max(1, epochs // (rungs * first)), rungs


def measure(table: str, eta: int, first: int, folder: str | None, scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the correlations of a ladder, and the searches with it, a seed each."""
    warnings.simplefilter("ignore")
    found, place = Scope(**scope), None if folder is None else Path(folder)
    told = {"eta": eta, "min_epochs": first}
    rungs = rungs_of(found.candidates, eta, first, found.longest)
    data = split(table, place, 0, categories=False)
    run = _run(data, candidates=found.candidates, max_rungs=rungs, algorithm="random", **told)
    correlations = [[rung["epochs"], _finite(rung["rank_correlation"])] for rung in run.rungs]
    count, rungs = ladder_of(eta, first, found.longest, found.epochs)
    told |= {"candidates": count, "max_rungs": rungs}
    searches = [_search(split(table, place, seed, categories=False), seed, told) for seed in range(found.seeds)]
    return {"correlations": correlations, "searches": searches}


def _run(data: Split, **told: Any) -> ash.Result:
    task = "classification" if data.classes else "regression"
    run = ash.tune(data.x, data.y, threads=1, task=task, progress=False, **told)
    if run.ended == "interrupted":  # a part of it is not what was asked for
        raise KeyboardInterrupt
    return run


def _search(data: Split, seed: int, told: Mapping[str, Any]) -> dict[str, Any]:
    run = _run(data, seed=seed, **told)
    return {
        **{"seed": seed, "candidates": len(run.params), "epochs": run.epochs},
        "rungs": [rung["epochs"] for rung in run.rungs],
        "model": scores(run.model, data)[ERROR],
        "ensemble": scores(run.ensemble(), data)[ERROR],
        "test_rows": len(data.y_test),
        "classes": data.classes,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def rung_sections(cases: Sequence[Run]) -> list[Section]:
    """Return the correlations of all, and a table of errors a table; nothing where nothing was measured."""
    measured = [case for case in cases if "searches" in case]
    tables = dict.fromkeys(case["table"] for case in measured)
    if not measured:
        return []
    own = {table: [case for case in measured if case["table"] == table] for table in tables}
    return [correlation_table(measured), *(search_table(table, own[table]) for table in tables)]


def correlation_table(cases: Sequence[Run]) -> Table:
    """Return a row a ladder, a column a rung."""
    most = max(len(case["correlations"]) for case in cases)
    rows = []
    for case in cases:
        *lower, last = case["correlations"]
        cells = [f"{epochs}: " + ("-" if value is None else f"{value:.2f}") for epochs, value in lower]
        cells += [f"{last[0]}: last", *[""] * (most - len(case["correlations"]))]
        rows.append([f"{case['table']}, eta {case['eta']}, {case['first']}", *cells])
    header = ["table, eta, first rung", *(f"rung {number}" for number in range(most))]
    note = (
        "Epochs of the rung: Spearman's correlation of the scores in it with those in the last rung, over all "
        "candidates, none of which was left behind. One seed. A last rung of fewer epochs is easier to foretell."
    )
    return Table("Rank correlation of each rung with the last score", header, rows, note)


def search_table(table: str, cases: Sequence[Run]) -> Table:
    """Return a row a ladder: what was searched, and the errors on the rows held out."""
    logs = {(case["eta"], case["first"]): [_log(search) for search in case["searches"]] for case in cases}
    rows = []
    for case in cases:
        searches, setting = case["searches"], (case["eta"], case["first"])
        rungs = searches[0]["rungs"]
        by_usual = _by(logs[setting], logs.get(USUAL, []))
        rows.append(
            [
                f"{setting[0]}, {setting[1]}",
                *(str(len(rungs)), str(rungs[-1]), str(searches[0]["candidates"])),
                str(round(sum(search["epochs"] for search in searches) / len(searches))),
                *(shown(spread([search[what] for search in searches]), ".4g") for what in ("model", "ensemble")),
                by_usual,
            ]
        )
    what = "share of wrong classes" if cases[0]["searches"][0]["classes"] else "root of the mean squared error"
    note = (
        f"On the rows held out, {what}; minimum / median / maximum over the seeds. By eta 2, 1: geometric mean of the "
        "ratios of the ensembles' errors on the same split, with half a row added to those of classes."
    )
    return Table(f"{table}: error of a search by its ladder, at equal epochs", list(HEADER), rows, note)


def _log(search: Run) -> float:
    return math.log(search["ensemble"] + (0.5 / search["test_rows"] if search["classes"] else 0.0))


def _by(logs: Sequence[float], usual: Sequence[float]) -> str:
    pairs = list(zip(logs, usual, strict=False))  # both from seed 0 on
    found = ratio(own - other for own, other in pairs)
    return "-" if found is None else f"{found.mean:.3f}"
