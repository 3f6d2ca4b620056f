"""Limits the threads that libraries start in a search, and lets threads without a job help other jobs.

The threads that libraries start in a job are called its inner threads. The limit per job is the number of CPUs divided
by the number of concurrent jobs, rounded down, but at least 1. Inner threads are limited by:

    own argument     n_jobs of forests, LightGBM and XGBoost, thread_count of CatBoost, on the clone that is trained
    OpenMP, BLAS     threadpoolctl; OpenMP's limit is per thread, so it is set for each fold; BLAS's is per process
    PyTorch          set_num_threads, per process

Limits per process are set once for the whole run if jobs run in threads of this process, and in each job otherwise.
Arguments that the user has set to a positive number are kept. Arguments such as -1, which are relative to the number of
CPUs, are replaced: for the estimators above by the number of inner threads, and for all other estimators by 1. The
other estimators, such as ColumnTransformer, would start processes.
"""

import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any, Generic, TypeVar

from threadpoolctl import ThreadpoolController

from ash._utils.checks import is_integer
from ash._utils.threads import start_thread
from ash.errors import ThreadRefusedError
from ash.sklearn.resumable.choose import own_threads

NAMES = ("n_jobs", "thread_count", "nthread", "num_threads")
_lock = threading.Lock()  # guards the following five
_inner: list[int] = []  # the limits of the blocks of `process_limited` that are running in any thread
_of_torch: dict[Any, int] = {}  # PyTorch, if it is loaded, and its number of threads before the first of these blocks
_ignored: list[tuple[str, ...]] = []  # the messages of the blocks of `ignored` that are running
_limits, _filters = ExitStack(), ExitStack()  # restore the process's limits and filters
Item = TypeVar("Item")
Given = TypeVar("Given")


