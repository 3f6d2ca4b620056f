"""Runs scikit-learn's installed tests of its halving searches on `ash.HalvingRandomSearchCV`.

test_successive_halving.py -> its source, in which HalvingRandomSearchCV is replaced by ash's search with barriers
                              and the cases of HalvingGridSearchCV are removed
                           -> each of its tests becomes a test of this file, or is listed in LEFT_OUT with the reason
"""

import importlib.util
import inspect
import types
from pathlib import Path
from typing import Any

import ash
import needs

IMPORTED = "    HalvingRandomSearchCV,\n"
BOTH = (
    "(HalvingGridSearchCV, HalvingRandomSearchCV)",
    "(HalvingRandomSearchCV, HalvingGridSearchCV)",
    "[HalvingGridSearchCV, HalvingRandomSearchCV]",
    "[HalvingRandomSearchCV, HalvingGridSearchCV]",
)
HELPERS = """from sklearn.model_selection.tests.test_search import (
    check_cv_results_array_types,
    check_cv_results_keys,
)
"""
"""An import to remove: only a test that is left out needs it, and the imported module needs a pytest plugin."""
TEXT_OF_A_PARAMETER = 'params[chr(char)] = "whatever"'
"""A text to replace by a number, since ash's search requires the resource to be a number in the estimator."""


class HalvingRandomSearchCV(ash.HalvingRandomSearchCV):
    """ash's search, set to promote in the same way as scikit-learn's search of this name.

    It runs on one thread, as scikit-learn's search does by default: the scorer of test_cv_results draws from a shared
    generator, so its scores depend on the order of the jobs.
    """

    def fit(self, X: Any, y: Any = None, **params: Any) -> Any:
        self.config, self.n_jobs = ash.SearchConfig(algorithm="sh"), self.n_jobs or 1
        return super().fit(X, y, **params)


def installed_tests() -> types.ModuleType:
    """Return scikit-learn's module of halving tests, in which ash's search replaces scikit-learn's."""
    spec = importlib.util.find_spec("sklearn.model_selection.tests.test_successive_halving")
    if spec is None or spec.origin is None:
        needs.not_here("scikit-learn is installed without its tests")
    source = Path(spec.origin).read_text(encoding="utf-8")
    changes = {IMPORTED: "", HELPERS: "", TEXT_OF_A_PARAMETER: TEXT_OF_A_PARAMETER.replace('"whatever"', "1")}
    assert all(source.count(text) == 1 for text in changes), "scikit-learn has another file of tests"
    for text, other in {**changes, **dict.fromkeys(BOTH, "[HalvingRandomSearchCV]")}.items():
        source = source.replace(text, other)
    module = types.ModuleType("test_halving_of_scikit_learn_itself")
    vars(module).update(HalvingRandomSearchCV=HalvingRandomSearchCV, __file__=spec.origin)
    exec(compile(source, spec.origin, "exec"), vars(module))
    return module


PRIVATE = "looks at private functions of scikit-learn"

LEFT_OUT = {
    "test_base_estimator_inputs": "test folds are whole here, and rows are an equal share of each training fold",
    "test_halving_random_search_list_of_dicts": "a list of dicts is refused, as other tests show",
    "test_input_errors": "messages are ours, as other tests show; splitters may shuffle, since splits are made once",
    "test_min_resources_null": "an empty table is refused before its resources are counted, with another message",
    "test_random_search_discrete_distributions": "each configuration is tried once, as other tests show",
    "test_select_best_index": PRIVATE,
    "test_subsample_splitter_determinism": PRIVATE,
    "test_subsample_splitter_shapes": PRIVATE,
    "test_top_k": PRIVATE,
}

HALVING = installed_tests()
INSTALLED = {name for name, value in vars(HALVING).items() if name.startswith("test_") and inspect.isfunction(value)}
globals().update({name: getattr(HALVING, name) for name in sorted(INSTALLED - LEFT_OUT.keys())})


def test_every_test_of_scikit_learn_is_run_or_left_out_for_a_reason() -> None:
    run = {name for name in INSTALLED if globals().get(name) is getattr(HALVING, name)}
    assert run | (LEFT_OUT.keys() & INSTALLED) == INSTALLED
    assert len(run) >= 9, "scikit-learn has renamed tests: look for the new names in LEFT_OUT"
    assert all(LEFT_OUT.values())
