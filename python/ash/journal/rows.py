"""The tables of a journal, and how their rows are checked: each carries a hash of its other values.

SQLite notices damage to its own structure, but not a bit that has changed inside a value; the hash does. Numbers that
must come back bit for bit, -0.0 and NaN too, are kept as the text that Python writes of them.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

from ash.errors import JournalCorrupt

Row = tuple[Any, ...]

WHO = ("candidate INTEGER NOT NULL", "rung INTEGER NOT NULL")
NUMBER = "number INTEGER PRIMARY KEY"
TIMES = ('"start" REAL NOT NULL', '"end" REAL NOT NULL')

TABLES = {
    "facts": ("name TEXT PRIMARY KEY", "value TEXT NOT NULL"),
    "candidates": ("candidate INTEGER PRIMARY KEY", "params TEXT NOT NULL"),
    "jobs": (
        *(NUMBER, *WHO, "epochs INTEGER NOT NULL"),
        *("thread INTEGER NOT NULL", "team INTEGER NOT NULL", "team_limit INTEGER NOT NULL"),
        *("score TEXT NOT NULL", "loss TEXT NOT NULL", "training_loss TEXT NOT NULL", "weights_hash TEXT NOT NULL"),
        *(*TIMES, "fold_scores TEXT NOT NULL"),
    ),
    "steps": (NUMBER, *WHO, "finished INTEGER NOT NULL"),
    "assists": (NUMBER, *WHO, "thread INTEGER NOT NULL", *TIMES, "busy REAL NOT NULL"),
    "answers": (*WHO, "kind TEXT NOT NULL", "text TEXT NOT NULL", "state INTEGER NOT NULL"),
    "states": (*WHO, "file TEXT NOT NULL", "bytes INTEGER NOT NULL", "hash TEXT NOT NULL"),
}
"""The columns of each table but the last, `checksum`."""
KEYS = {
    "jobs": ("UNIQUE (candidate, rung)",),
    **dict.fromkeys(("answers", "states"), ("PRIMARY KEY (candidate, rung)",)),
}

COUNTED = ("candidates", "jobs", "steps", "assists", "answers", "states")
"""Tables whose number of rows is a fact, so that a row that has vanished is missed."""


def schema() -> list[str]:
    """Return the statements that make the tables."""
    checksum = "checksum TEXT NOT NULL"
    return [
        f"CREATE TABLE {name} ({', '.join([*columns, checksum, *KEYS.get(name, ())])}) STRICT"
        for name, columns in TABLES.items()
    ]


def with_checksum(table: str, row: Row) -> Row:
    """Return a row with the hash of its table and values, as the last one."""
    return (*row, _checksum(table, row))


def checked(table: str, rows: Iterable[Row]) -> list[Row]:
    """Return rows without their hashes, or raise JournalCorrupt where one does not fit."""
    found = []
    for row in rows:
        if _checksum(table, row[:-1]) != row[-1]:
            raise JournalCorrupt(f"a row of {table} is damaged: {row[:3]!r}")
        found.append(row[:-1])
    return found


def _checksum(table: str, row: Row) -> str:
    return hashlib.blake2b(repr((table, *row)).encode(), digest_size=8).hexdigest()
