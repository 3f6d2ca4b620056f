"""Arguments of the entry points of ash; tests may name fields of the config among them."""

from typing import Any

import ash
from ash.options import CONFIG_FIELDS


def configured(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of an entry point; those that are fields of `ash.SearchConfig` are moved into its `config`.

    A `config` among the arguments takes precedence over fields beside it.
    """
    fields = {name: value for name, value in arguments.items() if name in CONFIG_FIELDS}
    others = {name: value for name, value in arguments.items() if name not in CONFIG_FIELDS}
    if fields:
        given = (others.get("config") or ash.SearchConfig()).given()
        others["config"] = ash.SearchConfig(**fields | given)
    return others
