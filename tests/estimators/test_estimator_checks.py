"""scikit-learn's own checks of an estimator: all of them, none expected to fail."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ash
import needs
from estimator_help import ARRAY_API, classifier, digest, scikit_learn_checks, scikit_learn_of
from fault_help import table


@scikit_learn_checks(ash.ASHClassifier(candidates=16, random_state=0), ash.ASHRegressor(candidates=16, random_state=0))
@pytest.mark.filterwarnings("default")  # checks catch what they expect; a class of one row is none of their warnings
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def test_checks_of_the_array_api() -> None:
    """The checks that `scikit_learn_checks` leaves out, in a process of their own."""
    scikit_learn_of("1.9")
    modules = [__file__, str(Path(__file__).parents[1] / "search" / "test_search_cv.py")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", *modules, "-k", ARRAY_API],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout and "skipped" not in done.stdout, done.stdout


def test_arrays_of_another_library() -> None:
    """F32: they are read as NumPy's, and NumPy's are returned."""
    strict = needs.package("array_api_strict")
    x, y = table(80)
    ours = classifier().fit(strict.asarray(x), strict.asarray(y))
    assert ours.result_.digest == digest(classifier(), x, y)
    assert type(ours.predict(strict.asarray(x))) is np.ndarray
