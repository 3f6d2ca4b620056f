"""The file of an open journal: its lock, its database, and what happens if the disk refuses writing.

Threads: as `Database`. Cost: one commit, which syncs the disk, per `save`.
"""

import contextlib
from collections.abc import Iterator

from ash._utils.user_warnings import warn_user
from ash.errors import JournalUnwritableError
from ash.journal.database import (
    Changes,
    Contents,
    Database,
    check_head,
    check_place,
    log_works,
    nothing,
    read_only,
    real_path,
)
from ash.journal.journal import Journal
from ash.journal.lock import Lock


class JournalFile:
    """The file of one run. `is_done` says that the run ended in an earlier call, so that it may only be read.

    Raises
    ------
    JournalError
        The path cannot be that of a journal.
    """

    def __init__(self, journal: Journal) -> None:
        self.path = real_path(journal.file)
        self.is_done = False
        self._on_error = journal.on_error
        self._lock: Lock | None = None
        self._database: Database | None = None
        self._refusal: JournalUnwritableError | None = None  # the error after which nothing more can be written
        check_place(self.path)

    def open(self) -> Contents:
        """Open the file and return its contents, which may be readable even if the file cannot be written."""
        try:
            self._lock = Lock(self.path.with_name(f"{self.path.name}-lock"), self.path)
            check_head(self.path)  # under the lock: closing the file releases all locks on it that this process has
            self._database = Database(self.path, log=log_works(self.path))
            return self._database.read()
        except JournalUnwritableError as error:
            self.close()
            self._refusal = error
        with contextlib.suppress(JournalUnwritableError):
            return read_only(self.path)
        return nothing()

    @property
    def is_kept(self) -> bool:
        """Return whether the run still has its journal, even if the journal can only be read."""
        return self._database is not None or self._refusal is not None

    @property
    def is_writable(self) -> bool:
        """Return whether the file is open for writing."""
        return self._database is not None

    def save(self, changes: Changes) -> bool:
        """Commit the changes and return True; return False if they cannot be written but no result is lost."""
        if self._refusal is None and self._database is not None:
            try:
                self._database.write(changes)
                return True
            except JournalUnwritableError as error:
                self._refusal = error
        self.check(changes)
        return False

    def check(self, changes: Changes | None = None) -> None:
        """Raise the error that prevents writing, unless the run ended in an earlier call and there is no new result."""
        is_new = not self.is_done or (changes is not None and "jobs" in changes.rows)
        if self._refusal is not None and is_new:
            raise self._refusal

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        """Handle JournalUnwritableError as specified by `Journal.on_error`: raise it, or warn and continue."""
        try:
            yield
        except JournalUnwritableError as error:
            if self._on_error == "raise":
                raise
            warn_user(f"{error}; the run continues without its journal; later results are not written to it")
            self.close()

    def close(self) -> None:
        """Close the database and release the lock."""
        database, lock = self._database, self._lock
        self._database = self._lock = self._refusal = None
        try:
            if database is not None:
                database.close()
        finally:
            if lock is not None:
                lock.release()
