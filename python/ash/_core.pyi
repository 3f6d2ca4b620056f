"""The interface of the native core to Python: ladder, training data, networks and the tuner.

This module is private. The Python side checks arguments before it calls the core, so a ValueError or IndexError from
the core indicates a bug on the Python side. The core refuses most arrays that are not C-contiguous or do not have
exactly the dtype named here. It converts a few arrays, such as the weights of a Network, if their dtype can be cast
safely. Calls that train, predict, simulate, wait or read blocks of rows release the GIL.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Columns = dict[str, NDArray[np.generic]]
_Floats = NDArray[np.float64]
_Singles = NDArray[np.float32]
_Outputs = NDArray[np.float32] | NDArray[np.float64]  # probabilities in float32, targets in float64
_Integers = NDArray[np.int64]
# The training state of a network: weights, first and second moments, epochs, updates, powers of beta1 and beta2.
_StateParts = tuple[_Singles, _Singles, _Singles, int, int, float, float]
# The result of a job: score, loss, training loss, hash of the weights, scores of the folds (empty if the job diverged).
_ResultParts = tuple[float, float, float, int, Sequence[float]]
_ExternalResult = tuple[float, float, int, list[float]]

class Job:
    """One candidate to be trained for one rung."""

    @property
    def candidate(self) -> int: ...
    @property
    def rung(self) -> int: ...
    @property
    def epochs(self) -> int: ...

class Ladder:
    """Chooses jobs by rungs and promotions, and receives results (cpp/ash/search/ladder.hpp). Not thread-safe."""

    def __init__(
        self,
        candidates: int,
        *,
        eta: int = 2,
        min_epochs: int = 1,
        max_rungs: int = 0,  # maximum number of rungs; 0: no limit
        algorithm: str = "ash",  # "ash" | "sh" | "random"
        promotion: str = "capped",  # "capped" | "paper" | "improving"
        max_total_epochs: int = 0,  # maximum number of epochs of all jobs together; 0: no limit
        stop_score: float = ...,  # a score that ends the run; NaN: no score does
        patience: int = 0,  # the run ends after this many reports in a row without a better score; 0: no limit
        rungs: Sequence[tuple[int, int]] = (),  # (places, epochs) per rung, instead of eta, min_epochs and max_rungs
    ) -> None: ...
    def next(self) -> Job | None: ...
    def report(self, job: Job, score: float, loss: float) -> None: ...
    def has_job(self) -> bool: ...
    def take_retired(self) -> list[int]: ...  # candidates retired since the last call
    @property
    def finished(self) -> bool: ...
    @property
    def ending(self) -> str | None: ...  # None | "finished" | "stop_score" | "patience" | "max_total_epochs"
    @property
    def rungs(self) -> list[dict[str, int]]: ...  # keys: places, epochs, running, finished, promoted, diverged

class Task:
    """A job to run."""

    @property
    def candidate(self) -> int: ...
    @property
    def rung(self) -> int: ...
    @property
    def epochs(self) -> int: ...

class Search:
    """The search of a function, whose jobs Python executes (cpp/ash/search/search.hpp). Not thread-safe."""

    def __init__(
        self,
        candidates: int,
        *,
        eta: int = 2,
        min_epochs: int = 1,
        max_rungs: int = 0,
        algorithm: str = "ash",
        promotion: str = "capped",
        max_total_epochs: int = 0,
        stop_score: float = ...,
        patience: int = 0,
        report_limit: int = 0,  # maximum number of decided jobs; 0: no limit
        max_failures: int = 0,  # maximum number of errors in a row; 0: no limit
        first_failures: int = 0,  # the same before the first score, without replayed errors
        by_rung: bool = False,  # whether scores in different rungs are not comparable
        schedule: str = "greedy",  # "greedy" | "reproducible"
        virtual_workers: int = 1,  # number of workers of the virtual clock
        known: int,  # number of candidates already drawn
        cost: Callable[[int, int], float] | None = None,  # cost(candidate, epochs); None: its epochs, at least 1
        rungs: Sequence[tuple[int, int]] = (),  # as for Ladder: (places, epochs) per rung
    ) -> None: ...
    # As for Tuner, called before all other methods. The column `pruned` (bool) tells failures that are no errors.
    def restore(
        self, jobs: _Columns, fold_scores: _Floats, steps: _Integers, assists: _Columns, seconds: float
    ) -> None: ...
    def next(self) -> Task | None: ...
    # The rank of the job is -loss. Score and loss of a failed job are NaN.
    def finish(
        self,
        task: Task,
        score: float,
        loss: float,
        *,
        pruned: bool = False,
        thread: int = 0,
        start: float = 0.0,
        end: float = 0.0,
    ) -> None: ...
    def provide(self, candidates: int) -> None: ...
    def release(self) -> None: ...  # from now on next() returns None, and a reproducible clock makes no more decisions
    def decided(self, first: int) -> list[tuple[int, int]]: ...  # candidate and rung of the jobs from number `first` on
    # As for Tuner.
    def events(self) -> list[tuple[str, int, int, float, float]]: ...
    def jobs(self, first: int = 0) -> _Columns: ...
    def held(self) -> _Columns: ...
    def steps(self, first: int = 0) -> _Integers: ...
    def assists(self, first: int = 0) -> _Columns: ...
    def retired(self) -> NDArray[np.int32]: ...
    @property
    def starved(self) -> bool: ...  # whether the clock cannot continue before provide() is called
    @property
    def finished(self) -> bool: ...
    @property
    def ended(self) -> str | None: ...
    @property
    def rungs(self) -> list[dict[str, int]]: ...

class Settings:
    """The hyperparameters of one candidate, as plain attributes."""

    hidden: list[int]
    activations: list[str]  # one per hidden layer: relu sigmoid tanh gelu silu selu mish identity
    optimizer: str  # sgd momentum nesterov adam adamw
    learning_rate: float
    learning_rate_schedule: str  # cycle constant
    momentum: float
    beta1: float
    beta2: float
    epsilon: float
    l2: float
    weight_decay: float
    dropout: float
    label_smoothing: float
    batch_size: int  # 0: all training rows, so one update per epoch
    external_cost: float  # multiply-adds per epoch of a candidate that is not a network; 0 for a network
    initialization: str  # auto he xavier
    parametrization: str  # standard ntk
    precision: str  # fp32 bf16
    input_scaling: bool
    parametric_activation: bool
    embedding: str  # none periodic
    embedding_frequency: float
    target_transform: str
    def __init__(self) -> None: ...

class Data:
    """Training and validation rows in float32, scaled by the training rows (cpp/ash/data/data.hpp). Immutable."""

    def __init__(
        self,
        x: NDArray[np.float64],  # [rows, features]
        y: NDArray[np.float64],  # [rows, outputs]; class numbers 0..classes-1 in one column for classification
        classes: int,  # number of classes; 0 for regression
        training: NDArray[np.int64],  # numbers of the training rows
        validation: NDArray[np.int64],
        standardize: bool = True,
    ) -> None: ...
    @property
    def features(self) -> int: ...
    @property
    def outputs(self) -> int: ...
    @property
    def epoch_rows(self) -> int: ...  # rows per epoch, except for full-batch candidates, which use all rows
    def digests(self) -> dict[str, list[int]]: ...  # hashes of training and validation inputs, targets and weights
    # Returns the targets of the training rows: class numbers [rows], standardized targets [rows, outputs], or
    # standardized logarithms of targets [rows].
    def training_targets(self, log: bool = False) -> NDArray[np.float32]: ...
    def training_weights(self) -> NDArray[np.float32]: ...  # empty if all weights are equal
    def output_units(self, log: bool = False) -> dict[str, Any]: ...  # `Trees` arguments that convert scores to targets
    @property
    # Returns the numbers of the standardized features that are constant in the training rows. These features are set
    # to 0 in all rows.
    def constant_features(self) -> list[int]: ...

class DataBuilder:
    """Builds Data from blocks of rows: observe() all blocks, then fill() them in the same order. Not thread-safe."""
    def __init__(
        self,
        standardized: Sequence[bool],  # one per feature
        y: NDArray[np.float64],  # [rows, outputs], as for Data
        classes: int,
        training: NDArray[np.int64],  # numbers of the training rows
        validation: NDArray[np.int64],
        training_weights: NDArray[np.float64] | None = None,  # one per training row; each must be above 0
        validation_weights: NDArray[np.float64] | None = None,
        epoch_rows: int = 0,  # maximum number of rows per epoch; 0: all rows
        loss: str = "squared_error",  # "squared_error" | "pinball" | "poisson"; for regression only
        level: float = 0.5,  # the quantile level of the pinball loss
        sparse_cells: int = 0,  # 0: rows are stored densely; above 0: sparsely, with room for this many cells
        positive: int = 1,  # of two classes, the class that f1 and average_precision score
    ) -> None: ...
    def observe(self, x: NDArray[np.float64]) -> None: ...  # reads the next rows [n, features]; NaN: missing value
    def fill(self, x: NDArray[np.float64]) -> None: ...  # standardizes the next rows; a missing value becomes 0
    def finish(self) -> Data: ...

def row_digests(x: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each row of x [rows, columns]; all NaNs count as equal, as do 0.0 and -0.0."""

