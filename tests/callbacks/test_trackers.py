"""Tests the callbacks for MLflow, Weights & Biases and TensorBoard with the real packages and local stores."""

import contextlib
import copy
import json
import math
import pickle
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

import ash
from ash._utils.installation import require_extra
from ash.callbacks.trackers import best_candidates
from ash.errors import MissingExtraError, SettingError
from ash.history.records import Point, curves
from callback_help import After, Failing, X, Y, tune
from estimator_help import classifier
from result_help import make_result

pytestmark = pytest.mark.filterwarnings("ignore")  # these packages use deprecated parts of their dependencies


# MLflow


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Yield mlflow, connected to an empty SQLite store."""
    import mlflow

    folder = tmp_path_factory.mktemp("mlflow")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("wine", artifact_location=f"file://{folder}/files"))
    yield mlflow
    mlflow.set_experiment(experiment_id="0")  # that of new stores; MLflow keeps the choice for the whole process
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def logged(database: Any) -> tuple[ash.Result, Any]:
    result = tune(ash.callbacks.MLflow("first", candidates=3, tags={"of": "wine"}))
    return result, database.search_runs(filter_string="run_name = 'first'", output_format="list")[0]


def history(run: Any, name: str) -> list[tuple[int, float]]:
    import mlflow

    return [(one.step, one.value) for one in mlflow.MlflowClient().get_metric_history(run.info.run_id, name)]


def test_mlflow_records_the_run(logged: Any) -> None:
    result, run = logged
    assert run.info.status == "FINISHED" and run.data.tags["of"] == "wine"
    assert run.data.tags["digest"] == result.digest and run.data.tags["ended"] == "finished"
    assert run.data.metrics["best_score"] == result.best_score and run.data.metrics["epochs"] == result.epochs
    assert run.data.params["settings.eta"] == "2" and run.data.params["settings.seed"] == str(result.seed)
    assert run.data.params["hidden"] == str(result.best_params["hidden"])
    assert set(run.data.params) == {f"settings.{name}" for name in result.settings} | set(result.best_params)


def test_mlflow_records_the_curves(logged: Any) -> None:
    result, run = logged
    best = history(run, "best_score")
    assert best[-1] == (result.epochs, result.best_score) and [score for _, score in best] == sorted(s for _, s in best)
    points = curves(result.jobs, "resume")[result.best_candidate]
    assert history(run, "score") == [(point.epochs, point.score) for point in points]
    assert history(run, "loss") == [(point.epochs, point.loss) for point in points]


def test_mlflow_stores_the_files(logged: Any, database: Any, tmp_path: Path) -> None:
    result, run = logged
    folder = Path(database.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=str(tmp_path)))
    assert (ash.load(folder / "model.safetensors").predict(X) == result.model.predict(X)).all()
    assert json.loads((folder / "run.json").read_text())["digest"] == result.digest


def test_the_best_candidates_are_nested_runs(logged: Any, database: Any) -> None:
    result, run = logged
    parent = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    nested = {one.info.run_name: one for one in database.search_runs(filter_string=parent, output_format="list")}
    assert set(nested) == {f"candidate {candidate}" for candidate in best_candidates(result, 3)}
    for candidate in best_candidates(result, 3):
        one = nested[f"candidate {candidate}"]
        assert one.data.params["learning_rate"] == str(result.params[candidate]["learning_rate"])
        assert [score for _, score in history(one, "score")] == [
            point.score for point in curves(result.jobs, "resume")[candidate]
        ]


def test_each_of_two_callbacks_logs_its_own_candidates(database: Any) -> None:
    result = tune(ash.callbacks.MLflow("one of two", candidates=2), ash.callbacks.MLflow("two of two", candidates=1))
    for name, count in (("one of two", 2), ("two of two", 1)):
        (run,) = runs_of(database, name)
        parent = f"tags.`mlflow.parentRunId` = '{run.info.run_id}' and run_name LIKE 'candidate %'"
        assert len(database.search_runs(filter_string=parent, output_format="list")) == count
        assert run.data.tags["digest"] == result.digest and run.info.status == "FINISHED"
    assert database.active_run() is None


def test_an_active_run_is_the_parent(database: Any) -> None:
    with database.start_run() as parent:
        classifier(callbacks=[ash.callbacks.MLflow("below")]).fit(X, Y)
        assert database.active_run().info.run_id == parent.info.run_id
    (run,) = database.search_runs(filter_string="run_name = 'below'", output_format="list")
    assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id and database.active_run() is None


@pytest.mark.parametrize(
    ("error", "status"), [(SystemExit(), "FAILED"), (KeyboardInterrupt(), "KILLED")], ids=["error", "Ctrl-C"]
)
def test_mlflow_records_the_error(error: BaseException, status: str, database: Any) -> None:
    told = ash.callbacks.MLflow(status)
    for callbacks in ((told, Failing("on_job", error)), (Failing("on_job", error), told)):
        with pytest.raises(type(error)):
            tune(*callbacks)
    assert [run.info.status for run in runs_of(database, status)] == [status] * 2
    assert database.active_run() is None


def runs_of(database: Any, name: str) -> list[Any]:
    found: list[Any] = database.search_runs(filter_string=f"run_name = '{name}'", output_format="list")
    return found


def function_run(*callbacks: Any, journal: Path, **changes: Any) -> ash.FunctionResult:
    def train(params: dict[str, Any], epochs: int, state: int | None) -> tuple[float, int]:
        return params["x"] - 1 / (epochs + (state or 0)), epochs + (state or 0)

    given = {"candidates": 16, "max_epochs": 8, "random_state": 0, "n_jobs": 1, **changes}
    return ash.tune_function(train, {"x": ash.uniform(0, 1)}, journal=journal, callbacks=callbacks, **given)


def search_run(*callbacks: Any, journal: Path, **changes: Any) -> ash.FunctionResult:
    forest = RandomForestClassifier(random_state=0)
    space = {"max_depth": [2, 3, 4, 5, 6, 7, 8, None], "max_features": [0.3, 0.6]}
    given = {"candidates": 16, "n_jobs": 1, "random_state": 0, **changes}
    search = ash.ASHSearchCV(forest, space, cv=2, journal=journal, callbacks=list(callbacks), **given)
    return search.fit(X, Y).result_


def table_run(*callbacks: Any, journal: Path) -> ash.Result:
    return tune(*callbacks, journal=journal, candidates=256)


KINDS = pytest.mark.parametrize("call", [table_run, function_run, search_run])


def best_after(result: Any) -> dict[int, float]:
    """Return the best score after each job, keyed by the total epochs of the jobs so far."""
    scores = [-math.inf if job.diverged else job.score for job in result.jobs]
    epochs = np.cumsum([job.epochs for job in result.jobs]).tolist()
    return dict(zip(epochs, np.maximum.accumulate(scores).tolist(), strict=True))


def interrupted(call: Any, callback: ash.Callback, error: BaseException, journal: Path) -> None:
    """Make a call that `error` ends after nine jobs, or soon after."""

    def end(_: ash.Run) -> None:
        raise error

    with contextlib.suppress(SystemExit, KeyboardInterrupt):
        call(callback, After(9, end), journal=journal)


@KINDS
@pytest.mark.parametrize("error", [SystemExit(), KeyboardInterrupt()], ids=["exit", "Ctrl-C"])
def test_a_resumed_run_continues_its_mlflow_run(call: Any, error: BaseException, database: Any, tmp_path: Path) -> None:
    name, journal = f"{call.__name__}, {type(error).__name__}", tmp_path / "run.ash"
    interrupted(call, ash.callbacks.MLflow(name), error, journal)
    (before,) = runs_of(database, name)
    *_, end = history(before, "best_score")  # after Ctrl-C, the best score in the highest rung, which may be lower
    result = call(ash.callbacks.MLflow(name, candidates=2), journal=journal)
    (run,) = runs_of(database, name)
    assert run.info.run_id == before.info.run_id and run.info.status == "FINISHED"
    curve = history(run, "best_score")
    curve.remove(end)
    *live, last = curve
    assert live == sorted(live) == [(epochs, best_after(result)[epochs]) for epochs, _ in live]
    assert last == (result.epochs, result.best_score)
    assert set(run.data.params) == {f"settings.{name}" for name in result.settings} | set(result.best_params)
    assert run.data.params.items() >= {name: str(value) for name, value in result.best_params.items()}.items()
    assert run.data.tags["ended"] == "finished" and run.data.tags["digest"] == result.digest
    parent = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    assert len(database.search_runs(filter_string=parent, output_format="list")) == 2


def test_two_callbacks_continue_their_own_mlflow_runs(database: Any, tmp_path: Path) -> None:
    journal = tmp_path / "run.ash"
    for error in (SystemExit(), None):
        callbacks = [ash.callbacks.MLflow(), ash.callbacks.MLflow("this one's"), ash.callbacks.MLflow("that")]
        with contextlib.suppress(SystemExit):
            function_run(*callbacks, *([] if error is None else [Failing("on_job", error)]), journal=journal)
    (key, _) = runs_of(database, "that")[0].data.tags["ash.run"].split()
    found = database.search_runs(filter_string=f"tags.`ash.run` LIKE '{key}%'", output_format="list")
    assert {"this one's", "that"} < {run.info.run_name for run in found}
    assert [run.info.status for run in found] == ["FINISHED"] * 3


def test_a_run_with_more_candidates_than_before_is_a_new_mlflow_run(database: Any, tmp_path: Path) -> None:
    for candidates in (16, 32):
        result = function_run(ash.callbacks.MLflow("more"), journal=tmp_path / "run.ash", candidates=candidates)
    later, earlier = runs_of(database, "more")
    assert earlier.data.params["settings.candidates"] == "16" and earlier.data.tags["digest"] != result.digest
    assert later.data.params["settings.candidates"] == "32" and later.data.tags["digest"] == result.digest
    assert min(step for step, _ in history(later, "best_score")) > earlier.data.metrics["epochs"]


# Weights & Biases


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield the package wandb, set to write offline runs into a temporary folder."""
    import wandb

    settings = {"MODE": "offline", "SILENT": "true", "DIR": str(tmp_path), "CONSOLE": "off"}
    settings |= {f"{name}_DIR": str(tmp_path / name) for name in ("CACHE", "CONFIG", "DATA", "ARTIFACT")}
    for name, value in settings.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    wandb.teardown()  # wandb reads its settings only once, so an earlier test may have fixed them
    yield wandb
    wandb.teardown()


