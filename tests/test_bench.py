"""The benches: their command line, their tables, and the report out of their JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bench
from bench import command_line, tables
from bench.figures import interleaved, ratios, spread, verdict
from bench.sections import Line, Plot, Table
from bench.suite import run_bench
from bench_help import options, two_cases

ROOT = Path(__file__).resolve().parents[1]


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


def test_what_takes_hours_is_no_part_of_all_unless_it_is_quick() -> None:
    assert set(command_line._commands("all", quick=True)) == set(bench.COMMANDS)
    assert set(bench.COMMANDS) - set(command_line._commands("all", quick=False)) == set(bench.HOURS)
    assert set(bench.HOURS) == {"quality", "ablation"}
    assert command_line._commands("quality", quick=False) == ["quality"]


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
