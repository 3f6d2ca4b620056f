"""The facts that a journal stores about a run: its identity, and the call that began it.

A call that resumes a journal must have the same identity; otherwise an error names the differences. Two differences are
accepted: a larger space that contains the recorded one, and settings named in `Journal.allow_change`. The identity has
these parts:

    settings   options on which results (seed, epochs, ...) or decisions (eta, workers, ...) depend
    space      domains, levels and conditions
    data       shapes, names and classes; hashes of the core's training data after scaling, splitting and encoding;
               hashes of all bits of the cells
    version    the versions of ash and of the tree packages used; whether ash's kernels use fused multiply-adds

Runs of functions have settings, a space and a version; see ash/function/function_identity.py.

The time limit, the threads and the memory limit may change, and the number of candidates may grow, since none of them
changes the result of a job. `ash.resume` repeats the call that began the run. All facts can be stored as JSON.
"""

import hashlib
import json
import platform
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np

from ash import _core
from ash._utils.checks import is_integer, is_number, whole
from ash.data.frames import at_most
from ash.encoding.canonical_order import cell_hashes, column_hashes
from ash.encoding.data_split import Fold
from ash.errors import JournalError, JournalUnwritable, SettingError
from ash.history.json_files import space_story
from ash.journal.journal import CHANGEABLE, Facts, Journal, sound
from ash.options import (
    AUTO,
    CANDIDATES,
    CONFIG_FIELDS,
    LARGEST,
    RANDOM,
    TREES,
    FunctionOptions,
    Options,
    RunOptions,
    is_needed,
    option_names,
    option_table,
    read_config,
)
from ash.run_record import DIGITS, FUNCTION, TUNE, RunRecord
from ash.space.domains import KINDS, Domain, long_domain
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
GIVEN_AGAIN = {"metric": "the function that scores", "validation": "the validation table (X, y)", "cv": "the splitter"}
"""Arguments whose values a journal may be unable to store, each with the description of what the user must pass
again."""
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
BEFORE = "before"
"""The argument of a record that holds the candidates drawn before the space grew."""
_DEFAULTS = {name: option.default for name, option in {**option_table(FunctionOptions), **option_table()}.items()}
_OLD_NAMES = {"target": "stop_score"}
"""The current names of arguments, keyed by their names in ash 0.1."""
_ADDED = ("infinite", "loss", "models", "draws", "direction", "max_epochs", "pos_label")
"""Options that journals of earlier versions lack. Runs of these versions behaved as with the current defaults."""
ONE_FIT = (
    ". A journal belongs to one fit: leave out journal= in cross_val_score and GridSearchCV, which fit on other rows "
    "each time, or use a separate journal for each fold"
)
"""The hint that is added to the error if the data differ."""
SHOWN = 60
"""The maximum number of characters of a value that a message shows."""


def identity_of(
    options: Options,
    space: Space,
    folds: Sequence[Fold],
    data: Sequence[_core.Data],
    scoring: str | None,
    first: Sequence[Params] = (),
) -> Facts:
    """Return the facts of a run from its options (with the planned ladder), its folds, and the core's data per fold.

    `scoring` identifies the user's scoring function as far as possible. `first` has the configurations returned by
    `read_first`. The facts contain them in full, so that a record and `ash.resume` do not need the argument again.
    """
    own: Facts = {FIRST: list(first)} if first else {}
    return {
        "settings": {**deciding(options), "scoring": scoring, **own},
        "space": space_story(space),
        "data": _data_facts(folds, data),
        "version": version_facts(space.models),
    }


def deciding(options: RunOptions) -> Facts:
    """Return the values of those options that decide the results of jobs, or the choice and order of jobs."""
    kind = type(options)
    names = option_names(kind, decides="results") + option_names(kind, decides="order")
    return {name: getattr(options, name) for name in names}


def version_facts(models: Collection[str] = ()) -> Facts:
    """Return the versions of ash and of the tree packages among `models`, and whether multiply-adds are fused."""
    build = _core.build_info()
    fused = build["instruction_set"] != "baseline" or platform.machine() in ("aarch64", "arm64")
    facts: Facts = {"version of ash": build["version"], "fused multiply-adds": fused}
    if not models:
        return facts
    from importlib.metadata import version  # slow to import

    return facts | {version_name(each): version(each) for each in TREES if each in models}


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


def before_of(record: RunRecord) -> dict[int, Params]:
    """Return the hyperparameters of a record's candidates drawn before the space grew, keyed by candidate number.

    Raises
    ------
    SettingError
        The record does not contain pairs of a candidate and its hyperparameters.
    """
    before = record.arguments.get(BEFORE, [])
    try:
        return {whole("candidate", number, 0, LARGEST): dict(params) for number, params in from_json(before)}
    except (TypeError, ValueError):
        raise SettingError(
            f"record is damaged: 'before' must hold [candidate, params] pairs, got {before!r}; pass an intact one"
        ) from None


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
    told = {name: given.get(name) for name in OPEN}
    plain = {name: _plain(value) for name, value in told.items() if value is None or isinstance(value, Real | str)}
    lost = sorted(told.keys() - plain.keys())
    return {"by": by, "arguments": {**arguments, **plain}, "given again": lost}


def seed_of(journal: Journal | None) -> int | None:
    """Return the seed with which a journal was begun, or None for a new journal; used by calls without a seed."""
    if journal is None or not journal.file.is_file() or journal.file.stat().st_size == 0:
        return None
    try:
        facts = _facts_of(journal)
    except JournalUnwritable:
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
        arguments, lost = begun["arguments"], begun["given again"]
        arguments = {_OLD_NAMES.get(name, name): value for name, value in arguments.items()}
        if arguments["candidates"] == AUTO and facts.get("plan") is None:  # earlier versions planned fewer runs
            arguments["candidates"] = CANDIDATES
        if not arguments.keys() <= {*REPEATED, *OPEN} or not set(lost) <= GIVEN_AGAIN.keys():
            raise ValueError("it was started with unknown arguments")
        arguments[FIRST] = from_json(facts["run"]["settings"].get(FIRST))
        return space_of_facts(facts["run"]["space"], Space), arguments, list(lost)


def _data_facts(folds: Sequence[Fold], data: Sequence[_core.Data]) -> Facts:
    table, encoding = folds[0].table, folds[0].encoding
    classes = [] if table.classes_ is None else [repr(label) for label in table.classes_.tolist()]
    return {
        "columns of X": len(table.frame.columns),
        "features": encoding.features,
        "names": _hash((table.frame.names, encoding.schema)),
        "kinds": _hash((table.frame.names, encoding.schema.without_dtypes)),
        "classes": len(classes),
        "labels": _hash(classes),
        "folds": len(folds),
        "y": hashlib.blake2b(np.ascontiguousarray(folds[0].y).tobytes(), digest_size=16).hexdigest(),
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
        f"{name}: {_shown(there.get(name))} {where}, {_shown(here.get(name))} {IN_CALL}"
        for name in names
        if there.get(name) != here.get(name)
    ]


def _shown(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _hash(value: Any) -> str:
    return hashlib.blake2b(repr(value).encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    """Return a NumPy number as a Python number; other values are unchanged."""
    if is_integer(value):
        return int(value)
    return float(value) if is_number(value) else value


def _facts_of(journal: Journal) -> Facts:
    from ash.journal.database import contents_of  # loads sqlite3, which only journals need

    return contents_of(journal.file).facts
