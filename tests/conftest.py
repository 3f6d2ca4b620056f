"""Fixtures for all tests (mostly data tables), and the settings of Hypothesis and pytest."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin while waiting would slow other tests

import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray
from sklearn import datasets

from fault_help import wait_until
from fault_list import counts, lines, numbers

pytest_plugins = ["needs"]
Data = tuple[NDArray[np.float64], NDArray[np.float64]]
OF_DASK = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_")
BEFORE = {name: os.environ.get(name) for name in OF_DASK}
BEGAN = time.monotonic()
FIRST = [
    "test_reproducible",
    "test_estimator_checks",
    "test_trackers",
    "test_decision",
    "test_table_file",
    "test_groups",
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
    "test_dask",
    "test_progress",
]
"""Name prefixes of the slowest modules, which start first, so that no process is left with one of them at the end."""
SAMPLES = Path(__file__).with_name("samples")
"""Folder with samples of real tables; its README lists them."""

PATIENT: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}  # machines are often busy
settings.register_profile("fixed", derandomize=True, **PATIENT)
settings.register_profile("fresh", max_examples=1000, print_blob=True, **PATIENT)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


@pytest.fixture
def empty_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run the test in an empty folder, since commands write into ./ash-tune-out by default."""
    folder = tmp_path_factory.mktemp("run")
    monkeypatch.chdir(folder)
    return folder


def pytest_sessionstart(session: pytest.Session) -> None:
    """Print failures at once, and restore the handling of Ctrl-C, which shells disable in background jobs."""
    plugins = session.config.pluginmanager
    if terminal := plugins.get_plugin("terminalreporter"):
        plugins.register(Announcer(terminal))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def filters_kept() -> Iterator[None]:
    """Keep `delayed` of scikit-learn from changing the filters of warnings.

    It empties and refills the filters of the whole process in each task. If two threads do so at the same time, filters
    are lost, and a warning that a test ignores becomes an error.
    """
    own = dict.fromkeys(("resetwarnings", "simplefilter", "filterwarnings"), lambda **_: None)
    module = SimpleNamespace(**{**vars(warnings), **own, "catch_warnings": nullcontext})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklearn.utils.parallel.warnings", module)
        yield


@pytest.fixture(autouse=True)
def jobs_ended() -> Iterator[None]:
    """Wait after each test for the jobs that its runs have left in threads, since they change these filters, too."""
    yield
    wait_until(lambda: not any(thread.name.startswith("ash-") for thread in threading.enumerate()))


@pytest.fixture(autouse=True)
def environment_as_before() -> Iterator[None]:
    """Restore the environment variables that starting a Dask cluster changes in this process."""
    yield
    for name, value in BEFORE.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests with a fault number in their name as fault tests. Run the modules in `FIRST` first."""
    for item in items:
        if numbers(item.name):
            item.add_marker("faults")
    items.sort(key=lambda item: not item.path.name.startswith(tuple(FIRST)))


class Announcer:
    """Prints each failure at once in one line; its traceback follows at the end of the run."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self.terminal = terminal

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print a failed test with its reason and the seconds since the start."""
        if report.failed:
            lines = report.longreprtext.splitlines() or [""]
            why = next((line[1:].strip() for line in lines if line.startswith("E ")), lines[-1])
            self.terminal.write_line(f"\nFAILED after {time.monotonic() - BEGAN:.0f} s: {report.nodeid}: {why}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print how many faults were tried and survived, if pytest was started with `-m faults`."""
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
    """Return a table of 1797 rows with 64 counts from 0 to 16, in ten classes."""
    return read_only(datasets.load_digits(return_X_y=True))


@pytest.fixture(scope="session")
def breast_cancer() -> Data:
    """Return a table of 569 rows with 30 features on very different scales, in two classes."""
    return read_only(datasets.load_breast_cancer(return_X_y=True))


@pytest.fixture(scope="session")
def diabetes() -> Data:
    """Return a table of 442 rows with 10 features and a numeric target."""
    return read_only(datasets.load_diabetes(return_X_y=True))


def read_only(data: Data) -> Data:
    """Make shared arrays read-only, so that a test that writes to them fails at once."""
    for array in data:
        array.setflags(write=False)
    return data
