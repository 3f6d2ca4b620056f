"""Trains boosted-tree candidates with LightGBM or CatBoost, on the same rows as networks.

    a job in rung k -> as many rounds as cost the same as a network's job in rung k -> boosted from scratch -> scores

A job of R rounds has the learning rate `shrinkage` / R, where `shrinkage` is a hyperparameter; cpp/DESIGN.md ("Boosted
trees") explains why. The learning rate is at most MOST_RATE.

A job runs on one thread. Its result depends only on the data, the candidate and the rung. `TreeFolds` trains it: in a
thread of the core, or in a worker of an executor, which gets a pickled copy. Both libraries train without the GIL. The
trees of a job are freed once the job is decided, unless the job is kept.

Threads: any thread may use `TreeFolds`, `TreeTrainer.__call__` and `put`. A lock guards what is prepared of a fold;
         other shared data change by single operations on dicts. Only the calling thread uses the other methods;
         `complete` and `refit` start additional threads.
Memory:  per process and fold, the encoded validation rows in float64, and a table of bins (one byte per cell) for each
         combination of library, target transform and encoding of categories in use. Pickled, a fold has all its encoded
         rows in float64.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event, RLock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash._utils.aliases import Key
from ash._utils.installation import installed_version
from ash._utils.threads import at_work, is_ending
from ash.encoding.data_split import Fold
from ash.engine.catboost_boosting import SEVERAL_STEPS, CatBoostRows, round_cost_of_catboost
from ash.engine.core_data import BLOCK_CELLS
from ash.models.catboost_model import with_units
from ash.models.model import Outputs, joined
from ash.models.trees import Boosted, core_of
from ash.options import CATBOOST, LIGHTGBM, TREES, RunPlan, core_loss
from ash.space.hyperparameters import Params, check_params, model_of

if TYPE_CHECKING:
    import lightgbm

    from ash.scoring.scorers import ValidationScorer

BINS = 255
MOST_RATE = 0.5
"""Maximum learning rate of a job. It matters only for jobs with few rounds."""
MOST_ROUNDS = 2_000
"""Maximum number of rounds in a job. More rounds would only make the model larger."""
MOST_OBLIVIOUS = 1_024
"""Maximum number of leaves of an oblivious tree, which may have more leaves than there are rows."""
COST_OF_STATISTICS = 1.5
"""How much longer a round of CatBoost takes if it computes statistics of categories (0.7 to 2.1 on five tables)."""
NATIVE = "native"
"""The value of the hyperparameter `categories` with which trees split sets of levels."""
MOST_LEAVES = 200_000
"""Maximum number of leaves of a model. A model of this size takes about 20 MB of text."""
OF_DATA = {"max_bin": BINS, "feature_pre_filter": False, "force_row_wise": True, "verbosity": -1, "num_threads": 1}
"""LightGBM parameters that are the same for all candidates, so that all can use the same table of bins."""
WAKE_SECONDS = 0.05
"""How long the calling thread waits at a time. It notices Ctrl-C when it wakes."""

Job = TypeVar("Job")
Made = TypeVar("Made")

Stopped = Callable[[], bool]
"""Returns whether a job was told to stop."""
JobResult = tuple[float, float, float, int, list[float]]
"""Score, loss, training loss (NaN), hash, and the scores of the folds, which are empty if the job has diverged."""


class TreeJob(NamedTuple):
    """The models of a boosted-tree job."""

    score: float
    folds: tuple[Boosted, ...]
    predictions: Outputs
    """Predictions for the validation rows of all folds."""


class TreeFolds:
    """Trains boosted-tree jobs on the folds of a run. It can be pickled, so that workers of an executor can train.

    Parameters
    ----------
    folds, data
        The folds of the run, and the core's data for each fold.
    options : RunPlan
    epoch_cost : float
        The multiply-adds of an average network's epoch, summed over all folds.
    """

    def __init__(self, folds: Sequence[Fold], data: Sequence[_core.Data], options: RunPlan, epoch_cost: float) -> None:
        self.versions = {each: installed_version(each) for each in TREES if each in options.models}
        self._tables = [TreeTable(*each, options) for each in zip(folds, data, strict=True)] if self.versions else []
        self.options, self._epoch_cost = options, epoch_cost

    def rounds(self, params: Params, epochs: int) -> int:
        """Return the number of boosting rounds that cost as much as `epochs` epochs of an average network."""
        round_cost = sum(table.round_cost(params) for table in self._tables)
        most = min(MOST_ROUNDS, MOST_LEAVES // self._tables[0].leaves(params))
        return int(min(max(1, most), max(1.0, epochs * self._epoch_cost / round_cost)))

    def train(
        self,
        candidate: int,
        params: Params,
        epochs: int,
        is_stopped: Stopped = lambda: False,
        scorers: "Sequence[ValidationScorer]" = (),
    ) -> tuple[JobResult, TreeJob] | None:
        """Run a job, and return its result and its models; None if it was stopped.

        `scorers` has the user's scoring function for each fold; it is empty if the core computes the metric.
        """
        params = check_params(params)
        folds, predictions, scores, losses = [], [], [], []
        with at_work():
            rounds = self.rounds(params, epochs)
            for place, table in enumerate(self._tables):
                if is_stopped():
                    return None
                seed = _seed(self.options.seed, candidate, place)
                boosted = table.boost(params, rounds, seed, is_stopped)
                if boosted is None:
                    return None
                outputs = boosted.core.predict(table.validation(boosted.has_level_numbers), 1)
                scores.append(scorers[place](boosted, outputs) if scorers else table.score(outputs))
                losses.append(table.loss(outputs))
                folds.append(boosted)
                predictions.append(outputs)
        score, loss = float(np.mean(scores)), float(np.mean(losses))
        is_sound = math.isfinite(score) and math.isfinite(loss)
        result = score, loss, math.nan, _hash_of(folds), scores if is_sound else []
        return result, TreeJob(score, tuple(folds), joined(predictions))


class TreeTrainer:
    """Runs the jobs of boosted-tree candidates, and keeps their models; a `_core.Tuner` gets it as `external`.

    Parameters
    ----------
    folds : TreeFolds
    params : list of dict
        Hyperparameters of the candidates, in order of candidate number; the list may grow.
    scorers : sequence of ValidationScorer
        The user's scoring function for each fold; empty if the core computes the metric.

    Attributes
    ----------
    error : BaseException or None
        The first error that a job in this process raised. It ends the run.
    """

    def __init__(self, folds: TreeFolds, params: Sequence[Params], scorers: "Sequence[ValidationScorer]") -> None:
        self.folds, self._params, self._scorers = folds, params, scorers
        self.error: BaseException | None = None
        self._jobs: dict[Key, TreeJob] = {}
        self._decided: set[Key] = set()

    def __call__(
        self, candidate: int, rung: int, epochs: int, is_stopped: Stopped
    ) -> tuple[float, float, int, list[float]] | None:
        """Run a job, and return its score, loss, hash and fold scores; None if the job was stopped or failed."""
        try:
            result = self._train(candidate, rung, epochs, lambda: is_stopped() or is_ending())
        except BaseException as error:  # exceptions must not reach the threads of the core
            self.error = self.error or error
            return None
        return None if result is None else (*result[:2], *result[3:])

    def is_of_trees(self, candidate: int) -> bool:
        """Return whether a candidate is a boosted-tree model."""
        return model_of(self._params[candidate]) in TREES

    def put(self, candidate: int, rung: int, job: TreeJob) -> None:
        """Store the models of a job that this process or a worker of an executor has run."""
        self._jobs[candidate, rung] = job

    def job(self, candidate: int, rung: int) -> TreeJob | None:
        """Return the stored models of a job; None if they were freed, or if the job has not run in this call."""
        return self._jobs.get((candidate, rung))

    def forget(self, decided: Iterable[Key], kept: Iterable[Key]) -> None:
        """Free the models of decided jobs that are not in `kept`.

        A job counts as decided if it was in `decided` in this or any earlier call of this method.
        """
        self._decided.update(decided)
        for key in self._decided - set(kept):
            self._jobs.pop(key, None)
        self._decided.intersection_update(kept)

    def complete(self, jobs: Sequence[tuple[int, int, int, int]], threads: int) -> None:
        """Run the kept jobs of an earlier call again; each job is given as (candidate, rung, epochs, hash).

        Raises
        ------
        RuntimeError
            The trees of a job do not match its hash.
        """

        def repeat(job: tuple[int, int, int, int], is_stopped: Stopped) -> None:
            candidate, rung, epochs, expected = job
            found = self._train(candidate, rung, epochs, is_stopped)
            if found is not None and found[3] != expected:
                raise RuntimeError(f"candidate {candidate} has other trees in rung {rung} than its result says")

        _on_threads(repeat, jobs, threads)

    def _train(self, candidate: int, rung: int, epochs: int, is_stopped: Stopped) -> JobResult | None:
        trained = self.folds.train(candidate, self._params[candidate], epochs, is_stopped, self._scorers)
        if trained is None:
            return None
        self.put(candidate, rung, trained[1])
        return trained[0]

    def refit(
        self, fold: Fold, data: _core.Data, jobs: Sequence[tuple[int, int]], threads: int, deadline: float
    ) -> list[Boosted | None]:
        """Boost candidates again, from scratch, on the training rows of a given fold.

        Parameters
        ----------
        fold, data
            The fold, and the core's data for it.
        jobs : sequence of (candidate, epochs)
            The candidates, each with the number of epochs whose cost determines its rounds.
        threads : int
        deadline : float
            The time on the monotonic clock after which jobs are stopped; the result of a stopped job is None.
        """
        folds, plan = self.folds, self.folds.options
        table = TreeTable(fold, data, plan)

        def boost(job: tuple[int, int], is_stopped: Stopped) -> Boosted | None:
            candidate, epochs = job
            params = check_params(self._params[candidate])
            return table.boost(params, folds.rounds(params, epochs), _seed(plan.seed, candidate, 0), is_stopped)

        return _on_threads(boost, jobs, threads, deadline)


class Once:
    """Values that are prepared once, by key. Thread-safe; a pickle has none of them."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._values: dict[tuple[Any, ...], Any] = {}

    def __reduce__(self) -> tuple[type["Once"], tuple[()]]:
        return Once, ()

    def get(self, key: tuple[Any, ...], prepare: Callable[[], Made]) -> Made:
        """Return what was prepared under a key; prepare it if this is the first call."""
        with self._lock:
            if key not in self._values:
                self._values[key] = prepare()
            found: Made = self._values[key]
        return found


