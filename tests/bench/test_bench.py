"""Tests the parts that all benches share: command line, display of figures, and the record of measurements.

The record has one line per case. A line stays valid until the case's code, options, machine or packages change.
"""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

import bench
from bench import record, tables
from bench.__main__ import listing, main
from bench.figures import Line, Picture, Plot, Table, Text, interleaved, ratios, spread, verdict
from bench.machine import processor
from bench.processes import call
from bench.record import Bench, Case, Record, measure, rounded
from bench_help import options, two_cases

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def test_the_list_has_one_line_per_subject(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 + len(bench.SUBJECTS) <= 13 and all(len(line) <= 120 for line in lines)
    assert [line.split()[0] for line in lines[1 : 1 + len(bench.SUBJECTS)]] == list(bench.SUBJECTS)


@pytest.mark.parametrize("subject", bench.SUBJECTS)
def test_every_subject_has_benches_and_a_command_line(subject: str) -> None:
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
def test_wrong_arguments_are_reported_in_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status: Any = main(arguments)
    except SystemExit as ended:
        status = ended.code
    [line] = capsys.readouterr().err.splitlines()
    assert status == 2 and sentence in line


@pytest.mark.parametrize("value", ["0", "two", "1,,2", "-1"])
def test_an_invalid_omp_num_threads_is_reported_in_one_sentence(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    with pytest.raises(SystemExit, match=f"OMP_NUM_THREADS='{value}' is not allowed; give integers from 1 to 1024"):
        tables.thread_counts()


def test_thread_counts_above_the_number_of_cpus_are_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    def counts(asked: str, cpus: int) -> tuple[list[int], list[int]]:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
        monkeypatch.setattr(tables, "cpus", lambda: cpus)
        return tables.thread_counts()

    assert counts("2,64", 2) == ([1, 2], [4, 8, 16, 32, 64])
    assert counts("1,2,4,8", 8) == ([1, 2, 4, 8], [16, 32])
    assert counts("", 6) == ([1, 2, 4, 6], [8, 16, 32])


def test_a_digest_that_depends_on_threads_or_teams_is_an_error() -> None:
    runs = {"sh 1": {"digest": "a"}, "ash 1": {"digest": "b"}, "ash 2": {"digest": "b"}, "teams 2": {"digest": "b"}}
    tables.measure.check_digests("full-batch, 128 models", runs)
    runs["teams 2"] = {"digest": "c"}
    with pytest.raises(SystemExit, match="full-batch, 128 models, ash: the outcome depends on threads or teams"):
        tables.measure.check_digests("full-batch, 128 models", runs)


def test_figures_are_summarized_and_formatted() -> None:
    assert spread([3, 1, 2]) == {"min": 1, "median": 2, "max": 3}
    assert ratios([2, 9], [1, 3]) == {"min": 2, "median": 2.5, "max": 3}
    assert (verdict(1.0, "<=", 1.05), verdict(1.1, "<=", 1.05)) == ("<= 1.05 yes", "<= 1.05 NO")
    assert (verdict(2.0, ">=", 2), verdict(1.0, ">=", None)) == (">= 2 yes", "-")
    order: list[str] = []
    interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert "".join(order) == "abbaab"


def test_a_table_is_written_as_text_and_as_markdown() -> None:
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


def test_a_missing_ash_is_reported_in_one_sentence() -> None:
    command = [sys.executable, "-S", "-m", "bench", "tables"]  # -S hides installed packages
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={"PATH": ""}, check=False)
    assert found.returncode == 2
    assert found.stderr == "python -m bench: ash is not installed for this Python (pip install '.[bench]')\n"


def test_the_command_line_runs_as_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "report", "--results", str(tmp_path)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=dict(os.environ), check=True)
    assert found.stdout.count("written:") == len(bench.SUBJECTS)
    assert "Not measured: `python -m bench tables` writes `tables.json`." in (tmp_path / "tables.md").read_text()
    assert listing().count("\n") == 2 + len(bench.SUBJECTS)


# The record of a measurement


