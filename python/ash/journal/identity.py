"""The facts that a journal stores about a run: its identity, and the call that began it.

A call that resumes a journal must have the same identity; otherwise an error names the differences. Two differences are
accepted: a larger space that contains the recorded one, and settings named in `Journal.allow_change`. The identity has
these parts:

    settings   options on which results (seed, epochs, ...) or decisions (eta, workers, ...) depend; for functions also
               the names of the function, of its costs and of the sampler; hashes of `first` and of a result given as
               costs; the facts of `Tunable.identity`, such as hashes of the rows of a search
    space      domains, levels and conditions
    data       for tables: shapes, names and classes; hashes of the core's training data after scaling, splitting and
               encoding; hashes of all bits of the cells
    version    the version of ash; for tables also those of the tree packages used, and whether ash's kernels use fused
               multiply-adds

If the source of a function has changed but not its name, the user is warned, and the run continues (`code_of`). Users
often fix a function and resume the run, and the code that the function calls could not be compared anyway. Recorded
results, including failures, are unchanged. But a changed Optuna objective is refused by default, since it may suggest
other hyperparameters than those on record.

The time limit, the threads and the memory limit may change, and the number of candidates may grow, since none of them
changes the result of a job. `ash.resume` repeats the call that began the run. All facts can be stored as JSON.
"""

import inspect
import json
import platform
import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Any

import numpy as np

from ash import _core
from ash._utils.aliases import Facts
from ash._utils.checks import is_integer, is_number
from ash._utils.hashes import hash_of
from ash._utils.installation import installed_version
from ash.data.frames import at_most
from ash.encoding.data_split import Fold
from ash.encoding.equal_rows import cell_hashes, column_hashes
from ash.errors import JournalError, JournalUnwritableError, SettingError
from ash.history.json_files import space_story
from ash.history.records import OBJECTIVE
from ash.journal.journal import CHANGEABLE, Journal, sound
from ash.options import (
    ARGUMENTS,
    AUTO,
    CANDIDATES,
    CONFIG_FIELDS,
    RANDOM,
    SAMPLERS,
    FunctionOptions,
    Options,
    RunOptions,
    is_needed,
    option_names,
    option_table,
    read_config,
    sampler_name,
)
from ash.result import FunctionResult
from ash.run_record import DIGITS, FUNCTION, TUNE
from ash.space.boosters import BOOSTERS
from ash.space.domains import KINDS, Domain, key_of, long_domain
from ash.space.growth import IN_CALL, IN_JOURNAL, misfit
from ash.space.hyperparameters import Params
from ash.space.space import Kind, Space

PLANNED = tuple(name for name, option in option_table().items() if option.planned)
"""Options that a plan may set; a resumed run takes the planned values from the journal."""
_TOLD = {name: option for name, option in option_table().items() if option.decides}
OPEN = ("candidates", "metric", *(name for name, option in _TOLD.items() if option.planned), "validation", "cv", "keep")
"""Arguments of `ash.tune` that are repeated as given, since their resolved values depend on the plan."""
REPEATED = tuple(name for name in _TOLD if name not in OPEN)
"""Arguments that are repeated with their checked values."""
GIVEN_AGAIN = {
    "scoring": "the function that scores",
    "validation": "the validation table (X, y)",
    "cv": "the splitter",
    "sampler": "an Optuna sampler in the config, equal to the one",
}
"""Arguments that a journal or record may be unable to store, each with the description of what must be passed again."""
PARTS = ("training", "validation")
VALUES = ("values of X", "values of y", "sample weights")
"""What the hashes of a part cover, in their order; the core hashes scaled numbers of 32 bits."""
READERS = (
    "numbers have other last bits if pandas.read_csv reads them before pandas 3.1, unless float_precision='round_trip' "
    "is given"
)
"""The hint that is added if values of X or y differ."""
FIRST = "first"
"""The setting that holds the configurations of the argument `first`."""
_DEFAULTS = {name: option.default for name, option in {**option_table(FunctionOptions), **option_table()}.items()}
_STORED = {**ARGUMENTS, "target": "stop_score"}
"""The arguments that a journal stores under other names: those of the options, or those of ash 0.1."""
_ADDED = ("infinite", "loss", "models", "sampler", "direction", "max_epochs", "pos_label")
"""Options that journals of earlier versions lack. Runs of these versions behaved as with the current defaults."""
ONE_FIT = (
    ". A journal belongs to one fit: leave out journal= in cross_val_score and GridSearchCV, which fit on other rows "
    "each time, or use a separate journal for each fold"
)
"""The hint that is added to the error if the data differ."""
FUSED = ("aarch64", "arm64")
"""Machines on which all instruction sets have fused multiply-adds."""
SHOWN = 60
"""The maximum number of characters of a value that a message shows."""


