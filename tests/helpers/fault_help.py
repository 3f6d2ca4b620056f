"""Helpers for tests of faults: small tables, short runs, and child processes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ash
from config_help import configured, split_once

HANG_SECONDS = 600.0
"""Seconds after which a process counts as hanging; no test takes a tenth of that, even on a busy machine."""
LONG: dict[str, Any] = {"candidates": None, "config": ash.SearchConfig(sampler="adaptive"), "max_total_epochs": 200}
"""Settings of a run that is not over before a callback is called: its later draws wait for the calling thread."""
COMMON = """
import os, sys, threading, time, signal, warnings
import numpy as np
import ash
from fault_help import quick, small_space, table
X, Y = table()
EXPECTED = "{expected}"
"""
"""The code that `run` executes first, which makes a table and the expected results."""


def table(rows: int = 60, features: int = 3) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return a table with two classes that are nearly linearly separable."""
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, features))
    return x, (x[:, 0] + 0.1 * random.normal(size=rows) > 0).astype(np.int64)


def targets(rows: int = 60, features: int = 3) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a regression table with one target."""
    x, _ = table(rows, features)
    return x, 3 * x[:, 0] + np.random.default_rng(1).normal(size=rows) + 5


def small_space(**changes: Any) -> ash.Space:
    """Return a space of a few small networks."""
    domains = {
        "hidden": ash.choice((4,), (), (6, 3)),
        "learning_rate": ash.loguniform(1e-3, 1e-2, levels=11),
        "batch_size": 16,
        **changes,
    }
    return ash.Space(**domains)


def quick(X: Any, y: Any, space: ash.Space | None = None, **changes: Any) -> ash.Result:
    """Return the result of a run that takes a fraction of a second and does not depend on timing."""
    settings = {"candidates": 4, "n_jobs": 1, "verbose": 0, "random_state": 3, **changes}
    return ash.tune(X, y, small_space() if space is None else space, **configured(split_once(settings)))


def environment_of_tests() -> dict[str, str]:
    """Return an environment in which Python finds the test modules."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def python(
    code: str, *arguments: str, folder: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter that can import the helpers, in `folder` or the current folder."""
    return _run(["-c", code, *arguments], environment, folder)


def run(code: str, *, before: str = "", expected: str = "", folder: Path | None = None, **environment: str) -> str:
    """Run COMMON and the code in a fresh interpreter, which must neither fail nor hang; return its output."""
    whole = before + COMMON.replace("{expected}", expected) + code
    done = python(whole, folder=folder, PYTHONFAULTHANDLER="1", **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def python_file(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a file of this folder in a fresh interpreter."""
    return _run([str(Path(__file__).with_name(name)), *arguments], environment)


class Canary:
    """An object whose unpickling creates a folder with the given name."""

    def __init__(self, name: str | Path = "canary") -> None:
        self.name = str(name)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.name,)


def wait_until(happened: Callable[[], Any]) -> None:
    """Poll until `happened` returns true."""
    until = time.monotonic() + HANG_SECONDS
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


def _run(words: list[str], environment: dict[str, str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**environment_of_tests(), **environment},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )


def command_line(*arguments: str) -> list[str]:
    """Return the command line of `ash-tune`, called as a module, so that the version under test runs."""
    return [sys.executable, "-m", "ash", *arguments]


def refused(capsys: Any, *arguments: str) -> str:
    """Assert that `ash-tune` refuses these arguments, and return its one-line error."""
    from ash.cli.command import main

    capsys.readouterr()
    assert main([*arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("ash-tune: error: ") and err.count("\n") == 1
    return str(err)
