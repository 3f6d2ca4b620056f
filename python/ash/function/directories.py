"""Manages the lazily created directory of each candidate, in which a function may keep files between jobs.

    <folder>/candidate-000012/      with a journal, <folder> also holds files of states (state_store.py); without a
                                    journal, <folder> is temporary

A function may create directories without the run's knowledge, perhaps on another machine. So when a candidate has
retired, the run looks for its directory and deletes it, unless the candidate is the best.
With a journal, a directory is created when the rows of its candidate and of the jobs before are in the file. So what a
job finds in its directory after a crash is known to the run.
Threads: `made` may be called in any thread or process, everything else only in the calling thread.
Cost: for functions without directories, only checks whether a path exists: at most one per call of `tidy`, and two per
candidate.
"""

import contextlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from ash._utils.scratch import Scratch
from ash._utils.user_warnings import warn_user
from ash.errors import Retired

OPEN: dict[str, Callable[[], None]] = {}
"""For the folder of each run of this process, the function to call before a directory is created."""
_ended: set[str] = set()
"""The temporary folders of this process's runs that have ended."""
_left: dict[str, list[tuple[int, int, Callable[[], bool]]]] = {}
"""For each folder, the candidate and rung of jobs that a run has abandoned, and whether they are still running."""
LOOK_SECONDS = 0.05
CANDIDATE = "candidate-"
"""Prefix of the directories' names."""


def made(folder: str, candidate: int) -> Path:
    """Return the directory of a candidate, which only this user can access; create it if it does not exist.

    Raises
    ------
    OSError
        The directory cannot be created, or the folder is a symbolic link, which could lead anywhere.
    Retired
        The run has ended, and so has its temporary folder.
    """
    if (prepare := OPEN.get(folder)) is not None:
        prepare()
    elif folder in _ended:
        raise Retired("the run has ended, and its directories are deleted")
    parent = Path(folder)
    if parent.is_symlink():
        raise OSError(f"{parent} is a link: replace it by a folder for the directories of candidates")
    parent.mkdir(mode=0o700, exist_ok=True)
    directory = _of(parent, candidate)
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory


def leave(job: tuple[int, int, int, int, str], is_running: Callable[[], bool]) -> None:
    """Record a job that a run leaves running at its end, unless its folder is temporary, which no other run uses."""
    if job[4] in _ended or not is_running():
        return
    _left.setdefault(job[4], []).append((*job[:2], is_running))


def wait_for_left(folder: Path) -> None:
    """Wait for jobs that an earlier run of this process has left running, since they use directories in this folder."""
    has_warned, jobs = False, _left.get(str(folder.absolute()), [])
    while left := [f"candidate {candidate} in rung {rung}" for candidate, rung, is_running in jobs if is_running()]:
        if not has_warned:
            has_warned = True
            warn_user(
                f"an earlier call has left jobs running: {' and '.join(left)}. This call waits until they have ended, "
                "since both would write into the same directories; Ctrl-C ends the wait"
            )
        time.sleep(LOOK_SECONDS)
    jobs.clear()


class Directories(contextlib.AbstractContextManager["Directories"]):
    """The candidates' directories of one run: a context manager that deletes the temporary folder at exit.

    Parameters
    ----------
    folder : Path or None
        The folder next to the journal, such as ``run.ash-states``, in which directories are kept. If None, a temporary
        folder is used, which is deleted at the end of the run.
    settle : function
        Waits until the rows of the journal are in its file.
    elsewhere : bool
        Whether jobs run in other processes, which could not lock a temporary folder for this one.
    """

    def __init__(self, folder: Path | None, settle: Callable[[], None], *, elsewhere: bool) -> None:
        self._scratch = Scratch()
        self._is_temporary = folder is None
        self._folder = self._scratch.path if folder is None else folder.absolute()
        self.folder = str(self._folder)
        self._retired: list[int] = []  # candidates whose directories `tidy` has yet to delete
        self._settle, self._elsewhere = settle, elsewhere

    def __enter__(self) -> "Directories":
        OPEN[self.folder] = self._prepare
        if self._elsewhere:
            with contextlib.suppress(OSError):  # it cannot be created, which matters only to a job that needs it
                self._prepare()
        return self

    def __exit__(self, *error: object) -> None:
        del OPEN[self.folder]
        if self._is_temporary:
            _ended.add(self.folder)
            self._scratch.__exit__()
        else:
            with contextlib.suppress(OSError):  # the folder is not empty, or was never created
                self._folder.rmdir()

    def _prepare(self) -> None:
        self._settle()
        if self._is_temporary:
            self._scratch.make()

    def retire(self, candidate: int) -> None:
        """Mark the directory of a candidate that will not be trained further, so that `tidy` deletes it."""
        self._retired.append(candidate)

    def tidy(self, best: int | None) -> None:
        """Delete the directories of retired candidates.

        The best candidate's directory stays until another candidate is best.
        """
        if not self._retired:
            return
        if self._folder.is_dir():
            for candidate in self._retired:
                if candidate != best:
                    self.delete(candidate)
        self._retired = [candidate for candidate in self._retired if candidate == best]

    def delete(self, candidate: int) -> None:
        """Delete the directory of a candidate if there is one."""
        directory = _of(self._folder, candidate)
        if directory.is_dir() and not self._folder.is_symlink():
            shutil.rmtree(directory, ignore_errors=True)


def _of(folder: Path, candidate: int) -> Path:
    return folder / f"{CANDIDATE}{candidate:06d}"
