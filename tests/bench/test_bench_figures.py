"""Tests texts made from the benches' JSON: pages, the README, tables, and the notes that figures are outdated.

Some tables are for the student project in which ash began (docs/guide/speedup.md).
"""

import importlib
import math
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench import SUBJECTS, machine, report
from bench.figures import Table
from bench.ladder import expected_seconds
from bench.record import RESULTS, Record
from bench.tables import page

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "bench" / "pages"
BENCHES = [bench for subject in SUBJECTS for bench in importlib.import_module(f"bench.{subject}").BENCHES]
COMMITTED = [path for bench in BENCHES for path in sorted(RESULTS.glob(f"{bench.name}.json"))]


def run(wall: float, over_sh: float, over_ash: float, job: float = 1.0) -> dict[str, Any]:
    lines = {
        name: {"min": 0.9 * value, "median": value, "max": 1.1 * value}
        for name, value in (("wall", wall), ("over_sh", over_sh), ("over_ash", over_ash))
    }
    return {**lines, "job_ms": [job, 2 * job], "job_ratio": [job, job]}


def values(**changes: Any) -> dict[str, Any]:
    """Return the page's three cases. The case of 128 models has runs on 1 and 2 threads, and simulated runs on 4."""
    runs = {"sh 1": run(10, 1, 0.8), "ash 1": run(8, 1.25, 1), "sh 2": run(5, 2, 1.6)}
    runs |= {"ash 2": run(5, 2, 1.6, 1.1), "teams 2": run(4, 2.5, 2)}
    simulated = {"ash": {"4": 3.2}, "teams": {"4": 2.0}, "bound": {"4": 2.5}, "sh": {"4": 4.0}}
    case = {"rounds": 3, "epochs": [1, 2], "jobs": [128, 64], "test": 0.97, "runs": runs, "simulated": simulated}
    memory = {"32": {"trainings": 62, "epochs": 160, "bytes": 8_000_000, "peak": 3_000_000, "further_epoch": 0}}
    schedule = {"threads": 2, "seeds": 5, "wall": {"min": 0.7, "median": 0.9, "max": 1.0}}
    schedule["used"] = {name: {"min": 0.8, "median": 0.89, "max": 0.9} for name in ("reproducible", "greedy")}
    found = {"load_digits, full-batch, 128": {**case, **changes}, "load_digits, schedules": schedule}
    return {**found, "load_digits, allocations": memory}


def test_results_of_the_program_without_python_are_shown() -> None:
    found = values(simulated={})
    del found["load_digits, full-batch, 128"]["test"], found["load_digits, schedules"]
    titles = [each.title for each in page.sections(found) if isinstance(each, Table)]
    assert "Speed-up, measured" in titles and "Speed-up, simulated" not in titles


def test_the_growth_of_a_peer_predicts_its_next_run() -> None:
    rows = [{"candidates": n, "seconds": n * (1e-4 + 1e-6 * n)} for n in (100, 1000)]
    assert expected_seconds(rows, 10_000) == pytest.approx(10_000 * (1e-4 + 1e-2))
    assert expected_seconds(rows[:1], 1000) == pytest.approx(0.2) and expected_seconds([], 100) == 0


def test_a_figure_is_marked_once_its_code_has_changed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = {
        ("rev-parse", "HEAD:cpp/ash"): "new",
        ("rev-parse", "HEAD:python/ash"): "same",
        ("log", "-1", "--format=%cI"): "2026-01-09T12:00:00+01:00",
        ("rev-list", "--count", "abc..HEAD", "--", "cpp/ash"): "12",
    }
    monkeypatch.setattr(machine, "git", lambda *words: said.get(words))
    stamp = {"commit": "abc", "date": "2026-01-06T12:00:00+00:00", "trees": {"cpp/ash": "old", "python/ash": "same"}}
    assert machine.age(stamp) == (("cpp/ash",), 12, 2)
    assert machine.age({**stamp, "trees": {"python/ash": "same"}}) is None
    record = Record(tmp_path / "none.json")
    record.stamps, record.lines = [stamp, {**stamp, "commit": None, "trees": {}}], {"a": {"of": 0}, "b": {"of": 1}}
    [mark] = report.marks(record)
    assert mark == (
        f"{report.MARK} 1 case of an unknown commit. Changed since, in up to 12 commits and 2 days: cpp/ash."
    )
    assert unmarked(f"# Title\n\n{mark}\n\nText.\n") == "# Title\n\nText.\n"


def test_the_readme_states_when_and_where_it_was_measured() -> None:
    text = report.filled(
        "<!-- figures: step -->\n<!-- end of figures -->\n<!-- figures: origin -->\n<!-- end of figures -->\n", RESULTS
    )
    assert re.search(r"<sub>Measured \d{4}-\d\d-\d\d.* on \d+.* CPUs of .+, at [0-9a-f]{7}.*\.</sub>\n", text)


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.name)
def test_every_result_names_a_commit_of_this_history(path: Path) -> None:
    for stamp in Record(path).stamps:
        assert not any(str(tree).endswith("+") for tree in stamp["trees"].values())
        if stamp["commit"] is None:
            assert "of an unknown commit" in report.marks(Record(path))[0]
            continue
        if machine.git("rev-parse", "--is-shallow-repository") != "false":
            pytest.skip("a shallow clone does not know the commits of the results: git fetch --unshallow")
        assert machine.git("merge-base", "--is-ancestor", stamp["commit"], "HEAD") is not None, stamp["commit"]


def test_the_results_are_small_and_belong_to_a_bench() -> None:
    assert sum(path.stat().st_size for path in RESULTS.glob("*.json")) <= 400_000
    names = {bench.name for bench in BENCHES}
    assert {path.stem.split("-")[0] for path in RESULTS.glob("*.json")} <= names
    assert all(math.isfinite(line["seconds"]) and not line["told"].get("quick") for line in lines())


def lines() -> list[dict[str, Any]]:
    return [line for path in COMMITTED for line in Record(path).lines.values()]


def unmarked(text: str) -> str:
    """Return a page without the lines that state the age of its figures."""
    return "".join(part for part in re.split(rf"({re.escape(report.MARK)}.*\n\n?)", text)[::2])


def test_the_pages_match_the_results() -> None:
    names = set()
    for name, text, pictures in report.pages(RESULTS, SUBJECTS):
        page_text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
        assert unmarked(page_text) == unmarked(text), "run: python -m bench report"
        names |= {f"{name}.md", *(f"{picture.name}.png" for picture in pictures)}
    assert names == {path.name for path in PAGES.iterdir()}


def test_the_lines_of_code_stay_below_8000() -> None:
    tracked = subprocess.run(["git", "ls-files", "bench"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    files = [ROOT / name for name in tracked.split() if name.endswith((".py", ".cpp", ".hpp"))]
    assert sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files if file.exists()) <= 8000