def changed(monkeypatch: pytest.MonkeyPatch, **facts: Mapping[str, Any]) -> None:
    """Make later measurements look as if made on another machine, with other packages or with other code."""
    original: Callable[..., dict[str, Any]] = record.stamp
    monkeypatch.setattr(record, "stamp", lambda measures, packages: {**original(measures, packages), **facts})


def chosen(bench: Bench, *keys: str) -> Bench:
    cases = [case for case in bench.cases(options(Path())) if case.key in keys]
    return replace(bench, cases=lambda _: cases)


def test_the_line_of_a_case_names_its_code(tmp_path: Path) -> None:
    measure(two_cases([]), options(tmp_path))
    text = (tmp_path / "lengths.json").read_text()
    [line] = [line for line in text.splitlines() if line.startswith('"first"')]
    assert json.loads("{" + line.rstrip(",") + "}")["first"]["value"] == {"length": 5, "third": 0.333333}
    [stamp] = json.loads(text)["measured"]
    assert set(stamp["trees"]) == {"cpp/ash", "bench/record.py"} and all(stamp["trees"].values())
    assert {"processor", "cpus", "flags"} <= set(stamp["machine"]) and {"python", "numpy"} <= set(stamp["packages"])


def test_values_from_any_machine_name_their_processor(tmp_path: Path) -> None:
    seen: list[Mapping[str, Any]] = []
    bench = two_cases([], anywhere=True, sections=lambda values: seen.append(values) or [])
    kept = measure(bench, options(tmp_path))
    assert seen[0]["first"] == {"on": processor(), "length": 5, "third": 0.333333}
    assert kept.values()["first"] == {"length": 5, "third": 0.333333}
    kept.lines["second"]["value"] = {"on": "another"}
    assert kept.values(anywhere=True)["second"] == {"on": "another"}, "what older records say themselves"


def test_recorded_cases_are_measured_again_only_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[str] = []
    for _ in range(2):
        measure(two_cases(measured), options(tmp_path))
    assert measured == ["first", "second"]
    changed(monkeypatch, load={"later": "9.00"})
    measure(two_cases(measured), options(tmp_path, anew=True))
    assert measured == ["first", "second"] * 2
    [stamp] = Record(tmp_path / "lengths.json").stamps
    assert stamp["load"] == {"later": "9.00"}, "the stamp of the last measurement"


def test_an_interrupted_bench_continues(tmp_path: Path) -> None:
    measured: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        measure(two_cases(measured, fails=True), options(tmp_path))
    measure(two_cases(measured), options(tmp_path))
    assert measured == ["first", "second", "second"]
    assert list(Record(tmp_path / "lengths.json").lines) == ["first", "second"]
    assert [path.name for path in tmp_path.iterdir()] == ["lengths.json"]


