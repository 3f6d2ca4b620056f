"""Boosts trees with CatBoost on the encoded rows of a fold, and writes them in LightGBM's format.

    training rows -> quantized pool, shared by all jobs -> CatBoost -> its JSON -> models/catboost_trees.py -> text

Threads: a job runs on one thread, and only one CatBoost job runs at a time in a process, since CatBoost's logger is
global and not thread-safe (https://github.com/catboost/catboost/issues/2620). CatBoost trains without the GIL, so other
jobs continue. After each round it takes the GIL to ask whether the job was stopped. CatBoost itself would notice Ctrl-C
only in the main thread, where no job runs.
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ash.engine.tree_table import TreeTable, objective_of, takes_logarithms
from ash.models.catboost_model import IN_TURN, content_of, pool_of
from ash.models.catboost_trees import lightgbm_text
from ash.options import Options
from ash.space.boosters import CATBOOST
from ash.space.hyperparameters import Params

if TYPE_CHECKING:
    import catboost

BORDERS = 254
WAIT_SECONDS = 0.05
"""The interval at which a job that waits for another CatBoost job checks whether it was stopped itself."""
LEAST_DRAWN = 50
"""Rows are sampled only if a round is expected to draw at least this many, because CatBoost fails if a round draws
none."""
ALWAYS = {
    **{"thread_count": 1, "allow_writing_files": False, "logging_level": "Silent", "allow_const_label": True},
    **{"grow_policy": "SymmetricTree", "boosting_type": "Plain", "border_count": BORDERS},
}
LOSSES = {
    "squared_error": "RMSE",
    "absolute_error": "MAE",
    "quantile": "Quantile:alpha={}",
    "poisson": "Poisson",
}
"""CatBoost's name for each regression loss."""
SEVERAL_STEPS = 10
"""Steps in which CatBoost estimates the leaves for two classes and the Poisson loss; for other losses, it takes one."""
COST_OF_STATISTICS = 1.5
"""How much longer a round takes if CatBoost computes statistics of categories (0.7 to 2.1 on five tables)."""
FROM_AVERAGE = ("RMSE", "MAE", "Quantile", "CrossEntropy")
"""CatBoost's losses for which boosting can start from the best constant."""


def boost(
    table: TreeTable, params: Params, rounds: int, seed: int, is_stopped: Callable[[], bool]
) -> str | bytes | None:
    """Boost, and return the trees as `CatBoostRows.boost`, or None if the job was stopped."""
    log, native = takes_logarithms(params), table.is_native(params)
    categories = table.categories if native else 0
    prepared = table.prepared.get(
        (CATBOOST, log, native), lambda: CatBoostRows(*table.training(log, native), table.classes, categories)
    )
    return prepared.boost(params, rounds, params["learning_rate"], seed, table.plan, is_stopped)


def round_cost(table: TreeTable, params: Params) -> float:
    """Return the cost of a boosting round, in network multiply-adds that take about the same time."""
    share = params["feature_fraction"]
    features, bins = share * table.features, share * table.about_bins
    steps = SEVERAL_STEPS if table.classes == 2 or table.plan.loss == "poisson" else 1
    cost = round_cost_of_catboost(table.rows, features, bins, params["depth"], table.trees_a_round, steps)
    return cost * COST_OF_STATISTICS if table.is_native(params) else cost


