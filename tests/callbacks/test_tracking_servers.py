"""The callbacks for MLflow and Weights & Biases, against the real packages with local stores."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ash
from ash.callbacks.trackers import best_candidates
from ash.history.records import curves
from callback_help import Failing, X, Y, tune
from estimator_help import classifier

pytestmark = pytest.mark.filterwarnings("ignore")  # of those packages, which use what their own dependencies deprecate


# MLflow


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give mlflow with an empty store in SQLite."""
    import mlflow

    folder = tmp_path_factory.mktemp("mlflow")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("wine", artifact_location=f"file://{folder}/files"))
    yield mlflow
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def logged(database: Any) -> tuple[ash.Result, Any]:
    result = tune(ash.callbacks.MLflow("first", candidates=3, tags={"of": "wine"}))
    return result, database.search_runs(filter_string="run_name = 'first'", output_format="list")[0]


def history(run: Any, name: str) -> list[tuple[int, float]]:
    import mlflow

    return [(one.step, one.value) for one in mlflow.MlflowClient().get_metric_history(run.info.run_id, name)]


def test_mlflow_has_the_run(logged: Any) -> None:
    result, run = logged
    assert run.info.status == "FINISHED" and run.data.tags["of"] == "wine"
    assert run.data.tags["digest"] == result.digest and run.data.tags["ended"] == "finished"
    assert run.data.metrics["best_score"] == result.best_score and run.data.metrics["epochs"] == result.epochs
    assert run.data.params["settings.eta"] == "2" and run.data.params["settings.seed"] == str(result.seed)
    assert run.data.params["hidden"] == str(result.best_params["hidden"])
    assert set(run.data.params) == {f"settings.{name}" for name in result.settings} | set(result.best_params)


def test_mlflow_has_the_curves(logged: Any) -> None:
    result, run = logged
    best = history(run, "best_score")
    assert best[-1] == (result.epochs, result.best_score) and [score for _, score in best] == sorted(s for _, s in best)
    points = curves(result.jobs, "resume")[result.best_candidate]
    assert history(run, "score") == [(point.epochs, point.score) for point in points]
    assert history(run, "loss") == [(point.epochs, point.loss) for point in points]


def test_mlflow_has_the_files(logged: Any, database: Any, tmp_path: Path) -> None:
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


def test_each_of_two_has_its_own_candidates(database: Any) -> None:
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
    ("error", "status"), [(LookupError(), "FAILED"), (KeyboardInterrupt(), "KILLED")], ids=["error", "Ctrl-C"]
)
def test_mlflow_is_told_of_the_error(error: BaseException, status: str, database: Any) -> None:
    told = ash.callbacks.MLflow(status)
    for callbacks in ((told, Failing("on_job", error)), (Failing("on_job", error), told)):
        with pytest.raises(type(error)):
            tune(*callbacks)
    assert [run.info.status for run in runs_of(database, status)] == [status] * 2
    assert database.active_run() is None


def runs_of(database: Any, name: str) -> list[Any]:
    found: list[Any] = database.search_runs(filter_string=f"run_name = '{name}'", output_format="list")
    return found


# Weights & Biases


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give wandb in a folder of its own."""
    import wandb

    settings = {"MODE": "offline", "SILENT": "true", "DIR": str(tmp_path), "CONSOLE": "off"}
    settings |= {f"{name}_DIR": str(tmp_path / name) for name in ("CACHE", "CONFIG", "DATA", "ARTIFACT")}
    for name, value in settings.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    yield wandb
    wandb.teardown()


def records(folder: Path) -> Iterator[Any]:
    """Read what an offline run has written: records in the format of LevelDB's log, behind 7 bytes."""
    import wandb
    from wandb.proto.wandb_internal_pb2 import Record

    wandb.teardown()  # its process writes the last of the file when it ends
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield Record.FromString(whole)
            whole = b""


def values(items: Any) -> dict[str, Any]:
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


def read_run(folder: Path) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]], list[Any]]:
    """Return config, summary, the rows of the history and the artifacts."""
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


def test_wandb_has_the_run(offline: Any, tmp_path: Path) -> None:
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


def test_an_open_run_of_wandb_stays_open(offline: Any, tmp_path: Path) -> None:
    with offline.init(project="wine") as run:
        result = tune(ash.callbacks.WandB())
        assert offline.run is run
        run.log({"after": 1})
    _, summary, rows, _ = read_run(tmp_path)
    assert summary["digest"] == result.digest and "after" in rows[-1]


def test_wandb_is_told_of_the_error(offline: Any, tmp_path: Path) -> None:
    with pytest.raises(LookupError):
        tune(Failing("on_job", LookupError()), ash.callbacks.WandB())
    assert [record.exit.exit_code for record in records(tmp_path) if record.HasField("exit")] == [1]
