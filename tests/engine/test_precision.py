"""Tests the hyperparameter `precision`: "bf16" gives other results than single precision, equal on all executors."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_wine

import ash
from ash import _core
from ash.errors import SettingError

pytestmark = pytest.mark.core

WINE = load_wine(return_X_y=True)
SPACE: dict[str, Any] = {
    "hidden": [(32, 16), (16, 16, 16)],
    "learning_rate": ash.loguniform(1e-3, 1e-1, levels=5),
    "batch_size": 32,
}


def tuned(given: dict[str, Any], **places: Any) -> ash.Result:
    config = ash.SearchConfig(max_rungs=3)
    return ash.tune(
        *WINE, {**SPACE, **given}, candidates=8, validation=0.2, random_state=0, verbose=0, config=config, **places
    )


def weights(result: ash.Result) -> dict[tuple[int, int], int]:
    return {(job.candidate, job.rung): job.weights_hash for job in result.jobs}


def test_bf16_differs_from_single_precision_but_not_between_threads_and_executors(tmp_path: Path) -> None:
    rounded = {"precision": "bf16"}
    expected = tuned(rounded, n_jobs=1)
    assert weights(tuned({})) == weights(tuned({"precision": "fp32"})) != weights(expected)
    with ThreadPoolExecutor(2) as pool:
        for place in ({"n_jobs": 2}, {"executor": pool}, {"journal": tmp_path / "run.ash"}):
            assert tuned(rounded, **place).digest == expected.digest, place
    again = ash.tune(*WINE, record=expected.record, n_jobs=2, verbose=0)
    assert again.digest == expected.digest and again.model.digest == expected.model.digest
    assert expected.best_score > 0.9 and expected.best_params["precision"] == "bf16"


def test_both_precisions_can_be_searched() -> None:
    result = tuned({"precision": ["fp32", "bf16"]})
    assert {each["precision"] for each in result.params} == {"fp32", "bf16"}


def test_the_refit_uses_the_precision_of_the_search() -> None:
    found = {}
    for precision in ("fp32", "bf16"):
        given: dict[str, Any] = {"candidates": 1, "validation": 0.2, "random_state": 0}
        config = ash.SearchConfig(max_rungs=1)
        fitted = ash.ASHClassifier({**SPACE, "precision": precision}, **given, config=config).fit(*WINE)
        found[precision] = fitted.model_
    assert not np.array_equal(found["fp32"].core.weights[1], found["bf16"].core.weights[1])


@pytest.mark.parametrize("given", ["fp16", 16, True])
def test_other_precisions_are_refused(given: Any) -> None:
    with pytest.raises(SettingError, match="precision must be one of fp32, bf16"):
        ash.Space(precision=given)


def test_a_workspace_has_room_for_rounded_factors() -> None:
    settings = _core.Settings()
    settings.hidden, settings.activations = [64, 64], ["relu", "relu"]
    sizes = {}
    for precision in ("fp32", "bf16"):
        settings.precision = precision
        about: dict[str, Any] = {"metric": "accuracy", "weighted": False}
        about |= {"training_rows": 100, "epoch_rows": 0, "validation_rows": 10}
        sizes[precision] = _core.workspace_bytes([settings], 10, 3, 10, **about)
    assert settings.precision == "bf16" and sizes["fp32"] + 2 * 4 * 64 * 64 < sizes["bf16"]
