"""Defines the identity of a function's run: a call is refused if its identity differs from the journal's.

Differences that `allow_change` of the journal names are accepted.

    settings   the options on which results and decisions depend; the names of the function, of its costs and of the
               sampler; hashes of `first` and of a result given as costs; if the function is an object with a method
               `journal_identity`, the facts that this method returns, such as hashes of its rows
    space      domains, levels and conditions; a later call may have a larger space (space/growth.py)
    version    the version of ash

If the source of a function has changed but not its name, the user is warned, and the run continues. Users often fix a
function and resume the run, and the code that the function calls could not be compared anyway. Recorded
results, including failures, are unchanged. But a changed Optuna objective is refused by default, since it may suggest
other hyperparameters than those on record (function_journal.py).
"""

import hashlib
import inspect
import textwrap
from collections.abc import Sequence
from functools import partial
from typing import Any

from ash.errors import SettingError
from ash.history.json_files import space_story
from ash.history.records import OBJECTIVE
from ash.journal.identity import deciding, version_facts
from ash.journal.journal import Facts
from ash.options import FunctionOptions
from ash.result import FunctionResult
from ash.space.domains import key_of
from ash.space.function_space import FunctionSpace
from ash.space.hyperparameters import Params


class NoIdentity(SettingError):
    """Raised when part of a function cannot be hashed, so that a later call could not be compared with it."""


def identity_of(
    train: Any, space: FunctionSpace, options: FunctionOptions, costs: Any, sampler: Any, first: Sequence[Params]
) -> Facts:
    """Return the facts that identify a run.

    `first` holds configurations; `costs` and `sampler` are as the user gave them.
    """
    of_object = train.journal_identity() if hasattr(train, "journal_identity") else {}
    own = {
        **of_object,
        "function": name_of(train),
        "costs": _costs(costs),
        "sampler": sampler if isinstance(sampler, str) else type(sampler).__qualname__,
        "first": f"{len(first)} configurations, {_hash(repr(list(map(key_of, first))))}" if first else None,
    }
    version = version_facts()["version of ash"]  # without the kernels' version, since functions do not use kernels
    return {
        "settings": {**deciding(options), **own},
        "space": space_story(space),
        "version": {"version of ash": version},
    }


def code_of(train: Any, costs: Any) -> Facts:
    """Return hashes of the sources of the function and of its costs; a hash is None if its source cannot be found."""
    name = OBJECTIVE if getattr(train, "is_objective", False) else "function"
    return {name: _source(train), "costs": None if isinstance(costs, FunctionResult) else _source(costs)}


def name_of(function: Any) -> str:
    """Return the qualified name of a function, or the name of an object's class."""
    inner = _without_partial(function)
    return str(getattr(inner, "__qualname__", type(inner).__qualname__))


def _without_partial(function: Any) -> Any:
    """Return the user's own function, without wrappers."""
    while isinstance(function, partial) or hasattr(function, "original"):
        function = function.func if isinstance(function, partial) else function.original
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
    return _hash(textwrap.dedent(text))


def _costs(costs: Any) -> str | None:
    if isinstance(costs, FunctionResult):
        names = ("candidate", "epochs", "start", "end")
        return f"result {_hash(b''.join(costs.columns[name].tobytes() for name in names))}"
    return None if costs is None else name_of(costs)


def _hash(content: str | bytes) -> str:
    whole = content.encode(errors="surrogatepass") if isinstance(content, str) else content
    return hashlib.blake2b(whole, digest_size=8).hexdigest()