class IdleThreads:
    """Lets threads without a job train folds of running jobs, mostly toward the end of a run.

    The total number of jobs and helpers exceeds the number of threads only if a job starts while helpers are running.
    In that case, helpers stop after their current fold. Results do not depend on which thread trains a fold.
    Thread-safe. Cost: each helper is a newly started thread; a lock is held for a few instructions.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._busy = 0
        self._lock = threading.Lock()

    def __reduce__(self) -> "tuple[type[IdleThreads], tuple[int]]":
        return IdleThreads, (1,)  # in another process, one thread trains all folds of a job

    @contextmanager
    def job(self) -> Iterator[None]:
        """Count the calling thread as a running job."""
        with self._lock:
            self._busy += 1
        try:
            yield
        finally:
            self._leave()

    def each(self, function: Callable[[Item], Given], items: Sequence[Item]) -> list[Given]:
        """Return the function's results for all items; idle threads compute some of the results.

        If the function fails for some items, the error for the first of them in `items` is raised. This method must be
        called within a job.
        """
        work = _Work(function, items)
        helpers: list[threading.Thread] = []
        while work.left:
            for _ in range(len(work.left) - 1):
                if self._enter():
                    try:
                        helpers.append(start_thread(self._help, "ash-fold", (work,)))
                    except ThreadRefusedError:
                        self._leave()
                        break
            work.do_next()
        for helper in helpers:
            helper.join()
        return work.given()

    def _enter(self) -> bool:
        with self._lock:
            free = self._busy < self._threads
            self._busy += free
        return free

    def _leave(self) -> None:
        with self._lock:
            self._busy -= 1

    def _help(self, work: "_Work[Item, Given]") -> None:
        try:
            while work.left and self._busy <= self._threads:
                work.do_next()
        finally:
            self._leave()


class _Work(Generic[Item, Given]):
    """Items that several threads process together. Each item is processed once; no item is started after an error."""

    def __init__(self, function: Callable[[Item], Given], items: Sequence[Item]) -> None:
        self.left = deque(enumerate(items))
        self._function = function
        self._given: dict[int, Given] = {}
        self._errors: dict[int, BaseException] = {}

    def do_next(self) -> None:
        try:
            place, item = self.left.popleft()
        except IndexError:  # another thread has taken the last item
            return
        try:
            self._given[place] = self._function(item)
        except BaseException as error:  # `given` raises it in the job's thread
            self._errors[place] = error
            self.left.clear()

    def given(self) -> list[Given]:
        for place in sorted(self._errors):
            raise self._errors[place]
        return [self._given[place] for place in sorted(self._given)]


def capped(estimator: Any, inner: int) -> dict[str, int]:
    """Return the parameters to set so that an estimator, including its steps, starts at most `inner` threads.

    Positive numbers of threads that the user has set are kept, even if they exceed `inner`.
    """
    params = estimator.get_params(deep=True)
    found = {name: 1 for name, value in params.items() if name.rpartition("__")[2] in NAMES and _counts_from_all(value)}
    parts = {f"{name}__": part for name, part in params.items() if hasattr(part, "get_params")}
    for prefix, part in {"": estimator, **parts}.items():
        own = None if isinstance(part, type) else own_threads(part)
        if own is not None and (params.get(prefix + own) is None or _counts_from_all(params[prefix + own])):
            found[prefix + own] = inner
    return found


@contextmanager
def process_limited(inner: int) -> Iterator[None]:
    """Limit the threads of BLAS and PyTorch, and those of OpenMP in this thread; never raise a limit.

    Blocks in several threads may overlap: the lowest of their limits holds, and the last one restores the process's.
    """
    openmp, torch = _openmp(len(sys.modules)), sys.modules.get("torch")
    with _lock:
        if torch is not None and torch not in _of_torch:
            _of_torch[torch] = torch.get_num_threads()
        limiter = openmp.limit(limits=_at_most(inner, openmp))
        _inner.append(inner)
        _set_limits()
    try:
        yield
    finally:
        with _lock:
            _inner.remove(inner)
            _set_limits()
            limiter.restore_original_limits()


def _set_limits() -> None:
    """Restore the limits per process, and set the lowest of those that hold now, if any; called under the lock."""
    _limits.close()
    if not _inner:
        _of_torch.clear()
        return
    blas, lowest = ThreadpoolController().select(user_api="blas"), min(_inner)
    _release(blas)
    _limits.callback(_restore, blas, blas.limit(limits=_at_most(lowest, blas)))
    for torch, threads in _of_torch.items():
        _limits.callback(torch.set_num_threads, threads)
        torch.set_num_threads(min(lowest, threads))


def _at_most(inner: int, controller: ThreadpoolController) -> dict[str, int]:
    return {each["prefix"]: min(inner, each["num_threads"]) for each in controller.info()}


def _restore(controller: ThreadpoolController, limiter: Any) -> None:
    _release(controller)  # perhaps another thread has set the limits
    limiter.restore_original_limits()
    _release(controller)


def _release(controller: ThreadpoolController) -> None:
    """Let any thread set limits: threadpoolctl 3.8 ignores all threads but the first that has set one of OpenBLAS."""
    for library in controller.lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


@contextmanager
def ignored(*messages: str) -> Iterator[None]:
    """Ignore warnings with these messages, in all threads; the last of overlapping blocks restores the filters."""
    with _lock:
        if not _ignored:
            _filters.enter_context(warnings.catch_warnings())
        _ignored.append(messages)
        for message in messages:
            warnings.filterwarnings("ignore", message=message)
    try:
        yield
    finally:
        with _lock:
            _ignored.remove(messages)
            if not _ignored:
                _filters.close()


@contextmanager
def thread_limited(inner: int) -> Iterator[None]:
    """Limit the threads that OpenMP starts from this thread."""
    with _openmp(len(sys.modules)).limit(limits=inner):
        yield


def _counts_from_all(value: Any) -> bool:
    return is_integer(value) and value <= 0


@lru_cache(maxsize=1)
def _openmp(modules: int) -> ThreadpoolController:
    """Return a controller of the loaded OpenMP libraries alone, since a controller restores the limits of all its own.

    When `modules` changes, a new one is created (in a millisecond).
    """
    return ThreadpoolController().select(user_api="openmp")