class NoIdentity(SettingError):
    """Raised when part of a function cannot be hashed, so that a later call could not be compared with it."""


def identity_of(options: RunOptions, space: Space, own: Facts, data: Facts | None = None) -> Facts:
    """Return the facts of a run from its options, with the planned ladder.

    `own` holds the settings that are not options, such as `facts_of_function`. `data` are the `facts_of_data`, None for
    functions, which do not use ash's kernels.
    """
    names = option_names(type(options), decides="results") + option_names(type(options), decides="order")
    return {
        "settings": {**{name: getattr(options, name) for name in names}, **own},
        "space": space_story(space),
        **({} if data is None else {"data": data}),
        "version": version_facts(None if data is None else space.models),
    }


def version_facts(models: Collection[str] | None) -> Facts:
    """Return the version of ash; for tables also whether multiply-adds are fused, and the versions of tree packages.

    `models` are the kinds of models in the space of a table, None for functions.
    """
    build = _core.build_info()
    facts: Facts = {"version of ash": build["version"]}
    if models is not None:
        facts["fused multiply-adds"] = build["instruction_set"] != "baseline" or platform.machine() in FUSED
    return facts | {version_name(each): installed_version(each) for each in BOOSTERS if each in (models or ())}


def version_name(package: str) -> str:
    """Return the name of the fact for the version of a package."""
    return f"version of {package}"


def space_of_facts(facts: Facts, kind: type[Kind]) -> Kind:
    """Return a space of class `kind`, rebuilt from the JSON facts that `space_story` returned."""
    return kind(**{name: list(map(_domain_of_facts, several)) for name, several in facts.items()})


def _domain_of_facts(facts: Facts) -> Domain:
    kind, levels, default, conditions = (from_json(facts[name]) for name in ("kind", "levels", "default", "when"))
    if levels is not None:
        if not isinstance(levels, tuple) or default not in levels or kind not in KINDS:
            raise ValueError(f"{levels!r}, {default!r} and {kind!r} do not form a domain")
        return Domain(levels, default, conditions, kind)
    return replace(long_domain(kind, facts["low"], facts["high"], facts["step"], default), conditions=conditions)


def from_json(value: Any) -> Any:
    """Return levels or hyperparameters from JSON, with lists converted back to tuples."""
    if isinstance(value, dict):
        return {name: from_json(part) for name, part in value.items()}
    return tuple(map(from_json, value)) if isinstance(value, list) else value


