"""Fixtures for all tests, most of them tables, and settings of Hypothesis and of pytest."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # spinning threads would take the cores from other tests

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray
from sklearn import datasets

from fault_list import counts, lines, numbers

pytest_plugins = ["needs"]
Data = tuple[NDArray[np.float64], NDArray[np.float64]]
OF_DASK = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_")
BEFORE = {name: os.environ.get(name) for name in OF_DASK}
BEGAN = time.monotonic()
LAST = [
    "test_docs",
    "test_faults",
    "test_journal_disk",
    "test_readme",
    "test_mpi",
    "test_cli_executor",
    "test_dashboard",
    "test_report_browser",
    "test_signals",
    "test_slurm",
    "test_trackers",
    "test_dask",
    "test_progress",
    "test_bench",
]
"""Prefixes of the names of modules that start processes or browsers: slow, and seldom the first to find a fault."""
SAMPLES = Path(__file__).with_name("samples")
"""Samples of real tables, which its README lists."""

PATIENT: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}  # machines are busy
settings.register_profile("fixed", derandomize=True, **PATIENT)
settings.register_profile("fresh", max_examples=1000, print_blob=True, **PATIENT)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


@pytest.fixture
def empty_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Start each test in a folder of its own, since a command writes into ash-tune-out by default."""
    folder = tmp_path_factory.mktemp("run")
    monkeypatch.chdir(folder)
    return folder


def pytest_sessionstart(session: pytest.Session) -> None:
    """Announce failures, and react to Ctrl-C in the background too, where a shell has SIGINT ignored."""
    plugins = session.config.pluginmanager
    if terminal := plugins.get_plugin("terminalreporter"):
        plugins.register(Announcer(terminal))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def environment_as_before() -> Iterator[None]:
    """Restore the variables for the threads of its workers that a Dask cluster sets in the process that starts it."""
    yield
    for name, value in BEFORE.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of faults by the numbers in their names, and run the modules of `LAST` last, in that order."""
    for item in items:
        if numbers(item.name):
            item.add_marker("faults")
    items.sort(key=lambda item: next((rank for rank, name in enumerate(LAST) if item.path.name.startswith(name)), -1))


class Announcer:
    """Prints each failure as soon as it is known, in one line; its traceback follows at the end of the run."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self.terminal = terminal

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print it, with the seconds since the start."""
        if report.failed:
            lines = report.longreprtext.splitlines() or [""]
            why = next((line[1:].strip() for line in lines if line.startswith("E ")), lines[-1])
            self.terminal.write_line(f"\nFAILED after {time.monotonic() - BEGAN:.0f} s: {report.nodeid}: {why}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print how many faults were tried and survived, if they were asked for."""
    if config.getoption("markexpr") != "faults":
        return
    names = {
        kind: [report.nodeid.rpartition("::")[2] for report in terminalreporter.stats.get(kind, [])]
        for kind in ("passed", "failed", "error", "skipped")
    }
    terminalreporter.section("faults")
    for line in lines(counts(names["passed"], names["failed"] + names["error"], names["skipped"])):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def digits() -> Data:
    """1797 rows of 64 counts 0..16, ten classes."""
    return read_only(datasets.load_digits(return_X_y=True))


@pytest.fixture(scope="session")
def breast_cancer() -> Data:
    """569 rows of 30 features of very different scales, two classes."""
    return read_only(datasets.load_breast_cancer(return_X_y=True))


@pytest.fixture(scope="session")
def diabetes() -> Data:
    """442 rows of 10 features, a regression."""
    return read_only(datasets.load_diabetes(return_X_y=True))


def read_only(data: Data) -> Data:
    """Protect arrays that all tests share, so that a test that writes to one fails at once."""
    for array in data:
        array.setflags(write=False)
    return data
