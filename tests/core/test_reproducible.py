"""Tests `schedule="reproducible"`: results are bit-identical on any number of threads, with or without teams."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from conftest import Data

import ash
from ash import _core
from config_help import configured, split_once
from data_help import mixed_columns, mixed_target
from fault_help import python
from training_help import FMA_SETS, parameters

pytestmark = pytest.mark.core

THREADS = (1, 2, 7)
SEEDS = range(2)
TIGHT, LOOSE = 1, 2**40  # memory limits in bytes
SMALL = ash.Space(
    hidden=ash.choice((16,), (), (24, 12)),
    learning_rate=ash.loguniform(1e-3, 1.0, levels=31),
    optimizer=ash.choice("adamw", "sgd", "momentum"),
    batch_size=ash.choice(32, 16, "full"),
    dropout=ash.choice(0.0, 0.2),
)
LARGE = ash.Space(  # a step takes 5 to 30 million multiply-adds, so a team is worthwhile
    hidden=ash.choice((256, 256), (192, 128)),
    learning_rate=ash.loguniform(1e-4, 1e-2),
    optimizer=ash.choice("adamw", "sgd"),
    batch_size=128,
    dropout=ash.choice(0.0, 0.1),
)

Run = Callable[..., ash.Result]


@pytest.fixture
def tune(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function like `ash.tune` that uses the given instruction set and allows more threads than CPUs."""
    core = _core.Tuner

    def run(data: Data, *, threads: int = 1, instruction_set: str = "", **settings: Any) -> ash.Result:
        def tuner(*given: Any, **named: Any) -> _core.Tuner:
            return core(*given, **{**named, "threads": threads, "instruction_set": instruction_set})

        monkeypatch.setattr(_core, "Tuner", tuner)
        settings = split_once({"space": SMALL, "candidates": 24, "n_jobs": 1, "verbose": 0, **settings})
        return ash.tune(*data, **configured(settings))

    return run


def outcome(result: ash.Result) -> tuple[Any, ...]:
    """Return the parts of a result that must be equal: digest, virtual clock, ending, ladder, best score and model."""
    clock = tuple(result.columns[name].tobytes() for name in ("worker", "virtual_start", "virtual_end"))
    weights = parameters(result.model.core).tobytes()
    return result.digest, clock, result.ended, repr(result.rungs), len(result.params), result.best_score, weights


@pytest.fixture(params=["classification", "regression"])
def data(request: pytest.FixtureRequest, digits: Data, diabetes: Data) -> Data:
    X, y = digits if request.param == "classification" else diabetes
    return X[:300], y[:300]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_outcome_is_the_same_however_it_is_computed(tune: Run, data: Data, seed: int) -> None:
    settings = {"keep": 1, "random_state": seed}  # the memory limit does not apply to kept states
    expected = outcome(tune(data, teams=False, **settings))
    for threads, teams, limit, name in itertools.product(THREADS, (True, False), (TIGHT, LOOSE), FMA_SETS):
        result = tune(data, threads=threads, instruction_set=name, teams=teams, memory_limit=limit, **settings)
        assert outcome(result) == expected, (threads, teams, limit, name)
        assert (result.memory["retrained_epochs"] > 0) == (limit == TIGHT)


@pytest.mark.parametrize("seed", SEEDS)
def test_teams_change_no_bit(tune: Run, data: Data, seed: int) -> None:
    """Train only a few networks, large enough for teams, so that the other threads have no other jobs."""
    settings = {"space": LARGE, "candidates": 5, "min_epochs": 4, "random_state": seed}
    expected = outcome(tune(data, teams=False, **settings))
    assert {outcome(tune(data, threads=threads, teams=False, **settings)) for threads in THREADS} == {expected}
    largest = 1
    for threads, limit, name in itertools.product(THREADS, (TIGHT, LOOSE), FMA_SETS):
        result = tune(data, threads=threads, instruction_set=name, memory_limit=limit, **settings)
        assert outcome(result) == expected, (threads, limit, name)
        assert threads > 1 or not len(result.assists["thread"])
        largest = max(largest, *(job.team for job in result.jobs))
    assert largest > 1, "teams were formed"


