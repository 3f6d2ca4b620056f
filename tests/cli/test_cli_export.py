"""Tests `ash-tune export`: it writes a file in each format, or prints one line that says why it cannot."""

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

import ash
import needs
from ash.cli.command import main
from export_help import MISSING, TOLERANCE, feeds
from export_random import random_ensemble, random_network, random_rows
from fault_help import refused

pytestmark = [
    pytest.mark.usefixtures("empty_folder"),
    pytest.mark.filterwarnings("ignore:X holds infinite numbers"),
]
PLAIN = {"plain": True, "activations": ["relu"], "classes": 0}


@pytest.fixture
def model(tmp_path: Path) -> str:
    """Return the path of a network that every format can express."""
    random_network(np.random.default_rng(3), **PLAIN).save(tmp_path / "model.safetensors")
    return str(tmp_path / "model.safetensors")


def exported(model: str, format: str, *more: str) -> tuple[Any, Any, Path]:
    """Return the model, a table for it, and the path of the file that the command wrote."""
    path = Path(model).parent / "out.pt2"
    assert main(["export", model, "--format", format, "--out", str(path), *more]) == 0
    loaded = ash.load(model)
    return loaded, random_rows(np.random.default_rng(4), loaded), path


def test_a_model_is_exported_as_onnx(model: str) -> None:
    import onnxruntime

    loaded, X, path = exported(model, "onnx", "--missing", MISSING)
    X = X[["\0" not in "".join(map(str, row)) for row in X]]
    probabilities = onnxruntime.InferenceSession(path).run(["probabilities"], feeds(loaded, X))[0]
    assert np.abs(probabilities - loaded.predict_proba(X)).max() < TOLERANCE


def test_a_model_is_exported_for_torch(model: str) -> None:
    torch = needs.package("torch")
    loaded, X, path = exported(model, "torch")
    outputs = torch.export.load(path).module()(torch.from_numpy(loaded.encode(X)))
    assert np.abs(outputs.softmax(dim=1).detach().numpy() - loaded.predict_proba(X)).max() < TOLERANCE


def test_a_model_is_exported_as_cpp(model: str, tmp_path: Path) -> None:
    loaded, _, path = exported(model, "cpp", "--namespace", "a::b")
    loaded.to_cpp(tmp_path / "model.hpp", namespace="a::b")
    assert path.read_bytes() == (tmp_path / "model.hpp").read_bytes()


def test_a_model_is_exported_for_sklearn(model: str) -> None:
    loaded, X, path = exported(model, "sklearn")
    assert np.abs(joblib.load(path).predict_proba(X) - loaded.predict_proba(X)).max() < TOLERANCE


def test_an_ensemble_is_exported(tmp_path: Path) -> None:
    random_ensemble(np.random.default_rng(3), **PLAIN).save(tmp_path / "model.safetensors")
    loaded, X, path = exported(str(tmp_path / "model.safetensors"), "sklearn")
    assert np.abs(joblib.load(path).predict_proba(X) - loaded.predict_proba(X)).max() < TOLERANCE


def test_faults_are_reported_in_one_line(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert "none: no such file; MODEL must be a file" in refused(
        capsys, "export", str(tmp_path / "none"), "--format", "cpp", *out
    )
    (tmp_path / "text").write_text("a,b\n")
    assert "text: not a valid safetensors file" in refused(
        capsys, "export", str(tmp_path / "text"), "--format", "cpp", *out
    )
    nowhere = str(tmp_path / "none" / "out")
    assert f"{nowhere}: no such file or folder" in refused(capsys, "export", model, "--format", "cpp", "--out", nowhere)
    assert "Is a directory" in refused(capsys, "export", model, "--format", "sklearn", "--out", str(tmp_path))
    assert "'int' is reserved in C++" in refused(capsys, "export", model, "--format", "cpp", *out, "--namespace", "int")
    assert "--missing is only for --format onnx" in refused(
        capsys, "export", model, "--format", "cpp", *out, "--missing", "?"
    )
    assert "--namespace is only for --format cpp" in refused(
        capsys, "export", model, "--format", "torch", *out, "--namespace", "a"
    )
    random_network(np.random.default_rng(3), **PLAIN | {"activations": ["mish"]}).save(model)
    assert "cannot express the activation 'mish'" in refused(capsys, "export", model, "--format", "sklearn", *out)
    assert not (tmp_path / "out").exists()


def test_missing_or_invalid_arguments_are_refused(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([model], [model, "--format", "cpp"], [model, "--format", "jar", "--out", "x"], []):
        with pytest.raises(SystemExit, match="2"):
            main(["export", *arguments])
        err = capsys.readouterr().err
        assert err.startswith("ash-tune export: error: ") and err.count("\n") == 1
