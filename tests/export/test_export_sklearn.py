"""Tests models exported as scikit-learn pipelines: equal predictions without ash, or errors that name the obstacle."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

import ash
from export_help import check_labels, check_outputs, mixed_frame, mixed_y, odd_rows
from export_random import LABELS, random_encoding, random_ensemble, random_network, random_rows

pytestmark = pytest.mark.filterwarnings("ignore:X holds infinite numbers")

SEEDS = range(24)
NAMES = ("relu", "tanh", "sigmoid", "identity")
SIMPLE = (0, 1, 2, 3, 4, 6, None)


def expressible(random: np.random.Generator, seed: int) -> dict[str, Any]:
    """Return arguments that limit a random network to the parts that scikit-learn can express."""
    encoding = random_encoding(random, dates=False)
    activations = [NAMES[seed % 4]] * (seed % 3)
    return {"plain": True, "encoding": encoding, "activations": activations, "classes": SIMPLE[seed % len(SIMPLE)]}


def check(model: Any, pipeline: Any, X: Any) -> None:
    if model.classes_ is None:
        check_outputs(model, np.asarray(pipeline.predict(X)).reshape(len(X), -1), X)
        return
    check_outputs(model, pipeline.predict_proba(X), X)
    assert pipeline.classes_.tolist() == model.classes_.tolist()
    check_labels(model, pipeline.predict(X), X)


@pytest.mark.parametrize("seed", SEEDS)
def test_networks_are_exported(seed: int) -> None:
    random = np.random.default_rng(seed)
    network = random_network(random, **expressible(random, seed))
    check(network, network.to_sklearn(), random_rows(random, network))


@pytest.mark.parametrize("seed", SEEDS)
def test_ensembles_are_exported(seed: int) -> None:
    random = np.random.default_rng(seed)
    ensemble = random_ensemble(random, **expressible(random, seed))
    if ensemble.n_outputs_ > 1:
        with pytest.raises(ash.SettingError, match="an ensemble of several targets: use to_onnx, or export one"):
            ensemble.to_sklearn()
        ensemble = random_ensemble(random, **expressible(random, seed) | {"classes": 0})
    check(ensemble, ensemble.to_sklearn(), random_rows(random, ensemble))


@pytest.mark.parametrize("positive", [0, 1, None])
def test_a_tuned_threshold_is_exported(positive: int | None) -> None:
    random = np.random.default_rng(1)
    made = {**expressible(random, 1), "classes": 0}
    for model in (random_network(random, **made), random_ensemble(random, **made)):
        model.positive = positive
        X = random_rows(random, model)
        middle = float(np.median(model.predict_proba(X)[:, 1])) + 1e-4
        weighed = model.with_decision(np.array([middle, 1 - middle]))
        assert len(set(weighed.predict(X))) == 2
        check(weighed, weighed.to_sklearn(), X)


def test_a_tuned_decision_between_several_classes_is_refused() -> None:
    random = np.random.default_rng(1)
    model = random_network(random, **{**expressible(random, 1), "classes": 1})
    with pytest.raises(ash.SettingError, match="the tuned decision between more than two classes: use to_onnx, or fit"):
        model.with_decision(np.array([0.1, 0.2, 0.3, 0.4])).to_sklearn()


@pytest.fixture(scope="module")
def trained() -> tuple[Any, Any]:
    frame = mixed_frame(300)
    space = ash.Space(hidden=ash.choice((8,), (6, 4), ()), activation="tanh", learning_rate=ash.loguniform(1e-2, 1e-1))
    result = ash.tune(
        frame,
        mixed_y(frame),
        space,
        candidates=6,
        n_jobs=1,
        verbose=0,
        config=ash.SearchConfig(max_rungs=2),
        validation=0.2,
    )
    return frame, result.ensemble(4)


def test_a_pipeline_reads_frames(trained: Any) -> None:
    frame, model = trained
    pipeline = model.to_sklearn()
    check(model, pipeline, frame)
    check(model, pipeline, odd_rows())
    shuffled = pipeline.predict_proba(frame[frame.columns[::-1]])
    assert (shuffled == pipeline.predict_proba(frame)).all()  # columns are matched by name
    import polars

    assert (pipeline.predict_proba(polars.from_pandas(frame)) == shuffled).all()
    with pytest.raises(ValueError, match="columns are missing"):
        pipeline.predict(frame.drop(columns="age"))


def test_a_pipeline_does_not_need_ash(trained: Any, tmp_path: Path) -> None:
    frame, model = trained
    pipeline = model.to_sklearn()
    joblib.dump(pipeline, tmp_path / "pipeline.joblib")
    frame.to_pickle(tmp_path / "frame.pickle")
    code = (
        "import sys; sys.modules['ash'] = None\n"
        "import joblib, json, pandas\n"
        "print(json.dumps(joblib.load(sys.argv[1]).predict_proba(pandas.read_pickle(sys.argv[2])).tolist()))"
    )
    files = [str(tmp_path / name) for name in ("pipeline.joblib", "frame.pickle")]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *files], capture_output=True, text=True, check=True
    )
    assert np.allclose(np.array(eval(done.stdout)), pipeline.predict_proba(frame), rtol=0, atol=1e-12)
    classes = {type(part).__module__.partition(".")[0] for part in parts_of(pipeline)}
    assert classes == {"sklearn"}


def parts_of(pipeline: Any) -> list[Any]:
    inner = [one for one in pipeline.get_params(deep=True).values() if hasattr(one, "get_params")]
    return [pipeline, *inner]


def test_a_pickled_pipeline_is_small(trained: Any) -> None:
    _, model = trained
    weights = sum(part.size for member in model.members for part in member.core.weights)
    assert len(pickle.dumps(model.members[0].to_sklearn())) < 60_000 + 16 * weights


def test_missing_cells_and_unseen_levels_are_refused_as_in_the_model() -> None:
    random = np.random.default_rng(4)
    encoding = random_encoding(random, dates=False, missing="error", unknown="error")
    network = random_network(random, encoding=encoding, plain=True, activations=["relu"], classes=0)
    X, pipeline = random_rows(random, network), network.to_sklearn()
    check(network, pipeline, X)
    assert {column.kind for column in encoding.schema.columns} == {"number", "category"}
    for place, column in enumerate(encoding.schema.columns):
        for cell in (None, "never") if column.kind == "category" else (None,):
            row = X[:1].copy()
            row[0, place] = cell
            for predict in (network.predict, pipeline.predict):
                with pytest.raises(ValueError, match=r"."):
                    predict(row)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"activations": ["relu", "selu"]}, r"the activation 'selu': use to_onnx, or tune in a space with activation="),
        ({"activations": ["relu", "tanh"]}, r"several activations \(relu, tanh\): .* one for all hidden layers"),
        ({"classes": LABELS[5]}, r"labels that are fractions: use to_onnx, or train with labels that are text"),
    ],
)
def test_settings_without_a_counterpart_are_named(changes: dict[str, Any], complaint: str) -> None:
    wanted = {"plain": True, "activations": ["relu"], "classes": 0} | changes
    with pytest.raises(ash.SettingError, match=f"scikit-learn cannot express {complaint}"):
        random_network(np.random.default_rng(2), **wanted).to_sklearn()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"embedding": "periodic"}, "an embedding of numbers: .* in a space with embedding='none'"),
        ({"parametric_activation": True}, "learned shares of activations: .* parametric_activation=False"),
    ],
)
def test_learned_parts_without_a_counterpart_are_named(settings: dict[str, Any], complaint: str) -> None:
    frame = mixed_frame(100)
    space = ash.Space(hidden=(4,), activation="relu", **settings)
    model = ash.tune(frame, mixed_y(frame), space, candidates=1, verbose=0, validation=0.2).model
    with pytest.raises(ash.SettingError, match=f"scikit-learn cannot express {complaint}"):
        model.to_sklearn()
