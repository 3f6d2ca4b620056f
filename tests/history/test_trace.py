"""Traces: JSON that Perfetto reads, with nothing on a row at the same time, and as many bars as there were jobs."""

import dataclasses
import json
import os
import stat
from itertools import pairwise

import numpy as np
import pytest
from sklearn.datasets import load_wine

import ash
from result_help import make_result


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def written(result, path):
    result.trace(path)
    return json.loads(path.read_text(encoding="ascii"), parse_constant=refuse)


def bars(content, process, category=None):
    return [
        event
        for event in content["traceEvents"]
        if event["ph"] == "X" and event["pid"] == process and category in (None, event["cat"])
    ]


def check_rows(events):
    """No two bars of a row overlap, to the nanosecond, and none is negative."""
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
def test_a_bar_a_job_and_a_bar_an_assist(tmp_path, threads):
    result = make_result(candidates=32, threads=threads, diverge=0.2)
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


def test_a_bar_says_what_it_was(tmp_path):
    result = make_result(candidates=16, diverge=0.3, seed=1)
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


def test_virtual_time_ends_with_the_run(tmp_path):
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


def test_what_is_there_is_replaced_or_left(tmp_path, monkeypatch):
    result = make_result(candidates=4)
    path = tmp_path / "trace.json"
    path.write_text("before")
    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no space")))
        with pytest.raises(OSError, match="no space"):
            result.trace(path)
    assert path.read_text() == "before" and [*tmp_path.iterdir()] == [path]
    result.trace(str(path))
    assert json.loads(path.read_text())["displayTimeUnit"] == "ms" and [*tmp_path.iterdir()] == [path]
    assert stat.S_ISREG(path.stat().st_mode)
    with pytest.raises(FileNotFoundError):
        result.trace(tmp_path / "missing" / "trace.json")
    with pytest.raises(IsADirectoryError):
        result.trace(tmp_path)


def test_a_real_run(tmp_path):
    X, y = load_wine(return_X_y=True)
    result = ash.tune(X, y, candidates=16, threads=2, seed=1, progress=False)
    content = written(result, tmp_path / "trace.json")
    assert len(bars(content, 1, "job")) == len(bars(content, 2)) == len(result.jobs)
    assert {row for _, row in check_rows(bars(content, 1))} <= {0, 1}
    assert {row for _, row in check_rows(bars(content, 2))} <= set(range(32))
