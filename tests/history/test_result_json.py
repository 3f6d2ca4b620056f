"""A result as JSON and as a frame of polars: nothing is lost, and both agree with the result itself."""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_wine

import ash
from ash.errors import MissingExtra, SettingError
from result_help import make_result

SPACE = ash.Space(
    hidden=ash.choice((32,), (16, 8), ()),
    batch_size=ash.choice(32, "full"),
    optimizer=ash.choice("adamw", "momentum"),
    momentum=ash.uniform(0.8, 0.99, levels=5).when(optimizer="momentum"),
)


@pytest.fixture(scope="module")
def result() -> ash.Result:
    return ash.tune(*load_wine(return_X_y=True), SPACE, candidates=16, progress=False)


def read(text: str) -> Any:
    """Read strict JSON: Python's reader would take NaN too."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    return json.loads(text, parse_constant=refuse)


def same(ours: Any, theirs: Any) -> bool:
    return ours == theirs or (isinstance(ours, float) and not math.isfinite(ours) and theirs is None)


# JSON


def test_the_whole_story(result: ash.Result) -> None:
    document = read(result.to_json())
    assert (document["format"], document["version"]) == ("ash run", 1)
    assert set(document) == {
        *("format", "version", "task", "metric", "ended", "digest", "best", "settings", "space", "candidates", "rungs"),
        *("jobs", "memory", "epochs", "wall_seconds", "core_seconds", "utilization", "started", "versions"),
    }
    assert document["digest"] == result.digest and document["versions"] == ash.versions()
    assert document["best"]["candidate"] == result.best_candidate and document["best"]["score"] == result.best_score
    assert document["settings"] == json.loads(json.dumps(result.settings))
    assert datetime.fromisoformat(document["started"]) == result.started
    assert [row["params"] for row in document["candidates"]] == json.loads(json.dumps(result.params))


def test_jobs_read_back_exactly(result: ash.Result) -> None:
    jobs = read(result.to_json())["jobs"]
    assert len(jobs) == len(result.jobs)
    for ours, theirs in zip(result.jobs, jobs, strict=True):
        hash_of_weights = int(theirs.pop("weights_hash"), 16)
        fields = ours._asdict()
        assert fields.pop("weights_hash") == hash_of_weights and fields.keys() == theirs.keys()
        assert all(same(fields[name], theirs[name]) for name in fields)


def test_the_space_is_told(result: ash.Result) -> None:
    space = read(result.to_json())["space"]
    assert space["hidden"] == [{"kind": "choice", "levels": [[32], [16, 8], []], "default": [32], "when": []}]
    assert space["momentum"][0]["kind"] == "uniform" and space["momentum"][0]["when"] == [["optimizer", "momentum"]]


def test_what_is_no_number_is_null() -> None:
    document = read(make_result(diverge=0.4).to_json())
    gone = [job for job in document["jobs"] if job["diverged"]]
    assert gone and all(job["score"] is None and job["loss"] is None for job in gone)
    assert document["rungs"][-1]["recall"] is None


def test_a_file_is_written_whole_or_not_at_all(
    result: ash.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.json"
    assert result.to_json(path) is None and path.read_text() == result.to_json()
    before = path.read_bytes()
    with pytest.raises(FileNotFoundError):
        result.to_json(tmp_path / "no such folder" / "run.json")

    def full(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="disk full"):
        make_result().to_json(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


# polars


def test_polars_has_what_pandas_has(result: ash.Result) -> None:
    import polars

    for table in ("candidates", "jobs", "rungs"):
        ours, theirs = result.to_polars(table), result.to_pandas(table)
        assert isinstance(ours, polars.DataFrame) and ours.columns == list(theirs.columns)
        assert ours.height == len(theirs)
    jobs = result.to_polars("jobs")
    assert jobs.schema["weights_hash"] == polars.UInt64 and jobs.schema["diverged"] == polars.Boolean
    assert all(np.array_equal(jobs[name].to_numpy(), result.columns[name], equal_nan=True) for name in jobs.columns)


def test_columns_of_several_types(result: ash.Result) -> None:
    import polars

    frame = result.to_polars()
    assert frame["hidden"].to_list() == [list(params["hidden"]) for params in result.params]
    assert frame["batch_size"].to_list() == [str(params["batch_size"]) for params in result.params]
    assert frame["momentum"].to_list() == [params.get("momentum") for params in result.params]
    assert frame.schema["momentum"] == polars.Float64 and frame["score"].max() == result.best_score


def test_what_polars_cannot_be_asked_for(result: ash.Result, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match="table='threads' is not allowed; it must be one of 'candidates', 'jobs'"):
        result.to_polars("threads")
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(MissingExtra, match=r"to_polars needs polars; install it by: pip install 'ash-tune\[polars\]'"):
        result.to_polars()