def check_same(journal: str, there: Facts, here: Facts, allowed: Sequence[str]) -> None:
    """Raise JournalError unless this run may resume the journal; the message lists the differences.

    `there` and `here` are the facts of the journal and of this run; `allowed` is `Journal.allow_change`.
    """
    tasks = [facts["settings"]["task"] for facts in (there, here)]
    if tasks.count(FUNCTION) == 1:
        what = "a function" if tasks[0] == FUNCTION else "networks"
        raise JournalError(f"{journal} holds a run of {what}. Nothing was changed: give another path for the journal")
    found = differences(there, here, allowed, where=IN_JOURNAL, may_grow=True)
    if found:
        may_change = [
            name
            for name in CHANGEABLE
            if len(differences(there, here, [*allowed, name], where=IN_JOURNAL, may_grow=True)) < len(found)
        ]
        call = f"journal=ash.Journal({journal!r}, allow_change={[*allowed, *may_change]!r})"
        advice = f". To accept the change of {' and '.join(may_change)}, pass {call}" if may_change else ""
        is_other_data = "data" in here and differences({"data": there["data"]}, {"data": here["data"]})
        raise JournalError(
            f"{journal} holds another run: {'; '.join(found)}. Nothing was changed: repeat the call that started it, "
            f"or give another path for the journal{advice}{ONE_FIT if is_other_data else ''}"
        )


def differences(
    there: Facts, here: Facts, allowed: Sequence[str] = (), *, where: str = "in the record", may_grow: bool = False
) -> list[str]:
    """Return one text per difference between the facts of two runs; only the parts that `here` contains are compared.

    `here` are the facts of this call, `there` those of the other run, and `where` names the source of `there` in
    messages. With `may_grow`, a larger space that contains the recorded one does not count as a difference.
    """
    here = json.loads(json.dumps(here))  # tuples become lists, as in `there`
    found = []
    if "settings" in here:
        older = json.loads(json.dumps({name: _DEFAULTS[name] for name in _ADDED if name in here["settings"]}))
        there = {**there, "settings": {**older, **there["settings"]}}
        if there["settings"].get("sampler", "") is None:  # before ash 0.2, None meant random draws
            there["settings"]["sampler"] = RANDOM
        found += _differences(there["settings"], here["settings"], _names(there, here, "settings", allowed), where)
    if "space" in here:
        found += _space_differences(there["space"], here["space"], where, may_grow)
    if "data" in here:
        found += _data_differences(there["data"], here["data"], where)
    if "version" in here and "version" not in allowed:
        found += _differences(there["version"], here["version"], _names(there, here, "version", allowed), where)
    return found


def asked_of(by: str, given: Mapping[str, Any], options: Options) -> Facts:
    """Return facts about the call: the entry point, its arguments, and the arguments that must be given again.

    `given` has the user's arguments by name; only the arguments of `ash.tune` are used. `options` are the checked
    options. Fields of the config are included as arguments. Arguments without effect are left out.
    """
    given = {**given, **read_config("tune", given["config"]).given()}
    taken = [name for name in REPEATED if by != TUNE or "tune" in _TOLD[name].callers or name in CONFIG_FIELDS]
    arguments = {name: getattr(options, name) for name in taken if is_needed(name, options)}
    told = {name: given.get(ARGUMENTS.get(name, name)) for name in OPEN}
    plain = {name: _plain(value) for name, value in told.items() if value is None or isinstance(value, Real | str)}
    lost = sorted(told.keys() - plain.keys())
    if options.sampler not in SAMPLERS:
        del arguments["sampler"]
        lost.append("sampler")
    return {"by": by, "arguments": {**arguments, **plain}, "given again": lost}


def seed_of(journal: Journal | None) -> int | None:
    """Return the seed with which a journal was begun, or None for a new journal; used by calls without a seed."""
    if journal is None or not journal.file.is_file() or journal.file.stat().st_size == 0:
        return None
    try:
        facts = _facts_of(journal)
    except JournalUnwritableError:
        if journal.on_error == "raise":
            raise
        return None  # with on_error="continue" the run continues without its journal
    with sound(journal.file):
        return int(facts["run"]["settings"]["seed"]) if "run" in facts else None


