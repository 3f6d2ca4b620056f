"""The numbers of the faults that ash must survive, by section, and functions that count the faults with tests.

A test covers a fault if the fault's number is in the name or the id of the test: `test_f58_...`, `[F64-folder]`. All
such tests have the mark `faults`. `pytest -m faults` ends with a table of the faults that were tried and survived.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

SECTIONS = {
    "data": range(1, 33),
    "space, budget, objective": range(33, 51),
    "numerics": range(51, 58),
    "crash, journal, disk": range(58, 76),
    "threads, signals, processes": range(76, 93),
    "many machines": range(93, 103),
    "files and security": range(103, 115),
    "environment": range(115, 120),
}
NUMBER = re.compile(r"(?<![A-Za-z0-9])[Ff](\d{2,3})(?!\d)")

NOT_DUE: Mapping[int, str] = {113: "nothing is released yet: there are no older files"}
"""Faults without a test, with the reason."""


def numbers(text: str) -> set[int]:
    """Return the fault numbers in the name of a test."""
    return {int(found) for found in NUMBER.findall(text.replace("_", " "))}


def numbers_in(folder: Path) -> set[int]:
    """Return the fault numbers in the names and ids of all Python and C++ tests, and in the steps of .ci/run."""
    files = (*folder.rglob("test_*.py"), *(folder / "cpp").glob("*.cpp"), *(folder.parent / ".ci").glob("run"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    named = [line for line in lines if re.search(r"def test_|TEST_CASE|ids?=|\"F\d|^begin ", line)]
    return set().union(*map(numbers, named))


def counts(passed: Iterable[str], failed: Iterable[str], skipped: Iterable[str]) -> list[dict[str, Any]]:
    """Count for each section the covered faults, and the tests that were tried, that passed and that were skipped."""
    outcomes = {"tried": [*passed, *failed], "survived": [*passed], "skipped": [*skipped]}
    found = {kind: Counter(part for name in names for part in _sections(name)) for kind, names in outcomes.items()}
    rows = []
    for section, faults in SECTIONS.items():
        covered = {number for name in outcomes["tried"] for number in numbers(name)} & set(faults)
        waiting = len(set(faults) & NOT_DUE.keys())
        row = {"section": section, "faults": len(covered), "due": len(faults) - waiting, "waiting": waiting}
        rows.append({**row, **{kind: found[kind][section] for kind in outcomes}})
    return rows


def lines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the rows of `counts` as a plain-text table."""
    width = max(map(len, SECTIONS))
    shown = [
        f"{row['section']:{width}}  {row['faults']:3} of {row['due']:2}  {row['tried']:5}  {row['survived']:8}  "
        f"{row['skipped']:7}"
        for row in rows
    ]
    return [f"{'section':{width}}     faults  tried  survived  skipped", *shown]


def _sections(name: str) -> set[str]:
    return {section for section, faults in SECTIONS.items() if numbers(name) & set(faults)}
