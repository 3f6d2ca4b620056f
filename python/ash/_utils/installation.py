"""Reports versions and the machine, and checks that the packages of optional features are installed."""

import importlib.util
import platform
import sys
from functools import cache
from typing import TextIO

import numpy as np

from ash import _core
from ash._utils.machine import allowed_cpus, default_threads
from ash.errors import MissingExtraError


def require_extra(feature: str, module: str, extra: str) -> None:
    """Raise MissingExtraError unless a module can be found; it is not imported, since that may take seconds.

    Parameters
    ----------
    feature : str
        The feature that needs the module.
    module : str
        The module to look for.
    extra : str
        The extra of ash-tune that installs the module.
    """
    if not is_installed(module):
        raise MissingExtraError(f"{feature} needs {module}; install it with: pip install 'ash-tune[{extra}]'")


def is_installed(module: str) -> bool:
    """Return whether a module can be found, without importing it."""
    spec = importlib.util.find_spec(module)
    # A folder with the name of a package, such as the folder that wandb creates, has a spec without an origin.
    return spec is not None and spec.origin is not None


def versions() -> dict[str, str]:
    """Return the versions of ash, Python and packages, and facts about ash's build, the platform and the CPU limit.

    The versions of scikit-learn and rich are looked up without importing them.

    Examples
    --------
    >>> import ash
    >>> ash.versions()["ash"] == ash.__version__
    True
    """
    build = _core.build_info()
    allowed = allowed_cpus()
    threads = default_threads(allowed)
    return {
        "ash": build["version"],
        "commit": build["commit"],
        "compiler": build["compiler"],
        "flags": build["flags"],
        "build type": build["build_type"],
        "OpenMP": build["openmp"],
        "instruction set": f"{build['instruction_set']} (available: {', '.join(_core.instruction_sets())})",
        "CPUs allowed": f"{allowed.count} ({allowed.reason})",
        "threads": f"{threads.count} ({threads.reason})",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": installed_version("scikit-learn"),
        "rich": installed_version("rich"),
        "platform": platform.platform(),
    }


def show_versions(file: TextIO | None = None) -> None:
    """Print what `versions` returns, one item per line.

    Parameters
    ----------
    file : text file, optional
        Where to print; standard output by default.

    Examples
    --------
    >>> import ash
    >>> ash.show_versions()  # doctest: +ELLIPSIS
    ash ...
    """
    lines = versions()
    width = max(map(len, lines))
    for name, value in lines.items():
        print(f"{name:<{width}}  {value}", file=sys.stdout if file is None else file)


def installed_version(package: str) -> str:
    """Return the version of a package, or "not installed"."""
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    try:
        return version(package)
    except PackageNotFoundError:
        distributions = _distributions_of(package)
        return version(distributions[0]) if distributions else "not installed"


@cache
def _distributions_of(package: str) -> list[str]:
    """Return the distributions that a package is part of, such as xgboost-cpu for xgboost; slow the first time."""
    from importlib.metadata import packages_distributions

    return packages_distributions().get(package, [])
