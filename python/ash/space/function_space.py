"""The space of a function's hyperparameters: any names, any plain values; see `ash.Space` for how it is drawn from."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from ash._utils.checks import is_number
from ash.errors import SettingError
from ash.space.domains import FLOATS, Domain, encode
from ash.space.grid import ordered_names
from ash.space.hyperparameters import Params
from ash.space.space import Space


class FunctionSpace(Space):
    """Named domains of the hyperparameters of a function or of an estimator. Immutable.

    Parameters
    ----------
    **hyperparameters
        For each name: a domain (``ash.choice``, ``ash.integers``, ``ash.uniform``, ``ash.log``), a list of values, a
        distribution of Optuna, a frozen one of scipy.stats, a single value, which may be a tuple, or a list of domains
        of which the first whose conditions hold applies. Values are None, text, booleans, finite numbers, or tuples of
        these: they stand in records and in the digest. What is no such value, a class say, is looked up by name in the
        function.

    Raises
    ------
    SettingError
        A value that is none of these, no values, or a condition that cannot hold.

    Examples
    --------
    >>> import ash
    >>> space = ash.FunctionSpace(max_depth=[3, 6, None], learning_rate=ash.log(1e-3, 1e-1))
    >>> space.default["max_depth"]
    3
    """

    def walk(self, ask: Callable[[str, int, Domain], Any]) -> Params:
        """Return a configuration of what is answered for each name that applies.

        Parameters
        ----------
        ask : callable
            Of the name, which of its domains applies, and that one: the value. Names that others have conditions on
            come first.
        """
        params: Params = {}
        for name in ordered_names(self._variants):
            found = self._active(name, params)
            if found is not None:
                params[name] = ask(name, *found)
        return {name: params[name] for name in self.domains if name in params}

    def at(self, point: Mapping[str, float]) -> Params:
        """Return the configuration of a point of the unit cube.

        Parameters
        ----------
        point : dict of str to float
            For each name a number from 0, which is its first level, to 1, which is beyond the last.
        """
        return self.walk(lambda name, _, domain: domain.drawn[int(point[name] * len(domain.drawn))])

    def read(self, params: Any) -> tuple[Params, bool]:
        """Return a configuration in plain form, and whether all its values are levels, or some lie between them.

        Parameters
        ----------
        params : dict
            The configuration: values by name.

        Raises
        ------
        SettingError
            It is no dict, a name is unknown, missing or does not apply, or a value is out of range.
        """
        if not isinstance(params, Mapping):
            raise SettingError(f"a configuration must be a dict of hyperparameters, got {params!r}")
        plain = {name: self._check_value(name, value) for name, value in params.items()}
        unknown = sorted(plain.keys() - self.domains.keys())
        if unknown:
            near = difflib.get_close_matches(unknown[0], self.domains, n=1) or list(self.domains)
            raise SettingError(f"{unknown[0]!r} is not in the space; did you mean one of {', '.join(near)}?")
        return plain, all([self._is_level(name, plain) for name in self.domains])

    def _is_level(self, name: str, params: Params) -> bool:
        """Return whether a value is a level; raise SettingError where it must not be, must be, or is out of range."""
        found = self._active(name, params)
        if found is None:
            if name in params:
                raise SettingError(f"{name}={params[name]!r} does not apply with {params}: leave it out")
            return True
        if name not in params:
            raise SettingError(f"{name} is missing in {params}: give one of its values")
        value, (_, domain) = params[name], found
        if encode(value) in map(encode, domain.levels) if domain.has_list else domain.has(value):
            return True
        between = domain.kind in FLOATS and is_number(value)
        if not between or not domain.levels[0] <= value <= domain.levels[-1]:
            known = domain.shown() if domain.has_list else f"values from {domain.shown()}"
            raise SettingError(f"{name}={value!r} is not in the space, which has {known}")
        return False

    def _active(self, name: str, params: Params) -> tuple[int, Domain] | None:
        """Return which domain of a name applies beside these values, None where none does."""
        for number, variant in enumerate(self._variants[name]):
            if all(other in params and params[other] in wanted for other, wanted in variant.conditions):
                return number, self._domains[name][number]
        return None

    @staticmethod
    def _check_name(name: str) -> None:
        _text(name)

    @staticmethod
    def _check_value(name: str, value: Any) -> Any:
        try:
            return plain_value(value)
        except SettingError as error:
            raise SettingError(f"{name}={value!r}: {error}") from None

    @staticmethod
    def _plain(name: str, value: Any) -> Any:
        return value

    @staticmethod
    def _by_model(domains: dict[str, tuple[Domain, ...]]) -> dict[str, tuple[Domain, ...]]:
        """Leave a hyperparameter that is called model alone: it is the function's own."""
        return domains

    def _check_conflicts(self) -> None:
        """Let all levels occur together: only the function knows."""


def _text(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise SettingError(f"the name of a hyperparameter must be text, got {name!r}")
    return name


def plain_value(value: Any) -> Any:
    """Return a value without types of NumPy, lists as tuples; raise SettingError where it is not allowed."""
    encode(value)
    if isinstance(value, tuple | list):
        return tuple(map(plain_value, value))
    if hasattr(value, "item"):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if not is_number(value):
        raise SettingError("a number must be finite")
    return float(value)
