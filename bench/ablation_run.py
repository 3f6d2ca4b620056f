"""The fits of one variant of the bench `ablation` on one table, in a process of its own, on one thread.

A seed is that of the split and of the initial weights. The recipe is what `ash.tune` takes as its first candidate for
these rows; a variant changes it by name. Each is trained alone, on one rung of all its epochs, and one row is held out,
since some row must be: nothing is chosen by it. A fit that diverges counts as what guesses the most frequent class or
the mean.
"""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import ash
from ash import parts
from ash.schema import Schema
from bench.ablation_variants import VARIANTS, Params, configurations
from bench.quality_data import Split, split
from bench.quality_run import scores

EPOCHS = 64
EPOCHS_OF = {10_000: 32, 20_000: 8}
"""By rows to fit, from so many on: so that all fits have some thousand updates, whatever the table. With 32 epochs, as
this bench gave it at commit e74f730, adult is learned by heart, and what hinders learning looks good."""
HELD_OUT = 1  # row


def epochs_of(rows: int) -> int:
    """Return the epochs of a fit of so many rows."""
    return next((epochs for least, epochs in reversed(EPOCHS_OF.items()) if rows >= least), EPOCHS)


def measure(table: str, variant: str, folder: str | None, seeds: int, epochs: int | None) -> dict[str, Any]:
    """Return the fits, a list for each configuration of the variant; epochs: by the rows unless given."""
    warnings.simplefilter("ignore")
    fits: dict[str, list[dict[str, Any]]] = {}
    recipe, rows, chosen = {}, 0, 0
    for seed in range(seeds):
        data = split(table, None if folder is None else Path(folder), seed, categories=False)
        rows = len(data.y)
        chosen = epochs or VARIANTS[variant].epochs or epochs_of(rows)
        first, part = trained(data, None, epochs=1, seed=0), VARIANTS[variant].part
        recipe = dict(first.best_params)
        if part and not has(first.model.encoding.schema, part):
            continue
        with without(part) if VARIANTS[variant].without else nullcontext():
            for number, params in enumerate(configurations(VARIANTS[variant], recipe)):
                found = _fit(data, params, chosen, seed)
                fits.setdefault(str(number), []).append({"seed": seed, **found})
    return {"rows": rows, "epochs": chosen, "recipe": recipe, "fits": list(fits.values())}


def has(schema: Schema, part: str) -> bool:
    """Return whether a table has levels of numbers, or neighbors."""
    if part == "neighbors":
        return schema.neighbors
    return any(column.kind == "number" and column.levels for column in schema.columns)


def without(part: str) -> AbstractContextManager[Any]:
    """Have fits read a table without levels of numbers, or without neighbors, which no parameter of theirs does."""
    name = {"levels": "with_recurring", "neighbors": "with_neighbors"}[part]
    return patch.object(parts, name, lambda schema, *table: schema)


def recipe_of(data: Split) -> Params:
    """Return the first candidate of the default space of these rows, found by an epoch of it."""
    return dict(trained(data, None, epochs=1, seed=0).best_params)


def trained(data: Split, params: Params | None, epochs: int, seed: int) -> ash.Result:
    """Return the run of one configuration, by default the recipe."""
    return ash.tune(
        *(data.x, data.y, None if params is None else ash.Space(**params)),
        candidates=1,
        min_epochs=epochs,
        max_rungs=1,
        threads=1,
        validation=HELD_OUT,
        task="classification" if data.classes else "regression",
        metric="accuracy" if data.classes else "rmse",  # r2 of one row is undefined
        seed=seed,
        progress=False,
    )


def _fit(data: Split, params: Params, epochs: int, seed: int) -> dict[str, Any]:
    """Return error and log loss on the rows held out, and the multiply-adds of the training."""
    try:
        run = trained(data, params, epochs, seed)
    except ash.AllDiverged:
        return {"diverged": True, "test_rows": len(data.y_test), **scores(_guess(data), data)}
    work = float((run.columns["virtual_end"] - run.columns["virtual_start"]).sum())
    return {"diverged": False, "test_rows": len(data.y_test), "work": work, **scores(run.model, data)}


def _guess(data: Split) -> Any:
    from sklearn.dummy import DummyClassifier, DummyRegressor

    return (DummyClassifier(strategy="prior") if data.classes else DummyRegressor()).fit(data.x, data.y)
