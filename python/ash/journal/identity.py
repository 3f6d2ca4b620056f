"""What makes a run the one it is: whoever goes on from its journal must agree, or is told where not.

    settings   what every result depends on (seed, epochs, ...) and what every decision does (eta, workers, ...)
    space      domains, levels and conditions
    data       shapes, names and classes; hashes of what the core trains on: scaled, split and encoded
    version    of ash, and whether its kernels have fused multiply-adds

Runs of functions have settings, a space and a version: ash/function/function_identity.py.

How many candidates there are, how long they may take, on how many threads and in how much memory: these may change, as
none of them changes a result. All facts are what JSON holds.
"""

import hashlib
import json
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np

from ash import _core
from ash.encoding.data_split import Fold
from ash.errors import JournalError
from ash.history.json_files import space_story
from ash.options import FUNCTION, Options, RunOptions, option_names, option_table
from ash.space.domains import Domain
from ash.space.space import Space

Facts = dict[str, Any]

PLANNED = tuple(name for name, option in option_table().items() if option.planned)
"""Options that follow from the time limit of a planned run: those of the journal are taken."""
PARTS = ("training", "validation")
SHOWN = 60
"""Letters of a value in a message, at most."""


def identity_of(
    options: Options, space: Space, folds: Sequence[Fold], data: Sequence[_core.Data], scoring: str | None
) -> Facts:
    """Return the facts of a run.

    Parameters
    ----------
    options : Options
        With the ladder planned.
    folds, data : sequence
        The parts of each fold, and what the core makes of them.
    scoring : str or None
        What the user's function that scores is, as far as that can be told.
    """
    return {
        "settings": {**deciding(options), "scoring": scoring},
        "space": space_story(space),
        "data": _data_facts(folds, data),
        "version": version_facts(),
    }


def deciding(options: RunOptions) -> Facts:
    """Return the options that decide on results, or on which jobs there are and when."""
    kind = type(options)
    names = option_names(kind, decides="results") + option_names(kind, decides="order")
    return {name: getattr(options, name) for name in names}


def version_facts() -> Facts:
    """Return what a journal keeps of this ash."""
    build = _core.build_info()
    fused = build["instruction_set"] != "baseline" or platform.machine() in ("aarch64", "arm64")
    return {"version of ash": build["version"], "fused multiply-adds": fused}


def plan_of(options: Options) -> Facts:
    """Return what was planned, which a planned run takes from its journal."""
    return {name: getattr(options, name) for name in PLANNED}


def space_of_facts(facts: Facts) -> Space:
    """Return the space that `space_story` was given, from what JSON has made of it."""
    return Space(
        **{
            name: [
                Domain(_tuples(one["levels"]), _tuples(one["default"]), _tuples(one["when"]), one["kind"])
                for one in several
            ]
            for name, several in facts.items()
        }
    )


def check_same(journal: str, there: Facts, here: Facts, allowed: Sequence[str]) -> None:
    """Raise JournalError, with every difference, unless a run may go on from a journal.

    Parameters
    ----------
    journal : str
        To be named.
    there, here : dict
        The facts of the journal, and of this run.
    allowed : sequence of str
        `Journal.allow_change`.
    """
    here = json.loads(json.dumps(here))  # tuples become lists, as there
    tasks = [facts["settings"]["task"] for facts in (there, here)]
    if tasks.count(FUNCTION) == 1:
        what = "a function" if tasks[0] == FUNCTION else "networks"
        raise JournalError(f"{journal} holds a run of {what}; nothing was changed: give another path for the journal")
    found = [
        *_differences(there["settings"], here["settings"], allowed),
        *_space_differences(there["space"], here["space"]),
    ]
    if "data" in here:
        found += _data_differences(there["data"], here["data"])
    if "version" not in allowed:
        found += _differences(there["version"], here["version"], allowed)
    if found:
        raise JournalError(
            f"{journal} holds another run: {'; '.join(found)}. Nothing was changed; call it as it was begun, or give "
            "another path for the journal"
        )


def _data_facts(folds: Sequence[Fold], data: Sequence[_core.Data]) -> Facts:
    table, encoding = folds[0].table, folds[0].encoding
    classes = [] if table.classes_ is None else [repr(label) for label in table.classes_.tolist()]
    return {
        "columns of X": len(table.frame.columns),
        "features": encoding.features,
        "names": _hash((table.frame.names, encoding.schema)),
        "classes": len(classes),
        "labels": _hash(classes),
        "folds": len(folds),
        "y": hashlib.blake2b(np.ascontiguousarray(folds[0].y).tobytes(), digest_size=16).hexdigest(),
        "training rows": [len(fold.training) for fold in folds],
        "validation rows": [len(fold.validation) for fold in folds],
        **{part: [[f"{each:016x}" for each in own.digests()[part]] for own in data] for part in PARTS},
    }


def _data_differences(there: Facts, here: Facts) -> list[str]:
    counted = ("columns of X", "features", "classes", "folds", "training rows", "validation rows")
    found = [
        f"{name}: {_shown(there.get(name))} there, {_shown(here[name])} here"
        for name in counted
        if there.get(name) != here[name]
    ]
    if found:
        return found
    found += ["X has columns of other names, kinds or levels"] if there["names"] != here["names"] else []
    found += ["y has other labels"] if there["labels"] != here["labels"] else []
    if there["y"] != here["y"] and there["training"] == here["training"]:
        found.append("y is in other units")
    for place, what in enumerate(("values of X", "values of y", "sample weights")):
        differing = [
            part
            for part in PARTS
            if any(ours[place] != theirs[place] for ours, theirs in zip(here[part], there[part], strict=True))
        ]
        if differing:
            found.append(f"other {what} among the rows for {' and '.join(differing)}")
    return found


def _space_differences(there: Facts, here: Facts) -> list[str]:
    found = []
    for name in sorted(there.keys() | here.keys()):
        if name not in there or name not in here:
            found.append(f"{name} is in the space {'there' if name in there else 'here'} alone")
        elif there[name] != here[name]:
            found.append(f"{name} has other levels or conditions in the space")
    if not found and list(there) != list(here):
        found.append("the names of the space are in another order, which makes other candidates of the same numbers")
    return found


def _differences(there: Facts, here: Facts, allowed: Sequence[str]) -> list[str]:
    return [
        f"{name}: {_shown(there.get(name))} there, {_shown(here.get(name))} here"
        for name in sorted(there.keys() | here.keys())
        if name not in allowed and there.get(name) != here.get(name)
    ]


def _shown(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value


def _hash(value: Any) -> str:
    return hashlib.blake2b(repr(value).encode(errors="surrogatepass"), digest_size=16).hexdigest()
