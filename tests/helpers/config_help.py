"""Lets tests pass fields of `ash.SearchConfig` as arguments of an entry point, and set the number of CPUs."""

from typing import Any

import pytest

import ash
from ash._utils.machine import CpuLimit
from ash.options import CONFIG_FIELDS


def configured(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments with all fields of `ash.SearchConfig` moved into the argument `config`.

    `sampler` stays, since it is an argument of functions and searches; a table has it in its `config`.

    If the arguments also have a `config`, it takes precedence over these fields.
    """
    fields = {name: value for name, value in arguments.items() if name in CONFIG_FIELDS and name != "sampler"}
    others = {name: value for name, value in arguments.items() if name not in fields}
    if fields:
        given = (others.get("config") or ash.SearchConfig()).given()
        others["config"] = ash.SearchConfig(**fields | given)
    return others


def split_once(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments with a single split, unless they have another one; folds take longer."""
    has_own = any(arguments.get(name) is not None for name in ("cv", "record"))
    return arguments if has_own else {"validation": 0.2, **arguments}


def set_cpus(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ash run on this number of CPUs, even if there are fewer."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("ash._utils.machine.allowed_cpus", lambda: CpuLimit(count, "test"))
