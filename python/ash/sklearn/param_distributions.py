"""Draws the candidates that scikit-learn draws from `param_distributions`, and builds an ash space that contains them.

{"depth": [3, None], "alpha": loguniform(1e-3, 1)}  --ParameterSampler-->  [{"depth": None, "alpha": 0.017}, ...]
"""

import sys
import warnings
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from sklearn.model_selection import ParameterSampler
from sklearn.utils import check_random_state

from ash._utils.machine import check_room
from ash._utils.user_warnings import warn_user
from ash.errors import SettingError
from ash.sklearn.estimator_space import (
    SPACE,
    EstimatorSpace,
    check_names,
    domains_of,
    joined,
    without_objects,
)
from ash.space.domains import Domain, choice, key_of
from ash.space.foreign_domains import as_domain
from ash.space.function_space import FunctionSpace, plain_value
from ash.space.hyperparameters import Params
from ash.space.space import after

NAME = "param_distributions"
PATIENCE = 10  # drawing ends after this many draws per known configuration without a new one


def drawn_candidates(
    distributions: Any, count: int, random_state: Any, estimator: Any, first: Any = None, *, warns: bool
) -> tuple[EstimatorSpace, list[Params]]:
    """Draw `count` different candidates; return a space that contains them, and the candidates.

    The configurations of the argument `first` are the first candidates. If fewer than `count` different candidates are
    possible, all of them are returned, with a warning if `warns` is True.

    Raises
    ------
    SettingError
        `distributions` is neither a dict of lists, domains and distributions nor a list of such dicts; the estimator
        lacks a parameter of the space; or `first` is invalid.
    """
    spaces, objects = without_objects(with_lists(distributions), NAME)
    known: list[Params] = []
    if first is not None:  # they may be any configurations that can be drawn
        domains = [{name: domains_of(NAME, name, given) for name, given in space.items()} for space in spaces]
        known = EstimatorSpace(FunctionSpace(**joined(domains)), objects).read_first(first, count, "n_candidates")
    if len(spaces) > 1:  # each candidate gets the number of its space; this does not change the draws
        spaces = [{**space, SPACE: [number]} for number, space in enumerate(spaces)]
    drawn = list(islice(after(known, _each_once(spaces, count, random_state, warns)), count))
    space = _space(spaces, drawn)
    check_names(space, objects, estimator, NAME)
    return EstimatorSpace(space, objects), drawn


def with_lists(distributions: Any) -> Any:
    """Return distributions with each tuple of options converted to a list, since ash treats a tuple as one value."""
    if isinstance(distributions, list | tuple):
        return [with_lists(each) for each in distributions]
    if not isinstance(distributions, Mapping):
        return distributions
    return {name: list(given) if isinstance(given, tuple) else given for name, given in distributions.items()}


def _each_once(spaces: Sequence[Mapping[str, Any]], count: int, random_state: Any, warns: bool) -> list[Params]:
    try:
        generator = check_random_state(random_state)
    except ValueError as error:
        raise SettingError(f"random_state={random_state!r} cannot be used: {error}") from None
    spaces = [{name: _drawable(name, given) for name, given in space.items()} for space in spaces]
    # If all parameters have lists of values, these limit the number of candidates, so memory need not be checked.
    if any(hasattr(given, "rvs") for space in spaces for given in space.values()):
        check_room("n_candidates", count, sys.getsizeof(dict(spaces[0])), "lower n_candidates")
    found: dict[str, Params] = {}
    misses = 0  # the draws since the last new configuration
    while len(found) < count and misses <= PATIENCE * len(found):
        before, wanted = len(found), count - len(found)
        drawn = _drawn(spaces, wanted, generator)
        for params in drawn:
            plain = {name: _plain(name, value) for name, value in params.items()}
            found.setdefault(key_of(plain), plain)
        misses = 0 if len(found) > before else misses + len(drawn)
        if len(drawn) < wanted:
            break  # all parameters have lists of values, and each combination was drawn
    if len(found) < count and warns:
        warn_user(f"n_candidates={count} exceeds the {len(found)} possible configurations; all of them are used")
    return list(found.values())


class _Levels:
    """Adapts a domain without a list of levels to scikit-learn, which draws by a method `rvs`."""

    def __init__(self, domain: Domain) -> None:
        self._levels = domain.drawn

    def rvs(self, random_state: Any) -> Any:
        """Draw a level."""
        return self._levels[int(random_state.random_sample() * len(self._levels))]


def _drawable(name: str, given: Any) -> Any:
    """Return a domain in a form from which scikit-learn can draw; return any other value unchanged."""
    if isinstance(given, list) and any(isinstance(each, Domain) for each in given):
        raise SettingError(f"{NAME}: {name} has several domains; give a list of dicts instead, one for each")
    if not isinstance(given, Domain):
        return given
    if given.conditions:
        raise SettingError(f"{NAME}: {name} has a condition; give a list of dicts instead, one for each case")
    return list(given.levels) if given.has_list else _Levels(given)


def _space(spaces: Sequence[Mapping[str, Any]], drawn: Sequence[Params]) -> FunctionSpace:
    """Return a space that contains all drawn candidates."""
    domains: dict[str, list[Domain]] = {}
    for number, space in enumerate(spaces):
        own = [params for params in drawn if params.get(SPACE, 0) == number]
        for name, given in space.items():
            if own and name != SPACE:
                domain = _domain(given, [params[name] for params in own])
                domains.setdefault(name, []).append(domain.when(**{SPACE: number}) if len(spaces) > 1 else domain)
    if len(spaces) > 1:
        domains[SPACE] = [choice(*sorted({params[SPACE] for params in drawn}))]
    return FunctionSpace(**domains)


def _drawn(distributions: Sequence[Mapping[str, Any]], count: int, generator: Any) -> list[Params]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The total space of parameters")
        try:
            return list(ParameterSampler(list(distributions), count, random_state=generator))
        except (TypeError, ValueError) as error:
            raise SettingError(f"{NAME} cannot be used: {error}") from None


def _plain(name: str, value: Any) -> Any:
    try:
        return plain_value(value)
    except SettingError as error:
        raise SettingError(f"{NAME}: {name}={value!r}: {error}") from None


def _domain(given: Any, drawn: list[Any]) -> Domain:
    """Return a range if `given` is a range or a distribution known to ash, else a choice of the drawn values."""
    if isinstance(given, Domain) or hasattr(given, "rvs"):
        try:
            domain = as_domain(given)
        except SettingError:  # for example, a distribution without its parameters
            return choice(*drawn)
        if domain.kind in ("uniform", "log", "integers"):
            return domain
    return choice(*drawn)
