"""Tests the output of show_versions, and that importing ash changes no global state."""

import io
import subprocess
import sys

import sklearn

from ash import _core
from ash._utils.installation import installed_version, show_versions, versions

CHANGES_NOTHING = """
import logging, os, signal, sys, threading, warnings
import numpy
def state():
    handlers = [signal.getsignal(n) for n in signal.valid_signals() if n not in (signal.SIGKILL, signal.SIGSTOP)]
    root = logging.getLogger()
    logs = list(root.handlers), root.level
    return dict(os.environ), handlers, numpy.geterr(), logs, list(warnings.filters), threading.active_count()
before = state()
import ash
ash.show_versions()
assert state() == before
heavy = {"sklearn", "rich", "pandas", "matplotlib", "scipy", "torch", "joblib"} & sys.modules.keys()
assert not heavy, heavy
"""


def test_versions_contain_everything_that_a_bug_report_needs() -> None:
    lines = versions()
    assert lines["ash"] == _core.build_info()["version"]
    assert set(lines) >= {"commit", "compiler", "flags", "OpenMP", "instruction set", "CPUs allowed", "threads"}
    assert set(lines) >= {"python", "numpy", "scikit-learn", "rich", "platform"}
    assert all(isinstance(value, str) and value for value in lines.values())
    assert lines["instruction set"].startswith(_core.instruction_sets()[0])


def test_the_cpus_are_shown_with_the_deciding_limit(monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert "(" in versions()["CPUs allowed"]
    assert versions()["threads"].startswith("1 (")


def test_versions_are_printed_one_per_line(capsys) -> None:
    file = io.StringIO()
    show_versions(file)
    assert len(file.getvalue().splitlines()) == len(versions())
    assert capsys.readouterr().out == ""
    show_versions()
    assert capsys.readouterr().out == file.getvalue()


def test_a_missing_package_is_reported_as_not_installed() -> None:
    assert installed_version("no-such-package-as-this") == "not installed"
    assert installed_version("sklearn") == sklearn.__version__  # its distribution has another name


def test_f53_importing_ash_changes_no_global_state() -> None:
    done = subprocess.run([sys.executable, "-c", CHANGES_NOTHING], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
