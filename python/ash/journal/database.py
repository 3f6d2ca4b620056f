"""The file of a journal: an SQLite database with one writing process and any number of readers.

    new results -> BEGIN, rows, facts, row counts, COMMIT        atomic, even if the process dies

Damage: SQLite detects damage to its own structure, but not a flipped bit inside a value. So each row stores a hash of
its other values. Numbers that must be restored bit for bit, including -0.0 and NaN, are stored as Python's `repr`.
Durability: the write-ahead log is synced at each commit, so committed data survive a loss of power. The log needs
memory shared between processes, which network file systems do not provide (sqlite.org/wal.html). On those, a rollback
journal is used instead. A warning is given, since locks are unreliable there as well. Readers see the last commit and
change nothing. With the log, readers do not block commits. Without the log, a commit waits for readers.
Errors: an error of SQLite or the system becomes a JournalError that names the file. Damage raises JournalCorruptError.
If the disk or the system refuses an operation, JournalUnwritableError is raised. It is also raised if the file was
deleted or replaced during the run, since SQLite would continue to write to the old file.
Threads: one thread at a time uses a database. Use in a forked child is refused, since SQLite does not support it.
"""

import contextlib
import json
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ash._utils.hashes import hash_of
from ash._utils.user_warnings import warn_user
from ash.errors import JournalCorruptError, JournalError, JournalUnwritableError

APPLICATION = 0x61736831
"""SQLite's application id: "ash1"."""
VERSION = 1
"""Version of the tables."""
HEADER = b"SQLite format 3\x00"
BUSY_SECONDS = 5.0
"""The longest time that a commit waits for SQLite's lock, which a reader holds if there is no write-ahead log."""
REFUSALS = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)
"""SQLite's errors when a reader cannot create the files shared with writers because the disk is full or read-only."""
NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|9p|virtiofs|afs|ceph|glusterfs|lustre|beegfs\w*|gpfs|wekafs|panfs|pvfs2|orangefs|ncpfs|gfs2|ocfs2|"
    r"fuse\.(sshfs|s3fs|mount-s3|gcsfuse|rclone|glusterfs|ceph|juicefs|blobfuse2?|goofys|cvmfs2?|orangefs)"
)
"""Pattern for the names of file systems that several machines may use; it must match the full name."""
MOUNTS = Path("/proc/self/mountinfo")

Row = tuple[Any, ...]

JOB_KEY = ("candidate INTEGER NOT NULL", "rung INTEGER NOT NULL")
NUMBER = "number INTEGER PRIMARY KEY"
TIMES = ('"start" REAL NOT NULL', '"end" REAL NOT NULL')

TABLES = {
    "facts": ("name TEXT PRIMARY KEY", "value TEXT NOT NULL"),
    "candidates": ("candidate INTEGER PRIMARY KEY", "params TEXT NOT NULL"),
    "jobs": (
        *(NUMBER, *JOB_KEY, "epochs INTEGER NOT NULL"),
        *("thread INTEGER NOT NULL", "team INTEGER NOT NULL", "team_limit INTEGER NOT NULL"),
        *("score TEXT NOT NULL", "loss TEXT NOT NULL", "training_loss TEXT NOT NULL", "weights_hash TEXT NOT NULL"),
        *(*TIMES, "fold_scores TEXT NOT NULL"),
    ),
    "steps": (NUMBER, *JOB_KEY, "finished INTEGER NOT NULL"),
    "assists": (NUMBER, *JOB_KEY, "thread INTEGER NOT NULL", *TIMES, "busy REAL NOT NULL"),
    "answers": (*JOB_KEY, "kind TEXT NOT NULL", "text TEXT NOT NULL", "state INTEGER NOT NULL"),
    "states": (*JOB_KEY, "file TEXT NOT NULL", "bytes INTEGER NOT NULL", "hash TEXT NOT NULL"),
}
"""The columns of each table, without its last column, `checksum`."""
KEYS = {
    "jobs": ("UNIQUE (candidate, rung)",),
    **dict.fromkeys(("answers", "states"), ("PRIMARY KEY (candidate, rung)",)),
}

COUNTED = ("candidates", "jobs", "steps", "assists", "answers", "states")
"""Tables whose number of rows is recorded as a fact, so that a missing row is detected."""