class ScoredRows(NamedTuple):
    """What the validation rows are scored by."""

    targets: NDArray[np.float64]
    weights: NDArray[np.float64]
    positive: int


class TreeTable:
    """The rows of a fold, prepared lazily for LightGBM and for CatBoost, on which a run boosts as its plan says.

    A pickle has the encoded rows in place of the fold, whose columns may be of a library that a worker lacks.
    """

    def __init__(self, fold: Fold, data: _core.Data, plan: RunPlan) -> None:
        encoding, places, weights = fold.encoding, fold.encoding.categories, fold.weights
        self._data, self._plan = data, plan
        self._rows: Fold | NDArray[np.float64] = fold  # in a worker: all encoded rows, with the level numbers
        self._training_rows, self._validation_rows = fold.training, fold.validation
        self._classes, self._features, self._categories = fold.table.classes, encoding.features, len(places)
        # The features of categories, which level numbers replace.
        self._of_categories = [feature for place in places for feature in encoding.features_of(place)]
        positive = 1 if fold.table.positive is None else fold.table.positive
        row_weights = np.empty(0) if weights is None else weights[fold.validation]
        self._scored = ScoredRows(fold.y[fold.validation], row_weights, positive)
        self._about_bins = bins_of(fold)
        self._prepared = Once()

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes to pickle."""
        return {**vars(self), "_rows": self._all_rows(True)}

    def validation(self, native: bool) -> NDArray[np.float64]:
        """Return the encoded validation rows; if `native`, with the level numbers of the categories."""
        return self._prepared.get(("validation", native), lambda: self._all_rows(native)[self._validation_rows])

    def boost(self, params: Params, rounds: int, seed: int, is_stopped: Stopped) -> Boosted | None:
        """Boost for `rounds` rounds, and return the trees, or None if the job was stopped."""
        boost = self._boost_by_catboost if model_of(params) == CATBOOST else self._boost_by_lightgbm
        rate = min(MOST_RATE, params["shrinkage"] / rounds)
        text = boost({**params, "learning_rate": rate}, rounds, seed, is_stopped)
        if text is None or is_stopped():
            return None
        units = {} if self._classes else self._data.output_units(_takes_logarithms(params))
        if isinstance(text, bytes):
            core = with_units(text, self._features + self._categories, self._classes, units)
            return Boosted(core, text, has_level_numbers=True)
        return Boosted(core_of(text, classes=self._classes, **units), text, self._is_native(params))

    def _boost_by_lightgbm(self, params: Params, rounds: int, seed: int, is_stopped: Stopped) -> str | None:
        """Boost with LightGBM, and return the trees in its text format, or None if the job was stopped."""
        from lightgbm import Booster

        own = self._parameters(params, seed)
        booster = Booster({**OF_DATA, **own}, self._dataset(_takes_logarithms(params), self._is_native(params)))
        is_random = own["bagging_freq"] or params["feature_fraction"] < 1 or params["extra_trees"]
        for _ in range(rounds):
            if is_stopped():
                return None
            # A round without a split adds no tree. The next round may draw rows or columns that can be split.
            if booster.update() and not is_random:
                break
        return str(booster.model_to_string())

    def _boost_by_catboost(self, params: Params, rounds: int, seed: int, is_stopped: Stopped) -> str | bytes | None:
        """Boost with CatBoost, and return the trees as `CatBoostRows.boost`, or None if the job was stopped."""
        log, native = _takes_logarithms(params), self._is_native(params)
        categories = self._categories if native else 0
        prepared = self._prepared.get(
            (CATBOOST, log, native), lambda: CatBoostRows(*self._training(log, native), self._classes, categories)
        )
        return prepared.boost(params, rounds, params["learning_rate"], seed, self._plan, is_stopped)

    def score(self, outputs: Outputs) -> float:
        """Return the score of predictions for the validation rows, by the metric of the run."""
        metric, level = self._plan.metric, core_loss(self._plan)[1]
        targets, weights, positive = self._scored
        return _core.score(metric, targets, outputs, self._classes, weights.tolist(), level, positive)

    def loss(self, outputs: Outputs) -> float:
        """Return the log loss of predicted probabilities, or the root mean squared error of predicted targets.

        The loss ranks candidates with equal scores.
        """
        metric = "neg_log_loss" if self._classes else "neg_root_mean_squared_error"
        return -_core.score(metric, self._scored.targets, outputs, self._classes, self._scored.weights.tolist())

    def round_cost(self, params: Params) -> float:
        """Return the cost of a boosting round, in network multiply-adds that take about the same time."""
        rows, trees = len(self._training_rows), self._trees_a_round
        if model_of(params) == CATBOOST:
            share = params["feature_fraction"]
            features, bins = share * self._features, share * self._about_bins
            steps = SEVERAL_STEPS if self._classes == 2 or self._plan.loss == "poisson" else 1
            cost = round_cost_of_catboost(rows, features, bins, params["depth"], trees, steps)
            return cost * COST_OF_STATISTICS if self._is_native(params) else cost
        native = self._is_native(params)
        features = self._features + (self._categories - len(self._of_categories) if native else 0)
        dataset = self._dataset(False, native)
        bins = sum(map(dataset.feature_num_bin, range(dataset.num_feature())))
        return trees * tree_cost(rows, features, self.leaves(params) // trees, bins)

    def leaves(self, params: Params) -> int:
        """Return the maximum number of leaves that a round adds."""
        if model_of(params) == CATBOOST:
            return int(self._trees_a_round * 2 ** params["depth"])
        least = len(self._training_rows) // params["min_data_in_leaf"]
        return int(self._trees_a_round * max(2, min(params["num_leaves"], least)))

    @property
    def _trees_a_round(self) -> int:
        return self._classes if self._classes > 2 else 1

    def _is_native(self, params: Params) -> bool:
        """Return whether a candidate's trees split the categories themselves."""
        return params.get("categories") == NATIVE and self._categories > 0

    def _dataset(self, log: bool, native: bool) -> "lightgbm.Dataset":
        """Return the training rows in LightGBM's bins, with their targets or, if `log`, the targets' logarithms."""
        from lightgbm import Dataset

        def prepare() -> Dataset:
            rows, label, weights = self._training(log, native)
            levels = list(range(self._features, rows.shape[1]))
            return Dataset(rows, label, weight=weights, categorical_feature=levels, params=OF_DATA).construct()

        return self._prepared.get((LIGHTGBM, log, native), prepare)

    def _training(
        self, log: bool, native: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float32] | None]:
        """Return the encoded training rows, their targets (logarithms if `log`), and their weights."""
        weights = self._data.training_weights()
        label = self._data.training_targets(log).ravel()
        everything = self._all_rows(native)
        # So that none is encoded twice.
        self._prepared.get(("validation", native), lambda: everything[self._validation_rows])
        rows = everything[self._training_rows]
        if native:
            rows[:, self._of_categories] = 0.0  # LightGBM ignores constant features
        return rows, label, weights if len(weights) else None

    def _all_rows(self, native: bool) -> NDArray[np.float64]:
        """Return all encoded rows; if `native`, with level numbers."""
        if not isinstance(self._rows, Fold):
            return self._rows if native else self._rows[:, : self._features]
        fold = self._rows
        rows = np.concatenate(list(fold.blocks(BLOCK_CELLS)))
        if native:
            frames = [fold.table.frame, *([] if fold.held_out is None else [fold.held_out])]
            places = fold.encoding.categories
            parts = [[fold.encoding.level_codes(frame, place) for frame in frames] for place in places]
            rows = np.column_stack([rows, *map(np.concatenate, parts)])
        return rows

    def _parameters(self, params: Params, seed: int) -> dict[str, Any]:
        """Return LightGBM's parameters for a job."""
        own = {name: params[name] for name in AS_THEY_ARE}
        classes, rows, plan = self._classes, len(self._training_rows), self._plan
        if classes:
            own |= {"objective": "binary"} if classes == 2 else {"objective": "multiclass", "num_class": classes}
        else:
            own |= OBJECTIVES[plan.loss] | ({"alpha": plan.quantile} if plan.loss == "quantile" else {})
        return own | {
            "bagging_freq": int(1 <= params["bagging_fraction"] * rows < rows),  # LightGBM refuses to draw no rows
            "deterministic": True,
            "metric": "none",
            "seed": seed,
        }


