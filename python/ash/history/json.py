"""A run as one JSON document: `Result.to_json`.

    {
      "format": "ash run",  "version": 1,
      "task", "metric", "ended",              text; `ended` as in `Result`
      "digest",                               64 hexadecimal digits
      "best":        {"candidate", "rung", "score", "params"},
      "settings":    the checked arguments of the run by name,
      "space":       {name: [{"kind", "levels", "default", "when": [[name, value or values], ...]}, ...]},
      "candidates":  [{"candidate", "rungs", "epochs", "score", "loss", "diverged", "params"}, ...]  by number,
      "rungs":       [the rows of `Result.rungs`, ...]                                             the lowest first,
      "jobs":        [the fields of `JobRecord`, ...]                                         in order of decision,
      "memory":      `Result.memory`; of a function "failures": [the fields of `FailureRecord`, ...] in its place,
      "epochs", "wall_seconds", "core_seconds", "utilization",    numbers
      "started":     ISO 8601, UTC: second 0 of "start" and "end" of the jobs,
      "versions":    what `ash.versions()` says, of the machine and time of writing
    }

What JSON has no number for (NaN, infinity) is null, and so is what is not set. Tuples are lists. `weights_hash` is a
text of 16 hexadecimal digits, since many readers keep only 53 bits of a number. A new version may drop or change a key;
within one, keys are only added.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ash._utils.atomic_file import replace_file
from ash._utils.installation import versions
from ash.history.records import finite
from ash.space.domains import Domain
from ash.space.space import Space

if TYPE_CHECKING:
    from ash.history.history import History

FORMAT, VERSION = "ash run", 1


def story(result: "History") -> dict[str, Any]:
    """Return the document as plain dicts, lists, text and numbers."""
    names = ("digest", "epochs", "wall_seconds", "core_seconds", "utilization")
    document = {
        "format": FORMAT,
        "version": VERSION,
        "task": result.task,
        "metric": result.metric,
        "ended": result.ended,
        "best": {
            "candidate": result.best_candidate,
            "rung": result.best_rung,
            "score": result.best_score,
            "params": result.best_params,
        },
        "settings": result.settings,
        "space": space_story(result.space),
        "candidates": result.candidates,
        "rungs": result.rungs,
        "jobs": [{**job._asdict(), "weights_hash": f"{job.weights_hash:016x}"} for job in result.jobs],
        **{name: getattr(result, name) for name in names},
        **result.own_story(),
        "started": result.started.isoformat(),
        "versions": versions(),
    }
    known: dict[str, Any] = finite(document)
    return known


def to_json(result: "History", path: str | os.PathLike[str] | None) -> str | None:
    """Return the document as text, or write it; see `Result.to_json`."""
    text = json.dumps(story(result), allow_nan=False) + "\n"
    if path is None:
        return text
    replace_file(Path(path), text.encode("ascii"))
    return None


def space_story(space: Space) -> dict[str, list[dict[str, Any]]]:
    """Return the domains of each name."""
    return {name: list(map(_domain, domains)) for name, domains in space.domains.items()}


def _domain(domain: Domain) -> dict[str, Any]:
    return {"kind": domain.kind, "levels": domain.levels, "default": domain.default, "when": domain.conditions}
