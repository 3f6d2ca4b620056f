"""What others have measured: the student project that ash starts from, and the limits that tuners name of themselves.

Roy Han, Evan Jiang: Parallelizing Hyperparameter Tuning in Artificial Neural Networks. Its machine had 2 GB of memory a
core and is not ours; its candidates were networks on the full optical digits (3,823 rows to train on), trained by
full-batch gradient descent, each rung from scratch. What can be compared with ours is the ratios within its machine.
"""

from __future__ import annotations

from typing import NamedTuple

# Table 2: seconds, by models and threads. SH on one thread, ASH on more.
SH_SECONDS = {128: 265.73, 256: 570.85}
ASH_SECONDS = {
    128: {4: 220.23, 8: 166.56, 16: 97.06, 32: 87.91},
    256: {4: 450.43, 8: 309.47, 16: 178.89, 32: 159.95},
    512: {4: 1001.96, 8: 676.47, 16: 487.31, 32: 346.35},
}

# Table 1: seconds a job, by rung; 128 models, SH on one thread and ASH on 4.
JOB_SECONDS_SH = (0.35, 0.62, 1.2, 2.26, 4.45, 8.91, 17.63)
JOB_SECONDS_ASH_4 = (1.08, 2.07, 4.08, 8.58, 16.39, 18.34, 22.04)

# Table 3: core hours, by models and threads. They are threads times the wall times of Table 2 but for 256 models on 16
# threads, where 1.1678 hours would be 262.8 s, and not 178.89; here they stand as published.
CORE_HOURS_SH = {128: 0.07381, 256: 0.1586}
CORE_HOURS_ASH = {
    128: {4: 0.2447, 8: 0.3701, 16: 0.4313, 32: 0.7815},
    256: {4: 0.5005, 8: 0.6877, 16: 1.1678, 32: 1.4219},
    512: {4: 1.1133, 8: 1.5032, 16: 2.1657, 32: 3.0785},
}

EPOCH_SECONDS = JOB_SECONDS_SH[0]  # of the first rung: one epoch

# Bytes allocated, by models.
BYTES_ALLOCATED = {2: 792_790_098, 4: 3_078_079_270, 8: 9_048_497_806, 16: 23_789_004_701, 32: 58_869_389_053}


def speedup(models: int, threads: int) -> float | None:
    """Return its speed-up, SH on one thread by ASH on so many; None where it has none."""
    if models not in SH_SECONDS or threads not in ASH_SECONDS[models]:
        return None
    return SH_SECONDS[models] / ASH_SECONDS[models][threads]


class Saturation(NamedTuple):
    """Between how many workers a speed-up starts to saturate, by whom, and of what."""

    source: str
    low: int
    high: int


# Dask-ML's HyperbandSearchCV. Its documentation describes networks of 12 neurons on 60,000 rows and says of the workers
# that they were varied in a separate experiment; by the post that one is denoising images with PyTorch, where training
# one model takes 243 s.
DASK_ML = (
    Saturation("Dask-ML's documentation (ml.dask.org, Hyper Parameter Search, Hyperband Performance)", 24, 24),
    Saturation("S. Sievert, blog.dask.org, 30 September 2019, of the same picture", 16, 24),
)


class RayRun(NamedTuple):
    """A row of Ray Tune's tables: trials of so many seconds that report so often, and the seconds observed."""

    what: str
    trials: int
    results: float  # a second of each trial
    nodes: int
    cpus: int  # of a node
    trial_seconds: float
    observed: float

    def ideal(self) -> float:
        """Return the seconds of trials alone, one on each CPU at a time."""
        return self.trial_seconds * -(-self.trials // (self.nodes * self.cpus))

    def results_a_second(self) -> float:
        """Return those of all trials that run at a time."""
        return min(self.trials, self.nodes * self.cpus) * self.results


# Ray's documentation (docs.ray.io, Tune, Scalability and Overhead Benchmarks); rows of unequal trials are left out.
RAY_TUNE = (
    RayRun("trial bookkeeping", 10_000, 1, 1, 16, 1, 715.27),
    RayRun("many trials", 1_000, 10, 16, 64, 100, 248.39),
    RayRun("many trials", 1_000, 1, 16, 64, 100, 175.00),
    RayRun("many trials, with logging", 1_000, 0.1, 16, 64, 100, 168.18),
    RayRun("many trials", 384, 10, 16, 64, 100, 125.17),
    RayRun("many trials", 256, 50, 16, 64, 100, 307.02),
    RayRun("many trials", 256, 20, 16, 64, 100, 146.20),
    RayRun("many trials", 256, 10, 16, 64, 100, 113.40),
    RayRun("many trials, with logging", 256, 10, 16, 64, 100, 436.12),
    RayRun("many trials, with logging", 256, 0.1, 16, 64, 100, 106.75),
    RayRun("many results", 96, 500, 1, 96, 100, 959.32),
    RayRun("many results", 96, 100, 1, 96, 100, 219.48),
    RayRun("many results", 96, 80, 1, 96, 100, 197.15),
    RayRun("many results", 96, 50, 1, 96, 100, 110.55),
    RayRun("many results, with logging", 96, 50, 1, 96, 100, 702.64),
    RayRun("many results", 96, 10, 1, 96, 100, 103.51),
    RayRun("many results, with logging", 96, 10, 1, 96, 100, 168.94),
    RayRun("network", 200, 1, 200, 2, 300, 2280.82),
    RayRun("network", 100, 1, 100, 2, 300, 1470),
    RayRun("network", 100, 0.01, 100, 2, 300, 473.41),
    RayRun("network", 50, 1, 50, 2, 300, 474.30),
    RayRun("network", 50, 0.1, 50, 2, 300, 441.54),
    RayRun("network", 10, 1, 10, 2, 300, 334.37),
)

# From the same page: results a second of all trials that are still acceptable.
RAY_TUNE_LIMITS = {"a cluster, without logging": "500", "a cluster": "50 to 100", "one node": "1,000"}
