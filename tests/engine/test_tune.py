"""Tests `ash.tune` from end to end on real data, and the input that it refuses before training."""

import asyncio
import math
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.metrics import get_scorer, recall_score
from sklearn.model_selection import train_test_split

import ash
from ash.scoring.fold_scoring import Scoring
from config_help import configured, split_once

pytestmark = pytest.mark.core

WINE = load_wine(return_X_y=True)


def quick(X=WINE[0], y=WINE[1], space=None, **settings):
    settings = split_once({"candidates": 8, "n_jobs": 2, "verbose": 0, **settings})
    return ash.tune(X, y, space, **configured(settings))


def test_digits_are_learned():
    X, X_test, y, y_test = train_test_split(*load_digits(return_X_y=True), random_state=0)
    result = quick(X, y, candidates=32)
    assert result.best_score > 0.95
    assert result.model.score(X_test, y_test) > 0.94
    assert result.ended == "finished" and not result.interrupted
    assert result.best_score == max(job.score for job in result.jobs if not job.diverged)


def test_regression_errors_are_in_the_units_of_the_target():
    X, y = load_diabetes(return_X_y=True)
    for metric in ("r2", "rmse", "mae"):
        result = quick(X[:350], y[:350], validation=(X[350:], y[350:]), scoring=metric, candidates=16)
        assert result.model.score(X[350:], y[350:], metric) == pytest.approx(result.best_score, rel=1e-4)
        assert result.model.score(X[350:], y[350:]) > 0.25
    prediction = result.model.predict(X)
    assert prediction.shape == y.shape and prediction.dtype == np.float64
    assert abs(prediction.mean() - y.mean()) < 20


def test_a_validation_table_is_not_trained_on():
    X, X_other, y, y_other = train_test_split(*WINE, random_state=0)
    result = quick(X, y, validation=(X_other + 1000, y_other))
    assert result.model.core.input_center == pytest.approx(np.median(X, axis=0))


def test_an_undefined_default_metric_is_replaced_with_a_warning():
    X, y = load_diabetes(return_X_y=True)
    with pytest.warns(UserWarning, match="ranked by 'neg_root_mean_squared_error'"):
        result = quick(X, y, validation=1)
    assert result.metric == "neg_root_mean_squared_error" and result.best_score < 0


def test_the_error_after_complete_divergence_lists_the_reasons():
    space = ash.Space(learning_rate=ash.choice(1e29, 1e30), optimizer="sgd", hidden=(8,))
    with pytest.raises(ash.AllDivergedError, match="all 2 finished candidates") as refusal:
        quick(space=space, candidates=2)
    lines = str(refusal.value).splitlines()
    assert lines[1].split() == ["candidate", "learning_rate", "optimizer", "epochs", "loss"]
    assert sorted(line.split()[0] for line in lines[2:]) == ["0", "1"]


def test_a_diverged_candidate_does_not_affect_the_next_one():
    """On one thread, train a narrow network in the workspace that a diverged wide network has filled with NaN."""
    space = ash.Space(
        hidden=ash.choice((16,), (3,), default=(16,)),
        learning_rate=[ash.choice(1e30).when(hidden=(16,)), ash.choice(0.05).when(hidden=(3,))],
        optimizer="sgd",
    )
    result = quick(space=space, candidates=2, n_jobs=1, schedule="greedy")  # trains the candidates in order
    assert [job.diverged for job in result.jobs if job.rung == 0] == [True, False]
    assert result.best_candidate == 1


@pytest.mark.parametrize("schedule", ["reproducible", "greedy"])
def test_one_thread_and_one_seed_give_one_result(schedule):
    runs = [quick(candidates=16, n_jobs=1, random_state=seed, schedule=schedule) for seed in (3, 3, 4)]
    assert runs[0].digest == runs[1].digest != runs[2].digest
    assert runs[0].model.predict_proba(WINE[0]).tolist() == runs[1].model.predict_proba(WINE[0]).tolist()


def test_a_drawn_seed_can_be_used_again():
    first = quick(random_state=None, n_jobs=1)
    again = quick(random_state=first.seed, n_jobs=1)
    assert first.seed != quick(random_state=None).seed
    assert again.params == first.params and again.best_score == first.best_score


@pytest.mark.parametrize("algorithm", ["ash", "sh", "random"])
@pytest.mark.parametrize("training", ["resume", "restart"])
def test_every_algorithm_uses_the_same_ladder(algorithm, training):
    result = quick(algorithm=algorithm, training=training, candidates=9, eta=3)
    assert [rung["epochs"] for rung in result.rungs] == [1, 3]
    places = [9, 9] if algorithm == "random" else [9, 3]
    assert [rung["finished"] for rung in result.rungs] == places
    assert result.epochs == sum(rung["epochs"] * rung["finished"] for rung in result.rungs)


