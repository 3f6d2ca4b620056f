"""`ash-tune show` of a journal: what has been found so far, and who writes it; also while somebody does."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ash._utils.display import format_table, show, show_params, show_seconds
from ash.cli.cli_streams import printable
from ash.errors import AshError, JournalCorrupt, JournalError
from ash.function.answers import FINISHED
from ash.journal.database import HEADER, Contents, read_contents, reading
from ash.journal.lock import holder
from ash.options import FUNCTION

Job = tuple[Any, ...]
CANDIDATE, RUNG, EPOCHS, SCORE, LOSS = 1, 2, 3, 7, 8
"""Columns of the table of jobs."""


def is_journal(path: str) -> bool:
    """Return whether a file begins as a database does."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(HEADER)) == HEADER
    except OSError:
        return False


def journal_lines(path: str) -> Iterator[str]:
    """Yield the lines that describe a journal, or raise JournalError where it cannot be read."""
    with reading(Path(path)) as connection:
        contents = read_contents(connection)
    yield path
    if "run" not in contents.facts:
        raise JournalError(f"{path} holds no run yet")
    try:
        yield from map(printable, _lines(path, contents))
    except AshError:
        raise
    except Exception as error:
        raise JournalCorrupt(f"{path} is damaged: {error}") from error


def _lines(path: str, contents: Contents) -> Iterator[str]:
    facts, jobs = contents.facts, contents.rows["jobs"]
    settings = facts["run"]["settings"]
    by = holder(Path(f"{path}-lock"))
    ended = facts.get("ended")
    progress = facts.get("progress", {"training seconds": 0.0})
    state = f"ended: {ended}" if ended else "left in the middle; the same call goes on"
    yield f"state     {f'in use by {by}' if by else state}"
    yield f"begun     {facts['begun']['date'][:19]} UTC by {facts['begun']['by']}, seed {settings['seed']}"
    yield _what(facts["run"])
    yield (
        f"found     {len(jobs)} jobs of {len({job[CANDIDATE] for job in jobs})} candidates, "
        f"{sum(job[EPOCHS] for job in jobs)} epochs in {show_seconds(progress['training seconds'])}"
    )
    yield _beside(contents)
    if not (best := _best(jobs)):
        return
    params: dict[int, str] = dict(contents.rows["candidates"])
    metric = settings.get("metric", "score")  # of a function
    yield f"best      {metric} {show(float(best[SCORE]))} by candidate {best[CANDIDATE]} in rung {best[RUNG]}"
    yield ""
    yield from show_params(_plain(params[best[CANDIDATE]]))
    yield ""
    yield from format_table(["rung", "epochs", "finished", f"best {metric}"], _ladder(jobs))


def _what(run: dict[str, Any]) -> str:
    """Return what is trained: the name of a function, or the size of the data."""
    if run["settings"]["task"] == FUNCTION:
        return f"function  {run['settings']['function']}"
    data = run["data"]
    return f"data      {data['columns of X']} columns, {_several(data['training rows'])} rows to train on"


def _beside(contents: Contents) -> str:
    """Return what there is but for jobs: failures of a function, or states of networks."""
    if contents.facts["run"]["settings"]["task"] == FUNCTION:
        kinds = Counter(row[2] for row in contents.rows["answers"] if row[2] != FINISHED)
        return f"failures  {', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items())) or 'none'}"
    states = contents.rows["states"]
    files = {row[2]: row[3] for row in states}
    return f"states    {len(states)} in {len(files)} files, {sum(files.values()) / 1e6:.3g} MB"


def _best(jobs: list[Job]) -> Job | None:
    """Return the best job: higher score, then lower loss, then lower candidate, then lower rung."""
    scored = [job for job in jobs if not _diverged(job)]
    return min(scored, key=lambda job: (-float(job[SCORE]), float(job[LOSS]), job[CANDIDATE], job[RUNG]), default=None)


def _ladder(jobs: list[Job]) -> list[list[Any]]:
    rungs: dict[tuple[int, int], list[Job]] = defaultdict(list)
    for job in jobs:
        rungs[job[RUNG], job[EPOCHS]].append(job)
    rows = []
    for (rung, epochs), found in sorted(rungs.items()):
        best = _best(found)
        rows.append([rung, epochs, len(found), "" if best is None else float(best[SCORE])])
    return rows


def _diverged(job: Job) -> bool:
    return not (math.isfinite(float(job[SCORE])) and math.isfinite(float(job[LOSS])))


def _plain(text: str) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()}


def _several(counts: list[int]) -> str:
    return " or ".join(str(count) for count in sorted(set(counts)))
