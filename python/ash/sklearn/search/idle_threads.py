"""Threads that no job uses, towards the end of a run mostly: folds of other jobs are trained in them.

Jobs and helpers together are never more than there are threads, but for jobs that begin while helpers are at work:
these end with the fold that they have. What the folds give does not depend on who trains them.
Threads: any. Cost: a thread for each helper, and a lock held for a few instructions.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")
Given = TypeVar("Given")


class Spare:
    """Counts who is at work on so many threads."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._busy = 0
        self._lock = threading.Lock()

    def __reduce__(self) -> "tuple[type[Spare], tuple[int]]":
        return Spare, (1,)  # another process has a thread for each job

    @contextmanager
    def job(self) -> Iterator[None]:
        """Be at work as a job."""
        with self._lock:
            self._busy += 1
        try:
            yield
        finally:
            self._leave()

    def each(self, function: Callable[[Item], Given], items: Sequence[Item]) -> list[Given]:
        """Return what a function gives for each item, some done in spare threads; raise what the first of them raises.

        It is called within a job.
        """
        work = _Work(function, items)
        helpers: list[threading.Thread] = []
        while work.left:
            for _ in range(len(work.left) - 1):
                if self._enter():
                    helpers.append(threading.Thread(target=self._help, args=(work,), daemon=True))
                    helpers[-1].start()
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
    """Items of which each is done once, by whoever comes; after an error none is begun."""

    def __init__(self, function: Callable[[Item], Given], items: Sequence[Item]) -> None:
        self.left = deque(enumerate(items))
        self._function = function
        self._given: dict[int, Given] = {}
        self._errors: dict[int, BaseException] = {}

    def do_next(self) -> None:
        try:
            place, item = self.left.popleft()
        except IndexError:  # somebody else has it
            return
        try:
            self._given[place] = self._function(item)
        except BaseException as error:  # raised again by the job
            self._errors[place] = error
            self.left.clear()

    def given(self) -> list[Given]:
        for place in sorted(self._errors):
            raise self._errors[place]
        return [self._given[place] for place in sorted(self._given)]