class Database:
    """An open journal database.

    Parameters
    ----------
    path : Path
        The file; it is created if it does not exist, and may be empty.
    log : bool
        Whether the write-ahead log can be used.

    Raises
    ------
    JournalUnwritableError
        The file cannot be opened.
    JournalError
        The file is not a journal, or was written by a newer version of ash.
    JournalCorruptError
        The file is damaged.
    """

    def __init__(self, path: Path, *, log: bool = True) -> None:
        self.path = path
        self._process = os.getpid()
        _create(path)
        with _named(path):
            self._connection = sqlite3.connect(
                path.absolute(), timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._is_new = _check(self._connection, path) == 0
                self._set_mode("wal" if log else "delete")
                self._connection.execute("PRAGMA synchronous=FULL")
            except BaseException:
                self._connection.close()
                raise
        self._file = _file_of(path)

    def _set_mode(self, mode: str) -> None:
        """Set SQLite's journal mode, which SQLite may refuse; a rollback journal in place of a log is safe."""
        self._connection.execute(f"PRAGMA journal_mode={mode}")
        (found,) = self._connection.execute("PRAGMA journal_mode").fetchone()
        if found != mode == "wal":
            warn_user(f"{self.path} has no write-ahead log, since SQLite cannot use one there: readers delay the run")
        elif found != mode:
            raise JournalUnwritableError(
                "its write-ahead log cannot be ended: copy the journal while no process uses it"
            )

    def write(self, changes: "Changes") -> None:
        """Commit all changes atomically; raise JournalError and change nothing if that fails."""
        if os.getpid() != self._process:
            raise JournalError(f"{self.path} was opened before this process was forked: open it again in this process")
        if _file_of(self.path) != self._file:
            raise JournalUnwritableError(
                f"{self.path} was deleted, moved or replaced during the run: leave a journal where it is until its run "
                "has ended"
            )
        with _named(self.path), self._connection as connection:  # commits, or rolls back if an error is raised
            connection.execute("BEGIN IMMEDIATE")
            if self._is_new:
                pragmas = [f"PRAGMA application_id={APPLICATION}", f"PRAGMA user_version={VERSION}"]
                for statement in [*_schema(), *pragmas]:
                    connection.execute(statement)
            found = connection.execute("SELECT value FROM facts WHERE name = 'counts'").fetchone()
            counts = dict.fromkeys(COUNTED, 0) if found is None else dict(json.loads(found[0]))
            for table, condition, values in changes.deleted:
                counts[table] -= connection.execute(f"DELETE FROM {table} WHERE {condition}", values).rowcount
            for table, rows in changes.rows.items():
                counts[table] += _insert(connection, table, rows)
            facts = {**changes.facts, "counts": counts}
            _insert(connection, "facts", [(name, json.dumps(value)) for name, value in facts.items()])
        self._is_new = False

    def read(self) -> "Contents":
        """Return the contents, after checking them for damage."""
        if self._is_new:
            return nothing()
        with _named(self.path):
            return read_contents(self._connection)

    def close(self) -> None:
        """Close the database and write the log back to the file, even if the file has been moved."""
        if os.getpid() != self._process:
            return
        with _named(self.path):
            if _file_of(self.path) == self._file:
                self._connection.close()
                return
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # close() would leave the log behind
            self._connection.close()
        _remove_empty_log(self.path)


@dataclass
class Changes:
    """The changes of one commit: rows to delete, rows to add after that, and facts to add or replace."""

    deleted: list[tuple[str, str, Row]] = field(default_factory=list)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.deleted or self.rows or self.facts)

    def delete(self, table: str, condition: str = "true", values: Row = ()) -> None:
        """Delete the table's rows that fulfill an SQL condition; `values` replace its question marks."""
        self.deleted.append((table, condition, values))

    def add(self, table: str, rows: Sequence[Row]) -> None:
        """Add rows, given without checksums; existing rows with the same key are kept unchanged."""
        if rows:
            self.rows.setdefault(table, []).extend(rows)


class Contents(NamedTuple):
    """The facts of a journal at one commit, and its rows by table, ordered by their first two columns."""

    facts: dict[str, Any]
    rows: dict[str, list[Row]]


def nothing() -> Contents:
    """Return the contents of a journal before its first commit."""
    return Contents({}, {name: [] for name in COUNTED})


