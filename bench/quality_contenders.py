"""Who takes part in the bench `quality`: names, fits and the packages that they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from bench import quality_fits, quality_optuna, quality_pytabkit
from bench.quality_fits import Task


@dataclass(frozen=True)
class Contender:
    """A way to a model."""

    name: str  # in tables
    fit: Callable[[Task, Any, Any], Any]
    needs: tuple[str, ...] = ()
    limited: bool = False  # goes on until the time limit
    categories: bool = True  # takes text as pandas' categories

    def missing(self) -> str | None:
        """Return what is to be said where a package is not there."""
        absent = [module for module in self.needs if find_spec(module) is None]
        return f"{absent[0]} is not installed" if absent else None


OURS, PERCEPTRON, TUNED, REALMLP = "ash", "mlp", "lightgbm-tuned", "realmlp"
CONTENDERS = {
    OURS: Contender("ash", quality_fits.ash, limited=True, categories=False),
    PERCEPTRON: Contender("scikit-learn MLP", quality_fits.perceptron),
    "lightgbm": Contender("LightGBM", quality_fits.boosting, ("lightgbm",)),
    TUNED: Contender("LightGBM, tuned", quality_optuna.tuned, ("lightgbm", "optuna"), limited=True),
    REALMLP: Contender("RealMLP-TD-S", quality_pytabkit.realmlp, ("pytabkit", "torch")),
    "tabm": Contender("TabM-mini", quality_pytabkit.tabm, ("pytabkit", "torch")),
    "flaml": Contender("FLAML", quality_fits.flaml, ("flaml", "lightgbm"), limited=True),
}
