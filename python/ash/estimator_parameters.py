"""Parameters of the estimators in scikit-learn's words, in those of `ash.tune`."""

from typing import Any

from joblib import effective_n_jobs
from sklearn.utils import check_random_state

from ash.cpus import resolve_threads
from ash.errors import SettingError
from ash.options import LARGEST_SEED, whole
from ash.scalars import is_integer


def threads_of(n_jobs: Any) -> int:
    """Return the threads that n_jobs means here: never more than this process may use, nor than OMP_NUM_THREADS."""
    if n_jobs is not None and (not is_integer(n_jobs) or n_jobs == 0):
        raise SettingError(f"n_jobs={n_jobs!r} is not allowed: a number of threads, -1 for all of them, or None.")
    return min(int(effective_n_jobs(n_jobs)), resolve_threads(None))


def seed_of(random_state: Any) -> int:
    """Return the seed that random_state stands for; drawn from it unless it is a number."""
    if is_integer(random_state):
        return whole("random_state", random_state, 0, LARGEST_SEED)
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except ValueError as error:
        raise SettingError(f"random_state={random_state!r} is not allowed: {error}") from None


def progress_of(verbose: Any) -> bool | None:
    """Return what `progress` of `ash.tune` is for it: a live view if above 0."""
    return None if verbose else False
