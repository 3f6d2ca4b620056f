"""What each part of the recipe is worth: trained with all of them, and with one removed or changed at a time.

A case is one variant (bench/ablation_variants.py) on one table of the bench `quality`, over all seeds, in a process of
its own on one thread; as many run at once as there are CPUs. Three quarters of the rows to fit, the others to test on,
by seed. Every network is trained alone, so no search makes up for what is missing: for 64 epochs, for 32 from 10,000
rows to fit on, for 8 from 20,000. So a fit takes seconds, and all variants about an hour on two cores. Three other
parts search, in the same way: a ladder on a table is a case, and so are its refits and its selections.

    variants  the recipe and what differs from it, ten seeds
    rungs     reduction factors and first rungs (bench/ablation_rungs.py), on two tables
    final     searches with each kind of refit on all rows (bench/ablation_final.py), five tables, four seeds
    selection searches, averaged in several ways (bench/ablation_selection.py), eight tables, four seeds

What favours whom. The recipe: its rates and widths were chosen with all parts in place. The variants: of several rates
the best on the rows held out is taken.

It is not part of `all`, and what results/ablation.json holds stays on record: --tables, --variants and --seeds choose
what to measure now. A case counts until the code of `ash` has changed, or what it trains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.ablation_final import KINDS, Search, searches
from bench.ablation_run import EPOCHS, epochs_of, recipe_of, trained
from bench.ablation_rungs import FULL, QUICK, Scope, Setting, settings
from bench.ablation_sections import sections
from bench.ablation_selection import KINDS as AVERAGES
from bench.ablation_selection import selections
from bench.ablation_variants import FINAL, PARTS, RECIPE, RUNGS, VARIANTS
from bench.child import call
from bench.machine import cpus, package_commit
from bench.quality_data import TABLES, split
from bench.suite import Bench, Case, Options

__all__ = ["bench", "sections"]

SEEDS, QUICK_SEEDS = 10, 1
QUICK_TABLES, QUICK_EPOCHS = ("wine", "diabetes"), 4
ALONE = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
LEAST_ACCURACY = 0.9


@dataclass(frozen=True)
class Trial:
    """A variant on a table, over so many seeds; epochs: by the rows where None."""

    table: str
    variant: str
    seeds: int
    epochs: int | None = None

    @property
    def key(self) -> str:
        """Return its name on record, which has no seeds: more of them replace fewer."""
        return f"{self.table}, {self.variant}"


def bench(options: Options) -> Bench:
    """Return the bench: all cases, of which some may be chosen."""
    scope, of = QUICK if options.quick else FULL, package_commit()
    planned = {trial.key: trial for trial in trials(options.quick, options.seeds)}
    ladders = {setting.key: setting for setting in settings(scope)}
    ended = {search.key: search for search in searches(options.quick, options.seeds)}
    ended |= {search.key: search for search in selections(options.quick, options.seeds)}
    cases = [_trial_case(trial, options.data, of) for trial in planned.values()]
    cases += [_ladder_case(setting, scope, options.data, of) for setting in ladders.values()]
    cases += [_final_case(search, options.data, of) for search in ended.values()]
    return Bench(
        cases=cases,
        sections=sections,
        check=check,
        packages=("scikit-learn", "pandas"),
        kept=not options.quick,
        one_machine=False,
        chosen=lambda key: chosen(planned.get(key) or ladders.get(key) or ended[key], options),
        at_once=cpus(),
    )


def trials(quick: bool, seeds: int | None = None) -> Iterator[Trial]:
    """Yield all variants, table by table, the recipe first; of the first seeds only where that is said."""
    tables, most, epochs = (QUICK_TABLES, QUICK_SEEDS, QUICK_EPOCHS) if quick else (tuple(TABLES), SEEDS, None)
    count = most if seeds is None else min(seeds, most)
    for table in tables:
        yield from (Trial(table, variant, count, epochs) for variant in VARIANTS)


def chosen(planned: Trial | Setting | Search, options: Options) -> bool:
    """Return whether it is to be measured now; the recipe is with every variant, which is compared with it."""
    if options.tables and planned.table not in options.tables:
        return False
    if not options.variants:
        return True
    if not isinstance(planned, Trial):
        return (RUNGS if isinstance(planned, Setting) else planned.part) in options.variants
    wanted = [name for name in options.variants if name not in PARTS]
    return planned.variant in wanted or (planned.variant == RECIPE and bool(wanted))


def _trial_case(trial: Trial, data: Path | None, of: str) -> Case:
    changes = repr(VARIANTS[trial.variant].changes)

    def holds(value: Any) -> bool:
        if "skipped" in value or (value["of"], value["changes"]) != (of, changes):
            return False
        epochs = trial.epochs or VARIANTS[trial.variant].epochs or epochs_of(value["rows"])
        return value["seeds"] >= trial.seeds and value["epochs"] == epochs

    whose = {"part": "variants", **asdict(trial), "of": of, "changes": changes}
    return Case(trial.key, partial(_run, whose, data, partial(_fits, trial)), holds)


def _ladder_case(setting: Setting, scope: Scope, data: Path | None, of: str) -> Case:
    whose = {"part": RUNGS, **asdict(setting), "of": of, "scope": repr(scope)}
    run = partial(_run, whose, data, partial(_searches, setting, scope))
    return Case(setting.key, run, lambda value: "skipped" not in value and whose.items() <= value.items())


def _final_case(search: Search, data: Path | None, of: str) -> Case:
    kinds = KINDS if search.part == FINAL else AVERAGES
    how = {**asdict(search), "of": of, "kinds": ", ".join(kinds)}
    del how["seeds"]  # of which more will do

    def holds(value: Any) -> bool:
        return "skipped" not in value and value["seeds"] >= search.seeds and how.items() <= value.items()

    return Case(search.key, partial(_run, {**how, "seeds": search.seeds}, data, partial(_refits, search)), holds)


def _run(whose: dict[str, Any], data: Path | None, measure: Callable[[str | None], Any]) -> dict[str, Any]:
    """Return what was measured with whose it is, or why there is nothing."""
    missing = TABLES[whose["table"]].missing(data)
    found = {"skipped": missing} if missing is not None else measure(None if data is None else str(data))
    return {**whose, **found}


def _fits(trial: Trial, folder: str | None) -> Any:
    return call("bench.ablation_run", "measure", {**asdict(trial), "folder": folder}, ALONE)


def _searches(setting: Setting, scope: Scope, folder: str | None) -> Any:
    told = {**asdict(setting), "folder": folder, "scope": asdict(scope)}
    return call("bench.ablation_rungs", "measure", told, ALONE)


def _refits(search: Search, folder: str | None) -> Any:
    told = asdict(search)
    return call(f"bench.ablation_{told.pop('part')}", "measure", {**told, "folder": folder}, ALONE)


def check() -> None:
    """End the bench unless the recipe learns, and is the same when it is given by name."""
    rows = split("digits", None, 0, categories=False)
    first, second = (trained(rows, params, EPOCHS, seed=0) for params in (None, recipe_of(rows)))
    accuracy = first.model.score(rows.x_test, rows.y_test)
    if accuracy < LEAST_ACCURACY:
        raise SystemExit(f"ash: an accuracy of {accuracy:.4f} on the digits: nothing to compare")
    if first.digest != second.digest:
        raise SystemExit("ash: the recipe by name is not the default candidate: nothing to compare")