def robust_scaling(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return center and scale of each column of x [rows, columns], as for a feature; 0 is the scale of a constant."""

class Network:
    """A trained network with its standardization. Immutable; thread-safe."""

    def __init__(
        self,
        weights: Sequence[NDArray[np.float32]],  # per layer: [inputs, outputs]
        biases: Sequence[NDArray[np.float32]],  # per layer: [outputs]
        activations: Sequence[str],  # one per hidden layer
        classes: int,
        input_center: NDArray[np.float64],
        input_scale: NDArray[np.float64],
        input_limit: NDArray[np.float64],  # per feature: 3 if clipped smoothly at 3, 0 if not clipped
        target_mean: NDArray[np.float64],  # one per output; for classification added to the scores
        target_scale: NDArray[np.float64],
        numbers: Sequence[int] = ...,  # indices of the embedded features, one per column of `embedding`
        embedding: NDArray[np.float32] = ...,  # [parameters per embedded feature, embedded features]
        shares: Sequence[NDArray[np.float32]] = ...,  # [outputs] per hidden layer; empty without parametric activations
        exponential: bool = False,  # targets are target_mean * exp(target_scale * output)
        target_least: Sequence[float] | NDArray[np.float64] = ...,  # lower bounds of targets, one per output
        target_most: Sequence[float] | NDArray[np.float64] = ...,
    ) -> None: ...
    def predict(self, x: _Floats | _Singles, threads: int = 1, instruction_set: str = "") -> _Outputs:
        """Return probabilities [rows, classes] in float32, or targets [rows, outputs] in their units in float64.

        NaN counts as a missing value; infinity and numbers beyond the range of float32 are refused.
        """
    @property
    def weights(self) -> list[NDArray[np.float32]]: ...
    @property
    def biases(self) -> list[NDArray[np.float32]]: ...
    @property
    def shares(self) -> list[NDArray[np.float32]]: ...
    @property
    def activations(self) -> list[str]: ...
    @property
    def classes(self) -> int: ...
    @property
    def exponential(self) -> bool: ...
    @property
    def target_least(self) -> NDArray[np.float64]: ...
    @property
    def target_most(self) -> NDArray[np.float64]: ...
    @property
    def numbers(self) -> list[int]: ...
    @property
    def embedding(self) -> NDArray[np.float32]: ...
    @property
    def input_center(self) -> NDArray[np.float64]: ...
    @property
    def input_scale(self) -> NDArray[np.float64]: ...
    @property
    def input_limit(self) -> NDArray[np.float64]: ...
    @property
    def target_mean(self) -> NDArray[np.float64]: ...
    @property
    def target_scale(self) -> NDArray[np.float64]: ...

class Trees:
    """Boosted trees with the units of their targets (cpp/ash/train/trees.hpp). Immutable; thread-safe."""

    def __init__(
        self,
        features: int,
        leaf_starts: Sequence[int] | _Integers,  # [trees + 1]; the nodes of tree t begin at leaf_starts[t] - t
        feature: NDArray[np.int32],  # [nodes], like the next four arrays
        threshold: _Floats,
        left: NDArray[np.int32],  # child for x <= threshold: a node of the tree if at least 0, else the leaf ~left
        right: NDArray[np.int32],
        # 0: NaN counts as 0.0; 1: NaN goes left; 2: NaN goes right; 3: the node splits categories, and its threshold is
        # the number of a set: levels in the set go left, all other cells right
        missing: NDArray[np.uint8],
        leaf_values: Sequence[float] | _Floats,  # [leaves]
        classes: int,
        target_mean: Sequence[float] | _Floats,  # one per output; for classification added to the scores
        target_scale: Sequence[float] | _Floats,
        exponential: bool = False,  # targets are target_mean * exp(target_scale * score)
        target_least: Sequence[float] | _Floats = ...,  # lower bounds of targets, one per output
        target_most: Sequence[float] | _Floats = ...,
        # Set s has the words set_starts[s] to set_starts[s + 1]; bit b of its word w is set if level 32 w + b is in it.
        set_starts: Sequence[int] | _Integers = ...,
        set_words: Sequence[int] | NDArray[np.uint32] = ...,
    ) -> None: ...
    def predict(self, x: _Floats | _Singles, threads: int = 1, instruction_set: str = "") -> _Outputs:
        """Return probabilities [rows, classes] in float32, or targets [rows, outputs] in their units in float64.

        NaN counts as a missing value; infinity and numbers beyond the range of float32 are refused.
        """
    def raw_scores(self, x: _Floats | _Singles, threads: int = 1) -> _Floats:
        """Return the sums of leaves [rows, scores] that predictions are computed from; with two classes, one score."""
    @property
    def features(self) -> int: ...
    @property
    def leaf_starts(self) -> _Integers: ...
    @property
    def feature(self) -> NDArray[np.int32]: ...
    @property
    def threshold(self) -> _Floats: ...
    @property
    def left(self) -> NDArray[np.int32]: ...
    @property
    def right(self) -> NDArray[np.int32]: ...
    @property
    def missing(self) -> NDArray[np.uint8]: ...  # 1 or 2 per node; each 0 was replaced by the side to which 0.0 goes
    @property
    def leaf_values(self) -> _Floats: ...
    @property
    def set_starts(self) -> _Integers: ...
    @property
    def set_words(self) -> NDArray[np.uint32]: ...
    @property
    def classes(self) -> int: ...
    @property
    def exponential(self) -> bool: ...
    @property
    def target_mean(self) -> _Floats: ...
    @property
    def target_scale(self) -> _Floats: ...
    @property
    def target_least(self) -> _Floats: ...
    @property
    def target_most(self) -> _Floats: ...

class Mailbox:
    """Passes a tuner's jobs to other processes and machines (cpp/ash/run/mailbox.hpp). Thread-safe."""

    def __init__(self, capacity: int) -> None: ...  # maximum number of jobs sent but not yet answered
    # Waits at most `seconds` for messages or wake(), and returns the notes and the letters. A note is a pair ("kept" or
    # "dropped", candidate), which says whether the candidate's states are still needed. A letter is a job to run:
    # (number, candidate, rung, epochs, states to resume from).
    def take(
        self, seconds: float
    ) -> tuple[list[tuple[str, int]], list[tuple[int, int, int, int, list[_StateParts]]]]: ...
    def wake(self) -> None: ...  # makes take() return
    # Takes the result and states that `train_job` returned; the states are empty if they stay with the worker. Returns
    # False if no thread waits for the answer.
    def answer(
        self, number: int, result: _ResultParts, states: Sequence[_StateParts], thread: int, seconds: float
    ) -> bool: ...
    def close(self) -> None: ...  # makes all waiting calls return

# Executes one job in the calling thread, for a run whose decisions another process makes. Returns the job's result,
# the states after the job (empty if it diverged) and its seconds.
def train_job(
    data: Sequence[Data],  # one per fold
    settings: Settings,
    candidate: int,
    rung: int,
    epochs: int,
    *,
    min_epochs: int,
    eta: int,
    training: str,
    metric: str,
    seed: int,
    states: Sequence[_StateParts] = ...,  # one per fold, from a job in a lower rung; empty: start from scratch
) -> tuple[_ResultParts, list[_StateParts], float]: ...

class Tuner:
    """Threads that train the candidates of a ladder (cpp/ash/run/tuner.hpp)."""

    def __init__(
        self,
        data: Sequence[Data],  # one per fold; the score of a job is the mean over the folds
        candidates: Sequence[Settings],  # the candidates known so far, from number 0 on
        *,
        count: int = 0,  # total number of candidates; 0: only those known so far
        eta: int = 2,
        min_epochs: int = 1,
        max_rungs: int = 0,
        algorithm: str = "ash",
        promotion: str = "capped",
        training: str = "resume",  # "resume" | "restart"
        metric: str = "accuracy",  # a key of ash.metrics.METRICS
        threads: int = 1,
        seed: int = 0,
        instruction_set: str = "",  # name of an instruction set; "": the best that this processor can run
        schedule: str = "reproducible",  # "reproducible" | "greedy"
        virtual_workers: int = 32,  # number of workers of the virtual clock
        teams: bool = True,
        cores: int = 0,  # CPU cores that the threads share; 0: one per thread
        memory_limit: int = 0,  # maximum size of waiting states in bytes; 0: no limit
        max_total_epochs: int = 0,  # maximum number of epochs of all jobs together; 0: no limit
        stop_score: float = ...,  # a score that ends the run; NaN: no score does
        patience: int = 0,  # the run ends after this many decisions in a row without a better score; 0: no limit
        report_limit: int = 0,  # maximum number of decided jobs; 0: no limit
        work_limit: float = 0.0,  # multiply-adds after which no more jobs are started; 0: no limit
        # One function per fold, or empty. score(network, predictions [validation rows, outputs] in the units of y)
        # replaces the metric. Any thread may call it. It must not throw or refer to the tuner. NaN means that the job
        # diverged.
        scorers: Sequence[Callable[[Network, _Outputs], float]] = ...,
        keep: int = 1,  # how many of the best networks, and of the best external candidates, are kept
        # Passes all jobs to other processes, at most its capacity at a time. The `threads` only predict and retrain.
        mailbox: Mailbox | None = None,
        # Executes the jobs of candidates that are not networks. external(candidate, rung, epochs, is_stopped) returns
        # score, loss, hash and scores of the folds, or None if the job was stopped. Any thread calls it; it must not
        # throw.
        external: Callable[[int, int, int, Callable[[], bool]], _ExternalResult | None] | None = None,
        ahead: int = 1024,  # request candidates if fewer than `ahead` wait for rung 0; 0: only if a worker is idle
    ) -> None: ...
    def start(self) -> None: ...
    # Waits until more candidates should be provided or all threads have ended, but at most `seconds`. Returns whether
    # all threads have ended. Raises exceptions of the threads.
    def wait(self, seconds: float) -> bool: ...
    def stop(self) -> None: ...  # returns at once; running jobs end after their current block of rows, unrecorded
    def limit(self, seconds: float) -> None: ...  # sets the deadline to now + `seconds`; not for a greedy schedule
    @property
    def short_of_time(self) -> bool: ...  # whether the next job would end after the deadline
    @property
    def out_of_time(self) -> bool: ...  # whether `short_of_time` is true and no job is running
    @property
    def wanted(self) -> int: ...  # number of candidates that should be provided now
    def provide(self, candidates: Sequence[Settings]) -> None: ...  # appends candidates, up to `count` in total
    def events(self) -> list[tuple[str, int, int, float, float]]:
        """Return the events since the last call.

        An event is a tuple: kind (started, finished, diverged or promoted), candidate, rung (for a promotion the lower
        rung), seconds, score.
        """
    # Returns candidate, rung and scores [jobs, folds], in the order in which the jobs finished.
    def fold_scores(self) -> dict[str, NDArray[Any]]: ...
    # One row per finished job from row `first` on, in order of decision. In the greedy schedule, that is the order in
    # which jobs finish. Columns: the fields of JobRecord in records.py, as int64, float64, bool (diverged) and uint64
    # (weights_hash).
    def jobs(self, first: int = 0) -> _Columns: ...
    # The same columns, except core_seconds: one row per job that has ended and is not decided yet, by candidate.
    def held(self) -> _Columns: ...
    # One row per start or end of a job, in order of time: candidate, rung, and 0 (start) or 1 (end).
    def steps(self, first: int = 0) -> _Integers: ...
    def assists(self, first: int = 0) -> _Columns: ...  # one row per assist: candidate, rung, thread, start, end, busy
    @property
    def threads(self) -> tuple[int, int]: ...  # number of threads started, and number of threads requested
    @property
    def memory(self) -> dict[str, int]: ...  # keys: limit, peak_bytes (of states), dropped (states), retrained_epochs
    @property
    def ended(
        self,
    ) -> str: ...  # running | finished | stop_score | patience | max_total_epochs | work_limit | report_limit | stopped
    # Returns (candidate, rung, score, networks of the folds) of the best candidates, best first, and their predictions
    # [kept, validation rows of all folds, outputs]. Returns as many candidates as can predict within `work`
    # multiply-adds, but at least one.
    def kept(self, work: float = ...) -> tuple[list[tuple[int, int, float, list[Network]]], _Outputs]: ...
    # Restores the records of earlier runs: the columns of jobs() and assists(), scores [jobs, folds], the rows of
    # steps() if greedy, and the seconds that those runs took. Call it after restore_state() and before start().
    def restore(
        self, jobs: _Columns, fold_scores: _Floats, steps: _Integers, assists: _Columns, seconds: float
    ) -> None: ...
    def restore_state(self, candidate: int, rung: int, folds: Sequence[_StateParts]) -> None: ...
    # Stores the states of a job that kept_jobs() lists.
    def fill_state(self, candidate: int, rung: int, folds: Sequence[_StateParts]) -> None: ...
    # Returns one state per fold if the candidate waits in this rung or this job is kept, else an empty list.
    def states(self, candidate: int, rung: int) -> list[_StateParts]: ...
    # Returns (candidate, rung, complete) of each kept job, best first. `complete` is True if the job's states are
    # stored, and always for an external candidate, whose states the core does not have.
    def kept_jobs(self) -> list[tuple[int, int, bool]]: ...
    # Retrains at most `most` kept networks whose states are not stored, best first. Call it after all threads have
    # ended.
    def complete(self, most: int) -> None: ...
    def retired(self) -> NDArray[np.int32]: ...  # candidates retired since the last call; they get no further job
    # Refits candidates of kept(). A network is None if it diverged or was not finished in time. In the latter case, its
    # entry in the second list is True. All networks are None if the constant features of `data` differ from those of
    # the training data.
    def refit(
        self, data: Data, candidates: list[int], settings: list[Settings], epochs: list[int], seed: int, seconds: float
    ) -> tuple[list[Network | None], list[bool]]: ...
    # Trains candidates of kept() on other data from scratch, up to their rungs. Returns the same lists as refit().
    def retrain(self, data: Data, candidates: list[int], seconds: float) -> tuple[list[Network | None], list[bool]]: ...
    @property
    def rungs(self) -> list[dict[str, int]]: ...

def train(
    data: Data,
    settings: Settings,
    epochs: int,
    seed: int = 0,
    candidate: int = 0,
    cycles: int = 1,  # number of jobs, each of which resumes the previous one; the first takes `epochs` epochs
    growth: int = 1,  # each job takes this many times the epochs of the previous one
    instruction_set: str = "",
) -> tuple[Network, NDArray[np.float64]]:
    """Train a candidate; return its network and each epoch's loss (NaN after it has diverged). `epochs` may be 0."""

# All metrics, the default of each task first. Each has its name, and whether it scores a classification, predicted
# labels, or of two classes the positive one, and whether it is undefined on rows without one of the classes.
def metrics() -> list[tuple[str, bool, bool, bool, bool]]: ...

# Computes a native metric: higher is better (errors are negated), NaN if undefined. Each weight is above 0; `weights`
# is empty if all rows have the same weight. `level` is the quantile level of the pinball loss.
def score(
    metric: str,
    y: _Floats,
    predictions: _Outputs,
    classes: int,
    weights: Sequence[float] = ...,
    level: float = 0.5,
    positive: int = 1,  # of two classes, the class that f1 and average_precision score
) -> float: ...
def instruction_sets() -> list[str]: ...  # names of those in the core that this processor supports, best first
def evaluate_elementary(function: str, x: NDArray[np.float32], instruction_set: str = "") -> NDArray[np.float32]: ...
def training_cost(settings: Settings, features: int, outputs: int, numbers: int) -> float: ...

# workspace_bytes: the scratch memory that one thread needs to train and score any of these candidates.
# state_bytes: the size of one candidate's state.
def workspace_bytes(
    candidates: Sequence[Settings],
    features: int,
    outputs: int,  # number of targets, or of classes
    numbers: int,
    *,
    metric: str,  # name of a metric, from which the task follows
    weighted: bool,  # whether rows have weights
    training_rows: int,
    epoch_rows: int,  # maximum number of rows per epoch; 0: all rows
    validation_rows: int,
) -> int: ...
def state_bytes(settings: Settings, features: int, outputs: int, numbers: int) -> int: ...

# For benchmarks. fma_peak: GFLOP/s of one thread's fused multiply-adds. time_steps: seconds per update in each of
# `repeats` runs of at least `steps` updates. time_team: the same for pairs of runs, one by a single thread ("alone")
# and one by a team of `threads` >= 2 ("shared"). time_team also returns "blocks", the number of blocks that helpers
# ran, and "round_trip", the seconds for a cache line to reach the second thread's core and return.
def fma_peak(instruction_set: str = "", seconds: float = 0.2) -> float: ...
def time_steps(data: Data, settings: Settings, steps: int, repeats: int, instruction_set: str = "") -> list[float]: ...
def time_team(
    data: Data, settings: Settings, *, steps: int, repeats: int, threads: int, instruction_set: str = ""
) -> dict[str, Any]: ...
def build_info() -> dict[str, str]:
    """Return version, commit, compiler, flags, build_type, openmp, instruction_sets and instruction_set."""

class Cluster:
    """The cluster of a simulated run (cpp/ash/simulate/cluster.hpp); `ash.Cluster` describes the arguments."""

    def __init__(
        self,
        *,
        threads_per_process: int,
        in_flight: int,
        states_stay: bool,
        latency: float,
        bandwidth: float,
        process_bandwidth: float,
        data_bytes: float,
        decision_seconds: float,
    ) -> None: ...

def simulate(
    candidates: int,
    costs: NDArray[np.float64],  # [1] or [candidates]: virtual seconds per epoch; [candidates, rungs]: per job
    *,
    seconds: NDArray[np.float64] | None = None,  # real seconds, in a shape allowed for costs; None: equal to costs
    scores: NDArray[np.float64] | None = None,  # [candidates] or [candidates, rungs]; None: drawn with the seed
    losses: NDArray[np.float64] | None = None,  # in a shape allowed for scores; None: 0
    eta: int = 2,
    min_epochs: int = 1,
    max_rungs: int = 0,
    algorithm: str = "ash",
    promotion: str = "capped",
    max_total_epochs: int = 0,
    stop_score: float = ...,
    patience: int = 0,
    schedule: str = "reproducible",
    virtual_workers: int = 32,
    order: str = "finish",  # the key that orders outstanding jobs: "finish" | "start" | "rung"
    threads: int = 1,
    teams: bool = True,
    team_efficiency: float = 1.0,
    team_limits: NDArray[np.float64] | None = None,  # [1] or [candidates]: maximum threads per job; None: all threads
    noise: float = 0.0,  # standard deviation of the logarithm of real seconds
    seed: int = 0,
    cluster: Cluster | None = None,  # allowed only without teams
    state_bytes: NDArray[np.float64] | None = None,  # [1], [candidates] or [candidates, rungs]; None: 0
    keep_jobs: bool = False,
    rungs: Sequence[tuple[int, int]] = (),  # as for Ladder: (places, epochs) per rung
) -> tuple[dict[str, float], list[tuple[int, float]], dict[str, NDArray[np.generic]]]:
    """Simulate a run (cpp/ash/simulate/simulator.hpp); return totals, (jobs, seconds) per rung, and columns.

    Totals: makespan, busy (thread seconds), work, chain (the largest sum of seconds over one candidate's jobs), jobs,
    epochs. For a cluster also processes, bytes, moves (of states), coordinator (seconds of decisions) and line (seconds
    in which the busiest network line passes bytes). Columns, empty without keep_jobs, have one row per job in order of
    decision: candidate, rung, epochs, thread, team (int64), start, end (float64).
    """
