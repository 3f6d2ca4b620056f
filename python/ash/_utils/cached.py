"""Provides a property that is computed once: `functools.cached_property` of Python 3.12, for Python 3.11 as well.

Before 3.12, `functools.cached_property` holds one lock for all objects of a class while it computes. If another thread
forks meanwhile, the child process waits for that lock forever. Without the lock, two threads may both compute the value
of the same object.
"""

import functools
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or sys.version_info >= (3, 12):
    cached_property = functools.cached_property
else:

    class cached_property(functools.cached_property):
        """A property whose value is kept in the `__dict__` of the object."""

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            if instance is None:
                return self
            value = instance.__dict__[self.attrname] = self.func(instance)
            return value