AS_THEY_ARE = (
    *("num_leaves", "min_data_in_leaf", "feature_fraction", "bagging_fraction", "learning_rate"),
    *("lambda_l1", "lambda_l2", "extra_trees"),
)
"""Hyperparameters that LightGBM accepts under the same name, and the learning rate that a job derives from them."""
OBJECTIVES = {
    "squared_error": {"objective": "regression"},
    "absolute_error": {"objective": "regression_l1"},
    "quantile": {"objective": "quantile"},
    "poisson": {"objective": "poisson"},
}


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


def table_bytes_of_trees(fold: Fold) -> int:
    """Return the approximate peak memory, in bytes, of a fold's table while its bins are created."""
    encoding = fold.encoding
    native = encoding.features + 17 * len(encoding.categories) if encoding.categories else 0
    return len(fold.y) * (17 * encoding.features + native)


def job_bytes_of_trees(fold: Fold, leaves: int) -> int:
    """Return the approximate bytes of a job: its leaves' histograms, and the scores and gradients of all rows."""
    rows, encoding = len(fold.y), fold.encoding
    levels = sum(len(encoding.schema.columns[place].levels) for place in encoding.categories)
    bins = bins_of(fold) + min(levels, rows)
    return 16 * min(leaves, max(rows, MOST_OBLIVIOUS)) * bins + 24 * rows * max(1, fold.table.classes)