class CatBoostRows:
    """The training rows of a fold in CatBoost's form.

    Parameters
    ----------
    rows : array of shape (rows, features)
        Encoded rows; NaN for missing cells.
    targets : array of shape (rows,)
        Class numbers, or targets scaled as for networks.
    weights : array of shape (rows,) or None
    classes : int
        Number of classes; 0 for regression.
    categories : int
        How many of the last features are level numbers, from which CatBoost computes its own statistics of categories.
    """

    def __init__(
        self,
        rows: NDArray[np.float64],
        targets: NDArray[Any],
        weights: NDArray[Any] | None,
        classes: int,
        categories: int = 0,
    ) -> None:
        from catboost import Pool

        self.shape, self.classes, self.categories = rows.shape, classes, categories
        self._dimensions: list[int | None] = [0]
        if classes > 2:  # CatBoost gives no output for a class without rows
            present, places_of = np.unique(targets.astype(np.int64), return_inverse=True)
            targets = targets.astype(np.int64) if categories else places_of
            places = {number: place for place, number in enumerate(present.tolist())}
            self._dimensions = [places.get(number) for number in range(classes)]
        self._is_constant = bool((targets == targets[0]).all())
        if classes == 2 and np.average(targets.astype(np.float64), weights=weights) > 1 - 2.0**-24:
            self._is_constant = True  # CatBoost rounds the share of class 1 to 1 in float32, so its logit is infinite
        cells = rows.astype(np.float32)
        if bool((cells == cells[:1]).all()):
            # CatBoost refuses a table if all columns are constant, but not if all numbers are missing.
            cells[:, : rows.shape[1] - categories] = np.nan
        with IN_TURN:
            if categories:
                self._pool: catboost.Pool = pool_of(cells, categories, targets, weights)
            else:
                self._pool = Pool(cells, targets, weight=weights, thread_count=1)
                self._pool.quantize(border_count=BORDERS)

    def boost(
        self, params: Params, rounds: int, rate: float, seed: int, options: Options, is_stopped: Callable[[], bool]
    ) -> str | bytes | None:
        """Boost for `rounds` rounds, and return the trees, or None if the job was stopped.

        The trees are in LightGBM's text format, or in CatBoost's own format if there are level numbers.
        """
        from catboost import CatBoost

        loss = self._loss(options)
        own = {
            **{"loss_function": loss, "iterations": rounds, "learning_rate": rate, "random_seed": seed},
            **{"depth": params["depth"], "l2_leaf_reg": params["l2_leaf_reg"], "rsm": params["feature_fraction"]},
            "metric_period": rounds,
        }
        if loss.partition(":")[0] in FROM_AVERAGE and not self._is_constant:
            own["boost_from_average"] = True
        share = params["bagging_fraction"]
        is_sampled = share < 1 and share * self.shape[0] >= LEAST_DRAWN
        own |= {"bootstrap_type": "Bernoulli", "subsample": share} if is_sampled else {"bootstrap_type": "No"}
        model = CatBoost({**ALWAYS, **own})
        while not IN_TURN.acquire(timeout=WAIT_SECONDS):
            if is_stopped():
                return None
        try:
            model.fit(self._pool, callbacks=[_Stop(is_stopped)])
        finally:
            IN_TURN.release()
        if is_stopped():
            return None
        if self.categories:
            return content_of(model)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.json")
            model.save_model(str(path), format="json")
            content = json.loads(path.read_text())
        objective = objective_of(self.classes, options.loss)
        return lightgbm_text(content, features=self.shape[1], objective=objective, dimensions=self._dimensions)

    def _loss(self, options: Options) -> str:
        """Return CatBoost's name for the loss."""
        if self.classes:  # CrossEntropy is like Logloss, but does not require both classes
            return "CrossEntropy" if self.classes == 2 else "MultiClass"
        return LOSSES[options.loss].format(options.quantile)


class _Stop:
    """A callback of CatBoost that ends training after the round in which the job was stopped."""

    def __init__(self, is_stopped: Callable[[], bool]) -> None:
        self._is_stopped = is_stopped

    def after_iteration(self, info: Any) -> bool:
        """Return whether to continue training with another round."""
        return not self._is_stopped()


def round_cost_of_catboost(rows: int, features: float, bins: float, depth: int, trees: int, steps: int) -> float:
    """Return the cost of a boosting round with `trees` trees, in network multiply-adds that take about the same time.

    For each level of a tree, CatBoost adds all rows to the histograms of the sampled features, and scores each bin for
    each leaf. The factors were fitted to timings, like those of `tree_cost`.

    Parameters
    ----------
    rows : int
    features, bins : float
        Expected number of features sampled per level, and their total number of bins.
    depth, trees : int
    steps : int
        Steps in which the leaves are estimated.
    """
    per_tree = (1200.0 + 500.0 * steps) * rows + 41.0 * rows * features * depth + 420.0 * 2**depth * bins
    return float(5e6 + 290.0 * rows * depth + trees * per_tree)