def read_contents(connection: sqlite3.Connection) -> Contents:
    """Return the contents of a journal, or raise JournalCorruptError if it is damaged."""
    with connection:
        connection.execute("BEGIN")  # one snapshot for all tables
        found = [text for (text,) in connection.execute("PRAGMA quick_check(1)")]
        if found != ["ok"]:
            raise _found_by_check(found[0])
        facts = {name: json.loads(value) for name, value in _rows(connection, "facts")}
        rows = {name: _rows(connection, name) for name in COUNTED}
    counts = facts.get("counts", dict.fromkeys(COUNTED, 0))
    if not isinstance(counts, dict):
        raise JournalCorruptError("it is damaged: its row counts are missing")
    for name in COUNTED:
        if len(rows[name]) != counts.get(name):
            raise JournalCorruptError(f"it is damaged: {name} has {len(rows[name])} rows instead of {counts.get(name)}")
    return Contents(facts, rows)


def _found_by_check(text: str) -> Exception:
    """Return the error for an output line of `quick_check`: damage, an unreadable page, or a lack of memory."""
    codes = {int(code) & 0xFF for code in re.findall(r"error code=(\d{1,9})\b", text)}
    if sqlite3.SQLITE_NOMEM in codes:
        return MemoryError(text)
    if sqlite3.SQLITE_IOERR in codes:
        return JournalUnwritableError(f"it cannot be read: {text}")
    return JournalCorruptError(f"it is damaged: {text}")


def contents_of(path: Path) -> Contents:
    """Return the contents of a journal, even while another process writes it; raise JournalError if it is empty."""
    if not path.is_file():
        raise JournalError(f"{path} is not a file: give the path of a journal")
    contents = read_only(path)
    if not contents.facts:
        raise JournalError(f"{path} is empty: no run has written to it yet")
    return contents


def read_only(path: Path) -> Contents:
    """Return the contents of a journal file, with no rows if the file is empty; raise JournalError on failure.

    On a full or read-only disk SQLite cannot create the files that readers and writers share. In this case a journal
    that was closed is read without these files.
    """
    with _named(path):
        try:
            return _read_only(path, "mode=ro")
        except sqlite3.OperationalError as error:
            if _code_of(error) not in REFUSALS or not _is_closed(path):
                raise
        return _read_only(path, "mode=ro&immutable=1")


def _read_only(path: Path, how: str) -> Contents:
    source = f"{path.absolute().as_uri()}?{how}"
    with contextlib.closing(sqlite3.connect(source, uri=True, timeout=BUSY_SECONDS)) as connection:
        return nothing() if _check(connection, path) == 0 else read_contents(connection)


def _code_of(error: sqlite3.Error) -> int | None:
    """Return SQLite's primary error code, or None if the error is not from SQLite itself."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


def _is_closed(path: Path) -> bool:
    """Return whether SQLite's temporary files are empty or absent, so that all changes are in the file itself."""
    beside = [path.with_name(f"{path.name}{ending}") for ending in ("-wal", "-journal")]
    return not any(file.exists() and file.stat().st_size > 0 for file in beside)


def real_path(path: Path) -> Path:
    """Return the path with a symbolic link resolved, so that the files next to the real journal are found."""
    with _usable(path):
        if "\0" in str(path):
            raise ValueError("embedded null character")
        return Path(os.path.realpath(path)) if path.is_symlink() and path.exists() else path


def check_place(path: Path) -> None:
    """Raise JournalError if no journal can exist or be created at a path; the check creates no file."""
    log = path.with_name(f"{path.name}-wal")
    with _usable(path):
        if path.is_symlink() and not path.exists():
            raise JournalError(f"{path} is a link to a file that does not exist: give the path of a file")
        if path.is_dir():
            raise JournalError(f"{path} is a folder: give the path of a file")
        if path.exists() and not path.is_file():
            raise JournalError(f"{path} is a device, a pipe or a socket: give the path of a file")
        if not path.parent.is_dir():
            raise JournalError(f"{path} cannot be a journal: create the folder {path.parent} first")
        if not path.exists() and log.exists():
            raise JournalError(f"{log} belongs to {path.name}, which is missing: restore that file, or delete this one")


def check_head(path: Path) -> None:
    """Raise JournalError if an existing file cannot be written, or if it is neither empty nor an SQLite file."""
    if not path.exists():
        return
    with _usable(path), path.open("r+b") as file:
        head = file.read(len(HEADER))
    if head not in (b"", HEADER):
        raise JournalError(f"{path} is not an ash journal; it was left unchanged")


def log_works(path: Path) -> bool:
    """Return whether a write-ahead log can be used at a path; warn if it cannot."""
    found = file_system(path)
    if found is None or not NETWORK.fullmatch(found):
        return True
    text = f"{path} is on a network file system ({found}), whose locks may fail: put the journal on a local disk"
    warn_user(text)
    return False