def bins_of(fold: Fold) -> int:
    """Return the approximate total number of bins of all features."""
    numbers = int(fold.encoding.scaled.sum())
    return numbers * min(BINS, len(fold.y)) + 3 * (fold.encoding.features - numbers)


def _on_threads(
    do: Callable[[Job, Callable[[], bool]], Made], jobs: Sequence[Job], threads: int, deadline: float = math.inf
) -> list[Made]:
    """Return the result of each job. Jobs are told to stop after the deadline, on Ctrl-C, and on an error."""
    stopped = Event()
    with ThreadPoolExecutor(threads) as pool:
        try:  # Ctrl-C may come while jobs are being submitted
            futures = [pool.submit(do, job, lambda: stopped.is_set() or time.monotonic() > deadline) for job in jobs]
            for future in futures:
                # After `import polars`, the system resumes a wait that Ctrl-C interrupts, so waits must be short.
                while not wait([future], WAKE_SECONDS).done:
                    pass
            return [future.result() for future in futures]
        except BaseException:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _takes_logarithms(params: Params) -> bool:
    return bool(params["target_transform"] == "log")


def _seed(seed: int, candidate: int, fold: int) -> int:
    """Return a seed for LightGBM or CatBoost; the seed is the same in all rungs."""
    return int(np.random.SeedSequence((seed, candidate, fold)).generate_state(1)[0]) >> 1


def _hash_of(folds: Iterable[Boosted]) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for each in folds:
        digest.update(each.text.encode() if isinstance(each.text, str) else each.text)
    return int.from_bytes(digest.digest(), "little")
