"""What the refit on all rows is worth: searches as the estimators make them, each ended in several ways.

    search -> networks kept -> 16 draws -> best network and ensemble, as found, by which the others are shown
                                        -> both after the refit of `ash.final`
                                        -> both after the same for a whole cycle at the full rate
                                        -> both of networks trained from scratch on all rows, as with `cv`

A search is trained once, so what is compared has the same draws and shares. It is compared by the loss on the rows held
out: of classes the squared error of the probabilities (Brier's score), since errors are too coarse on few rows, of
numbers the root of the mean squared error. The ensemble is looked at even where an estimator would take the best
network alone. One thread, in a process of its own, and no time limit, so nothing depends on seconds.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import ash
import ash.run
from ash import _core, final
from ash.all_rows import train_through
from ash.calibration import sharpen
from ash.ensemble import Ensemble
from ash.kept import Kept
from ash.model import Model
from ash.network import Network
from ash.options import Options
from ash.outcome import network_of
from ash.parts import Parts
from ash.preparation import prepare
from bench.ablation_figures import Run, fits_of_searches, ratio_rows
from bench.ablation_variants import FINAL
from bench.quality_data import Split, split
from bench.quality_run import root_mean_square
from bench.sections import Section, Table

TABLES = ("diabetes", "breast_cancer", "digits", "winequality_white", "optdigits")  # the small ones first
SEEDS = 4
NONE, OWN, WHOLE, SCRATCH = "none", "own", "whole", "scratch"
KINDS: Mapping[str, str] = {  # in tables
    OWN: "what ash does",
    WHOLE: "a whole cycle at the full rate",
    SCRATCH: "from scratch on all rows",
}
NETWORK, ENSEMBLE = "network", "ensemble"
TITLES = {NETWORK: "best network", ENSEMBLE: "ensemble"}


@dataclass(frozen=True)
class Search:
    """A table to search on, over so many seeds, and how."""

    table: str
    seeds: int
    part: str = FINAL  # of the bench
    candidates: int = 24
    first: int = 4  # epochs of the first rung
    rungs: int = 4
    draws: int = 16

    @property
    def key(self) -> str:
        """Return its name on record, which has no seeds: more of them replace fewer."""
        return f"{self.part}, {self.table}"


def searches(quick: bool, seeds: int | None = None) -> Iterator[Search]:
    """Yield a search a table; of the first seeds only where that is said."""
    if quick:
        yield Search("diabetes", 1, candidates=8, first=2, rungs=2)
        return
    yield from (Search(table, SEEDS if seeds is None else min(seeds, SEEDS)) for table in TABLES)


def measure(
    table: str, seeds: int, candidates: int, first: int, rungs: int, draws: int, folder: str | None
) -> dict[str, Any]:
    """Return the losses of each kind of refit, a search a seed; share and rate: of the cycle that ash takes."""
    warnings.simplefilter("ignore")
    told = {"candidates": candidates, "min_epochs": first, "max_rungs": rungs}
    found = []
    for seed in range(seeds):
        data = split(table, None if folder is None else Path(folder), seed, categories=False)
        found.append({"seed": seed, **_search(data, seed, draws, told)})
    return {"share": final.SHARE, "rate": final.RATE, "searches": found}


def _search(data: Split, seed: int, draws: int, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return how many networks are drawn in a search, and what they and the best of them lose after each refit."""
    found: dict[str, Any] = {}

    def compare(
        tuner: _core.Tuner, kept: Kept, folds: Sequence[Parts], _: Any, options: Options, *__: Any, **last: Any
    ) -> tuple[Kept, Model]:
        if last["interrupted"]:  # a part of it is not what was asked for
            raise KeyboardInterrupt
        drawn = kept.ensemble(draws)
        members = dict(_refitted(tuner, kept, drawn, folds[0], options))
        found["members"] = len(drawn.members)
        found["losses"] = {kind: _losses(networks, drawn, data) for kind, networks in members.items()}
        return kept, kept.networks[0]

    estimator = ash.ASHClassifier if data.classes else ash.ASHRegressor
    with patch.object(ash.run, "finish", compare):  # where there is still all that a refit needs
        estimator(**told, n_jobs=1, random_state=seed).fit(data.x, data.y)
    return found


