"""What ash.tune refuses, before anything runs, and what it says then."""

import math

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

import ash

pytestmark = pytest.mark.core

WINE = load_wine(return_X_y=True)


def quick(X=WINE[0], y=WINE[1], space=None, **settings):
    return ash.tune(X, y, space, **{"candidates": 8, "progress": False, **settings})


@pytest.mark.parametrize(
    ("setting", "value", "allowed"),
    [
        ("candidates", 0, "an integer from 1"),
        ("candidates", -1, "an integer from"),
        ("candidates", None, "needs time_limit, epoch_limit or target"),
        ("candidates", True, "an integer from"),
        ("eta", 1, "an integer from 2"),
        ("eta", 2.5, "an integer from"),
        ("min_epochs", 0, "an integer from 1"),
        ("epoch_rows", 0, "an integer from 1"),
        ("epoch_rows", 2.5, "an integer from 1"),
        ("epoch_rows", "all", "an integer from 1"),
        ("max_rungs", 0, "an integer from 1"),
        ("algorithm", "asha", "'ash', 'sh', 'random'"),
        ("promotion", "all", "'capped', 'paper', 'improving'"),
        ("training", "warm", "'resume', 'restart'"),
        ("schedule", "lazy", "'reproducible', 'greedy'"),
        ("schedule", None, "'reproducible', 'greedy'"),
        ("workers", 0, "an integer from 1 to 65536"),
        ("workers", 65_537, "an integer from 1 to 65536"),
        ("workers", None, "an integer from"),
        ("workers", True, "an integer from"),
        ("teams", 1, "True or False"),
        ("teams", None, "True or False"),
        ("memory_limit", 0, "an integer from 1"),
        ("memory_limit", "2G", "an integer from 1"),
        ("memory_limit", 1e9, "an integer from 1"),
        ("epoch_limit", 0, "an integer from 1"),
        ("epoch_limit", 2**63, "an integer from 1"),
        ("epoch_limit", 10.0, "an integer from 1"),
        ("target", math.nan, "finite"),
        ("target", math.inf, "finite"),
        ("target", "0.9", "finite"),
        pytest.param("target", 10**400, "finite", id="target-huge"),
        ("target", True, "finite"),
        ("threads", 0, "threads"),
        ("threads", 1.5, "threads"),
        ("metric", "accurracy", "accuracy"),
        ("metric", "roc_auc", "did you mean auc"),
        ("metric", "neg_root_mean_squared_error", "did you mean rmse"),
        ("metric", "f1", "choose one of accuracy, .*, mae; any scorer of scikit-learn's is the argument scoring"),
        ("metric", "r2", "accuracy"),
        ("task", "clustering", "'classification', 'regression'"),
        ("time_limit", -1, "zero or more"),
        ("time_limit", math.nan, "zero or more"),
        ("time_limit", "10", "zero or more"),
        pytest.param("time_limit", 10**400, "zero or more", id="time_limit-huge"),
        ("seed", -1, "an integer from 0"),
        ("seed", 0.5, "an integer from 0"),
        ("seed", "0", "an integer from 0"),
        ("progress", "yes", "True, False or None"),
        ("validation", 0, "validation"),
        ("validation", 1.0, "validation"),
        ("validation", (WINE[0],), r"\(X, y\)"),
    ],
)
def test_refused_settings_name_argument_and_value(setting, value, allowed):
    with pytest.raises(ash.SettingError, match=allowed) as refusal:
        quick(**{setting: value})
    assert setting in str(refusal.value)


def test_an_endless_stream_must_end_and_have_no_barrier():
    for limit in ({}, {"time_limit": math.inf}):
        with pytest.raises(ash.SettingError, match="candidates=None needs time_limit, epoch_limit or target"):
            quick(candidates=None, **limit)
    with pytest.raises(ash.SettingError, match="algorithm='sh'"):
        quick(candidates=None, epoch_limit=10, algorithm="sh")
    with pytest.raises(ash.SettingError, match="max_rungs"):
        quick(candidates=None, epoch_limit=10, algorithm="random")


def test_an_epoch_limit_must_allow_one_job():
    with pytest.raises(ash.SettingError, match=r"epoch_limit=4 .* at least min_epochs=5"):
        quick(epoch_limit=4, min_epochs=5)


def test_a_target_is_not_compared_with_another_metric():
    """Without a target, r2 on one row would give way to rmse."""
    X, y = load_diabetes(return_X_y=True)
    with pytest.raises(ash.SettingError, match="'r2' is undefined on the 1 validation rows"):
        quick(X, y, validation=1, target=0.5)


def test_settings_are_checked_before_the_data_is_read():
    with pytest.raises(ash.SettingError, match="eta"):
        quick(None, None, eta=2.5)


def test_space_must_be_a_space():
    with pytest.raises(ash.SettingError, match=r"ash\.Space"):
        quick(space={"hidden": (3,)})


def test_validation_table_must_fit():
    X, y = WINE
    with pytest.raises(ash.DataError, match="features"):
        quick(validation=(X[:, :5], y))
    with pytest.raises(ash.DataError, match="not trained: 7"):
        quick(validation=(X, np.where(y == 1, 7, y)))
    with pytest.raises(ash.DataError, match="one label for each row"):
        quick(validation=(X, y[:-1]))


def test_wished_metric_that_is_undefined_is_refused():
    X, y = load_breast_cancer(return_X_y=True)
    ones = np.flatnonzero(y == 1)[:20]
    with pytest.raises(ash.SettingError, match="undefined on the 20 validation rows"):
        quick(X, y, validation=(X[ones], y[ones]), metric="auc")
