"""Boosts trees with XGBoost on the encoded rows of a fold, and writes them in LightGBM's format.

    training rows -> bins, shared by all jobs of a fold -> XGBoost -> its JSON -> models/xgboost_trees.py -> text

Boosting starts from the best constant, as with LightGBM, and the constant becomes the first tree (of each class). It is
computed here, because versions of XGBoost differ in the constants from which they start.

Threads: a job runs on one thread. XGBoost trains without the GIL.
"""

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ash.engine.tree_table import BINS, TreeTable, objective_of, takes_logarithms
from ash.models.lightgbm_text import ABSENT
from ash.models.xgboost_trees import lightgbm_text
from ash.options import core_loss
from ash.space.boosters import XGBOOST
from ash.space.hyperparameters import Params

if TYPE_CHECKING:
    import xgboost

LARGEST = 1e38
"""Larger numbers are cut off: as float32, they or the ends of their bins would be infinite, which XGBoost refuses."""
ALWAYS = {"tree_method": "hist", "max_bin": BINS, "nthread": 1, "verbosity": 0, "seed_per_iteration": True}
OBJECTIVES = {
    "squared_error": "reg:squarederror",
    "absolute_error": "reg:absoluteerror",
    "quantile": "reg:quantileerror",
    "poisson": "count:poisson",
}
"""XGBoost's name for each regression loss."""
NEUTRAL = {"binary:logistic": 0.5, "count:poisson": 1.0}
"""The base_score that adds nothing to raw scores; 0 for other objectives."""
NAMES = {
    "max_depth": "depth",
    "eta": "learning_rate",
    "colsample_bytree": "feature_fraction",
    "subsample": "bagging_fraction",
    "alpha": "lambda_l1",
    "lambda": "lambda_l2",
    "min_child_weight": "min_child_weight",
}
"""The hyperparameter for each parameter of XGBoost."""


class _Prepared(NamedTuple):
    """The training rows in XGBoost's bins, and the raw scores from which boosting starts."""

    rows: "xgboost.QuantileDMatrix"
    start: NDArray[np.float32]


def boost(table: TreeTable, params: Params, rounds: int, seed: int, is_stopped: Callable[[], bool]) -> str | None:
    """Boost, and return the trees in LightGBM's text format, or None if the job was stopped."""
    from xgboost import Booster

    name = OBJECTIVES[table.plan.loss]
    if table.classes:
        name = "binary:logistic" if table.classes == 2 else "multi:softprob"
    own = {theirs: params[ours] for theirs, ours in NAMES.items()}
    own |= {"objective": name, "base_score": NEUTRAL.get(name, 0.0), "seed": seed}
    own |= {"num_class": table.classes} if table.classes > 2 else {}
    own |= {"quantile_alpha": table.plan.quantile} if name == "reg:quantileerror" else {}
    log = takes_logarithms(params)
    prepared = table.prepared.get((XGBOOST, log), lambda: _prepare(table, log))
    booster = Booster({**ALWAYS, **own}, [prepared.rows])
    for number in range(rounds):
        if is_stopped():
            return None
        booster.update(prepared.rows, number)
    objective = objective_of(table.classes, table.plan.loss)
    model = json.loads(booster.save_raw("json"))
    return lightgbm_text(model, features=table.features, objective=objective, start=prepared.start.tolist())


def round_cost(table: TreeTable, params: Params) -> float:
    """Return the cost of a boosting round, in network multiply-adds that take about the same time.

    For each level of a tree, XGBoost adds the rows to the histograms of the sampled features, and for each leaf it
    searches the bins. The factors are close to those of `tree_cost`; cpp/DESIGN.md has how they compare with timings.
    """
    share, depth, trees = params["feature_fraction"], params["depth"], table.trees_a_round
    leaves = table.leaves(params) // trees
    per_row = 1600.0 + 25.0 * share * table.features * depth
    return float(trees * (5e6 + per_row * table.rows + (300.0 * share * table.about_bins + 120e3) * leaves))


def _prepare(table: TreeTable, log: bool) -> _Prepared:
    from xgboost import QuantileDMatrix

    rows, label, weights = table.training(log, False)
    start = _start(table, label, np.ones(len(label)) if weights is None else weights.astype(np.float64))
    cells = np.clip(rows, -LARGEST, LARGEST, out=rows).astype(np.float32)
    margin = np.broadcast_to(start, (len(label), len(start)))
    data = QuantileDMatrix(
        cells, label, weight=weights, base_margin=np.ascontiguousarray(margin), max_bin=BINS, nthread=1
    )
    return _Prepared(data, start)


def _start(table: TreeTable, label: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the raw score of each output that minimizes the loss, if all rows get the same."""
    mean = float(np.average(label.astype(np.float64), weights=weights))
    if table.classes > 2:
        shares = np.bincount(label.astype(np.int64), weights, table.classes) / weights.sum()
        start = [math.log(share) if share > 0 else ABSENT for share in shares.tolist()]
    elif table.classes:
        least = math.exp(ABSENT)
        start = [math.log(max(mean, least) / max(1 - mean, least))]
    elif table.plan.loss == "poisson":
        start = [math.log(max(mean, math.exp(ABSENT)))]
    elif table.plan.loss == "squared_error":
        start = [mean]
    else:
        order = np.argsort(label, kind="stable")
        below = np.cumsum(weights[order])
        start = [float(label[order[np.searchsorted(below, core_loss(table.plan)[1] * below[-1])]])]
    return np.array(start, np.float32)
