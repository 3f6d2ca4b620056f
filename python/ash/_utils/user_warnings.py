"""Issues warnings that point at the user's line, even if they are raised deep inside ash."""

import sys
import warnings

BETWEEN = frozenset(("ash", "sklearn", "joblib", "contextlib", "functools", "threading", "concurrent"))
"""Packages whose frames are skipped when looking for the user's line."""


def warn_user(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the innermost line that belongs neither to ash nor to a library that calls ash for the user.

    Parameters
    ----------
    text : str
        The problem, and what to do about it.
    category : type of Warning
        The class of the warning.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _package(frame.f_globals) in BETWEEN:
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)


def _package(names: dict[str, object]) -> str:
    return str(names.get("__name__", "")).partition(".")[0]
