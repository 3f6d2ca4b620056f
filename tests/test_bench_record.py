"""What a bench keeps: cases on record, of a run that was interrupted and of one that is kept for later."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from bench.suite import Case, Record, run_bench
from bench_help import options, two_cases


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
    monkeypatch.setattr("bench.suite.machine", lambda _: {**facts, "processor": "third", "system": "other"})
    run_bench("lengths", replace(kept, one_machine=False), options(tmp_path))
    assert len(measured) == 4, "where cases count on any machine, it does not matter"
    monkeypatch.setattr("bench.suite.machine", lambda _: {**facts, "numpy": "0"})
    run_bench("lengths", replace(kept, one_machine=False), options(tmp_path))
    assert len(measured) == 6


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
