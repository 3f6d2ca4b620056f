"""`SearchConfig(precision="bf16")`: another result than in single precision, the same one wherever it is computed."""

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
SPACE = {"hidden": [(32, 16), (16, 16, 16)], "learning_rate": ash.log(1e-3, 1e-1, levels=5), "batch_size": 32}


def tuned(precision: str | None = "bf16", **given: Any) -> ash.Result:
    config = ash.SearchConfig(precision=precision, max_rungs=3)
    return ash.tune(*WINE, SPACE, candidates=8, seed=0, progress=False, config=config, **given)


def test_the_result_differs_from_single_precision_and_not_between_places(tmp_path: Path) -> None:
    expected = tuned(threads=1)
    assert tuned(None).digest == tuned("fp32").digest != expected.digest
    with ThreadPoolExecutor(2) as pool:
        for place in ({"threads": 2}, {"executor": pool}, {"journal": tmp_path / "run.ash"}):
            assert tuned(**place).digest == expected.digest, place
    again = ash.tune(*WINE, record=expected.record, threads=2, progress=False)
    assert again.digest == expected.digest and again.model.digest == expected.model.digest
    assert expected.best_score > 0.9


def test_a_journal_belongs_to_one_precision(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    expected = tuned(journal=path)
    with pytest.raises(ash.JournalError, match="precision: 'bf16' in the journal, 'fp32' in this call"):
        tuned("fp32", journal=path)
    assert tuned(journal=path).digest == expected.digest


def test_the_refit_has_the_precision_of_the_search() -> None:
    found = {}
    for precision in ("fp32", "bf16"):
        config = ash.SearchConfig(precision=precision, max_rungs=1)
        fitted = ash.ASHClassifier(SPACE, candidates=1, validation=0.2, random_state=0, config=config).fit(*WINE)
        found[precision] = fitted.model_
    assert not np.array_equal(found["fp32"].core.weights[1], found["bf16"].core.weights[1])


@pytest.mark.parametrize("given", ["fp16", 16, True])
def test_other_precisions_are_refused(given: Any) -> None:
    with pytest.raises(SettingError, match="precision must be one of"):
        ash.SearchConfig(precision=given)


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
