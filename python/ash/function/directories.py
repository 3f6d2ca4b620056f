"""Directories of candidates, in which a function may keep files between its jobs: made when they are asked for.

    <folder>/candidate-000012/      the folder is that of the journal's states, or a temporary one without a journal

The run cannot see which directories a function has asked for, perhaps on another machine. So it looks whether there is
one when a candidate has retired, and leaves the best one's.
Threads: `made` may be called in any thread or process, everything else in the calling thread.
Cost: for functions that never ask, one look at the folder for each look at the run in which candidates have retired.
"""

import contextlib
import os
import secrets
import shutil
import tempfile
from pathlib import Path

CANDIDATE = "candidate-"
"""How the name of a directory begins."""


def made(folder: str, candidate: int) -> Path:
    """Return the directory of a candidate, which is made unless it is there; for its owner only.

    Raises
    ------
    OSError
        It cannot be made, or the folder is a link, which may lead anywhere.
    """
    parent = Path(folder)
    if parent.is_symlink():
        raise OSError(f"{parent} is a link: replace it by a folder, where candidates get their directories")
    parent.mkdir(mode=0o700, exist_ok=True)
    directory = _of(parent, candidate)
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory


class Directories(contextlib.AbstractContextManager["Directories"]):
    """The directories of the candidates of one run: a context manager that deletes temporary ones.

    Parameters
    ----------
    folder : Path or None
        Where they lie and stay, the folder of the journal; None: a temporary folder, which is deleted with the run.
    """

    def __init__(self, folder: Path | None) -> None:
        self._is_temporary = folder is None
        self._folder = _temporary() if folder is None else folder.absolute()
        self.folder = str(self._folder)
        self._retired: list[int] = []  # whose directories were not looked for yet

    def __exit__(self, *error: object) -> None:
        if self._is_temporary:
            shutil.rmtree(self._folder, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):  # there is something in it, or it was never made
                self._folder.rmdir()

    def retire(self, candidate: int) -> None:
        """Let `tidy` delete the directory of a candidate that is trained no further."""
        self._retired.append(candidate)

    def tidy(self, best: int | None) -> None:
        """Delete the directories of retired candidates, except that of the best candidate as long as it is the best."""
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
    """Return the path of a new temporary folder. The first job that needs it makes it, in any process."""
    try:
        parent = tempfile.gettempdir()
    except OSError:  # no folder can be written to, which is an error only for a function that asks
        parent = os.curdir
    return Path(parent, f"ash-{secrets.token_hex(8)}").absolute()
