"""The best configurations of an earlier run: of its result, or of its journal, also while that is written."""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ash.errors import JournalCorrupt, JournalError, SettingError
from ash.history.history import History
from ash.journal.journal import Journal
from ash.space.hyperparameters import Params

CANDIDATE, SCORE, LOSS = 1, 7, 8
"""Columns of the table of jobs."""
Ranked = tuple[float, float, int, Params]
"""The score negated, the loss, the number and the parameters of a candidate: the lowest is the best."""


def is_earlier(value: Any) -> bool:
    """Return whether a value is a result, or says where a journal is."""
    return isinstance(value, History | Journal | str | os.PathLike)


def best_first(earlier: Any) -> list[Params]:
    """Return the configurations that have a score, the best one first; ties: lower loss, then lower candidate.

    Raises
    ------
    SettingError
        The journal cannot be read, or nothing has a score.
    """
    try:
        ranked = list(_of_result(earlier) if isinstance(earlier, History) else _of_journal(earlier))
    except JournalError as error:
        raise SettingError(f"first={earlier!r} is not allowed; {error}") from error
    if not ranked:
        raise SettingError(f"first={earlier!r} has no configuration with a score; leave it out")
    return [params for *_, params in sorted(ranked, key=lambda each: each[:3])]


def _of_result(result: History) -> Iterator[Ranked]:
    for row in result.candidates:
        if math.isfinite(row["score"]):
            yield -row["score"], row["loss"], row["candidate"], row["params"]


def _of_journal(earlier: Any) -> Iterator[Ranked]:
    from ash.journal.database import read_contents, reading  # with sqlite3, for whoever has a journal

    path = earlier.file if isinstance(earlier, Journal) else Path(os.fspath(earlier))
    with reading(path) as connection:
        rows = read_contents(connection).rows
    best: dict[int, tuple[float, float]] = {}
    try:
        for job in rows["jobs"]:
            rank = -float(job[SCORE]), float(job[LOSS])
            if all(map(math.isfinite, rank)):
                best[job[CANDIDATE]] = min(rank, best.get(job[CANDIDATE], rank))
        params = {candidate: json.loads(text) for candidate, text in rows["candidates"]}
        yield from ((*rank, candidate, params[candidate]) for candidate, rank in best.items())
    except (KeyError, TypeError, ValueError) as error:
        raise JournalCorrupt(f"{path} is damaged: {type(error).__name__}: {error}") from error
