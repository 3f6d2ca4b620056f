"""Suggests which parameter of an estimator was meant by a name that the estimator does not list.

Some estimators, such as those of LightGBM, XGBoost and CatBoost, accept any keyword and pass it on to their library.
The library may ignore a misspelt keyword, so that all candidates get the same score. So the user is warned of a keyword
that resembles a parameter listed by the estimator, unless the keyword is an alias known to the library.
"""

import inspect
import sys
from contextlib import suppress
from typing import Any

from ash._utils.checks import near_names
from ash._utils.user_warnings import warn_user
from ash.sklearn.resumable.protocol import is_a

MOST_LISTED = 30
LIKENESS = 0.85
"""A keyword causes a warning if its similarity to a listed parameter is at least this value. The bound is high, since
libraries have valid parameters that their estimators do not list."""


def hint_at_parameter(estimator: Any, name: str) -> str:
    """Return a hint at the parameters of the estimator that may be meant by an unknown name."""
    known = list(estimator.get_params(deep=True))
    own, by_end = name.rpartition("__")[2], {each.rpartition("__")[2]: each for each in known}
    near = [each for each in known if each.rpartition("__")[2] == own]
    near = near or [each for each in near_names(name, known, 1) if not name.startswith(f"{each}__")]
    near = near or [by_end[end] for end in near_names(own, by_end, 1)]
    if near:
        return f"did you mean {' or '.join(near[:3])}?"
    shown = ", ".join(sorted(known)[:MOST_LISTED])
    return f"it has {shown}" + (f" and {len(known) - MOST_LISTED} more" if len(known) > MOST_LISTED else "")


def warn_of_keyword(estimator: Any, name: str) -> None:
    """Warn if the estimator does not list the parameter `name`, but lists a parameter with a similar name."""
    head, _, own = name.rpartition("__")
    params = estimator.get_params(deep=True)
    part = params.get(head) if head else estimator
    if name in params or not hasattr(part, "get_params"):
        return
    known = {*part.get_params(deep=False), *inspect.signature(type(part).__init__).parameters} - {"self", "kwargs"}
    aliases: set[str] = set()
    if is_a(part, "LGBMModel", "lightgbm"):
        with suppress(AttributeError):  # a private function, which other versions of LightGBM may lack
            every = sys.modules["lightgbm.basic"]._ConfigAliases._get_all_param_aliases()
            aliases = {*every, *(alias for own in every.values() for alias in own)}
    near = [] if own in known | aliases else near_names(own, sorted(known) + sorted(aliases - known), 1, LIKENESS)
    if near:
        meant = f"{head}__{near[0]}" if head else near[0]
        warn_user(f"{name} is passed on to {type(part).__name__}, which does not list it: did you mean {meant}?")
