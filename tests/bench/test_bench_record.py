"""What a bench keeps: a line per case, which counts as long as it would be measured in the same way."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from bench import record
from bench.record import Bench, Case, Record, measure, rounded
from bench_help import options, two_cases


def changed(monkeypatch: pytest.MonkeyPatch, **facts: Mapping[str, Any]) -> None:
    """Let cases be measured on another machine, with other packages or from other code from now on."""
    original: Callable[..., dict[str, Any]] = record.stamp
    monkeypatch.setattr(record, "stamp", lambda measures, packages: {**original(measures, packages), **facts})


def chosen(bench: Bench, *keys: str) -> Bench:
    cases = [case for case in bench.cases(options(Path())) if case.key in keys]
    return replace(bench, cases=lambda _: cases)


def test_a_case_is_a_line_that_names_its_code(tmp_path: Path) -> None:
    measure(two_cases([]), options(tmp_path))
    text = (tmp_path / "lengths.json").read_text()
    [line] = [line for line in text.splitlines() if line.startswith('"first"')]
    assert json.loads("{" + line.rstrip(",") + "}")["first"]["value"] == {"length": 5, "third": 0.333333}
    [stamp] = json.loads(text)["measured"]
    assert set(stamp["trees"]) == {"cpp/ash", "bench/record.py"} and all(stamp["trees"].values())
    assert {"processor", "cpus", "flags"} <= set(stamp["machine"]) and {"python", "numpy"} <= set(stamp["packages"])


def test_what_is_on_record_is_measured_again_only_when_asked(tmp_path: Path) -> None:
    measured: list[str] = []
    for _ in range(2):
        measure(two_cases(measured), options(tmp_path))
    assert measured == ["first", "second"]
    measure(two_cases(measured), options(tmp_path, anew=True))
    assert measured == ["first", "second"] * 2


def test_an_interrupted_bench_continues(tmp_path: Path) -> None:
    measured: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        measure(two_cases(measured, fails=True), options(tmp_path))
    measure(two_cases(measured), options(tmp_path))
    assert measured == ["first", "second", "second"]
    assert list(Record(tmp_path / "lengths.json").lines) == ["first", "second"]
    assert [path.name for path in tmp_path.iterdir()] == ["lengths.json"]


@pytest.mark.parametrize("fact", ["machine", "trees", "packages"])
def test_a_case_of_another_machine_other_packages_or_other_code_does_not_count(
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


def test_cases_that_were_not_asked_for_stay_where_they_are_of_this_machine(
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


def test_a_case_may_depend_on_other_code_than_its_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_cases_that_run_at_once_are_kept_as_they_end(tmp_path: Path) -> None:
    measured: list[str] = []
    [first, second] = two_cases(measured).cases(options(tmp_path))
    both = Barrier(2)  # which each of them waits at for the other
    last = Case("first", lambda: (both.wait(timeout=60), first.run())[1])
    early = Case("second", lambda: (second.run(), both.wait(timeout=60))[0])
    measure(two_cases([], cases=lambda _: [last, early], at_once=lambda: 2), options(tmp_path))
    assert measured == ["second", "first"]


def test_of_cases_at_once_what_has_ended_stays_when_one_fails(tmp_path: Path) -> None:
    measured: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        measure(two_cases(measured, fails=True, at_once=lambda: 2), options(tmp_path))
    measure(two_cases(measured, at_once=lambda: 2), options(tmp_path))
    assert sorted(measured) in (["first", "second", "second"], ["first", "first", "second", "second"])
    assert set(Record(tmp_path / "lengths.json").lines) == {"first", "second"}


def test_numbers_are_kept_with_six_digits() -> None:
    value = {1: [1234567.0, 1 / 3, 7], "x": (2e-9 / 3, None, True, "text")}
    assert rounded(value) == {"1": [1234570.0, 0.333333, 7], "x": [6.66667e-10, None, True, "text"]}


def test_a_case_that_is_skipped_neither_counts_nor_replaces_one_that_was_measured(
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
