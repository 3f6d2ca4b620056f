"""Configurations of the user's that come before those that are drawn, or the best ones of an earlier run."""

import warnings
from collections.abc import Sequence
from typing import Any

from ash.errors import SettingError
from ash.function.warm_start import best_first, is_earlier
from ash.space.domains import encode
from ash.space.function_space import FunctionSpace
from ash.space.hyperparameters import Params

MOST_OF_EARLIER = 10
"""How many configurations of an earlier run are tried again."""


def read_first(first: Any, space: FunctionSpace, candidates: int | None) -> list[Params]:
    """Return the argument `first`, each configuration once, or raise SettingError unless all are of the space."""
    if first is None:
        return []
    if is_earlier(first):
        return _of_earlier(first, space, candidates)
    if not isinstance(first, Sequence) or isinstance(first, bytes):
        raise SettingError(
            f"first={first!r} is not allowed; give a list of dicts of hyperparameters, an earlier result, or the path "
            "of a journal"
        )
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


def _of_earlier(first: Any, space: FunctionSpace, candidates: int | None) -> list[Params]:
    """Return the best configurations of an earlier run that are of the space, with a warning where some are not."""
    most = MOST_OF_EARLIER if candidates is None else min(MOST_OF_EARLIER, candidates)
    found: dict[str, Params] = {}
    left_out: list[str] = []
    for params in best_first(first):
        if len(found) == most:
            break
        try:
            plain, _ = space.read(params)
            found.setdefault(key_of(plain), plain)
        except SettingError as error:
            left_out.append(str(error))
    if left_out:
        text = f"first: {len(left_out)} configurations of the earlier run are not of this space and are left out"
        warnings.warn(f"{text}, such as: {left_out[0]}", UserWarning, stacklevel=4)
    return list(found.values())


def key_of(params: Params) -> str:
    """Return a text that is equal for equal configurations only."""
    return ",".join(f"{name}={encode(params[name])}" for name in sorted(params))