def records(folder: Path) -> Iterator[Any]:
    """Yield the records in the file of an offline run: a header of 7 bytes, then records in LevelDB's log format."""
    import wandb
    from wandb.proto.wandb_internal_pb2 import Record

    wandb.teardown()  # wandb's own process writes the rest of the file when it exits
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a complete record or the last part of a split record
            yield Record.FromString(whole)
            whole = b""


def values(items: Any) -> dict[str, Any]:
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


def read_run(folder: Path) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]], list[Any]]:
    """Return the configuration, the summary, the history's rows and the artifacts of an offline run."""
    config: dict[str, Any] = {}
    summary: dict[str, Any] = {}
    rows, artifacts = [], []
    for record in records(folder):
        config |= values(record.config.update)
        summary |= values(record.summary.update)
        if record.HasField("history"):
            rows.append(values(record.history.item))
        if record.HasField("artifact"):
            artifacts.append(record.artifact)
    return config, summary, rows, artifacts


def test_wandb_records_the_run(offline: Any, tmp_path: Path) -> None:
    result = tune(ash.callbacks.WandB(project="wine", name="first"))
    assert offline.run is None
    config, summary, rows, artifacts = read_run(tmp_path)
    assert config["settings"]["eta"] == 2 and config["best_params"] == json.loads(json.dumps(result.best_params))
    assert summary["best_score"] == result.best_score and summary["digest"] == result.digest
    assert summary["ended"] == "finished" and summary["candidates"] == 16
    best = [(row["epochs"], row["best_score"]) for row in rows if "best_score" in row]
    assert best[-1] == (result.epochs, result.best_score) and len(best) < len(result.jobs)
    points = curves(result.jobs, "resume")[result.best_candidate]
    assert [(row["winner_epochs"], row["score"], row["loss"]) for row in rows if "score" in row] == [
        (point.epochs, point.score, point.loss) for point in points
    ]
    models = [artifact for artifact in artifacts if artifact.type == "model"]
    assert [sorted(item.path for item in model.manifest.contents) for model in models] == [
        ["model.safetensors", "run.json"]
    ]
    (table,) = tmp_path.glob("wandb/offline-run-*/files/media/table/*.json")
    assert len(json.loads(table.read_text())["data"]) == 16


