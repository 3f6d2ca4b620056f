"""A run goes on from what is on record: results are told to the clock as if their jobs had just been done.

    virtual clock   asks for the same jobs whenever results come, so it needs no more than a table of them
    greedy clock    decides in the order in which jobs have ended: its steps are retraced one by one

What was handed out and has no result is the first to be done. Where the ladder gives another job than the step says,
it is another ladder: what is left on record is then told as the clock comes to it.
"""

from collections.abc import Callable

from ash import _core
from ash.function.job_runners import Key
from ash.journal.null_journal import NullJournal

Next = Callable[[], _core.Task | None]
Start = Callable[[_core.Task], None]


def catch_up(journal: NullJournal, following: Next, start: Start, is_over: Callable[[], bool]) -> list[_core.Task]:
    """Go as far as known results reach, for a virtual clock; return the tasks that are to be done.

    Parameters
    ----------
    following : callable
        Gives the next task.
    start : callable
        Begins a task; a known one is recalled and ends at once.
    is_over : callable
        Whether the run has ended, which a result may do.
    """
    unknown = []
    while not is_over() and (task := following()) is not None:
        if journal.knows(_key(task)):
            start(task)
        else:
            unknown.append(task)
    journal.retraced(exactly=True)
    return unknown


def retrace(journal: NullJournal, following: Next, start: Start, is_over: Callable[[], bool]) -> list[_core.Task]:
    """Do the same for a greedy clock, by the steps on record, as far as the ladder agrees."""
    given: dict[Key, _core.Task] = {}
    exactly = True
    for candidate, rung, has_ended in journal.steps:
        key = candidate, rung
        if is_over():
            break
        if has_ended:
            exactly = key in given and journal.knows(key)
            if exactly:
                start(given.pop(key))
        else:
            task = following()
            exactly = task is not None and _key(task) == key
            if task is not None:
                given[_key(task)] = task
        if not exactly:
            break
    journal.retraced(exactly)
    return list(given.values())


def _key(task: _core.Task) -> Key:
    return task.candidate, task.rung
