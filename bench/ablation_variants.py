"""What the bench `ablation` trains in place of the recipe: a line a variant, which removes or changes one part.

A variant says what differs from the recipe of a table. Where nothing does, it is left out there: no smoothed labels can
be taken from numbers, no embedding from where there is none. So a part that is new is a line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ash.settings import check_params

Params = dict[str, Any]
RECIPE = "recipe"
PARTS = (RUNGS, FINAL, SELECTION) = ("rungs", "final", "selection")  # no variants: the other parts of the bench


@dataclass(frozen=True)
class Times:
    """What the recipe has, so many times; of something that it has not, there is no such variant."""

    factor: float


@dataclass(frozen=True)
class Variant:
    """Another configuration; with several changes each is tried, and the best one of a table counts."""

    words: str  # in tables
    changes: tuple[Mapping[str, Any], ...]
    alone: bool = False  # the changes are all of it: nothing of the recipe stays
    part: str = ""  # left out where a table has none of that: "levels" of numbers, "neighbors" (bench/ablation_run.py)
    without: bool = False  # the table is read without that part
    epochs: int | None = None  # instead of those by the rows


def _one(words: str, **changes: Any) -> Variant:
    return Variant(words, (changes,))


VARIANTS: Mapping[str, Variant] = {
    RECIPE: _one("the recipe"),
    "number-levels": Variant("no statistics of numbers", ({},), part="levels", without=True),
    # With what neighbors tell, a network has soon learned all but the noise, and a search stops it there.
    "neighbors": Variant("no neighbors", ({},), part="neighbors", without=True),
    "neighbors-brief": Variant("neighbors, 8 epochs", ({},), part="neighbors", epochs=8),
    "brief": Variant("no neighbors, 8 epochs", ({},), part="neighbors", without=True, epochs=8),
    "embedding-off": _one("no embedding", embedding="none"),
    "embedding-on": _one("a periodic embedding", embedding="periodic"),
    "embedding-frequency": _one("embedding_frequency x 4", embedding_frequency=Times(4)),
    "input-scaling": _one("no input_scaling", input_scaling=False),
    "parametric-activation": _one("no parametric_activation", parametric_activation=False),
    # Rates of the one parametrization are none of the other, so this one gets the best of three.
    "parametrization": Variant(
        "standard parametrization, best of 3 rates",
        tuple({"parametrization": "standard", "learning_rate": rate} for rate in (0.001, 0.003, 0.01)),
    ),
    "beta2": _one("beta2 0.999", beta2=0.999),
    "label-smoothing": _one("no label_smoothing", label_smoothing=0.0),
    "dropout": _one("no dropout", dropout=0.0),
    "dropout-doubled": _one("dropout x 2", dropout=Times(2)),
    "weight-decay": _one("no weight_decay", weight_decay=0.0),
    "weight-decay-doubled": _one("weight_decay x 2", weight_decay=Times(2)),
    "relu": _one("relu", activation="relu"),
    "selu": _one("selu", activation="selu"),
    "mish": _one("mish", activation="mish"),
    "constant": _one("a constant learning rate", learning_rate_schedule="constant"),
    "rate-halved": _one("learning_rate x 0.5", learning_rate=Times(0.5)),
    "rate-doubled": _one("learning_rate x 2", learning_rate=Times(2)),
    "plain": Variant(
        "a plain network",  # the default before there was a recipe
        (
            {
                **{"hidden": (64, 64), "activation": "relu", "optimizer": "adamw", "learning_rate": 0.003},
                **{"batch_size": 32, "weight_decay": 0.0, "dropout": 0.0, "label_smoothing": 0.0},
                **{"parametrization": "standard", "input_scaling": False, "embedding": "none"},
                "parametric_activation": False,
            },
        ),
        alone=True,
    ),
}


def configurations(variant: Variant, recipe: Params) -> list[Params]:
    """Return what the variant trains on a table with this recipe; nothing where that is the recipe itself."""
    if not any(variant.changes):
        return [recipe]
    changed = [_changed(changes, recipe, variant.alone) for changes in variant.changes]
    return [params for params in changed if params is not None and check_params(params) != check_params(recipe)]


def _changed(changes: Mapping[str, Any], recipe: Params, alone: bool) -> Params | None:
    """Return the recipe with these changes; None where a part is to be multiplied that it has not."""
    if any(isinstance(change, Times) and name not in recipe for name, change in changes.items()):
        return None
    values = {
        name: change.factor * recipe[name] if isinstance(change, Times) else change for name, change in changes.items()
    }
    return values if alone else {**recipe, **values}
