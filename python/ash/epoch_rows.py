"""How many rows an epoch takes: all of a table of usual size, a part of a large one (cpp/ash/epoch_cut.hpp)."""

MOST_WHOLE = 100_000
"""Rows of a table whose epochs take all of them, unless the user says otherwise."""
PART = 65_536
"""Rows of an epoch of larger tables, at most: some hundreds of updates, after which scores can be compared."""


def default_epoch_rows(rows: int) -> int | None:
    """Return the rows of an epoch, at most, of a table of so many to train on; None: all."""
    return None if rows <= MOST_WHOLE else PART


def parts_of_pass(rows: int, most: int | None) -> int:
    """Return how many epochs a pass over so many rows has, if they have `most` rows at most; None: all."""
    return 1 if most is None else -(-rows // min(most, rows))


def rows_of_epoch(rows: int, most: int | None) -> int:
    """Return the rows of an epoch, as the core cuts a pass over so many."""
    return rows // parts_of_pass(rows, most)
