"""The published figures of the student project from which ash started.

Roy Han, Evan Jiang: Parallelizing Hyperparameter Tuning in Artificial Neural Networks. Their machine had 2 GB of memory
per core and differs from ours. The candidates were networks on the full optical digits (3,823 rows to train on),
trained by full-batch gradient descent, from scratch in each rung. Only ratios of times on one machine can be compared.
"""

from __future__ import annotations

# Table 2: seconds by number of models and threads; SH on one thread, ASH on more.
SH_SECONDS = {128: 265.73, 256: 570.85}
ASH_SECONDS = {
    128: {4: 220.23, 8: 166.56, 16: 97.06, 32: 87.91},
    256: {4: 450.43, 8: 309.47, 16: 178.89, 32: 159.95},
    512: {4: 1001.96, 8: 676.47, 16: 487.31, 32: 346.35},
}

# Table 1: seconds per job by rung, for 128 models; SH on one thread and ASH on 4.
JOB_SECONDS_SH = (0.35, 0.62, 1.2, 2.26, 4.45, 8.91, 17.63)
JOB_SECONDS_ASH_4 = (1.08, 2.07, 4.08, 8.58, 16.39, 18.34, 22.04)

# Table 3: core hours by number of models and threads, as published. Each is a wall time of Table 2 times the
# threads, except for 256 models on 16 threads: 1.1678 core hours would be 262.8 s, but Table 2 has 178.89 s.
CORE_HOURS_SH = {128: 0.07381, 256: 0.1586}
CORE_HOURS_ASH = {
    128: {4: 0.2447, 8: 0.3701, 16: 0.4313, 32: 0.7815},
    256: {4: 0.5005, 8: 0.6877, 16: 1.1678, 32: 1.4219},
    512: {4: 1.1133, 8: 1.5032, 16: 2.1657, 32: 3.0785},
}

EPOCH_SECONDS = JOB_SECONDS_SH[0]  # a job of the first rung trains one epoch

# Bytes allocated in the student project's runs, by number of models.
BYTES_ALLOCATED = {2: 792_790_098, 4: 3_078_079_270, 8: 9_048_497_806, 16: 23_789_004_701, 32: 58_869_389_053}


def speedup(models: int, threads: int) -> float | None:
    """Return the published speed-up (SH on one thread divided by ASH on `threads`); None if not published."""
    if models not in SH_SECONDS or threads not in ASH_SECONDS[models]:
        return None
    return SH_SECONDS[models] / ASH_SECONDS[models][threads]