HALF_A_MILLION = """
import numpy as np, sys
import ash

X = np.random.default_rng(0).normal(size=(40, 524_800)).astype(np.float32)
space = ash.Space(hidden=(), embedding="periodic", batch_size=16)
search = ash.SearchConfig(min_epochs=8)
y = np.arange(40) % 2
given = {"space": space, "candidates": 1, "validation": 0.2, "config": search}
print(ash.tune(X, y, **given, n_jobs=int(sys.argv[1]), verbose=0).digest)
"""  # each step has more blocks of weights than a 16-bit number can count


@pytest.mark.slow
def test_two_threads_share_half_a_million_embedded_numbers() -> None:
    """Train in another process, so that a hang is a failure. This takes 5 GB and half a minute."""
    alone, shared = (python(HALF_A_MILLION, threads) for threads in ("1", "2"))
    assert alone.returncode == 0, alone.stderr
    assert shared.stdout == alone.stdout, shared.stderr


def test_help_changes_no_bit(tune: Run, data: Data) -> None:
    """Repeat the run until helpers have done part of a job, since on a busy machine they may join too late."""
    settings = {"space": LARGE, "candidates": 3, "min_epochs": 10}
    expected = outcome(tune(data, teams=False, **settings))
    helped = 0
    for _ in range(100):
        result = tune(data, threads=7, **settings)
        assert outcome(result) == expected
        helped += len(result.assists["thread"]) > 0
        if helped == 3:
            return
    pytest.fail("hardly any of 100 runs has seen a helper at work")


