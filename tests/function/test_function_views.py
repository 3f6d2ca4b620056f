"""Tests reports, plots, JSON, studies and trackers of a function's run, which has neither a model nor rows."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ash
from fault_help import python
from function_help import FAILURES, cost, run, train
from report_help import Outline


def fails(params: dict[str, Any], epochs: int, state: Any) -> Any:
    """Some <fail>."""
    if params["depth"] == 3:
        raise ValueError("<b>three</b>")
    return train(params, epochs, state)


@pytest.fixture(scope="module")
def result() -> ash.FunctionResult:
    with pytest.warns(UserWarning, match="failed"):
        return run(fails, costs=cost, n_jobs=1)


@pytest.mark.filterwarnings(*FAILURES)
def test_the_progress_counts_failures(capsys: pytest.CaptureFixture[str]) -> None:
    failures = len(run(fails, n_jobs=1, verbose=2).failures)
    assert capsys.readouterr().err.splitlines()[-1].endswith(f", {failures} failed")


def test_a_function_run_has_a_report(result: ash.FunctionResult, tmp_path: Path) -> None:
    text = result.report(tmp_path / "run.html").read_text(encoding="utf-8")
    headings = {heading for _, heading in Outline(text).headings}
    assert {"Overview", "Ladder", "Winner", "Importance of hyperparameters", "Scaling"} <= headings
    assert result.digest[:16] in text and "validation rows" not in text and "<b>three" not in text
    assert result.report(tmp_path / "again.html").read_bytes() == (tmp_path / "run.html").read_bytes()


def test_a_function_run_is_written_as_json(result: ash.FunctionResult) -> None:
    story = json.loads(str(result.to_json()))
    assert story["task"] == "function" and story["digest"] == result.digest and "memory" not in story
    assert [failure["candidate"] for failure in story["failures"]] == [each.candidate for each in result.failures]
    assert "three" in story["failures"][0]["text"] and story["settings"]["schedule"] == "reproducible"


def test_pictures_and_importance_are_available(result: ash.FunctionResult, tmp_path: Path) -> None:
    for draw in (result.plot, result.plot_ladder, result.plot_timeline, result.plot_parallel, result.plot_importance):
        assert "<svg" in draw().svg()
    assert "<svg" in result.plot_parameter("x").svg() and "<svg" in result.plot_scaling([1, 2]).svg()
    shares = result.hyperparameter_importance()
    assert set(shares) == {"x", "depth", "kind"} and math.isclose(sum(shares.values()), 1.0)
    assert max(shares, key=shares.__getitem__) == "depth"
    result.trace(tmp_path / "run.json")
    assert len(json.loads((tmp_path / "run.json").read_text())["traceEvents"]) > len(result.jobs)


def test_more_threads_are_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def timed(params: dict[str, Any], epochs: int, state: Any) -> Any:
        now[0] += cost(params, epochs)
        return train(params, epochs, state)

    monkeypatch.setattr("ash.function.job_runners.time", SimpleNamespace(monotonic=lambda: now[0]))
    simulated = run(timed, costs=cost, n_jobs=1).simulate([1, 2, 4])
    assert [row["threads"] for row in simulated.rows] == [1, 2, 4]
    assert simulated.rows[1]["speedup"] > 1.5


def test_a_function_run_becomes_a_study(result: ash.FunctionResult) -> None:
    import optuna

    study = result.to_optuna()
    assert study.best_value == result.best_score and study.user_attrs["digest"] == result.digest
    states = [trial.state for trial in study.trials]
    assert states.count(optuna.trial.TrialState.FAIL) == len(result.failures)


TRACKED = """
import os, warnings
for name in [name for name in os.environ if name.startswith("MLFLOW")]:
    del os.environ[name]  # which other tests in this process have set
import ash
from fault_help import python
from function_help import run
warnings.filterwarnings("error", message=".*on_end raised.*")
tracker = ash.callbacks.{tool}
with ash.Dashboard() as dashboard:
    print(run(n_jobs=1, candidates=8, callbacks=[tracker, dashboard]).ended)
"""


@pytest.mark.parametrize("tool", ["MLflow()", "TensorBoard('events')"])
def test_trackers_and_the_dashboard_show_a_function_run(tool: str, tmp_path: Path) -> None:
    done = python(TRACKED.replace("{tool}", tool), folder=tmp_path)
    assert done.returncode == 0 and done.stdout.endswith("finished\n"), done.stderr
    assert list(tmp_path.rglob("run.json")) and not list(tmp_path.rglob("model.safetensors"))
