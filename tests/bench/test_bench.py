"""The benches: their command line, and how figures, tables and pictures are shown."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import bench
from bench import record, tables
from bench.__main__ import listing, main
from bench.figures import Line, Picture, Plot, Table, Text, interleaved, ratios, spread, verdict
from bench.tables import measure

ROOT = Path(__file__).resolve().parents[2]


def test_the_list_has_a_line_per_subject(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 + len(bench.SUBJECTS) <= 13 and all(len(line) <= 120 for line in lines)
    assert [line.split()[0] for line in lines[1 : 1 + len(bench.SUBJECTS)]] == list(bench.SUBJECTS)


@pytest.mark.parametrize("subject", bench.SUBJECTS)
def test_every_subject_has_benches_and_a_command_line_of_its_own(subject: str) -> None:
    module = importlib.import_module(f"bench.{subject}")
    assert module.__doc__ and module.BENCHES
    for each in module.BENCHES:
        assert all((ROOT / path).exists() for path in each.measures), each.measures
    options = record.parser(subject).parse_args(["--quick"])
    assert options.quick and not options.anew


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["walls"], "there is no subject 'walls'; python -m bench lists them"),
        (["tables", "--models", "0"], "'0' is not allowed; give integers from 1 to 2048, with commas between"),
        (["tables", "--models", "128,"], "'128,' is not allowed"),
        (["tables", "--rounds", "1,2"], "'1,2' is not allowed; give an integer from 1 to 100"),
        (["tables", "--data", "/nowhere"], "'/nowhere' has no file optdigits_train.csv.gz; give a folder with"),
        (["ladder", "--models", "128"], "unrecognized arguments: --models 128"),
        (["kernels", "--parts", "step,walls"], "'walls' is not allowed; give some of products,step,teams"),
        (["report", "--fast"], "unrecognized arguments: --fast"),
    ],
)
def test_wrong_arguments_end_in_a_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status: Any = main(arguments)
    except SystemExit as ended:
        status = ended.code
    [line] = capsys.readouterr().err.splitlines()
    assert status == 2 and sentence in line


@pytest.mark.parametrize("value", ["0", "two", "1,,2", "-1"])
def test_a_wrong_omp_num_threads_ends_in_a_sentence(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    with pytest.raises(SystemExit, match=f"OMP_NUM_THREADS='{value}' is not allowed; give integers from 1 to 1024"):
        tables.thread_counts()


def test_thread_counts_that_there_are_no_cpus_for_are_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    def counts(asked: str, cpus: int) -> tuple[list[int], list[int]]:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
        monkeypatch.setattr(tables, "cpus", lambda: cpus)
        return tables.thread_counts()

    assert counts("2,64", 2) == ([1, 2], [4, 8, 16, 32, 64])
    assert counts("1,2,4,8", 8) == ([1, 2, 4, 8], [16, 32])
    assert counts("", 6) == ([1, 2, 4, 6], [8, 16, 32])


def test_outcomes_that_depend_on_threads_or_teams_end_the_tables() -> None:
    runs = {"sh 1": {"digest": "a"}, "ash 1": {"digest": "b"}, "ash 2": {"digest": "b"}, "teams 2": {"digest": "b"}}
    measure.check_digests("full-batch, 128 models", runs)
    runs["teams 2"] = {"digest": "c"}
    with pytest.raises(SystemExit, match="full-batch, 128 models, ash: the outcome depends on threads or teams"):
        measure.check_digests("full-batch, 128 models", runs)


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
        "**a title**\n\n| name | n |\n|---|--:|\n| one\\|two | 1 |\n| x | 100 |\n\nA note.\n"
    )
    assert Text("Words.").as_text() == "Words." and Text("Words.").as_markdown() == "Words.\n"


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    lines = [Line("ideal", {1: 1, 32: 32}, "bound"), Line("", {1: 1, 2: 1.9}, "simulated"), Line("b", {4: 2})]
    plots = [Plot("Speed-up", "threads", "times", lines, ("x", "y")), Plot("Seconds", "size", "s", lines)]
    picture = Picture("speed", plots, "A note.")
    picture.draw(tmp_path)
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")
    assert picture.as_markdown() == "![Speed-up; Seconds](speed.png)\n\nA note.\n"


def test_without_ash_it_says_so_in_a_sentence() -> None:
    command = [sys.executable, "-S", "-m", "bench", "tables"]  # -S: without what is installed
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={"PATH": ""}, check=False)
    assert found.returncode == 2
    assert found.stderr == "python -m bench: ash is not installed for this Python (pip install '.[bench]')\n"


def test_the_command_line_is_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "report", "--results", str(tmp_path)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=dict(os.environ), check=True)
    assert found.stdout.count("written:") == len(bench.SUBJECTS)
    assert "Not measured: `python -m bench tables` writes `tables.json`." in (tmp_path / "tables.md").read_text()
    assert listing().count("\n") == 2 + len(bench.SUBJECTS)
