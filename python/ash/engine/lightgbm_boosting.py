"""Boosts trees with LightGBM on the rows of a fold.

    training rows -> bins, shared by all jobs of a fold -> LightGBM -> its text

Threads: a job runs on one thread. LightGBM trains without the GIL.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ash.engine.tree_table import BINS, OBJECTIVES, TreeTable, takes_logarithms
from ash.space.boosters import LIGHTGBM
from ash.space.hyperparameters import Params

if TYPE_CHECKING:
    import lightgbm

OF_DATA = {"max_bin": BINS, "feature_pre_filter": False, "force_row_wise": True, "verbosity": -1, "num_threads": 1}
"""LightGBM parameters that are the same for all candidates, so that all can use the same table of bins."""
AS_THEY_ARE = (
    *("num_leaves", "min_data_in_leaf", "feature_fraction", "bagging_fraction", "learning_rate"),
    *("lambda_l1", "lambda_l2", "extra_trees"),
)
"""Hyperparameters that LightGBM accepts under the same name, and the learning rate that a job derives from them."""


def boost(table: TreeTable, params: Params, rounds: int, seed: int, is_stopped: Callable[[], bool]) -> str | None:
    """Boost, and return the trees in LightGBM's text format, or None if the job was stopped."""
    from lightgbm import Booster

    own = _parameters(table, params, seed)
    booster = Booster({**OF_DATA, **own}, _dataset(table, takes_logarithms(params), table.is_native(params)))
    is_random = own["bagging_freq"] or params["feature_fraction"] < 1 or params["extra_trees"]
    for _ in range(rounds):
        if is_stopped():
            return None
        # A round without a split adds no tree. The next round may draw rows or columns that can be split.
        if booster.update() and not is_random:
            break
    return str(booster.model_to_string())


def round_cost(table: TreeTable, params: Params) -> float:
    """Return the cost of a boosting round, in network multiply-adds that take about the same time."""
    native, trees = table.is_native(params), table.trees_a_round
    features = table.features + (table.categories - len(table.of_categories) if native else 0)
    dataset = _dataset(table, False, native)
    bins = sum(map(dataset.feature_num_bin, range(dataset.num_feature())))
    return trees * tree_cost(table.rows, features, table.leaves(params) // trees, bins)


def tree_cost(rows: int, features: int, leaves: int, bins: int) -> float:
    """Return the cost of a tree, in network multiply-adds that take about the same time.

    For each level of the tree, LightGBM adds the rows to the histograms of all features. For each leaf it searches
    all `bins` bins of these histograms, and the leaf is written as text and read again. The factors were fitted to
    timings. The cost only decides how many rounds a job has, so a rough estimate is enough. The formula avoids the
    system's logarithm, whose last bits differ between systems.
    """
    whole = leaves.bit_length() - 1
    levels = whole + leaves / 2**whole - 1
    return float(1e6 + 1600.0 * rows + 22.0 * rows * features * levels + (230.0 * bins + 120e3) * leaves)


def _dataset(table: TreeTable, log: bool, native: bool) -> "lightgbm.Dataset":
    """Return the training rows in LightGBM's bins, with their targets or, if `log`, the targets' logarithms."""
    from lightgbm import Dataset

    def prepare() -> Dataset:
        rows, label, weights = table.training(log, native)
        levels = list(range(table.features, rows.shape[1]))
        return Dataset(rows, label, weight=weights, categorical_feature=levels, params=OF_DATA).construct()

    return table.prepared.get((LIGHTGBM, log, native), prepare)


def _parameters(table: TreeTable, params: Params, seed: int) -> dict[str, Any]:
    """Return LightGBM's parameters for a job."""
    own = {name: params[name] for name in AS_THEY_ARE}
    classes, plan = table.classes, table.plan
    if classes:
        own |= {"objective": "binary"} if classes == 2 else {"objective": "multiclass", "num_class": classes}
    else:
        own |= {"objective": OBJECTIVES[plan.loss]} | ({"alpha": plan.quantile} if plan.loss == "quantile" else {})
    return own | {
        # LightGBM refuses to draw no rows
        "bagging_freq": int(1 <= params["bagging_fraction"] * table.rows < table.rows),
        "deterministic": True,
        "metric": "none",
        "seed": seed,
    }
