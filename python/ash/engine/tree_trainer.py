"""Trains boosted-tree candidates with the libraries in `BOOSTING`, on the same rows as networks.

    a job in rung k -> as many rounds as cost the same as a network's job in rung k -> boosted from scratch -> scores

A job of R rounds has the learning rate `shrinkage` / R, where `shrinkage` is a hyperparameter; cpp/DESIGN.md ("Boosted
trees") explains why. The learning rate is at most MOST_RATE.

A job runs on one thread. Its result depends only on the data, the candidate and the rung. `TreeFolds` trains it: in a
thread of the core, or in a worker of an executor, which gets a pickled copy. The libraries train without the GIL. The
trees of a job are freed once the job is decided, unless the job is kept.

Threads: any thread may use `TreeFolds`, `TreeTrainer.__call__` and `put`. Shared data change by single operations on
         dicts, or under the lock of `TreeTable`. Only the calling thread uses the other methods; `complete` and `refit`
         start additional threads.
Memory:  per process, that of a `TreeTable` for each fold.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import numpy as np

from ash import _core
from ash._utils.aliases import Key
from ash._utils.installation import installed_version
from ash._utils.threads import at_work, is_ending
from ash.encoding.data_split import Fold
from ash.engine import catboost_boosting, lightgbm_boosting, xgboost_boosting
from ash.engine.tree_table import TreeTable, takes_logarithms
from ash.models.catboost_model import with_units
from ash.models.model import Outputs, joined
from ash.models.trees import Boosted, core_of
from ash.options import RunPlan
from ash.space.boosters import BOOSTERS, CATBOOST, LIGHTGBM, XGBOOST, is_boosted
from ash.space.hyperparameters import Params, check_params, model_of

if TYPE_CHECKING:
    from ash.scoring.scorers import ValidationScorer

MOST_RATE = 0.5
"""Maximum learning rate of a job. It matters only for jobs with few rounds."""
MOST_ROUNDS = 2_000
"""Maximum number of rounds in a job. More rounds would only make the model larger."""
MOST_LEAVES = 200_000
"""Maximum number of leaves of a model. A model of this size takes about 20 MB of text."""
WAKE_SECONDS = 0.05
"""How long the calling thread waits at a time. It notices Ctrl-C when it wakes."""

Job = TypeVar("Job")
Made = TypeVar("Made")

Stopped = Callable[[], bool]
"""Returns whether a job was told to stop."""
JobResult = tuple[float, float, float, int, list[float]]
"""Score, loss, training loss (NaN), hash, and the scores of the folds, which are empty if the job has diverged."""


class Boosting(Protocol):
    """The functions of a module that trains with one library of boosted trees."""

    def boost(
        self, table: TreeTable, params: Params, rounds: int, seed: int, is_stopped: Stopped
    ) -> str | bytes | None:
        """Boost for `rounds` rounds on one thread, and return the trees, or None if the job was stopped.

        `params` has all hyperparameters of the library, and a `learning_rate`. The trees are text in LightGBM's format,
        or bytes for `catboost_model.with_units`. The same arguments give the same trees.
        """
        ...

    def round_cost(self, table: TreeTable, params: Params) -> float:
        """Return the cost of a boosting round, in network multiply-adds that take about the same time."""
        ...


BOOSTING: Mapping[str, Boosting] = {
    LIGHTGBM: lightgbm_boosting,
    CATBOOST: catboost_boosting,
    XGBOOST: xgboost_boosting,
}
"""For each library of `BOOSTERS`, the module that trains with it."""


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
        self.versions = {each: installed_version(each) for each in BOOSTERS if each in options.models}
        self._tables = [TreeTable(*each, options) for each in zip(folds, data, strict=True)] if self.versions else []
        self.options, self._epoch_cost = options, epoch_cost

    def rounds(self, params: Params, epochs: int) -> int:
        """Return the number of boosting rounds that cost as much as `epochs` epochs of an average network."""
        round_cost = sum(BOOSTING[model_of(params)].round_cost(table, params) for table in self._tables)
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
                boosted = boost_trees(table, params, rounds, seed, is_stopped)
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
        return is_boosted(self._params[candidate])

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
            seed = _seed(plan.seed, candidate, 0)
            return boost_trees(table, params, folds.rounds(params, epochs), seed, is_stopped)

        return _on_threads(boost, jobs, threads, deadline)


def boost_trees(table: TreeTable, params: Params, rounds: int, seed: int, is_stopped: Stopped) -> Boosted | None:
    """Boost for `rounds` rounds, and return the trees, or None if the job was stopped."""
    rate = min(MOST_RATE, params["shrinkage"] / rounds)
    given = {**params, "learning_rate": rate}
    text = BOOSTING[model_of(params)].boost(table, given, rounds, seed, is_stopped)
    if text is None or is_stopped():
        return None
    units = table.output_units(takes_logarithms(params))
    if isinstance(text, bytes):
        core = with_units(text, table.features + table.categories, table.classes, units)
        return Boosted(core, text, has_level_numbers=True)
    return Boosted(core_of(text, classes=table.classes, **units), text, table.is_native(params))


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


def _seed(seed: int, candidate: int, fold: int) -> int:
    """Return the seed of a job; it is the same in all rungs."""
    return int(np.random.SeedSequence((seed, candidate, fold)).generate_state(1)[0]) >> 1


def _hash_of(folds: Iterable[Boosted]) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for each in folds:
        digest.update(each.text.encode() if isinstance(each.text, str) else each.text)
    return int.from_bytes(digest.digest(), "little")
