"""Tests the examples in `examples/optuna`: each finds a good score and has a row in README.md."""

import importlib
from pathlib import Path
from typing import Any

import optuna
import pytest
from sklearn.datasets import load_iris

import needs

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "optuna"
TOOLS = {"compare", "originals"}
NAMES = sorted({path.stem for path in EXAMPLES.glob("*.py")} - TOOLS)
UNCHANGED = {"pruning": "objective", "sklearn_additional_args": "Objective"}
LIBRARIES = {
    "catboost_simple": ["catboost"],
    "keras_simple": ["torch", "keras"],
    "pytorch_lightning_simple": ["torch", "lightning"],
    "pytorch_simple": ["torch"],
    "skorch_simple": ["torch", "skorch"],
    "xgboost_simple": ["xgboost"],
}
LEAST = {
    "ask_and_tell": (30, 0.7),
    "catboost_simple": (4, 0.9),
    "keras_simple": (4, 0.85),
    "lightgbm_simple": (16, 0.95),
    "pruning": (16, 0.8),
    "pytorch_lightning_simple": (4, 0.7),
    "pytorch_simple": (16, 0.9),
    "sklearn_additional_args": (8, 0.95),
    "sklearn_search_cv": (16, 0.95),
    "sklearn_simple": (8, 0.95),
    "skorch_simple": (16, 0.8),
    "xgboost_simple": (64, 0.93),
}
"""The number of candidates, and the score that the best of them must exceed."""


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that imports an example by its name."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    return importlib.import_module


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore::Warning:(lightning|torch|keras|optree).*")
def test_an_example_finds_a_good_score(name: str, example: Any) -> None:
    for library in LIBRARIES.get(name, []):
        needs.installed(library)
    candidates, least = LEAST[name]
    assert example(name).tune(candidates=candidates).best_score > least


@pytest.mark.parametrize("name", UNCHANGED)
def test_an_unchanged_objective_is_a_valid_optuna_objective(name: str, example: Any) -> None:
    module = example(name)
    assert module.__doc__.splitlines()[0] == "Runs Optuna's objective unchanged."
    objective = module.objective if name == "pruning" else module.Objective(load_iris())
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=2)
    assert study.best_value > 0.5


def test_each_example_has_an_original_and_a_row(example: Any) -> None:
    assert sorted(example("originals").ORIGINALS) == NAMES
    rows = (EXAMPLES / "README.md").read_text(encoding="utf-8").splitlines()
    assert [name for name in NAMES if sum(row.startswith(f"| [{name}]({name}.py) |") for row in rows) != 1] == []


def test_lines_of_code_are_counted(example: Any) -> None:
    three, two = "x = (\n    1,  # one\n)\n", 'y = """\n"""\n'
    text = f'"""Of two lines.\n\nHere."""\n\n{three}\n# nothing\ndef f():\n    """Say."""\n    return x\n\n{two}'
    assert example("compare").lines_of_code(text) == 3 + 2 + 2


def test_an_original_from_another_version_is_refused(example: Any, tmp_path: Path) -> None:
    (tmp_path / "pytorch").mkdir()
    (tmp_path / "pytorch" / "skorch_simple.py").write_text("x = 28 * 28\n", encoding="utf-8")
    with pytest.raises(ValueError, match="SUBSET_RATIO"):
        example("originals").ORIGINALS["skorch_simple"].run(tmp_path, "original")
