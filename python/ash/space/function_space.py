"""The search space of a function, with any names and any plain values; `ash.Space` says how candidates are drawn."""

from collections.abc import Mapping
from typing import Any

from ash._utils.checks import is_number
from ash.errors import SettingError
from ash.space.domains import Domain, encode
from ash.space.hyperparameters import Params
from ash.space.space import Space


class FunctionSpace(Space):
    """The named domains of the hyperparameters of a function or an estimator; immutable.

    Parameters
    ----------
    **hyperparameters
        For each name: a domain (``ash.choice``, ``ash.integers``, ``ash.uniform``, ``ash.log``), a list of values, an
        Optuna distribution, a frozen scipy.stats distribution, a single value (which may be a tuple), or a list of
        domains. In a list of domains, the first one whose conditions hold applies. Values are None, text, booleans,
        finite numbers, or tuples of these, because they are part of records and of the digest. For anything else, such
        as a class, use a name, and look it up in the function.

    Raises
    ------
    SettingError
        A value is not allowed, there are no values, or a condition cannot hold.

    Examples
    --------
    >>> import ash
    >>> space = ash.FunctionSpace(max_depth=[3, 6, None], learning_rate=ash.log(1e-3, 1e-1))
    >>> space.default["max_depth"]
    3
    """

    def at(self, point: Mapping[str, float]) -> Params:
        """Return the configuration at a point of the unit cube.

        Parameters
        ----------
        point : dict of str to float
            For each name a number from 0 (its first level) up to but excluding 1.
        """
        return self.walk(lambda name, _, domain: domain.drawn[int(point[name] * len(domain.drawn))])

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
        """Return the domains unchanged: a hyperparameter named `model` has no special meaning here."""
        return domains

    def _check_conflicts(self) -> None:
        """Allow all combinations of levels, since only the function knows which are valid."""


def _text(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise SettingError(f"the name of a hyperparameter must be text, got {name!r}")
    return name


def plain_value(value: Any) -> Any:
    """Return a value without NumPy types, with lists as tuples; raise SettingError if it is not allowed."""
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
