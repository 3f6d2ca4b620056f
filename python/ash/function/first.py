"""Configurations of the user's that come before those that are drawn."""

from collections.abc import Sequence
from typing import Any

from ash.domains import encode
from ash.errors import SettingError
from ash.function_space import FunctionSpace
from ash.settings import Params


def read_first(first: Any, space: FunctionSpace, candidates: int | None) -> list[Params]:
    """Return the argument `first`, each configuration once, or raise SettingError unless all are of the space."""
    if first is None:
        return []
    if not isinstance(first, Sequence) or isinstance(first, str | bytes):
        raise SettingError(f"first={first!r} is not allowed; give a list of dicts of hyperparameters")
    found: dict[str, Params] = {}
    for place, params in enumerate(first):
        try:
            plain, _ = space.read(params)
        except SettingError as error:
            raise SettingError(f"first[{place}]: {error}") from None
        found.setdefault(key_of(plain), plain)
    if candidates is not None and len(found) > candidates:
        raise SettingError(
            f"first has {len(found)} configurations, more than candidates={candidates}; give more of these"
        )
    return list(found.values())


def key_of(params: Params) -> str:
    """Return a text that is equal for equal configurations only."""
    return ",".join(f"{name}={encode(params[name])}" for name in sorted(params))