def begun_with(journal: Journal) -> tuple[Space, Facts, list[str]]:
    """Return the space and arguments with which a journal was begun, and the names of arguments it could not store.

    Raises
    ------
    JournalError
        There is no such journal, or it was not begun by `ash.tune`.
    """
    facts = _facts_of(journal)
    if "begun" not in facts:
        raise JournalError(f"{journal.file} holds no run yet: start one with ash.tune(X, y, journal=...)")
    with sound(journal.file):
        begun = facts["begun"]
        if begun["by"] != "ash.tune":
            again = "make the same call" if begun["by"].startswith("ash.") else "fit the same estimator"
            raise JournalError(f"{journal.file} was started by {begun['by']}: {again} again to resume it")
        arguments = {_STORED.get(name, name): value for name, value in begun["arguments"].items()}
        lost = [_STORED.get(name, name) for name in begun["given again"]]
        if arguments["candidates"] == AUTO and facts.get("plan") is None:  # earlier versions planned fewer runs
            arguments["candidates"] = CANDIDATES
        known = {ARGUMENTS.get(name, name) for name in (*REPEATED, *OPEN)}
        if not arguments.keys() <= known or not set(lost) <= GIVEN_AGAIN.keys():
            raise ValueError("it was started with unknown arguments")
        arguments[FIRST] = from_json(facts["run"]["settings"].get(FIRST))
        return space_of_facts(facts["run"]["space"], Space), arguments, lost


def facts_of_function(train: Any, costs: Any, sampler: Any, first: Sequence[Params]) -> Facts:
    """Return the settings that identify a run of a function, in addition to its options.

    `train` is a `Tunable`, `costs` and `sampler` are as the user gave them, and `first` holds configurations.
    """
    return {
        **train.identity(),
        "function": name_of(train.original),
        "costs": _costs(costs),
        "sampler": sampler_name(sampler),
        "first": f"{len(first)} configurations, {hash_of(repr(list(map(key_of, first))))}" if first else None,
    }


def code_of(train: Any, costs: Any) -> Facts:
    """Return hashes of the sources of a `Tunable` and of its costs; a hash is None if its source cannot be found."""
    name = OBJECTIVE if train.is_objective else "function"
    return {name: _source(train.original), "costs": None if isinstance(costs, FunctionResult) else _source(costs)}


def name_of(function: Any) -> str:
    """Return the qualified name of a function, or the name of an object's class."""
    inner = _without_partial(function)
    return str(getattr(inner, "__qualname__", type(inner).__qualname__))


def _without_partial(function: Any) -> Any:
    while isinstance(function, partial):
        function = function.func
    return function


def _source(function: Any) -> str | None:
    function = _without_partial(function)
    if function is None:
        return None
    is_code = inspect.isclass(function) or hasattr(function, "__code__") or hasattr(function, "__wrapped__")
    shown = function if is_code else type(function)
    try:
        text = inspect.getsource(inspect.unwrap(shown))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    return hash_of(textwrap.dedent(text))


def _costs(costs: Any) -> str | None:
    if isinstance(costs, FunctionResult):
        names = ("candidate", "epochs", "start", "end")
        return f"result {hash_of(b''.join(costs.columns[name].tobytes() for name in names))}"
    return None if costs is None else name_of(costs)


def facts_of_data(folds: Sequence[Fold], data: Sequence[_core.Data]) -> Facts:
    """Return the facts of a table, from its folds and the core's data of each fold."""
    table, encoding = folds[0].table, folds[0].encoding
    classes = [] if table.classes_ is None else [repr(label) for label in table.classes_.tolist()]
    return {
        "columns of X": len(table.frame.columns),
        "features": encoding.features,
        "names": hash_of(repr((table.frame.names, encoding.schema)), 16),
        "kinds": hash_of(repr((table.frame.names, encoding.schema.without_dtypes)), 16),
        "classes": len(classes),
        "labels": hash_of(repr(classes), 16),
        "folds": len(folds),
        "y": hash_of(np.ascontiguousarray(folds[0].y).tobytes(), 16),
        "training rows": [len(fold.training) for fold in folds],
        "validation rows": [len(fold.validation) for fold in folds],
        **{part: [[f"{each:016x}" for each in own.digests()[part]] for own in data] for part in PARTS},
        "cells": _cells(folds[0]),
    }