def test_an_open_wandb_run_stays_open(offline: Any, tmp_path: Path) -> None:
    with offline.init(project="wine") as run:
        result = tune(ash.callbacks.WandB())
        assert offline.run is run
        run.log({"after": 1})
    _, summary, rows, _ = read_run(tmp_path)
    assert summary["digest"] == result.digest and "after" in rows[-1]


def test_wandb_records_the_error(offline: Any, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        tune(Failing("on_job", SystemExit()), ash.callbacks.WandB())
    assert [record.exit.exit_code for record in records(tmp_path) if record.HasField("exit")] == [1]


def test_a_resumed_run_continues_its_wandb_run(offline: Any, tmp_path: Path) -> None:
    journal, ids = tmp_path / "run.ash", []
    for each, error in enumerate([SystemExit(), KeyboardInterrupt(), None]):
        monkey = tmp_path / str(each)
        if error is None:
            result = function_run(ash.callbacks.WandB(dir=monkey), journal=journal)
        else:
            interrupted(function_run, ash.callbacks.WandB(dir=monkey), error, journal)
        ids += [record.run.run_id for record in records(monkey) if record.HasField("run")]
    assert len(set(ids)) == 1
    _, summary, rows, _ = read_run(monkey)
    steps = [row["epochs"] for row in rows if "best_score" in row]
    assert [row["best_score"] for row in rows if "best_score" in row] == [best_after(result)[step] for step in steps]
    assert steps[-1] == result.epochs and summary["digest"] == result.digest


def test_a_folder_with_the_name_of_a_package_does_not_count_as_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nowhere_installed").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError, match="this needs nowhere_installed"):
        require_extra("this", "nowhere_installed", "extra")


def test_curves_add_up_the_epochs_of_resumed_jobs() -> None:
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


def test_the_best_candidates_come_first_and_diverged_ones_are_left_out() -> None:
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


def test_tensorboard_records_the_curve_of_the_best_score(tmp_path: Path) -> None:
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


@KINDS
def test_a_resumed_run_continues_its_curve(call: Any, tmp_path: Path) -> None:
    interrupted(call, ash.callbacks.TensorBoard(tmp_path), SystemExit(), tmp_path / "run.ash")
    result = call(ash.callbacks.TensorBoard(tmp_path), journal=tmp_path / "run.ash")
    found = [(event.step, event.value) for event in events(tmp_path).Scalars("best_score")]
    *live, last = found
    assert live == sorted(live)
    assert live == [(step, pytest.approx(best_after(result)[step], rel=1e-6)) for step, _ in live]
    assert last == (result.epochs, pytest.approx(result.best_score, rel=1e-6))


def test_tensorboard_records_settings_outcome_and_files(tmp_path: Path) -> None:
    result = tune(ash.callbacks.TensorBoard(tmp_path))
    found = events(tmp_path)
    texts = {tag: found.Tensors(tag)[0].tensor_proto.string_val[0].decode() for tag in ("settings", "outcome")}
    assert "| eta | 2 |" in texts["settings"] and f"| seed | {result.seed} |" in texts["settings"]
    assert f"| digest | {result.digest} |" in texts["outcome"] and "| learning_rate | 0." in texts["outcome"]
    assert (ash.load(tmp_path / "model.safetensors").predict(X) == result.model.predict(X)).all()
    assert json.loads((tmp_path / "run.json").read_text())["digest"] == result.digest


def test_the_best_candidates_have_separate_folders(tmp_path: Path) -> None:
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


def test_an_estimator_logs_its_final_model(tmp_path: Path) -> None:
    fitted = classifier(callbacks=[ash.callbacks.TensorBoard(tmp_path, candidates=0)]).fit(X, Y)
    assert (ash.load(tmp_path / "model.safetensors").predict_proba(X) == fitted.model_.predict_proba(X)).all()
    twin = pickle.loads(pickle.dumps(copy.deepcopy(fitted)))
    assert twin.callbacks[0].logdir == tmp_path and twin.fit(X, Y).result_.digest == fitted.result_.digest


def test_a_failed_run_keeps_the_scores_logged_so_far(tmp_path: Path) -> None:
    callback = ash.callbacks.TensorBoard(tmp_path / "run")
    with pytest.raises(SystemExit):
        tune(callback, Failing("on_job", SystemExit()))
    assert events(tmp_path / "run").Scalars("best_score")
    pickle.dumps(callback)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        tune(ash.callbacks.TensorBoard(tmp_path / "file"))


@pytest.mark.parametrize("method", ["_open", "_finish"])
def test_a_callback_that_fails_is_closed(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    callback, closed = ash.callbacks.TensorBoard(tmp_path), []

    def full(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(callback, method, full)
    monkeypatch.setattr(callback, "_close", closed.append)
    at_the_end = pytest.warns(UserWarning, match="on_end raised OSError: disk full; the result is complete")
    with at_the_end if method == "_finish" else pytest.raises(OSError, match="disk full"):
        tune(callback)
    assert [str(error) for error in closed] == ["disk full"]


def test_an_invalid_number_of_candidates_is_refused() -> None:
    with pytest.raises(SettingError, match="candidates must be an integer from 0 to 1000, got -1"):
        ash.callbacks.TensorBoard("folder", candidates=-1)
