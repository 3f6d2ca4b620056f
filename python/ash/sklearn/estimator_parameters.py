"""Reads the estimators' parameters, including the fields of `config`, and converts them to arguments of `ash.tune`."""

import sys
import threading
from dataclasses import replace
from typing import Any, Self

from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from ash._utils.checks import is_integer, whole
from ash._utils.machine import resolve_threads
from ash.errors import SettingError
from ash.journal.identity import seed_of as seed_in
from ash.journal.journal import Journal
from ash.options import LARGEST_SEED, SearchConfig

PREFIX = "config__"


class Configured(BaseEstimator):  # type: ignore[misc]
    """An estimator with a `config`, whose fields are also parameters: ``set_params(config__eta=3)``."""

    config: SearchConfig | None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name.

        Parameters
        ----------
        deep : bool
            Whether to include the fields of `config`, as ``config__<field>``, and the parameters of nested estimators.

        Returns
        -------
        dict
        """
        params: dict[str, Any] = super().get_params(deep)
        if deep:
            config = self.config if isinstance(self.config, SearchConfig) else SearchConfig()
            params |= {PREFIX + name: value for name, value in vars(config).items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name; ``config__<field>`` replaces the config by a copy with that field changed.

        Parameters
        ----------
        **params
            Names and values.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            There is no such parameter, or the value is not allowed for a field of the config.
        """
        fields = {name.removeprefix(PREFIX): params.pop(name) for name in list(params) if name.startswith(PREFIX)}
        super().set_params(**params)
        if fields:
            self.config = replace(self.config or SearchConfig(), **fields)
        return self


def threads_of(n_jobs: Any) -> int:
    """Return the number of threads for `n_jobs`, at most OMP_NUM_THREADS and the CPUs available to this process.

    Within joblib or Dask, a negative number such as -1 refers to the calling thread's share of the CPUs.
    """
    if n_jobs is not None and (not is_integer(n_jobs) or n_jobs == 0):
        raise SettingError(f"n_jobs must be a number of threads, -1 for all of them, or None, got {n_jobs!r}")
    most = resolve_threads(None)
    wanted = min(int(effective_n_jobs(n_jobs)), most)
    return wanted if n_jobs is None or n_jobs > 0 else min(wanted, _share(most))


def jobs_of(n_jobs: Any) -> int | None:
    """Return an executor's number of concurrent jobs: `n_jobs` if it is positive, else None (one job per worker)."""
    return n_jobs if is_integer(n_jobs) and n_jobs > 0 else None


def _share(threads: int) -> int:
    """Return the calling thread's share of `threads`, if joblib or Dask runs several threads in this process.

    joblib does not report how many threads it runs. By default it starts one thread per CPU, so 1 is returned within
    joblib.
    """
    backend, _ = get_active_backend()
    if backend.nesting_level and threading.current_thread() is not threading.main_thread():
        return 1
    distributed = sys.modules.get("distributed.worker")
    try:
        return threads if distributed is None else max(1, threads // int(distributed.get_worker().state.nthreads))
    except ValueError:  # this thread runs no Dask task
        return threads


def seed_of(random_state: Any, journal: Journal | None = None) -> int:
    """Return the seed for `random_state`: that value itself if it is an integer, otherwise a number drawn from it.

    If `random_state` is None and the journal has an earlier run, the seed of that run is returned.
    """
    if random_state is None:
        random_state = seed_in(journal)
    if is_integer(random_state):
        return whole("random_state", random_state, 0, LARGEST_SEED)
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except ValueError as error:
        raise SettingError(f"random_state={random_state!r} cannot be used: {error}") from None


def progress_of(verbose: Any) -> bool | None:
    """Convert `verbose` to `progress` of `ash.tune`: 1 shows a live view, 2 or more also prints lines to logs."""
    if not isinstance(verbose, bool) and not is_integer(verbose):
        raise SettingError(f"verbose must be an integer, got {verbose!r}")
    return None if int(verbose) == 1 else verbose > 1