def _cells(fold: Fold) -> dict[str, str]:
    """Return hashes of all bits of each column, which boosted trees and scales depend on, in any order of the rows.

    Each has DIGITS digits.
    """
    frames = (fold.table.frame, *([] if fold.held_out is None else [fold.held_out]))
    of_X = np.sum([column_hashes(frame, fold.encoding.schema) for frame in frames], 0)
    hashes = {VALUES[0]: of_X, VALUES[1]: cell_hashes(fold.y)}
    return {what: "".join(f"{each:016x}"[:DIGITS] for each in own.tolist()) for what, own in hashes.items()}


def _data_differences(there: Facts, here: Facts, where: str) -> list[str]:
    counted = ("columns of X", "features", "classes", "folds", "training rows", "validation rows")
    found = _differences(there, here, counted, where)
    if found:
        return found
    # Journals of earlier versions have only the hash "names", which covers dtypes.
    told = "kinds" if "kinds" in there else "names"
    found += ["X has columns with other names, kinds or levels"] if there[told] != here[told] else []
    found += ["y has other labels"] if there["labels"] != here["labels"] else []
    if there["y"] != here["y"] and there["training"] == here["training"]:
        found.append("y has another scale, or other last bits")
    is_other = False
    for place, what in enumerate(VALUES):
        differing = [
            part
            for part in PARTS
            if any(ours[place] != theirs[place] for ours, theirs in zip(here[part], there[part], strict=True))
        ]
        # Journals and records of earlier versions have no hashes of cells.
        own, other = (facts.get("cells", {}).get(what) for facts in (here, there))
        is_known = own is not None is not other
        columns = _other_columns(own, other) if is_known and own != other else []
        is_other |= bool(columns)
        if differing:
            found.append(f"other {what} in the rows for {' and '.join(differing)}")
            if is_known:
                found[-1] += f" ({', '.join(at_most(columns)) or 'the same values in another order'})"
        elif columns and place == 0:
            found.append(f"X has another scale, or other last bits ({', '.join(at_most(columns))})")
    return found + [READERS] * is_other


def _other_columns(own: str, other: str) -> list[str]:
    """Return the names of the columns whose hashes differ, by position."""
    starts = range(0, len(own), DIGITS)
    return [f"column {at // DIGITS}" for at in starts if own[at : at + DIGITS] != other[at : at + DIGITS]]


def _space_differences(there: Facts, here: Facts, where: str, may_grow: bool) -> list[str]:
    found = []
    for name in sorted(there.keys() | here.keys()):
        if name not in there or name not in here:
            found.append(f"{name} is in the space only {where if name in there else IN_CALL}")
        elif there[name] != here[name]:
            why: str | None = "has other levels or conditions in the space"
            if may_grow:
                why = misfit(*(list(map(_domain_of_facts, space[name])) for space in (there, here)))
            found += [f"{name} {why}"] if why else []
    if not found and list(there) != list(here):
        found.append("the space has its names in another order, so the same seed draws other candidates")
    return found


def _names(there: Facts, here: Facts, part: str, allowed: Sequence[str]) -> list[str]:
    return sorted((there[part].keys() | here[part].keys()) - set(allowed))


def _differences(there: Facts, here: Facts, names: Sequence[str], where: str) -> list[str]:
    return [
        f"{ARGUMENTS.get(name, name)}: {_shown(there.get(name))} {where}, {_shown(here.get(name))} {IN_CALL}"
        for name in names
        if there.get(name) != here.get(name)
    ]


def _shown(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _plain(value: Any) -> Any:
    """Return a NumPy number as a Python number; other values are unchanged."""
    if is_integer(value):
        return int(value)
    return float(value) if is_number(value) else value


def _facts_of(journal: Journal) -> Facts:
    from ash.journal.database import contents_of  # loads sqlite3, which only journals need

    return contents_of(journal.file).facts
