"""Reads parameters from numpydoc docstrings, and lists the public names that need a docstring."""

import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

TITLE = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}$", re.MULTILINE)
ENTRY = re.compile(r"^(\*{0,2}\w+(?:, \w+)*)(?: : (.+))?$", re.MULTILINE)


class Public(NamedTuple):
    """A public function or class, or a method or property of a public class."""

    name: str
    value: Any
    overridden: bool
    """Whether a base class already documents the method."""

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.value) or ""


def public(module: ModuleType) -> Iterator[Public]:
    """Yield all public functions and classes of a module, and the public methods that ash defines in each class."""
    for name in module.__all__:
        value, path = getattr(module, name), f"{module.__name__}.{name}"
        if callable(value):
            yield Public(path, value, False)
        if isinstance(value, type) and not issubclass(value, BaseException):
            yield from methods(value, path)


def methods(kind: type, path: str) -> Iterator[Public]:
    """Yield the public methods and properties of a class, including those of its bases in ash."""
    for name in dir(kind):
        found = inspect.getattr_static(kind, name)
        for wrapped in ("fget", "func", "fn"):  # the function of a property, a cached property or an available_if
            found = getattr(found, wrapped, found)
        if not name.startswith("_") and inspect.isfunction(found) and found.__module__.startswith("ash."):
            bases = [base for base in kind.__mro__ if name in vars(base)]
            yield Public(f"{path}.{name}", found, len(bases) > 1)


def sections(doc: str) -> dict[str, str]:
    """Return the sections of a docstring without indentation, by title."""
    parts = TITLE.split(doc)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def entries(doc: str, title: str) -> dict[str, str]:
    """Return the names that a section describes, each with its type ("" if no type is given)."""
    found = ENTRY.findall(sections(doc).get(title, ""))
    return {name: kind for names, kind in found for name in names.split(", ")}


def documented_types(doc: str) -> dict[str, str]:
    """Return the types of the parameters in a docstring, without default values."""
    told = entries(doc, "Parameters")
    return {name: re.sub(r"(, optional|, default.*| or None)*$", "", kind) for name, kind in told.items() if kind}
