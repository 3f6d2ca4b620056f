"""What makes a run of a function the one it is: whoever goes on from its journal must agree, or is told where not.

    settings   what the results and decisions depend on; the names of the function, of its costs and of the sampler;
               what comes first, and an earlier result as costs, as hashes; what a function that is an object tells of
               itself by a method `journal_identity`, such as which rows it has
    space      domains, levels and conditions; a later call may have a larger one (space/growth.py)
    version    of ash

Another source of the function under the same name is a warning and no error. People mend a function and go on, and
what it calls could not be compared anyway; what is on record stays what it was then, failures too.
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
    """Part of a function cannot be hashed, so a later call cannot be checked against it."""


def identity_of(
    train: Any, space: FunctionSpace, options: FunctionOptions, costs: Any, sampler: Any, first: Sequence[Params]
) -> Facts:
    """Return the facts of a run, of its arguments as the user gave them, and `first` as it was read."""
    of_object = train.journal_identity() if hasattr(train, "journal_identity") else {}
    own = {
        **of_object,
        "function": name_of(train),
        "costs": _costs(costs),
        "sampler": sampler if isinstance(sampler, str) else type(sampler).__qualname__,
        "first": f"{len(first)} configurations, {_hash(repr(list(map(key_of, first))))}" if first else None,
    }
    version = version_facts()["version of ash"]  # kernels have no part in it
    return {
        "settings": {**deciding(options), **own},
        "space": space_story(space),
        "version": {"version of ash": version},
    }


def code_of(train: Any, costs: Any) -> Facts:
    """Return hashes of the source of the function and of its costs, None of what has none that can be found."""
    name = OBJECTIVE if getattr(train, "is_objective", False) else "function"
    return {name: _source(train), "costs": None if isinstance(costs, FunctionResult) else _source(costs)}


def name_of(function: Any) -> str:
    """Return what a function is called where it was defined, an object by its class."""
    inner = _without_partial(function)
    return str(getattr(inner, "__qualname__", type(inner).__qualname__))


def _without_partial(function: Any) -> Any:
    """Return what a user has written, without what is around it."""
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
