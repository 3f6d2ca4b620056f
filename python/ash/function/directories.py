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
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

SETTLES: dict[str, Callable[[], None]] = {}
"""For the folder of each run of this process, the function that waits for the rows of its journal."""
CANDIDATE = "candidate-"
"""Prefix of the directories' names."""


def made(folder: str, candidate: int) -> Path:
    """Return the directory of a candidate, which only this user can access; create it if it does not exist.

    Raises
    ------
    OSError
        The directory cannot be created, or the folder is a symbolic link, which could lead anywhere.
    """
    if (settle := SETTLES.get(folder)) is not None:
        settle()
    parent = Path(folder)
    if parent.is_symlink():
        raise OSError(f"{parent} is a link: replace it by a folder for the directories of candidates")
    parent.mkdir(mode=0o700, exist_ok=True)
    directory = _of(parent, candidate)
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory


class Directories(contextlib.AbstractContextManager["Directories"]):
    """The candidates' directories of one run: a context manager that deletes the temporary folder at exit.

    Parameters
    ----------
    folder : Path or None
        The folder next to the journal, such as ``run.ash-states``, in which directories are kept. If None, a temporary
        folder is used, which is deleted at the end of the run.
    settle : function
        Waits until the rows of the journal are in its file.
    """

    def __init__(self, folder: Path | None, settle: Callable[[], None]) -> None:
        self._is_temporary = folder is None
        self._folder = _temporary() if folder is None else folder.absolute()
        self.folder = str(self._folder)
        self._retired: list[int] = []  # candidates whose directories `tidy` has yet to delete
        self._settle = settle

    def __enter__(self) -> "Directories":
        SETTLES[self.folder] = self._settle
        return self

    def __exit__(self, *error: object) -> None:
        del SETTLES[self.folder]
        if self._is_temporary:
            shutil.rmtree(self._folder, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):  # the folder is not empty, or was never created
                self._folder.rmdir()

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


def _temporary() -> Path:
    """Return an unused path for a temporary folder. The first job that needs the folder creates it, in any process."""
    try:
        parent = tempfile.gettempdir()
    except OSError:  # no folder is writable, which matters only to a function that needs a directory
        parent = os.curdir
    return Path(parent, f"ash-{secrets.token_hex(8)}").absolute()
