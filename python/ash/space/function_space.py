"""The space of a function's hyperparameters: any names, any plain values; see `ash.Space` for how it is drawn from."""

from collections.abc import Mapping
from typing import Any

from ash._utils.checks import is_number
from ash.errors import SettingError
from ash.space.domains import Domain, encode
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

    def at(self, point: Mapping[str, float]) -> Params:
        """Return the configuration of a point of the unit cube.

        Parameters
        ----------
        point : dict of str to float
            For each name a number from 0, which is its first level, to 1, which is beyond the last.
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
