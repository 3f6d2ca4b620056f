"""Tests a result as JSON, as a polars frame and as a trace: nothing is lost, and all three agree with the result."""

import dataclasses
import json
import math
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_wine

import ash
from ash.errors import SettingError
from result_help import make_result, read_json

SPACE = ash.Space(
    hidden=ash.choice((32,), (16, 8), ()),
    batch_size=ash.choice(32, "full"),
    optimizer=ash.choice("adamw", "momentum"),
    momentum=ash.uniform(0.8, 0.99, levels=5).when(optimizer="momentum"),
)


@pytest.fixture(scope="module")
def result() -> ash.Result:
    return ash.tune(*load_wine(return_X_y=True), SPACE, candidates=16, verbose=0, validation=0.2)


def same(ours: Any, theirs: Any) -> bool:
    return ours == theirs or (isinstance(ours, float) and not math.isfinite(ours) and theirs is None)


# JSON


def test_the_json_document_contains_the_whole_run(result: ash.Result, tmp_path: Path) -> None:
    assert result.to_json(tmp_path / "run.json") is None and (tmp_path / "run.json").read_text() == result.to_json()
    document = read_json(result.to_json())
    assert (document["format"], document["version"]) == ("ash run", 1)
    assert set(document) == {
        *("format", "version", "task", "metric", "ended", "digest", "best", "settings", "space", "candidates", "rungs"),
        *("jobs", "memory", "record", "epochs", "wall_seconds", "core_seconds", "utilization", "started", "versions"),
        "estimated",
    }
    estimated = {"score": result.estimated_score, "std_error": result.estimated_score_std_error}
    assert document["estimated"] == estimated and None not in estimated.values()
    assert document["digest"] == result.digest and document["versions"] == ash.versions()
    assert document["best"]["candidate"] == result.best_candidate and document["best"]["score"] == result.best_score
    assert document["settings"] == json.loads(json.dumps(result.settings))
    assert datetime.fromisoformat(document["started"]) == result.started
    assert [row["params"] for row in document["candidates"]] == json.loads(json.dumps(result.params))


def test_jobs_are_restored_exactly(result: ash.Result) -> None:
    jobs = read_json(result.to_json())["jobs"]
    assert len(jobs) == len(result.jobs)
    for ours, theirs in zip(result.jobs, jobs, strict=True):
        hash_of_weights = int(theirs.pop("weights_hash"), 16)
        fields = ours._asdict()
        assert fields.pop("weights_hash") == hash_of_weights and fields.keys() == theirs.keys()
        assert all(same(fields[name], theirs[name]) for name in fields)


def test_the_space_is_described(result: ash.Result) -> None:
    space = read_json(result.to_json())["space"]
    assert space["hidden"] == [{"kind": "choice", "levels": [[32], [16, 8], []], "default": [32], "when": []}]
    assert space["momentum"][0]["kind"] == "uniform" and space["momentum"][0]["when"] == [["optimizer", "momentum"]]


def test_non_finite_numbers_are_null() -> None:
    document = read_json(make_result(diverge=0.4).to_json())
    gone = [job for job in document["jobs"] if job["diverged"]]
    assert gone and all(job["score"] is None and job["loss"] is None for job in gone)
    assert document["rungs"][-1]["recall"] is None


# polars


def test_polars_tables_match_pandas_tables(result: ash.Result) -> None:
    import polars

    for table in ("candidates", "jobs", "rungs"):
        ours, theirs = result.to_polars(table), result.to_pandas(table)
        assert isinstance(ours, polars.DataFrame) and ours.columns == list(theirs.columns)
        assert ours.height == len(theirs)
    jobs = result.to_polars("jobs")
    assert jobs.schema["weights_hash"] == polars.UInt64 and jobs.schema["diverged"] == polars.Boolean
    assert all(np.array_equal(jobs[name].to_numpy(), result.columns[name], equal_nan=True) for name in jobs.columns)


def test_columns_of_mixed_types_are_converted(result: ash.Result) -> None:
    import polars

    frame = result.to_polars()
    assert frame["hidden"].to_list() == [list(params["hidden"]) for params in result.params]
    assert frame["batch_size"].to_list() == [str(params["batch_size"]) for params in result.params]
    assert frame["momentum"].to_list() == [params.get("momentum") for params in result.params]
    assert frame.schema["momentum"] == polars.Float64 and frame["score"].max() == result.best_score


def test_unknown_tables_are_refused(result: ash.Result) -> None:
    with pytest.raises(SettingError, match="table must be one of 'candidates', 'jobs', 'rungs', got 'threads'"):
        result.to_polars("threads")