def file_system(path: Path, mounts: str | None = None) -> str | None:
    """Return the type of the file system that contains a path, as Linux names it, or None if it is unknown.

    `mounts` is the text of /proc/self/mountinfo (see proc(5)); by default the file is read.
    """
    if mounts is None:
        try:
            mounts = MOUNTS.read_text(errors="surrogateescape")
        except OSError:
            return None
    folder = os.path.realpath(path.parent)
    best, kind = "", None
    for line in mounts.splitlines():
        head, _, tail = line.partition(" - ")
        fields = head.split(" ")
        if len(fields) < 5 or not tail:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4])
        inside = folder == point or folder.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # of several file systems on one mount point, the last one is visible
            best, kind = point, tail.split(" ", 1)[0]
    return kind


def _schema() -> list[str]:
    """Return the statements that create the tables."""
    checksum = "checksum TEXT NOT NULL"
    return [
        f"CREATE TABLE {name} ({', '.join([*columns, checksum, *KEYS.get(name, ())])}) STRICT"
        for name, columns in TABLES.items()
    ]


def with_checksum(table: str, row: Row) -> Row:
    """Return a row with an additional last value: the hash of the table's name and the row's values."""
    return (*row, hash_of(repr((table, *row))))


def _file_of(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of the file at a path, or None if there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _remove_empty_log(path: Path) -> None:
    """Remove the empty log of a journal that was deleted, moved or replaced, so that a new journal does not use it."""
    with contextlib.suppress(OSError):
        log = path.with_name(f"{path.name}-wal")
        if log.stat().st_size == 0:
            log.unlink()
            path.with_name(f"{path.name}-shm").unlink()


def _create(path: Path) -> None:
    """Create an empty file that only its owner can access, unless there is a file already."""
    with _usable(path):
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW, 0o600))


def _check(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the tables, 0 if there are none; raise JournalError if they do not belong to a journal."""
    connection.execute("PRAGMA trusted_schema=OFF")
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    found = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    if not found and application in (0, APPLICATION):
        return 0
    if application != APPLICATION:
        raise JournalError(f"{path} is a database of another program; it was left unchanged")
    if version > VERSION:
        raise JournalError(f"{path} was written by a newer ash, as version {version}; this one reads up to {VERSION}")
    if version < 1:
        raise JournalCorruptError(f"{path} is damaged: it has tables but no version")
    if found != set(_schema()):  # exactly these tables: no triggers, views or generated columns
        raise JournalCorruptError(f"{path} is damaged: its tables are not those of a journal")
    return version


def _insert(connection: sqlite3.Connection, table: str, rows: Sequence[Row]) -> int:
    """Insert rows and return how many were added; facts replace older facts of the same name."""
    before = connection.total_changes
    if rows:
        marks = ", ".join("?" * (len(rows[0]) + 1))
        checked_rows = (with_checksum(table, row) for row in rows)
        first, last = ("INSERT OR REPLACE", "") if table == "facts" else ("INSERT", " ON CONFLICT DO NOTHING")
        connection.executemany(f"{first} INTO {table} VALUES ({marks}){last}", checked_rows)
    return connection.total_changes - before


def _rows(connection: sqlite3.Connection, table: str) -> list[Row]:
    """Return the rows of a table without their hashes, or raise JournalCorruptError if a hash does not match."""
    rows = list(connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2"))
    for row in rows:
        if with_checksum(table, row[:-1]) != row:
            raise JournalCorruptError(f"a row of {table} is damaged: {row[:3]!r}")
    return [row[:-1] for row in rows]


@contextlib.contextmanager
def _usable(path: Path) -> Iterator[None]:
    """Turn a system error for a path into an error that names the journal."""
    try:
        yield
    except OSError as error:
        raise JournalUnwritableError(f"{path} cannot be a journal: {error.strerror or error}") from error
    except ValueError as error:
        raise JournalError(f"{path} cannot be a journal: {error}") from error


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn an SQLite error into an error that names the journal and says whether it is damaged."""
    try:
        yield
    except (JournalCorruptError, JournalUnwritableError) as error:
        raise error if str(path) in str(error) else type(error)(f"{path}: {error}") from None
    except sqlite3.OperationalError as error:
        if _code_of(error) is None:  # an error of Python's sqlite3 module, for text that is not UTF-8
            raise JournalCorruptError(f"{path} is damaged: {error}") from error
        raise JournalUnwritableError(f"{path} cannot be used as a journal: {error}") from error
    except (sqlite3.DatabaseError, OverflowError, RecursionError, ValueError) as error:
        raise JournalCorruptError(f"{path} is damaged: {error}") from error
