"""What the callbacks for other tools have in common, and TensorBoard's event files, read back by TensorBoard itself."""

from __future__ import annotations

import copy
import json
import math
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ash
from ash._utils.installation import require_extra
from ash.callbacks.trackers import best_candidates
from ash.errors import MissingExtra, SettingError
from ash.history.records import Point, curves
from callback_help import Failing, X, Y, tune
from estimator_help import classifier
from result_help import make_result

TOOLS = {"MLflow": "mlflow", "TensorBoard": "tensorboard", "WandB": "wandb"}


def test_every_tool_has_a_callback() -> None:
    assert ash.callbacks.__all__ == [*TOOLS]
    assert all(issubclass(getattr(ash.callbacks, name), ash.Callback) for name in TOOLS)


@pytest.mark.parametrize(("name", "module"), TOOLS.items())
def test_a_missing_package_is_named(name: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    arguments = ["folder"] if name == "TensorBoard" else []
    with pytest.raises(
        MissingExtra, match=rf"{name} needs {module}; install it by: pip install 'ash-tune\[{module}\]'"
    ):
        getattr(ash.callbacks, name)(*arguments)


def test_a_folder_of_that_name_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nowhere_installed").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtra, match="this needs nowhere_installed"):
        require_extra("this", "nowhere_installed", "extra")


def test_curves_add_up_epochs_that_were_resumed() -> None:
    result = make_result(diverge=0.3)
    found = curves(result.jobs, "resume")
    for candidate, points in found.items():
        jobs = [job for job in result.jobs if job.candidate == candidate]
        epochs = np.cumsum([job.epochs for job in jobs]).tolist()
        expected = [
            (*pair, job.loss, job.end) for job, *pair in zip(jobs, epochs, [job.score for job in jobs], strict=True)
        ]
        assert points == [Point(*values) for values in expected]
    assert set(found) == {job.candidate for job in result.jobs if not job.diverged} < set(range(16))
    assert {point.epochs for points in curves(result.jobs, "restart").values() for point in points} <= {1, 2, 4, 8}


def test_the_best_come_first_and_the_diverged_never() -> None:
    result = make_result(diverge=0.3)
    scores = [result.candidates[candidate]["score"] for candidate in best_candidates(result, 100)]
    assert scores == sorted(scores, reverse=True) and not any(map(math.isnan, scores)) and len(scores) < 16
    assert best_candidates(result, 2) == best_candidates(result, 100)[:2]
    assert best_candidates(result, 1) == [result.best_candidate]


# TensorBoard


def events(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def test_the_curve_of_the_best_score(tmp_path: Path) -> None:
    result = tune(ash.callbacks.TensorBoard(tmp_path / "run"))
    best, epochs, expected = -math.inf, 0, []
    for job in result.jobs:
        epochs += job.epochs
        if job.score > best:
            best = job.score
            expected.append((epochs, best))
    expected.append((result.epochs, result.best_score))
    found = [(event.step, event.value) for event in events(tmp_path / "run").Scalars("best_score")]
    assert found == [(step, pytest.approx(score, rel=1e-6)) for step, score in expected]


def test_settings_outcome_and_files(tmp_path: Path) -> None:
    result = tune(ash.callbacks.TensorBoard(tmp_path))
    found = events(tmp_path)
    texts = {tag: found.Tensors(tag)[0].tensor_proto.string_val[0].decode() for tag in ("settings", "outcome")}
    assert "| eta | 2 |" in texts["settings"] and f"| seed | {result.seed} |" in texts["settings"]
    assert f"| digest | {result.digest} |" in texts["outcome"] and "| learning_rate | 0." in texts["outcome"]
    assert (ash.load(tmp_path / "model.safetensors").predict(X) == result.model.predict(X)).all()
    assert json.loads((tmp_path / "run.json").read_text())["digest"] == result.digest


def test_the_best_candidates_have_folders_of_their_own(tmp_path: Path) -> None:
    result = tune(ash.callbacks.TensorBoard(tmp_path, candidates=3))
    best = best_candidates(result, 3)
    assert {folder.name for folder in tmp_path.iterdir() if folder.is_dir()} == {f"candidate {one}" for one in best}
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    for candidate in best:
        found = events(tmp_path / f"candidate {candidate}")
        points = curves(result.jobs, "resume")[candidate]
        for tag in ("score", "loss"):
            scalars = found.Scalars(tag)
            assert [event.step for event in scalars] == [point.epochs for point in points]
            assert [event.value for event in scalars] == pytest.approx([getattr(point, tag) for point in points])
        content = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
        given = HParamsPluginData.FromString(content).session_start_info.hparams
        params = result.params[candidate]
        assert set(given) == set(params) and given["hidden"].string_value == str(params["hidden"])
        assert given["learning_rate"].number_value == params["learning_rate"]


def test_an_estimator_logs_what_predicts(tmp_path: Path) -> None:
    fitted = classifier(callbacks=[ash.callbacks.TensorBoard(tmp_path, candidates=0)]).fit(X, Y)
    assert (ash.load(tmp_path / "model.safetensors").predict_proba(X) == fitted.model_.predict_proba(X)).all()
    twin = pickle.loads(pickle.dumps(copy.deepcopy(fitted)))
    assert twin.callbacks[0].logdir == tmp_path and twin.fit(X, Y).result_.digest == fitted.result_.digest


def test_a_run_that_fails_leaves_what_it_had(tmp_path: Path) -> None:
    callback = ash.callbacks.TensorBoard(tmp_path / "run")
    with pytest.raises(LookupError):
        tune(callback, Failing("on_job", LookupError()))
    assert events(tmp_path / "run").Scalars("best_score")
    pickle.dumps(callback)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        tune(ash.callbacks.TensorBoard(tmp_path / "file"))


@pytest.mark.parametrize("method", ["_open", "_finish"])
def test_what_fails_itself_is_closed(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    callback, closed = ash.callbacks.TensorBoard(tmp_path), []

    def full(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(callback, method, full)
    monkeypatch.setattr(callback, "_close", closed.append)
    at_the_end = pytest.warns(UserWarning, match="on_end raised OSError: disk full; the result is whole")
    with at_the_end if method == "_finish" else pytest.raises(OSError, match="disk full"):
        tune(callback)
    assert [str(error) for error in closed] == ["disk full"]


def test_candidates_are_counted() -> None:
    with pytest.raises(SettingError, match=r"candidates=-1 is not allowed; give an integer from 0 to 1000"):
        ash.callbacks.TensorBoard("folder", candidates=-1)
