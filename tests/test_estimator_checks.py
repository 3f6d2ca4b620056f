"""scikit-learn's own checks of an estimator: all of them, none expected to fail."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import ash
from estimator_help import SCIKIT_LEARN, classifier, digest
from fault_help import table

ARRAY_API = "array_api_input"
"""In the names of the checks that scikit-learn skips unless SCIPY_ARRAY_API is set before it is imported."""


@parametrize_with_checks(
    [ash.ASHClassifier(candidates=16, random_state=0), ash.ASHRegressor(candidates=16, random_state=0)]
)
@pytest.mark.filterwarnings("default")  # checks catch what they expect; a class of one row is none of their warnings
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.skipif(SCIKIT_LEARN < (1, 9), reason="scikit-learn has these checks since 1.9")
def test_checks_of_the_array_api() -> None:
    """The checks that are skipped above, in a process of their own."""
    if os.environ.get("SCIPY_ARRAY_API") == "1":
        pytest.skip("SCIPY_ARRAY_API is set: they are not skipped above")
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-rs", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(
        [*command, "-k", f"test_scikit_learn_checks and {ARRAY_API}"],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout and "skipped" not in done.stdout, done.stdout


def test_arrays_of_another_library() -> None:
    """F32: they are read as NumPy's, and NumPy's are returned."""
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    x, y = table(80)
    ours = classifier().fit(strict.asarray(x), strict.asarray(y))
    assert ours.result_.digest == digest(classifier(), x, y)
    assert type(ours.predict(strict.asarray(x))) is np.ndarray
