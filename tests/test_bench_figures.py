"""What benches make of their JSON: the seed's tables, the report and its pictures; with known figures and with ours."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from typing import Any

import pytest

import bench
from bench import published, report
from bench.ladder import expected_seconds
from bench.peers_summary import merged, reached, summary
from bench.peers_summary import sections as peer_sections
from bench.program import sections as program_sections
from bench.sections import Plot, Section, Table
from bench.suite import Options
from bench.tables_data import BARRIERS, DATA, Variant, from_program, from_rounds
from bench.tables_sections import sections_of

ROOT = Path(__file__).resolve().parents[1]
HOURS = [name for command in bench.HOURS for name in bench.COMMANDS[command]]
RESULTS = ROOT / "bench" / "results"


def variant(wall: float, job: float, simulated: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        **{"wall": wall, "core_seconds": 2 * wall, "test": 0.97, "simulated": simulated},
        "rung_seconds": {"0": job, "1": 2 * job},
        "rung_epochs": {"0": 1, "1": 2},
        "rung_jobs": {"0": 128, "1": 64},
    }


def round_of(slower: float) -> dict[str, Any]:
    """Return a round on 1 and 2 threads, simulated on 4."""
    lines = {"no teams": {"1": 8.0, "2": 5.0, "4": 3.2}, "teams": {"1": 8.0, "2": 4.5, "4": 2.0}}
    lines |= {"W/p": {"1": 8.0, "2": 4.0, "4": 2.0}, "max(W/p, D)": {"1": 8.0, "2": 4.0, "4": 2.5}}
    return {
        "1": {
            "sh, no teams": variant(10 * slower, 1.0, {"no teams": {"4": 4.0}}),
            "ash, no teams": variant(8, 1.0, lines),
        },
        "2": {"sh, no teams": variant(6, 1.0), "ash, no teams": variant(5, 1.1), "ash, teams": variant(4, 0.9)},
    }


def results() -> dict[str, Any]:
    rounds = {f"seed, 128, round {number}": round_of(slower) for number, slower in enumerate((1.0, 1.2, 1.1))}
    return {DATA: "load_digits", **rounds}


def table(sections: list[Section], begins: str) -> Table:
    return next(each for each in sections if isinstance(each, Table) and each.title.startswith(begins))


def test_speedups_are_ratios_within_a_round() -> None:
    own = from_rounds(results()).runs["seed", 128]
    assert own.wall(Variant("sh", False, 1)) == 11 and own.threads() == [1, 2]
    assert own.speedup(Variant("ash", True, 2), Variant("sh", False, 1)) == {"min": 2.5, "median": 2.75, "max": 3.0}
    assert own.simulated("teams", 4) == 2.0 and own.simulated(BARRIERS, 4) == 4.0 and own.simulated("teams", 8) is None


def test_table_2_has_what_was_measured_simulated_and_published() -> None:
    found = table(sections_of(from_rounds(results()), "tables"), "Table 2")
    ours, theirs = (dict(zip(found.header, row, strict=True)) for row in found.rows)
    assert ours["SH 1T"] == "11 s (1.00x)" and ours["ASH 2T, teams"] == "4 s (2.75x)"
    assert ours["ASH 4T*"] == "3.2 s (3.44x)" and ours["4T*, teams"] == "2 s (5.50x)"
    assert (theirs["models"], theirs["SH 1T"], theirs["ASH 4T*"]) == (
        "128, published",
        "4:25.73 (1.00x)",
        "3:40.23 (1.21x)",
    )
    assert "ASH 1T*" not in found.header and theirs["ASH 2T"] == ""


def test_spreads_are_those_of_the_rounds() -> None:
    found = table(sections_of(from_rounds(results()), "tables"), "Seconds measured")
    row = dict(zip(found.header, found.rows[0], strict=True))
    assert row["SH 1T"] == "10 / 11 / 12" and row["rounds"] == "3" and "ASH 4T*" not in row


def test_speedups_stand_beside_the_published_ones() -> None:
    [row] = table(sections_of(from_rounds(results()), "tables"), "Speed-up of ASH").rows
    assert row == ["128 on 4", "simulated", "3.44", "5.50", "1.21", ">= 1.21 yes"]


def test_a_job_on_many_threads_is_compared_with_one_on_one() -> None:
    first, second = table(sections_of(from_rounds(results()), "tables"), "Table 1").rows
    assert first[:5] == ["1", "128", "1e+03", "1.1e+03", "900"] and first[6] == "<= 1.05 NO"
    assert second[5] == "1.100 / 1.100 / 1.100" and second[7:] == ["0.62", "2.07", "3.34"]


def test_core_hours_are_threads_times_wall() -> None:
    found = table(sections_of(from_rounds(results()), "tables"), "Table 3")
    ours = dict(zip(found.header, found.rows[0], strict=True))
    assert ours["ASH 2T"] == f"{2 * 5 / 3600:.2e}" and ours["ASH 4T*"] == f"{4 * 3.2 / 3600:.2e}"
    assert f"{(11 + 8 + 2 * 6 + 2 * 5) / 3600:.3g} of them were measured" in found.note


def test_the_figure_of_strong_scaling_has_all_its_lines() -> None:
    plots = [each for each in sections_of(from_rounds(results()), "tables") if isinstance(each, Plot)]
    assert [plot.name for plot in plots] == ["tables-seed-128", "tables-seed-wall"]
    lines = {line.label: dict(line.points) for line in plots[0].lines}
    assert lines["ideal"] == {1: 1, 2: 2, 4: 4} and lines["max(W/p, D)"] == {1: 1, 2: 2, 4: 3.2}
    assert lines["ASH with teams, measured"] == {1: 1, 2: 2} and lines["SH with barriers, simulated"] == {4: 2}
    assert lines["ASH over SH, published"] == {4: published.speedup(128, 4)}


def test_what_the_program_has_measured_gets_the_same_tables() -> None:
    twin: dict[str, Any] = {}
    for rounds in results().values():
        for threads, variants in rounds.items() if isinstance(rounds, dict) else ():
            for name, run in variants.items():
                kept = twin.setdefault(
                    f"seed, 128, {name}, {threads}", {"wall": [], "core_seconds": [], "rung_seconds": []}
                )
                for field in ("wall", "core_seconds", "rung_seconds"):
                    kept[field].append(run[field])
                kept |= {"rung_epochs": run["rung_epochs"], "rung_jobs": run["rung_jobs"]}
    assert from_program(twin, "load_digits").runs["seed", 128].walls == from_rounds(results()).runs["seed", 128].walls
    sections = program_sections({"results": twin, "table": "load_digits"}, "program")
    ours = dict(zip(*(table(list(sections), "Table 2").header, table(list(sections), "Table 2").rows[0]), strict=True))
    assert ours["ASH 2T, teams"] == "4 s (2.75x)" and not any(column.endswith("*") for column in ours)


def test_the_published_tables_agree_with_each_other() -> None:
    for models, seconds in published.ASH_SECONDS.items():
        for threads, wall in seconds.items():
            agree = threads * wall / 3600 == pytest.approx(published.CORE_HOURS_ASH[models][threads], rel=2e-3)
            assert agree == ((models, threads) != (256, 16))
    for models, wall in published.SH_SECONDS.items():
        assert wall / 3600 == pytest.approx(published.CORE_HOURS_SH[models], rel=1e-3)
    assert published.speedup(256, 32) == pytest.approx(3.57, abs=0.005) and published.speedup(512, 32) is None


def test_the_growth_of_a_peer_predicts_its_next_run() -> None:
    rows = [{"candidates": n, "seconds": n * (1e-4 + 1e-6 * n)} for n in (100, 1000)]
    assert expected_seconds(rows, 10_000) == pytest.approx(10_000 * (1e-4 + 1e-2))
    assert expected_seconds(rows[:1], 1000) == pytest.approx(0.2) and expected_seconds([], 100) == 0


def test_a_score_is_reached_when_the_first_candidate_has_it() -> None:
    path = [(0.5, 0.9), (1.0, 0.95), (2.0, 0.97)]
    assert (reached(path, 0.95), reached(path, 0.951), reached(path, 0.98)) == (1.0, 2.0, None)
    runs = [{"seed": 0, "seconds": seconds} for seconds in (3.0, 1.0, 2.0)] + [{"seed": 1, "skipped": "why"}]
    assert merged(runs) == [{"seed": 0, "seconds": 2.0}]


def search_of(name: str, seed: int, seconds: float, test: float, required: float | None = None) -> dict[str, Any]:
    whose = {"space": "s", "name": name, "setting": "one", "required": required, "seed": seed}
    path = [[seconds / 4, 0.94], [seconds / 2, 0.96]]
    found = {"seconds": seconds, "validation": 0.96, "test": test, "epochs": 896, "path": path, "peak_bytes": 5e6}
    return {**whose, **found}


def test_peers_are_compared_with_ash_for_the_same_seeds() -> None:
    runs = [search_of("ash", 0, seconds, 0.97) for seconds in (3.0, 1.0, 2.0)] + [search_of("ash", 1, 4.0, 0.98)]
    runs += [search_of("slow", 0, 90.0, 0.98, 40), search_of("skipped", 0, 1.0, 0.9)]
    del runs[-1]["seconds"]
    runs[-1]["skipped"] = "it is not installed"
    ours, slow, skipped = summary({str(number): run for number, run in enumerate(runs)})
    assert ours["times_ash"] == 1 and ours["seeds"] == 2 and ours["seconds"] == {"min": 1, "median": 2.5, "max": 4}
    assert slow["times_ash"] == 45, "by the median run of seed 0, not by the runs of seed 1"
    assert slow["test_ash"] == pytest.approx(-0.01) and slow["to_target"] == {"0.95": [45.0], "0.97": [None]}
    assert slow["ash_to_theirs"] == [1.0] and skipped["skipped"] == "it is not installed"
    totals = table(list(peer_sections({str(number): run for number, run in enumerate(runs)})), "Peers, s: the same")
    assert totals.rows[1][3:5] == ["45.0", ">= 40 yes, worse test"] and "it is not installed" in totals.rows[2]


@pytest.mark.parametrize("name", [name for names in bench.COMMANDS.values() for name in names])
def test_every_committed_result_can_be_shown(name: str) -> None:
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        assert name in HOURS, "what takes hours may not have been measured yet, if the report says so"
        assert f"writes `{name}.json`" in (ROOT / "bench" / "REPORT.md").read_text()
        return
    found = json.loads(path.read_text())
    assert found["quick"] is False and not found["machine"]["commit"].endswith("+")
    sections = importlib.import_module(f"bench.{name}").sections(found["results"])
    assert sections and all(section.as_text() and section.as_markdown() for section in sections)
    for section in sections:
        if isinstance(section, Plot):
            assert (ROOT / "bench" / "plots" / f"{section.name}.png").is_file()
            assert all(math.isfinite(y) for line in section.lines for y in line.points.values())


def test_the_report_is_that_of_the_results(tmp_path: Path) -> None:
    copies = tmp_path / "results"
    copies.mkdir()
    for path in RESULTS.glob("*.json"):
        (copies / path.name).write_bytes(path.read_bytes())
    report.write(Options(quick=False, results=copies))
    assert (tmp_path / "REPORT.md").read_text() == (ROOT / "bench" / "REPORT.md").read_text(), (
        "run: python -m bench report"
    )
    drawn = {path.name for path in (tmp_path / "plots").iterdir()}
    assert drawn == {path.name for path in (ROOT / "bench" / "plots").iterdir()}