def _refitted(
    tuner: _core.Tuner, kept: Kept, drawn: Ensemble, parts: Parts, options: Options
) -> Iterator[tuple[str, list[Network]]]:
    """Yield the members, the best first, as they were found and after each kind of refit."""
    places = [place for place, network in enumerate(kept.networks) if network in drawn.members]

    def go_on() -> list[Network]:
        networks = final._refit(tuner, kept, np.array(places, np.int64), parts, options, math.inf).networks
        return [networks[place] for place in places]

    yield NONE, list(drawn.members)
    yield OWN, go_on()
    with patch.multiple(final, SHARE=1.0, RATE=1.0):
        whole = go_on()
    yield WHOLE, whole
    yield SCRATCH, _from_scratch(kept, places, parts, options)


def _from_scratch(kept: Kept, places: Sequence[int], parts: Parts, options: Options) -> list[Network]:
    """Return these networks trained on all rows through all their rungs; one that diverges stays as it was found."""
    rows = np.concatenate([parts.training, parts.validation])
    whole = replace(parts, training=rows, validation=parts.validation[:1])  # some row must be held out
    data = prepare(whole, epoch_rows=options.epoch_rows)
    trained = []
    for place in places:
        old, candidate, rung = kept.networks[place], kept.candidates[place], kept.rungs[place]
        core = train_through(data, old.params, candidate, rung, options)
        core = old.core if core is None else sharpen(core, kept.factors[place])
        trained.append(network_of(core, whole, old.params, options, old.validation_score))
    return trained


def _losses(networks: Sequence[Network], drawn: Ensemble, data: Split) -> dict[str, float]:
    averaged = Ensemble(networks, drawn.weights, metric=drawn.metric, validation_score=drawn.validation_score)
    return {NETWORK: loss(networks[0], data), ENSEMBLE: loss(averaged, data)}


def loss(model: Any, data: Split) -> float:
    """Return the mean over the rows held out of Brier's score, all classes of it, or the root mean squared error."""
    if not data.classes:
        return root_mean_square(np.asarray(model.predict(data.x_test)) - data.y_test)
    wrong = np.asarray(model.predict_proba(data.x_test), np.float64) - np.eye(data.classes)[data.y_test]
    return float(np.square(wrong).sum(axis=1).mean())


def final_sections(cases: Sequence[Run]) -> list[Section]:
    """Return a table for the best network and one for the ensemble; nothing where nothing was measured."""
    measured = [case for case in cases if "searches" in case]
    return [refit_table(what, measured) for what in TITLES] if measured else []


def refit_table(what: str, cases: Sequence[Run]) -> Table:
    """Return a row a kind of refit, a column a table and one for all of them."""
    fits, tables = fits_of_searches(cases, NONE), [case["table"] for case in cases]
    rows = ratio_rows(fits, KINDS, tables, what)
    cycles = " or ".join(sorted({f"{case['share']:g} of a cycle at {case['rate']:g} of the rate" for case in cases}))
    seeds = ", ".join(f"{case['table']} {len(case['searches'])}" for case in cases)
    counts = sorted({search["members"] for case in cases for search in case["searches"]})
    note = (
        "On the rows held out, of classes Brier's score, of numbers the root of the mean squared error; geometric "
        "means over the seeds of the ratio to no refit, with 95 % intervals. Below 1 the refit is better than none. "
        f"What ash does: {cycles}. Networks drawn: {counts[0]} to {counts[-1]}. Seeds: {seeds}."
    )
    title = f"Loss after a refit on all rows, by that without: {TITLES[what]}"
    return Table(title, ["refit", *tables, "all"], rows, note)
