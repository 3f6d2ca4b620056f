"""The threads that libraries start themselves: jobs at a time x inner threads never exceed the CPUs.

    own argument     n_jobs of forests, LightGBM and XGBoost, thread_count of CatBoost, on the clone that is trained
    OpenMP, BLAS     threadpoolctl; OpenMP's number belongs to a thread, so it is set in each job, BLAS's to the process
    PyTorch          set_num_threads: the process's

What belongs to the process is set once around the run where jobs are done in threads of this one, and in each job
elsewhere. An argument that the user has set to a positive number stays as it is; one that counts from all CPUs does
not: where it would start processes, as n_jobs=-1 of a ColumnTransformer, it is 1.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController

from ash._utils.checks import is_integer
from ash.sklearn.resumable.choose import own_threads

NAMES = ("n_jobs", "thread_count", "nthread", "num_threads")


def capped(estimator: Any, inner: int) -> dict[str, int]:
    """Return the parameters to set so that an estimator, steps and all, starts no more than so many threads."""
    params = estimator.get_params(deep=True)
    found = {name: 1 for name, value in params.items() if name.rpartition("__")[2] in NAMES and _counts_from_all(value)}
    parts = {f"{name}__": part for name, part in params.items() if hasattr(part, "get_params")}
    for prefix, part in {"": estimator, **parts}.items():
        own = None if isinstance(part, type) else own_threads(part)
        if own is not None and (params.get(prefix + own) is None or _counts_from_all(params[prefix + own])):
            found[prefix + own] = inner
    return found


def _counts_from_all(value: Any) -> bool:
    return is_integer(value) and value <= 0


@contextmanager
def process_limited(inner: int) -> Iterator[None]:
    """Limit BLAS, PyTorch and, in this thread, OpenMP."""
    torch: Any = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else 0
    with ThreadpoolController().limit(limits=inner):
        if torch is not None:
            torch.set_num_threads(inner)
        try:
            yield
        finally:
            if torch is not None:
                torch.set_num_threads(before)


@contextmanager
def thread_limited(inner: int) -> Iterator[None]:
    """Limit OpenMP in this thread."""
    with _controller(len(sys.modules)).limit(limits=inner, user_api="openmp"):
        yield


@lru_cache(maxsize=1)
def _controller(modules: int) -> ThreadpoolController:
    """Return what knows the libraries: looked for again once more has been imported, which takes a millisecond."""
    return ThreadpoolController()
