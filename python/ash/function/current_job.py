"""Defines `ash.current_job`, which tells a function its candidate, the epochs to train, and the candidate's directory.

The current job is a context variable, so each thread has its own current job unless the user copies the context.
`attempt` (answers.py) sets it around each call. Generators run in the context of the call that resumes them, so they
see the current job. In the thread of a function that calls `report`, the current job is set again after each report
(reports.py).
"""

from contextvars import ContextVar
from pathlib import Path
from typing import Final, NamedTuple

from ash.errors import SettingError
from ash.function.directories import made


class CurrentJob(NamedTuple):
    """A job of a function: one candidate that is trained for one rung.

    It may be pickled and passed to other threads and processes, on machines that share the file system.
    """

    candidate: int
    rung: int
    epochs: int
    total_epochs: int
    folder: str

    @property
    def directory(self) -> Path:
        """The directory of the candidate, created if it does not exist."""
        return made(self.folder, self.candidate)


Job = tuple[int, int, int, int, str]
"""The fields of a `CurrentJob`, in order. A plain tuple is used because it is faster to create, and few functions ask
for the job."""
EPOCHS: Final = 2
"""The index of `epochs` in a `Job`."""
CURRENT: ContextVar[Job | None] = ContextVar("ash.current_job", default=None)


def current_job() -> CurrentJob:
    """Return the job that runs in this thread: its candidate, rung and epochs, and a directory for its files.

    Call it anywhere within a job of `ash.tune_function`: in any form of `train`, or in code that `train` calls. A
    function that saves its own checkpoints keeps them in `directory`, which is the same in all jobs of a candidate.

    Returns
    -------
    CurrentJob
        A named tuple with these attributes:

        - `candidate`, the number of the candidate, from 0.
        - `rung`, the number of the rung, from 0.
        - `epochs`, the number of epochs that this job trains.
        - `total_epochs`, the number of epochs for which the candidate will have been trained when this job ends. With
          ``training="restart"`` it equals `epochs`.
        - `directory`, the candidate's own `pathlib.Path`. It is created when the attribute is read, and other users
          cannot access it.
        - `folder`, the path of the folder that contains the directories of all candidates.

    Raises
    ------
    SettingError
        No job runs in this thread. Threads that a job starts do not inherit its job; pass them the value that this
        function returns.

    Notes
    -----
    With a journal ``run.ash`` the directory of candidate 12 is ``run.ash-states/candidate-000012``. It is kept after a
    crash, so that the same call can resume. Without a journal the directory is in a temporary folder that is deleted at
    the end of the run. In both cases the directory is deleted soon after its candidate has retired, that is, when
    the candidate will not be trained further. But the best candidate's directory stays until another candidate is best,
    and with a journal it also stays after the run.

    Examples
    --------
    >>> import ash
    >>> def train(params, epochs, state):
    ...     job = ash.current_job()
    ...     path = job.directory / "weight.txt"
    ...     done, weight = map(float, path.read_text().split()) if path.exists() else (0, 0.0)
    ...     for _ in range(int(done), job.total_epochs):
    ...         weight += params["rate"] * (1 - weight)
    ...     path.write_text(f"{job.total_epochs} {weight}")
    ...     return weight
    >>> result = ash.tune_function(train, {"rate": ash.uniform(0, 1)}, candidates=8, max_epochs=8, n_jobs=1)
    >>> result.best_epochs
    8
    """
    job = CURRENT.get()
    if job is None:
        raise SettingError(
            "ash.current_job() must be called by the function that ash.tune_function runs, within a job and in its "
            "thread; pass what it returns to other threads"
        )
    return CurrentJob(*job)
