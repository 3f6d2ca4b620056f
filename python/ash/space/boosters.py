"""The table of the libraries of boosted trees: their hyperparameters, the size of their trees, and their domains.

``model`` is the kind of a candidate: a network, or boosted trees of one of the libraries. Hyperparameters of trees have
LightGBM's names, except for ``depth``, CatBoost's ``l2_leaf_reg`` and XGBoost's ``min_child_weight``. They do not
affect networks, and hyperparameters of networks do not affect trees. ``shrinkage`` replaces the learning rate of trees:
a job of R boosting rounds has the learning rate shrinkage / R, but at most MOST_RATE (engine/tree_trainer.py).

``categories`` says how trees get the columns that are categories: as the features that networks get ("encoded"), or as
level numbers ("native"). With level numbers, LightGBM splits sets of levels, and CatBoost computes statistics itself.

A library is trained by a module of the engine (`BOOSTING` in engine/tree_trainer.py).
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ash._utils.installation import require_extra
from ash.space.domains import Domain, choice, integers, loguniform, uniform
from ash.space.hyperparameter import Hyperparameter, integer, name_of, number, switch

NETWORK, LIGHTGBM, CATBOOST, XGBOOST = "network", "lightgbm", "catboost", "xgboost"

OF_TREES: Mapping[str, Hyperparameter] = {
    "categories": name_of("encoded", "encoded", "native"),
    "shrinkage": number(12.0, 1e-6, 1e6),
    "num_leaves": integer(31, 2, 131_072),
    "min_data_in_leaf": integer(20, 1, 2**31 - 1),
    "depth": integer(6, 1, 10),
    "feature_fraction": number(1.0, 1e-6, 1),
    "bagging_fraction": number(1.0, 1e-6, 1),
    "lambda_l1": number(0.0, 0, 1e6),
    "lambda_l2": number(0.0, 0, 1e6),
    "l2_leaf_reg": number(3.0, 1e-3, 1e6),
    "extra_trees": switch(False),
    "min_child_weight": number(1.0, 0, 1e6),
}
"""The hyperparameters of all libraries of boosted trees."""


class Booster(NamedTuple):
    """What ash needs to know of a library of boosted trees before it trains with it.

    The key of a row of BOOSTERS is the name of the package, and the value of the hyperparameter `model`.

    Attributes
    ----------
    title : str
        The name of the library in texts.
    extra : str or None
        The extra of ash-tune that installs the library; None if ash-tune itself requires it.
    hyperparameters : tuple of str
        The names of its hyperparameters, keys of OF_TREES.
    size : str
        The hyperparameter that limits the size of a tree.
    leaves : callable
        ``leaves(size, most)`` is the maximum number of leaves of a tree, for a value of `size` and for rows that fill
        at most `most` leaves.
    domains : callable
        ``domains(rows, has_categories)`` has the domains of the default space, for a table with this number of training
        rows, and with or without columns of categories.
    """

    title: str
    extra: str | None
    hyperparameters: tuple[str, ...]
    size: str
    leaves: Callable[[int, int], int]
    domains: Callable[[int, bool], dict[str, Domain]]


def _lightgbm(rows: int, has_categories: bool) -> dict[str, Domain]:
    return {
        "shrinkage": loguniform(3.0, 60.0, default=12.0),
        "num_leaves": integers(4, 256, log=True, default=31),
        "min_data_in_leaf": integers(1, max(2, min(100, rows // 10)), log=True, default=min(20, max(2, rows // 10))),
        "feature_fraction": uniform(0.3, 1.0, default=0.8),
        "bagging_fraction": uniform(0.5, 1.0, default=0.9),
        "lambda_l2": loguniform(1e-3, 30.0, default=0.1),
        "extra_trees": choice(False, True),
        **({"categories": choice("encoded", "native")} if has_categories else {}),
    }


def _catboost(rows: int, has_categories: bool) -> dict[str, Domain]:
    """Return domains close to TabArena's and to CatBoost's defaults."""
    return {
        "shrinkage": loguniform(6.0, 100.0, default=30.0),
        "depth": integers(4, 8, default=6),
        "feature_fraction": uniform(0.4, 1.0, default=0.8),
        "bagging_fraction": uniform(0.7, 1.0, default=0.9),
        "l2_leaf_reg": loguniform(1e-2, 30.0, default=3.0),
    }


def _xgboost(rows: int, has_categories: bool) -> dict[str, Domain]:
    """Return domains close to TabArena's; shrinkage is that of LightGBM."""
    return {
        "shrinkage": loguniform(3.0, 60.0, default=12.0),
        "depth": integers(3, 9, default=6),
        "min_child_weight": loguniform(1e-3, 10.0, default=1.0),
        "feature_fraction": uniform(0.4, 1.0, default=0.8),
        "bagging_fraction": uniform(0.5, 1.0, default=0.9),
        "lambda_l2": loguniform(1e-3, 30.0, default=1.0),
    }


BOOSTERS: Mapping[str, Booster] = {
    LIGHTGBM: Booster(
        title="LightGBM",
        extra=None,
        hyperparameters=(
            *("categories", "shrinkage", "num_leaves", "min_data_in_leaf", "feature_fraction", "bagging_fraction"),
            *("lambda_l1", "lambda_l2", "extra_trees"),
        ),
        size="num_leaves",
        leaves=lambda size, most: max(2, min(size, most)),
        domains=_lightgbm,
    ),
    CATBOOST: Booster(
        title="CatBoost",
        extra="catboost",
        hyperparameters=(*("categories", "shrinkage", "depth", "feature_fraction", "bagging_fraction", "l2_leaf_reg"),),
        size="depth",
        leaves=lambda size, most: 2**size,  # an oblivious tree may have more leaves than there are rows
        domains=_catboost,
    ),
    XGBOOST: Booster(
        title="XGBoost",
        extra="xgboost",
        hyperparameters=(
            *("shrinkage", "depth", "min_child_weight", "feature_fraction", "bagging_fraction"),
            *("lambda_l1", "lambda_l2"),
        ),
        size="depth",
        leaves=lambda size, most: max(2, min(2**size, most)),
        domains=_xgboost,
    ),
}
"""The libraries of boosted trees, by the name of the package."""

MODELS = (NETWORK, *BOOSTERS)
"""The kinds of model that a candidate can be."""


def is_boosted(params: Mapping[str, Any]) -> bool:
    """Return whether a candidate is a boosted-tree model."""
    return params.get("model", NETWORK) in BOOSTERS


def require_booster(feature: str, model: str) -> None:
    """Raise MissingExtraError, which names the feature, if this kind of model needs a package that is not installed."""
    booster = BOOSTERS.get(model)
    if booster is not None and booster.extra is not None:
        require_extra(feature, model, booster.extra)
