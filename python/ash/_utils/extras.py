"""Packages that only some of what ash does needs: each an extra, missed in one sentence."""

import importlib.util

from ash.errors import MissingExtra


def require_extra(who: str, module: str, extra: str) -> None:
    """Raise MissingExtra unless a module can be found; it is not imported, which may take seconds.

    Parameters
    ----------
    who : str
        What needs it.
    module, extra : str
        What is imported, and the extra of ash-tune that brings it.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:  # without an origin it is a folder of that name, as wandb writes one
        raise MissingExtra(f"{who} needs {module}; install it by: pip install 'ash-tune[{extra}]'")