VARIANTS = {
    "capped": {},
    "paper": {"promotion": "paper"},
    "improving": {"promotion": "improving"},
    "restart": {"training": "restart"},
    "sh": {"algorithm": "sh"},
    "random": {"algorithm": "random", "max_rungs": 3},
    "eta 3": {"eta": 3, "min_epochs": 2},
    "few workers": {"virtual_workers": 3},
    "one worker": {"virtual_workers": 1},
    "epoch limit": {"max_total_epochs": 29},
    "target": {"stop_score": 0.2},
    "patience": {"patience": 4},
    "target, paper": {"stop_score": 0.2, "promotion": "paper"},
    "stream": {"candidates": None, "max_total_epochs": 120},
    "stream, capped": {"candidates": None, "max_total_epochs": 120, "promotion": "capped", "virtual_workers": 5},
    "stream, improving": {"candidates": None, "max_total_epochs": 120, "promotion": "improving", "virtual_workers": 5},
    "stream to a target": {"candidates": None, "stop_score": 0.3},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_rule_keeps_the_promise(tune: Run, data: Data, variant: str) -> None:
    space = SMALL if len(np.unique(data[1])) == 10 else LARGE
    settings = {"space": space, "candidates": 12, "random_state": 6, **VARIANTS[variant]}
    first = tune(data, teams=False, **settings)
    limits = ("stop_score", "patience", "max_total_epochs")
    assert first.ended == next((limit for limit in limits if limit in settings), "finished")
    for threads, teams, limit in ((1, True, TIGHT), (2, True, LOOSE), (7, True, TIGHT), (4, False, LOOSE)):
        result = tune(data, threads=threads, teams=teams, memory_limit=limit, **settings)
        assert outcome(result) == outcome(first), (threads, teams, limit)


def test_the_digest_covers_everything_that_determines_the_outcome(tune: Run, data: Data) -> None:
    """Check that any change of the outcome changes the digest."""
    changes = [
        {},
        {"random_state": 1},
        {"virtual_workers": 2},
        {"eta": 3},
        {"training": "restart"},
        {"max_total_epochs": 30},
    ]
    assert len({tune(data, **change).digest for change in changes}) == len(changes)


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """Keep all CPUs busy by running one process more than there are CPUs."""
    spinning = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
    processes = [subprocess.Popen(spinning, stdout=subprocess.PIPE) for _ in range(len(os.sched_getaffinity(0)) + 1)]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()  # the process is running
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.mark.parametrize("space", [SMALL, LARGE], ids=["small", "large"])
def test_a_busy_machine_changes_no_bit(tune: Run, data: Data, space: ash.Space, busy_machine: None) -> None:
    expected = outcome(tune(data, space=space, candidates=8, teams=False))
    for threads, limit in itertools.product((2, 3, 7), (TIGHT, LOOSE)):
        assert outcome(tune(data, space=space, candidates=8, threads=threads, memory_limit=limit)) == expected


ELSEWHERE = """
import sys
from sklearn.datasets import load_diabetes
import ash
X, y = load_diabetes(return_X_y=True)
print(ash.tune(X[:300], y[:300], candidates=8, validation=0.2, random_state=3, verbose=0).digest)
"""


@pytest.mark.parametrize("environment", [{"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "7"}, {"OMP_NUM_THREADS": ""}])
def test_another_process_has_the_same_outcome(diabetes: Data, environment: dict[str, str]) -> None:
    X, y = diabetes
    here = ash.tune(X[:300], y[:300], candidates=8, random_state=3, verbose=0, validation=0.2).digest
    there = python(ELSEWHERE, **environment)
    assert there.stdout.strip() == here, there.stderr


# The recipe of RealMLP in the space

RECIPE: dict[str, Any] = {
    "activation": ash.choice("mish", "selu", "relu"),
    "parametrization": ash.choice("ntk", "standard"),
    "input_scaling": ash.choice(True, False),
    "parametric_activation": ash.choice(True, False),
    "embedding": ash.choice("periodic", "none"),
    "embedding_frequency": ash.loguniform(0.05, 5.0),
    "dropout": ash.choice(0.0, 0.2),
    "learning_rate": ash.loguniform(1e-3, 0.3),
}
SMALL_RECIPE = ash.Space(hidden=ash.choice((16,), (), (24, 12)), batch_size=ash.choice(32, 16, "full"), **RECIPE)
LARGE_RECIPE = ash.Space(hidden=ash.choice((192, 128), (128,)), batch_size=128, **RECIPE)  # large enough for a team
X = np.array(list(zip(*mixed_columns(200).values(), strict=True)), object)
Y = mixed_target(mixed_columns(200))


@pytest.mark.parametrize("space", [SMALL_RECIPE, LARGE_RECIPE], ids=["small", "large"])
def test_the_recipe_has_one_outcome_however_it_is_computed(tune: Run, data: Data, space: ash.Space) -> None:
    settings = {"space": space, "candidates": 12}
    first = tune(data, teams=False, **settings)
    assert {params["embedding"] for params in first.params} == {"periodic", "none"}
    for name in ("input_scaling", "parametric_activation"):
        assert {params[name] for params in first.params} == {True, False}
    cases = itertools.product((1, 3), (True, False), (TIGHT, LOOSE), FMA_SETS)
    for threads, teams, limit, name in cases:
        result = tune(data, threads=threads, instruction_set=name, teams=teams, memory_limit=limit, **settings)
        assert outcome(result) == outcome(first), (threads, teams, limit, name)


@pytest.mark.parametrize("training", ["resume", "restart"])
def test_runs_with_folds_and_weights_have_the_same_bits(tune: Run, training: str) -> None:
    weights = np.random.default_rng(2).uniform(0.5, 3, 200)
    settings = {"space": SMALL_RECIPE, "candidates": 8, "cv": 3, "sample_weight": weights, "training": training}
    first = tune((X, Y), teams=False, **settings)
    for threads, limit in itertools.product((1, 2, 3), (TIGHT, LOOSE)):
        result = tune((X, Y), threads=threads, memory_limit=limit, **settings)
        assert outcome(result) == outcome(first), (threads, limit)


def test_a_column_constant_in_one_fold_is_embedded_in_the_other_folds(tune: Run) -> None:
    """Use folds whose networks have different numbers of inputs. The final model is trained on all rows."""
    x = np.random.default_rng(3).normal(size=(90, 4))
    x[30:, 2] = 1.0  # constant in the fold that validates on the first rows
    folds = [(np.setdiff1d(np.arange(90), rows), rows) for rows in np.split(np.arange(90), 3)]
    settings = {"space": ash.Space(**RECIPE | {"embedding": "periodic"}), "candidates": 4, "cv": folds}
    results = [tune((x, x[:, 0] ** 2), threads=threads, **settings) for threads in (1, 2)]
    assert outcome(results[0]) == outcome(results[1])
    assert results[0].model.core.numbers == [0, 1, 2, 3]


def test_a_model_reproduces_the_score_of_its_job() -> None:
    """Compare a model with its job. Unlike the job's weights, the model's weights include the input factors."""
    for seed in range(3):
        result = ash.tune(X, Y, SMALL_RECIPE, candidates=12, random_state=seed, validation=(X[:60], Y[:60]), verbose=0)
        assert result.best_score == pytest.approx(result.model.score(X[:60], Y[:60]), abs=1e-6)
