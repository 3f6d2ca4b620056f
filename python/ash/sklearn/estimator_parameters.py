"""Contains the base class of the estimators and searches, which have the fields of `config` as parameters."""

from dataclasses import replace
from typing import Any, Self

from sklearn.base import BaseEstimator

from ash.options import SearchConfig

PREFIX = "config__"


class Configured(BaseEstimator):  # type: ignore[misc]
    """An estimator with a `config`, whose fields are also parameters: ``set_params(config__eta=3)``."""

    config: SearchConfig | None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name.

        Parameters
        ----------
        deep : bool
            Whether to include the fields of `config`, as ``config__<field>``, and the parameters of nested estimators.

        Returns
        -------
        dict
        """
        params: dict[str, Any] = super().get_params(deep)
        if deep:
            config = self.config if isinstance(self.config, SearchConfig) else SearchConfig()
            params |= {PREFIX + name: value for name, value in vars(config).items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name; ``config__<field>`` replaces the config by a copy with that field changed.

        Parameters
        ----------
        **params
            Names and values.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            There is no such parameter, or the value is not allowed for a field of the config.
        """
        fields = {name.removeprefix(PREFIX): params.pop(name) for name in list(params) if name.startswith(PREFIX)}
        super().set_params(**params)
        if fields:
            self.config = replace(self.config or SearchConfig(), **fields)
        return self
