"""Tests that skips are counted by reason, that ASH_REQUIRE turns them into failures, and that xfail is not allowed."""

import subprocess
import sys
from pathlib import Path

import pytest

import needs
from fault_help import environment_of_tests

MODULE = """
import needs, pytest

def test_a_package():
    needs.lacks("torch")

@pytest.mark.parametrize("number", range(2))
def test_a_program(number):
    needs.lacks("chromium")

@pytest.mark.skipif(True, reason="no reason that is known")
def test_a_mark():
    pass

def test_not_here():
    needs.not_here("one CPU only")

def test_that_passes():
    pass
"""
WHOLE_MODULE = 'import needs\nneeds.lacks("xgboost")'
XGBOOST = "xgboost is missing: pip install '.[test-all]'"
TORCH = "torch is missing: pip install '.[test-all]'"


def outcome(folder: Path, required: str, processes: int = 0, module: str = MODULE) -> tuple[int, list[str]]:
    """Run pytest on `module` and WHOLE_MODULE with `required` as ASH_REQUIRE; return its status and output lines."""
    (folder / "test_some.py").write_text(module)
    (folder / "test_whole.py").write_text(WHOLE_MODULE)
    words = ["-p", "needs", "-p", "no:cacheprovider", "-n", str(processes), "--continue-on-collection-errors"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "--rootdir", str(folder), str(folder)],
        cwd=folder,
        env={**environment_of_tests(), "ASH_REQUIRE": required},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, [line.strip() for line in (done.stdout + done.stderr).splitlines()]


@pytest.mark.parametrize("processes", [0, 2])
def test_skips_are_counted_by_reason(processes: int, tmp_path: Path) -> None:
    status, lines = outcome(tmp_path, "", processes)
    first = next(number for number, line in enumerate(lines) if "6 skipped ==" in line)
    assert lines[first + 1] == "2  chromium is missing: apt-get install chromium"
    rest = {"no reason that is known", "does not apply here: one CPU only", TORCH, XGBOOST}
    assert set(lines[first + 2 : first + 6]) == {f"1  {why}" for why in rest}
    assert status == 0 and "1 passed, 6 skipped" in lines[-1]


def test_all_or_some_requirements_can_be_enforced(tmp_path: Path) -> None:
    status, lines = outcome(tmp_path, "all", processes=2)
    assert status == 1 and "3 failed, 1 passed, 1 skipped, 2 errors in" in lines[-1]
    assert "1  does not apply here: one CPU only" in lines
    for why in (TORCH, XGBOOST, "no reason that is known"):
        assert f"{why} (required by ASH_REQUIRE)" in lines
    status, lines = outcome(tmp_path, "torch, qemu-x86_64")
    assert status == 1 and "1 failed, 1 passed, 5 skipped" in lines[-1]


@pytest.mark.parametrize("body", ["raise AssertionError", "pass"])
def test_an_expected_failure_is_a_failure(body: str, tmp_path: Path) -> None:
    module = f"import pytest\n\n@pytest.mark.xfail\ndef test_expected():\n    {body}\n"
    status, lines = outcome(tmp_path, "", module=module)
    assert status == 1 and "1 failed, 1 skipped" in lines[-1] and needs.EXPECTED in lines


def test_an_unknown_requirement_is_refused() -> None:
    with pytest.raises(pytest.UsageError, match="ASH_REQUIRE names 'pytorch'; allowed are all, accelerate, "):
        needs.names_in("torch, pytorch")
