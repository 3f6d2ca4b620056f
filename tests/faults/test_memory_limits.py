"""Tests that if memory is refused at any point, the result is correct or the error is a MemoryError or an ash error."""

import json
import sys

import pytest

import needs
from fault_help import python_file

if not sys.platform.startswith("linux"):
    needs.not_here("limits of the address space are those of Linux")

LIMITS = pytest.mark.parametrize("limits", [5, pytest.param(30, marks=pytest.mark.slow)])


@LIMITS
@pytest.mark.parametrize("operation", ["fit", "predict", "resume", "load", "report"])
def test_each_memory_limit_gives_the_right_answer_or_an_error(operation: str, limits: int) -> None:
    wrong = [(more, what) for more, what in _tried(operation, limits) if not _is_allowed(what)]
    assert wrong == []


@LIMITS
def test_a_lazily_imported_library_may_fail_to_load(limits: int) -> None:
    """Check that ash passes on Python's ImportError, which contains the system's reason, unchanged."""
    found = _tried("load", limits, "lazy")
    assert any("ImportError" in what for _, what in found)
    assert [what for _, what in found if not _is_allowed(what) and "failed to map segment" not in what] == []


def _tried(*words: object) -> list[tuple[int, str]]:
    done = python_file("memory_limits.py", *map(str, words), MALLOC_MMAP_THRESHOLD_="32768")
    assert done.returncode == 0, done.stderr
    found: list[tuple[int, str]] = json.loads(done.stdout)
    return found


def _is_allowed(what: str) -> bool:
    return what in ("right", "MemoryError") or what.startswith("ash: ")
