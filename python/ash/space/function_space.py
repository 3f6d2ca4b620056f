"""The search space of a function, with any names and any plain values; `ash.Space` says how candidates are drawn."""

from typing import Any

from ash._utils.checks import is_integer, is_number
from ash.errors import SettingError
from ash.space.domains import Domain, encode
from ash.space.space import Space, check_text


class FunctionSpace(Space):
    """The named domains of the hyperparameters of a function or an estimator; immutable.

    Parameters
    ----------
    **hyperparameters
        For each name: a domain (``ash.choice``, ``ash.integers``, ``ash.uniform``, ``ash.loguniform``), a list of
        values, an Optuna distribution, a frozen scipy.stats distribution, a single value (which may be a tuple), or a
        list of domains. In a list of domains, the first one whose conditions hold applies. Values are None, text,
        booleans, finite numbers, or tuples of these, because they are part of records and of the digest. For any other
        object, such as a class, use a name, and look up the object in the function.

    Raises
    ------
    SettingError
        A value is not allowed, there are no values, or a condition cannot hold.

    Examples
    --------
    >>> import ash
    >>> space = ash.FunctionSpace(max_depth=[3, 6, None], learning_rate=ash.loguniform(1e-3, 1e-1))
    >>> space.default["max_depth"]
    3
    """

    @staticmethod
    def _check_name(name: str) -> None:
        check_text(name)

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

    def _advice_on_tuples(self) -> str:
        """Return advice on names whose only value is a pair such as (1, 8), which other libraries treat as bounds."""
        return "".join(
            f". {name}={value!r} is a single value; for an interval use {_interval(*value)}"
            for name, (domain, *others) in self.domains.items()
            if not others and domain.has_list and len(domain.levels) == 1
            for value in domain.levels
            if isinstance(value, tuple) and len(value) == 2 and all(map(is_number, value)) and value[0] < value[1]
        )

    def _check_conflicts(self) -> None:
        """Allow all combinations of levels, since only the function knows which are valid."""


def _interval(low: float, high: float) -> str:
    """Return the text of the calls that create a domain from `low` to `high`, such as "ash.integers(1, 8)"."""
    names = ["integers"] if is_integer(low) and is_integer(high) else ["uniform"] + ["loguniform"] * (low > 0)
    return " or ".join(f"ash.{name}({low!r}, {high!r})" for name in names)


def plain_value(value: Any) -> Any:
    """Return a value without NumPy types, with lists as tuples; raise SettingError if it is not allowed."""
    encode(value)
    if isinstance(value, tuple | list):
        return tuple(map(plain_value, value))
    value = value.item() if hasattr(value, "item") else value
    if value is None or isinstance(value, bool | int | str):
        return value
    if not is_number(value):
        raise SettingError("a number must be finite")
    return float(value)