@pytest.mark.parametrize("fact", ["machine", "trees", "packages"])
def test_a_case_from_another_machine_or_other_packages_or_code_does_not_count(
    fact: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []
    measure(two_cases(measured), options(tmp_path))
    changed(monkeypatch, commit={}, date={}, load={})
    measure(two_cases(measured), options(tmp_path))
    assert len(measured) == 2
    changed(monkeypatch, **{fact: {"other": "one"}})
    measure(two_cases(measured), options(tmp_path))
    assert len(measured) == 4 and len(Record(tmp_path / "lengths.json").stamps) == 1


def test_a_case_with_other_options_does_not_count(tmp_path: Path) -> None:
    measured: list[str] = []
    for rounds in (3, 3, 5):
        cases = [replace(case, told={"rounds": rounds}) for case in two_cases(measured).cases(options(tmp_path))]
        measure(two_cases([], cases=lambda _, cases=cases: cases), options(tmp_path))
    assert measured == ["first", "second"] * 2
    measure(two_cases([], cases=lambda _: cases), options(tmp_path, quick=True))
    assert len(measured) == 6


def test_cases_that_were_not_selected_are_kept_if_they_are_from_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []
    for key in ("first", "second"):
        measure(chosen(two_cases(measured), key), options(tmp_path))
    assert measured == ["first", "second"]
    changed(monkeypatch, trees={"cpp/ash": "other"})
    measure(chosen(two_cases(measured), "second"), options(tmp_path))
    kept = Record(tmp_path / "lengths.json")
    assert list(kept.lines) == ["first", "second"] and [line["of"] for line in kept.lines.values()] == [0, 1]
    changed(monkeypatch, machine={"processor": "other"})
    measure(chosen(two_cases(measured, anywhere=True), "second"), options(tmp_path))
    assert len(measured) == 3 and set(Record(tmp_path / "lengths.json").lines) == {"first", "second"}
    measure(chosen(two_cases(measured), "second"), options(tmp_path))
    assert list(Record(tmp_path / "lengths.json").lines) == ["second"]


def test_a_case_may_depend_on_different_code_than_its_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[str] = []
    [first, second] = two_cases(measured).cases(options(tmp_path))
    bench = two_cases([], cases=lambda _: [first, replace(second, measures=(), packages=("rich",))])
    measure(bench, options(tmp_path))
    ours, theirs = Record(tmp_path / "lengths.json").stamps
    assert theirs["trees"] == {} and "rich" in theirs["packages"] and "rich" not in ours["packages"]


def test_a_wrong_answer_is_not_timed(tmp_path: Path) -> None:
    def wrong(_: Any) -> None:
        raise SystemExit("the answer is wrong: nothing to time")

    measured: list[str] = []
    with pytest.raises(SystemExit, match="the answer is wrong"):
        measure(two_cases(measured, check=wrong), options(tmp_path))
    assert measured == [] and not (tmp_path / "lengths.json").exists()


def test_parallel_cases_are_recorded_as_they_finish(tmp_path: Path) -> None:
    measured: list[str] = []
    [first, second] = two_cases(measured).cases(options(tmp_path))
    both = Barrier(2)  # the first case runs only after the second case has run
    last = Case("first", lambda: (both.wait(timeout=60), first.run())[1])
    early = Case("second", lambda: (second.run(), both.wait(timeout=60))[0])
    measure(two_cases([], cases=lambda _: [last, early], at_once=lambda: 2), options(tmp_path))
    assert measured == ["second", "first"]


def test_finished_cases_are_kept_if_a_parallel_case_fails(tmp_path: Path) -> None:
    measured: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        measure(two_cases(measured, fails=True, at_once=lambda: 2), options(tmp_path))
    measure(two_cases(measured, at_once=lambda: 2), options(tmp_path))
    assert sorted(measured) in (["first", "second", "second"], ["first", "first", "second", "second"])
    assert set(Record(tmp_path / "lengths.json").lines) == {"first", "second"}


def test_numbers_are_recorded_with_six_digits() -> None:
    value = {1: [1234567.0, 1 / 3, 7], "x": (2e-9 / 3, None, True, "text")}
    assert rounded(value) == {"1": [1234570.0, 0.333333, 7], "x": [6.66667e-10, None, True, "text"]}


def test_a_skipped_case_neither_counts_nor_replaces_a_measured_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Any] = [{"skipped": "no file"}, {"length": 5}, {"skipped": "no file"}, {"skipped": "no file"}]
    cases = [Case("first", lambda: found.pop(0))]
    bench = two_cases([], cases=lambda _: cases, sections=lambda values: [])
    assert measure(bench, options(tmp_path)).values() == {"first": {"skipped": "no file"}}
    assert measure(bench, options(tmp_path)).values() == {"first": {"length": 5}}
    assert measure(bench, options(tmp_path, anew=True)).values() == {"first": {"length": 5}}
    changed(monkeypatch, machine={"other": "one"})
    assert measure(bench, options(tmp_path)).values() == {"first": {"skipped": "no file"}} and not found


def test_a_fresh_process_gets_the_given_environment_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASH_HIDDEN", "1")
    environment = {"ASH_HIDDEN": None, "ASH_SHOWN": "2"}
    assert [call("os", "getenv", {"key": name}, environment) for name in environment] == [None, "2"]
