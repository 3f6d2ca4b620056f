"""Runs all of scikit-learn's estimator checks; none is expected to fail."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

import ash
import needs
from estimator_help import all_switched_on, classifier, digest, scikit_learn_checks, scikit_learn_of
from fault_help import table


@scikit_learn_checks(
    ash.ASHClassifier(candidates=16, validation=0.2, random_state=0),
    ash.ASHRegressor(candidates=16, validation=0.2, random_state=0),
)
# some checks cause the warning about a class with one row, but do not expect it
@pytest.mark.filterwarnings("default")
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    if check.func.__name__.startswith("check_sample_weight_equivalence"):
        estimator = clone(estimator).set_params(validation=None)  # this check sets `cv`
    with all_switched_on():
        check(estimator)


def test_checks_with_the_array_api_and_metadata_routing() -> None:
    """Run all checks in a separate process, including those that `scikit_learn_checks` leaves out."""
    scikit_learn_of("1.9")
    searches = Path(__file__).parents[1] / "search"
    modules = [__file__, *(str(searches / f"test_{name}_cv.py") for name in ("search", "halving_search"))]
    chosen = ["-k", "test_scikit_learn_checks", "-n", "0", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *modules, *chosen],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None and int(passed[1]) > 200 and "skipped" not in done.stdout, done.stdout


def test_arrays_of_another_library_are_accepted() -> None:
    """F32: check that such arrays are read like NumPy arrays, and that NumPy arrays are returned."""
    strict = needs.package("array_api_strict")
    x, y = table(80)
    ours = classifier().fit(strict.asarray(x), strict.asarray(y))
    assert ours.result_.digest == digest(classifier(), x, y)
    assert type(ours.predict(strict.asarray(x))) is np.ndarray
