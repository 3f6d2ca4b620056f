"""The benches: their command line, what they keep when interrupted, their tables, and the report out of their JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

import bench
from bench import command_line, tables
from bench.figures import interleaved, ratios, spread, verdict
from bench.sections import Line, Plot, Section, Table
from bench.suite import Bench, Case, Options, Record, run_bench

ROOT = Path(__file__).resolve().parents[1]


def options(folder: Path, **changes: Any) -> Options:
    return Options(**{"quick": True, "results": folder, **changes})


def two_cases(measured: list[str], fails: bool = False) -> Bench:
    def case(name: str) -> Case:
        def run() -> dict[str, int]:
            measured.append(name)
            if fails and name == "second":
                raise KeyboardInterrupt
            return {"length": len(name)}

        return Case(name, run)

    def sections(results: Mapping[str, Any]) -> list[Section]:
        return [Table("lengths", ["case", "length"], [[key, str(value["length"])] for key, value in results.items()])]

    return Bench([case("first"), case("second")], sections)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["walls"], "invalid choice: 'walls'"),
        ([], "the following arguments are required: command"),
        (["tables", "--models", "0"], "'0' is not allowed; give integers from 1 to 2048, with commas between"),
        (["tables", "--models", "128,"], "'128,' is not allowed"),
        (["tables", "--data", "/nowhere"], "'/nowhere' has no file optdigits_train.csv.gz; give a folder with"),
        (["tables", "--fast"], "unrecognized arguments: --fast"),
        (["quality", "--tables", "iris"], "'iris' is not allowed; give some of optdigits,letter,"),
        (["quality", "--contenders", "ash,svm"], "'svm' is not allowed; give some of ash,mlp,"),
        (["ablation", "--variants", "dropout,gelu"], "'gelu' is not allowed; give some of recipe,number-levels,"),
        (["quality", "--limits", "60,61"], "'61' is not allowed; give some of 2,5,15,60,240"),
        (["quality", "--seeds", "0"], "'0' is not allowed; give how many, at least 1"),
    ],
)
def test_wrong_arguments_end_in_a_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(arguments)
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert sentence in line and line.endswith("(see python -m bench --help)")


@pytest.mark.parametrize("value", ["0", "two", "1,,2", "-1"])
def test_a_wrong_omp_num_threads_ends_in_a_sentence(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    with pytest.raises(SystemExit):
        command_line.main(["tables", "--quick"])
    assert f"OMP_NUM_THREADS='{value}' is not allowed" in capsys.readouterr().err


def test_every_command_has_modules_that_measure_and_show() -> None:
    for name in [name for names in bench.COMMANDS.values() for name in names]:
        module = __import__(f"bench.{name}", fromlist=[name])
        assert callable(module.bench) and callable(module.sections) and module.__doc__


def test_a_bench_is_measured_written_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured: list[str] = []
    run_bench("lengths", two_cases(measured), options(tmp_path))
    assert measured == ["first", "second"]
    written = json.loads((tmp_path / "lengths.json").read_text())
    assert written["results"] == {"first": {"length": 5}, "second": {"length": 6}}
    assert written["quick"] is True and {"processor", "commit", "core flags", "numpy"} <= set(written["machine"])
    assert "second       6" in capsys.readouterr().out
    assert list((tmp_path / ".partial").iterdir()) == []


def test_a_wrong_answer_is_not_timed(tmp_path: Path) -> None:
    def wrong() -> None:
        raise SystemExit("the answer is wrong: nothing to time")

    measured: list[str] = []
    with pytest.raises(SystemExit, match="the answer is wrong"):
        run_bench("lengths", replace(two_cases(measured), check=wrong), options(tmp_path))
    assert measured == [] and not (tmp_path / "lengths.json").exists()


def test_outcomes_that_depend_on_threads_end_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def child(module: str, function: str, given: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
        assert (module, function, given["models"]) == ("bench.tables", "measure", 128)
        return {"sh, no teams": {"digest": "same"}, "ash, no teams": {"digest": environment["OMP_NUM_THREADS"]}}

    monkeypatch.setattr(tables.child, "call", child)
    monkeypatch.setattr(tables, "cpus", lambda: 2)
    alone, both = (tables.bench(options(tmp_path, models=(128,), threads=threads)) for threads in ((1,), (1, 2)))
    assert set(alone.cases[2].run()) == {"1"}
    with pytest.raises(SystemExit, match="128 models, ash: the outcome depends on threads or teams"):
        both.cases[2].run()


def test_thread_counts_that_the_machine_has_not_are_simulated() -> None:
    assert tables.thread_counts((2, 64), 2) == ([1, 2], [1, 2, 4, 8, 16, 32, 64])
    assert tables.thread_counts((1, 2, 4, 8), 8) == ([1, 2, 4, 8], [1, 2, 4, 8, 16, 32])


def test_an_interrupted_bench_goes_on(tmp_path: Path) -> None:
    measured: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        run_bench("lengths", two_cases(measured, fails=True), options(tmp_path))
    assert not (tmp_path / "lengths.json").exists()
    run_bench("lengths", two_cases(measured), options(tmp_path))
    assert measured == ["first", "second", "second"]
    run_bench("lengths", two_cases(measured), options(tmp_path))
    assert measured[3:] == ["first", "second"], "a finished bench begins anew"


def test_cases_that_run_at_once_are_kept_as_they_end_and_shown_in_their_order(tmp_path: Path) -> None:
    measured: list[str] = []
    [first, second] = two_cases(measured).cases
    both = Barrier(2)  # which each of them waits at for the other

    def last() -> Any:
        both.wait(timeout=60)
        return first.run()

    cases = [Case("first", last), Case("second", lambda: (second.run(), both.wait(timeout=60))[0])]
    run_bench("lengths", replace(two_cases([]), cases=cases, at_once=2), options(tmp_path))
    assert measured == ["second", "first"]
    assert list(json.loads((tmp_path / "lengths.json").read_text())["results"]) == ["first", "second"]


def test_of_cases_at_once_what_has_ended_stays_when_one_fails(tmp_path: Path) -> None:
    measured: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        run_bench("lengths", replace(two_cases(measured, fails=True), at_once=2), options(tmp_path))
    run_bench("lengths", replace(two_cases(measured), at_once=2), options(tmp_path))
    assert sorted(measured) in (["first", "second", "second"], ["first", "first", "second", "second"])
    assert set(json.loads((tmp_path / "lengths.json").read_text())["results"]) == {"first", "second"}


def test_a_kept_record_saves_a_finished_bench_from_being_measured_again(tmp_path: Path) -> None:
    measured: list[str] = []
    for _ in range(2):
        run_bench("lengths", two_cases(measured), options(tmp_path), keep=True)
    assert measured == ["first", "second"]
    run_bench("lengths", two_cases(measured), options(tmp_path, anew=True), keep=True)
    assert len(measured) == 4


def test_cases_that_were_not_chosen_stay_on_record(tmp_path: Path) -> None:
    measured: list[str] = []
    kept = replace(two_cases(measured), kept=True)
    for key in ("first", "second"):
        run_bench("lengths", replace(kept, chosen=lambda name, key=key: name == key), options(tmp_path))
    assert measured == ["first", "second"]
    written = json.loads((tmp_path / "lengths.json").read_text())
    assert list(written["results"]) == ["first", "second"] and set(written["record"]["seconds"]) == {"first", "second"}
    run_bench("lengths", replace(kept, chosen=lambda name: name == "second"), options(tmp_path, anew=True))
    run_bench("lengths", kept, options(tmp_path))
    assert measured[2:] == ["second"], "anew is what was chosen; else a kept bench is finished"


def test_a_kept_bench_that_was_interrupted_has_lost_nothing(tmp_path: Path) -> None:
    measured: list[str] = []
    kept = replace(two_cases(measured), kept=True)
    run_bench("lengths", kept, options(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        run_bench("lengths", replace(two_cases(measured, fails=True), kept=True), options(tmp_path, anew=True))
    run_bench("lengths", replace(kept, chosen=lambda name: False), options(tmp_path))
    assert measured == ["first", "second"] * 2
    assert set(json.loads((tmp_path / "lengths.json").read_text())["results"]) == {"first", "second"}


def test_a_kept_bench_counts_for_other_commits_and_not_for_other_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []
    kept = replace(two_cases(measured), kept=True, packages=("lightgbm",))
    run_bench("lengths", kept, options(tmp_path))
    facts = json.loads((tmp_path / "lengths.json").read_text())["machine"]
    monkeypatch.setattr("bench.suite.machine", lambda _: {**facts, "commit": "other", "lightgbm": "0"})
    run_bench("lengths", kept, options(tmp_path))
    assert len(measured) == 2
    monkeypatch.setattr("bench.suite.machine", lambda _: {**facts, "processor": "other"})
    run_bench("lengths", kept, options(tmp_path))
    assert len(measured) == 4


def test_what_no_longer_holds_is_measured_again(tmp_path: Path) -> None:
    measured: list[str] = []
    kept = replace(two_cases(measured), kept=True)
    run_bench("lengths", kept, options(tmp_path))
    stale = replace(kept, cases=[replace(case, holds=lambda value: value["length"] == 5) for case in kept.cases])
    run_bench("lengths", stale, options(tmp_path))
    assert measured == ["first", "second", "second"]


def test_a_dropped_case_is_gone_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    record = Record(path, {"bench": "lengths"})
    for key in ("first", "second"):
        record.add(key, [key], 2.0)
    record.drop(["first", "third"])
    assert Record(path, {"bench": "lengths"}).values == {"second": ["second"]} and record.seconds == 2.0


def test_what_takes_hours_is_no_part_of_all_unless_it_is_quick() -> None:
    assert set(command_line._commands("all", quick=True)) == set(bench.COMMANDS)
    assert set(bench.COMMANDS) - set(command_line._commands("all", quick=False)) == set(bench.HOURS)
    assert set(bench.HOURS) == {"quality", "ablation"}
    assert command_line._commands("quality", quick=False) == ["quality"]


def test_a_record_of_other_arguments_does_not_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        run_bench("lengths", two_cases(measured, fails=True), options(tmp_path))
    run_bench("lengths", two_cases(measured), options(tmp_path, models=(64,)))
    assert measured == ["first", "second", "first", "second"]
    assert "is of another models: beginning anew" in capsys.readouterr().out


@pytest.mark.parametrize("cut", [1, 10])
def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "record.jsonl"
    record = Record(path, {"bench": "lengths"})
    record.add("first", [1.5], 2.0)
    record.add("second", None, 1.0)
    path.write_bytes(path.read_bytes()[:-cut])
    again = Record(path, {"bench": "lengths"})
    assert again.values == {"first": [1.5]} and again.seconds == 2.0
    again.add("second", None, 1.0)
    assert Record(path, {"bench": "lengths"}).values == {"first": [1.5], "second": None}


def test_figures() -> None:
    assert spread([3, 1, 2]) == {"min": 1, "median": 2, "max": 3}
    assert ratios([2, 9], [1, 3]) == {"min": 2, "median": 2.5, "max": 3}
    assert (verdict(1.0, "<=", 1.05), verdict(1.1, "<=", 1.05)) == ("<= 1.05 yes", "<= 1.05 NO")
    assert (verdict(2.0, ">=", 2), verdict(1.0, ">=", None)) == (">= 2 yes", "-")
    order: list[str] = []
    interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert "".join(order) == "abbaab"


def test_a_table_as_text_and_as_markdown() -> None:
    table = Table("a title", ["name", "n"], [["one|two", "1"], ["x", "100"]], "A note.")
    assert table.as_text() == "a title\nname       n\none|two    1\nx        100\nA note."
    assert table.as_markdown() == (
        "**a title**\n\n| name | n |\n| --- | ---: |\n| one\\|two | 1 |\n| x | 100 |\n\nA note.\n"
    )


def test_a_plot_is_drawn(tmp_path: Path) -> None:
    lines = [
        Line("ideal", {1: 1, 32: 32}, "bound"),
        Line("measured", {1: 1, 2: 1.9}),
        Line("of one", {4: 2}, "published"),
    ]
    plot = Plot("speed", "Speed-up", "threads", "times", lines, ("x", "y"), "A note.")
    plot.draw(tmp_path / "plots")
    assert (tmp_path / "plots" / "speed.png").read_bytes().startswith(b"\x89PNG")
    assert plot.as_markdown() == "![Speed-up](plots/speed.png)\n\nA note.\n"


def test_without_ash_it_says_so_in_a_sentence() -> None:
    command = [sys.executable, "-S", "-m", "bench", "all"]  # -S: without what is installed
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert found.stderr == "python -m bench: ash is not installed for this Python (pip install '.[bench]')\n"


def test_the_command_line_is_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "report", "--results", str(tmp_path)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=dict(os.environ), check=True)
    assert "written:" in found.stdout
    report = (tmp_path / "REPORT.md").read_text()
    assert report.count("Not measured: ") == sum(map(len, bench.COMMANDS.values()))