# Traces: JSON for Perfetto, in which bars in the same row never overlap


def written(result, path):
    result.trace(path)
    return read_json(path.read_text(encoding="ascii"))


def bars(content, process, category=None):
    return [
        event
        for event in content["traceEvents"]
        if event["ph"] == "X" and event["pid"] == process and category in (None, event["cat"])
    ]


def check_rows(events):
    """Check that bars in the same row do not overlap, not even by a nanosecond, and that no duration is negative."""
    rows = {}
    for event in events:
        start, length = round(event["ts"] * 1000), round(event["dur"] * 1000)
        assert start >= 0 and length >= 0
        rows.setdefault((event["pid"], event["tid"]), []).append((start, start + length))
    for own in rows.values():
        assert all(before[1] <= after[0] for before, after in pairwise(sorted(own)))
    return rows


def names(content, what):
    return {
        (event["pid"], event["tid"]): event["args"]["name"] for event in content["traceEvents"] if event["name"] == what
    }


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_each_job_and_each_assist_has_a_bar(tmp_path, threads):
    result = make_result(candidates=32, n_jobs=threads, diverge=0.2)
    content = written(result, tmp_path / "trace.json")
    assert len(bars(content, 1, "job")) == len(result.jobs) == len(bars(content, 2))
    assert len(bars(content, 1, "team")) == len(result.assists["thread"]) and (threads == 1) == (
        len(result.assists["thread"]) == 0
    )
    check_rows(bars(content, 1))
    check_rows(bars(content, 2))
    process = names(content, "process_name")
    assert process == {(1, 0): "ash", (2, 0): "virtual workers"}
    rows = names(content, "thread_name")
    assert {rows[1, thread] for thread in range(threads)} == {f"thread {thread}" for thread in range(threads)}
    assert {(event["pid"], event["tid"]) for event in bars(content, 1) + bars(content, 2)} <= set(rows)
    assert content["otherData"]["digest"] == result.digest


def test_a_bar_describes_its_job(tmp_path):
    result = make_result(candidates=16, diverge=0.3, random_state=1)
    content = written(result, tmp_path / "trace.json")
    for job, event in zip(result.jobs, bars(content, 1, "job"), strict=True):
        args = event["args"]
        assert event["tid"] == job.thread and event["name"] == f"rung {job.rung}, candidate {job.candidate}"
        assert event["ts"] == pytest.approx(job.start * 1e6, abs=1e-3)
        assert event["dur"] == pytest.approx((job.end - job.start) * 1e6, abs=2e-3)
        assert (args["candidate"], args["rung"], args["epochs"]) == (job.candidate, job.rung, job.epochs)
        assert args["score"] == (None if job.diverged else job.score) and args["loss"] == (
            None if job.diverged else job.loss
        )
        assert args["params"]["learning_rate"] == result.params[job.candidate]["learning_rate"]
    assert any(job.diverged for job in result.jobs)


def test_virtual_time_is_scaled_to_the_run(tmp_path):
    result = make_result(candidates=16, wall_seconds=3.0)
    content = written(result, tmp_path / "trace.json")
    ends = [event["ts"] + event["dur"] for event in bars(content, 2)]
    assert max(ends) == pytest.approx(3e6, abs=1e-3)
    last = max(job.virtual_end for job in result.jobs)
    assert f"is {3.0 / last:.6g} s" in content["otherData"]["virtual_time"]
    for job, event in zip(result.jobs, bars(content, 2), strict=True):
        assert event["tid"] == job.worker and event["ts"] == pytest.approx(3e6 * job.virtual_start / last, abs=1e-3)


def test_greedy_runs_have_no_virtual_workers(tmp_path):
    result = make_result(candidates=8)
    zeros = np.zeros(len(result.jobs))
    greedy = dataclasses.replace(result, columns={**result.columns, "virtual_start": zeros, "virtual_end": zeros})
    content = written(greedy, tmp_path / "trace.json")
    assert not bars(content, 2) and names(content, "process_name") == {(1, 0): "ash"}
    assert "virtual_time" not in content["otherData"]


def test_a_real_run_has_a_valid_trace(tmp_path):
    X, y = load_wine(return_X_y=True)
    result = ash.tune(X, y, candidates=16, n_jobs=2, random_state=1, verbose=0, validation=0.2)
    content = written(result, tmp_path / "trace.json")
    assert len(bars(content, 1, "job")) == len(bars(content, 2)) == len(result.jobs)
    assert {row for _, row in check_rows(bars(content, 1))} <= {0, 1}
    assert {row for _, row in check_rows(bars(content, 2))} <= set(range(32))