def test_tune_runs_outside_of_the_main_thread():
    results = []
    threads = [threading.Thread(target=lambda: results.append(quick())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 2 and all(result.ended == "finished" for result in results)


def test_f78_tune_runs_inside_an_event_loop():
    async def run():
        ticks = 0
        task = asyncio.get_running_loop().run_in_executor(None, lambda: quick(candidates=64))
        while not task.done():
            await asyncio.sleep(0.001)
            ticks += 1
        return ticks, await task, quick(candidates=2)

    ticks, result, direct = asyncio.run(run())
    assert ticks > 0 and result.ended == "finished" and direct.ended == "finished"


def test_importing_ash_loads_no_heavy_package():
    heavy = "('sklearn', 'rich', 'pandas', 'matplotlib', 'safetensors', 'pyarrow', 'scipy', 'sqlite3')"
    there = f"[name for name in {heavy} if name in sys.modules]"
    code = (
        f"import sys; before = {there}; import ash; ash.tune; print([name for name in {there} if name not in before])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_importing_ash_loads_only_the_core():
    code = "import sys, numpy; before = set(sys.modules); import ash; print(*sorted(set(sys.modules) - before))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = [name for name in shown.stdout.split() if name.partition(".")[0] == "ash"]
    assert loaded == ["ash", "ash._core", "ash._utils", "ash.errors"]


def test_functions_are_not_hidden_by_modules_of_the_same_name():
    code = "import ash, ash.entry_points.resume, ash.cli.command; print(ash.tune.__name__, ash.resume.__name__)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["tune", "resume"]


# Refused input


NUMBERS = "an integer from 1"
REFUSED = [
    ("candidates", NUMBERS, [0, -1, True]),
    (
        "candidates",
        "never ends by itself: give time_limit, or max_total_epochs, work_limit, stop_score or patience",
        [None],
    ),
    ("eta", "an integer from 2", [1, 2.5]),
    ("min_epochs", NUMBERS, [0]),
    ("epoch_rows", NUMBERS, [0, 2.5, "all"]),
    ("max_rungs", NUMBERS, [0]),
    ("algorithm", "'ash', 'sh', 'random'", ["asha"]),
    ("promotion", "'capped', 'paper', 'improving'", ["all"]),
    ("training", "'resume', 'restart'", ["warm"]),
    ("schedule", "'reproducible', 'greedy'", ["lazy"]),
    ("virtual_workers", "an integer from 1 to 65536", [0, 65_537, True]),
    ("teams", "True or False", [1]),
    ("memory_limit", NUMBERS, [0, "2G", 1e9]),
    ("max_total_epochs", NUMBERS, [0, 2**63, 10.0]),
    ("stop_score", "finite", [math.nan, math.inf, "0.9", 10**400, True]),
    ("threads", "threads", [0, 1.5]),
    ("scoring", "did you mean accuracy", ["accurracy"]),
    ("scoring", "does not fit classification; give one of accuracy", ["r2", "rmse", "neg_mean_absolute_error"]),
    ("scoring", "did you mean neg_log_loss", ["logloss"]),
    ("scoring", "must be one of accuracy, .*, another scikit-learn scorer, or a function", ["xyz", 3, ["auc"]]),
    ("scoring", "cannot score these rows: Target is multiclass", ["recall"]),
    ("task", "'classification', 'regression'", ["clustering"]),
    (
        "time_limit",
        "time_limit must be a number of seconds, 0 or more, or None for no limit, got ",
        [-1, math.nan, "10", 10**400],
    ),
    ("random_state", "an integer from 0|cannot be used to seed", [-1, 0.5, "0"]),
    ("verbose", "an integer", ["yes"]),
    ("validation", "validation", [0, 1.0]),
    ("validation", r"\(X, y\)", [(WINE[0],)]),
    ("space", r"ash\.Space", [3, {}, "small"]),
]


@pytest.mark.parametrize(("setting", "allowed", "values"), REFUSED)
def test_refused_settings_name_argument_and_value(setting, allowed, values):
    for value in values:
        with pytest.raises(ash.SettingError, match=allowed) as refusal:
            quick(**{setting: value})
        assert setting in str(refusal.value)


def test_an_endless_stream_needs_a_limit_and_an_asynchronous_algorithm():
    for limit in ({}, {"time_limit": math.inf}):
        with pytest.raises(ash.SettingError, match="candidates=None never ends by itself: give time_limit"):
            quick(candidates=None, **limit)
    with pytest.raises(ash.SettingError, match="algorithm='sh'"):
        quick(candidates=None, max_total_epochs=10, algorithm="sh")
    with pytest.raises(ash.SettingError, match="max_rungs"):
        quick(candidates=None, max_total_epochs=10, algorithm="random")


def test_an_epoch_limit_must_allow_one_job():
    with pytest.raises(ash.SettingError, match="max_total_epochs=4 allows no job: raise it to min_epochs=5"):
        quick(max_total_epochs=4, min_epochs=5)


def test_a_stop_score_is_not_compared_with_a_replacement_metric():
    """Use one validation row, for which "r2" is undefined. Without a stop score, the run would use "rmse" instead."""
    X, y = load_diabetes(return_X_y=True)
    with pytest.raises(ash.SettingError, match="'r2' is undefined on the 1 validation rows"):
        quick(X, y, validation=1, stop_score=0.5)


def test_settings_are_checked_before_the_data_is_read():
    with pytest.raises(ash.SettingError, match="eta"):
        quick(None, None, eta=2.5)


def test_an_invalid_validation_table_is_refused():
    X, y = WINE
    with pytest.raises(ash.DataError, match="features"):
        quick(validation=(X[:, :5], y))
    with pytest.raises(ash.DataError, match="y holds labels that were not in training: 7"):
        quick(validation=(X, np.where(y == 1, 7, y)))
    with pytest.raises(ash.DataError, match=r"y must have shape \(178,\), one label per row of X, got \(177,\)"):
        quick(validation=(X, y[:-1]))


def test_an_undefined_explicit_metric_is_refused():
    X, y = load_breast_cancer(return_X_y=True)
    ones = np.flatnonzero(y == 1)[:20]
    with pytest.raises(ash.SettingError, match="undefined on the 20 validation rows"):
        quick(X, y, validation=(X[ones], y[ones]), scoring="auc")


# Metrics


@pytest.mark.parametrize(
    ("plain", "name"),
    [("log_loss", "neg_log_loss"), ("auc", "roc_auc"), ("roc_auc_ovr", "roc_auc"), ("accuracy", "accuracy")],
)
def test_a_metric_can_be_given_by_its_plain_name(plain, name):
    result = quick(candidates=2, scoring=plain)
    assert result.metric == result.model.metric == name
    assert result.digest == quick(candidates=2, scoring=name).digest
    assert result.model.score(*WINE, plain) == result.model.score(*WINE, name)


def test_a_scikit_learn_scorer_or_a_function_ranks_the_candidates():
    by_name = quick(candidates=4, scoring="recall_macro", n_jobs=1)
    by_object = quick(candidates=4, scoring=get_scorer("recall_macro"), n_jobs=1)
    ours = quick(candidates=4, scoring=lambda model, X, y: recall_score(y, model.predict(X), average="macro"), n_jobs=1)
    assert by_name.metric == "recall_macro" and by_name.digest == by_object.digest == ours.digest
    scores = [job.score for job in by_name.jobs]
    assert by_name.best_score == max(scores) and scores != [job.score for job in quick(candidates=4).jobs]


def test_a_function_named_like_a_metric_is_not_taken_for_it():
    def ours(model, X, y):
        return -float(np.mean((model.predict_proba(X)[:, 1] - y) ** 2))

    X, y = load_breast_cancer(return_X_y=True)
    space = ash.Space(hidden=ash.choice((16,), (8,)), label_smoothing=0.3)
    expected = quick(X, y, space, candidates=2, scoring=ours)
    ours.__name__ = "accuracy"
    found = quick(X, y, space, candidates=2, scoring=ours)
    assert found.metric == found.model.metric == "accuracy()"
    assert np.array_equal(found.model.predict_proba(X), expected.model.predict_proba(X))


def test_a_run_with_a_scorer_is_resumed(tmp_path):
    named, own = tmp_path / "named.ash", tmp_path / "own.ash"
    first = quick(candidates=4, scoring="f1_micro", journal=named)
    assert ash.resume(named, *WINE, verbose=0).digest == first.digest

    def last(model, X, y):
        return float(np.mean(model.predict(X) == y))

    first = quick(candidates=4, scoring=last, journal=own)
    with pytest.raises(ash.SettingError, match="scoring=None: pass the function that scores that the run started with"):
        ash.resume(own, *WINE, verbose=0)
    assert ash.resume(own, *WINE, scoring=last, verbose=0).digest == first.digest


def test_a_resumed_run_keeps_as_many_networks_as_before(tmp_path):
    path = tmp_path / "run.ash"
    first = quick(keep=2, journal=path)
    again = ash.resume(path, *WINE, verbose=0)
    assert len(again.kept.networks) == 2 and again.record == first.record


def share_of_zeros(step=1):
    return lambda model, X, y: step * np.mean([label == 0 for label in model.predict(X)])


def share_of_others(step=1):
    return lambda model, X, y: step * np.mean([label != 0 for label in model.predict(X)])


def share_with_a_default(step):
    return lambda model, X, y, step=step: step * np.mean(model.predict(X) == y)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (share_of_zeros(), share_of_others()),
        (share_of_zeros(1), share_of_zeros(2)),
        (share_of_zeros(np.ones(2)), share_of_zeros(np.ones(3))),
        (share_with_a_default(1), share_with_a_default(2)),
    ],
    ids=["comprehension", "closure", "array in a closure", "default"],
)
def test_a_changed_part_of_a_scorer_identifies_it(first, second):
    first.__qualname__ = second.__qualname__ = "scorer"
    assert Scoring("scorer", first).identity != Scoring("scorer", second).identity


def test_a_scorer_with_a_set_has_the_same_identity_in_every_process():
    code = """if True:
        from ash.scoring.fold_scoring import Scoring
        scorer = lambda model, X, y: float(model.classes_[0] in {"red", "rose", "white"})
        print(Scoring("scorer", scorer).identity)
    """
    runs = (
        subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, stdout=-1, check=True)
        for seed in "123"
    )
    assert len({run.stdout for run in runs}) == 1
