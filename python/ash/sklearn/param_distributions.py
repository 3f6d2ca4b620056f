"""Candidates of `param_distributions`, as scikit-learn draws them, and the space of ash that holds them.

{"depth": [3, None], "alpha": loguniform(1e-3, 1)}  --ParameterSampler-->  [{"depth": None, "alpha": 0.017}, ...]
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.model_selection import ParameterSampler
from sklearn.utils import check_random_state

from ash.errors import SettingError
from ash.function.sources import key_of
from ash.space.domains import Domain, choice
from ash.space.function_space import FunctionSpace, foreign_domain, plain_value
from ash.space.hyperparameters import Params


def drawn_candidates(distributions: Any, count: int, random_state: Any, *, warns: bool) -> list[Params]:
    """Return so many candidates, each once; fewer where no others can be drawn, with a warning if it `warns`.

    Raises
    ------
    SettingError
        It is no dict of lists and distributions, or a value is none that a space may have.
    """
    if isinstance(distributions, list | tuple):
        raise SettingError(
            "param_distributions is a list of dicts, which is not supported yet; search one dict at a time"
        )
    if not isinstance(distributions, Mapping) or not distributions:
        raise SettingError(f"param_distributions={distributions!r} is not allowed; give a dict of lists, not empty")
    try:
        generator = check_random_state(random_state)
    except ValueError as error:
        raise SettingError(f"random_state={random_state!r} is not allowed: {error}") from None
    found: dict[str, Params] = {}
    before = -1
    while before < len(found) < count:
        before = len(found)
        for params in _drawn(distributions, count - before, generator):
            plain = {name: _plain(name, value) for name, value in params.items()}
            found.setdefault(key_of(plain), plain)
    if len(found) < count and warns:
        text = f"n_candidates={count} is more than the {len(found)} configurations that could be drawn"
        warnings.warn(f"{text}; all of these are tried", UserWarning, stacklevel=5)
    return list(found.values())


def drawn_space(distributions: Mapping[str, Any], drawn: Sequence[Params]) -> FunctionSpace:
    """Return a space that has all of these candidates."""
    return FunctionSpace(
        **{name: _domain(given, [params[name] for params in drawn]) for name, given in distributions.items()}
    )


def _drawn(distributions: Mapping[str, Any], count: int, generator: Any) -> list[Params]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The total space of parameters")
        try:
            return list(ParameterSampler(distributions, count, random_state=generator))
        except (TypeError, ValueError) as error:
            raise SettingError(f"param_distributions is not allowed: {error}") from None


def _plain(name: str, value: Any) -> Any:
    try:
        return plain_value(value)
    except SettingError as error:
        raise SettingError(f"param_distributions: {name}={value!r} is not allowed; {error}") from None


def _domain(given: Any, drawn: list[Any]) -> Domain:
    """Return the range of a distribution that ash knows; else the values that were drawn."""
    if hasattr(given, "rvs"):
        try:
            domain = foreign_domain(given)
        except SettingError:  # such as one of too many integers
            domain = None
        if domain is not None and domain.kind != "choice":
            return domain
    return choice(*drawn)
