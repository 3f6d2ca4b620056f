"""`ash.tune` with the recipe in its space: one outcome on any number of threads, in folds, with weights."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from conftest import Data

import ash
from data_help import mixed_columns, mixed_target
from test_reproducible import LOOSE, TIGHT, Run, outcome
from test_reproducible import data as data
from test_reproducible import tune as tune
from training_help import FMA_SETS

pytestmark = pytest.mark.core

PARTS: dict[str, Any] = {
    "activation": ash.choice("mish", "selu", "relu"),
    "parametrization": ash.choice("ntk", "standard"),
    "input_scaling": ash.choice(True, False),
    "parametric_activation": ash.choice(True, False),
    "embedding": ash.choice("periodic", "none"),
    "embedding_frequency": ash.log(0.05, 5.0),
    "dropout": ash.choice(0.0, 0.2),
    "learning_rate": ash.log(1e-3, 0.3),
}
SMALL = ash.Space(hidden=ash.choice((16,), (), (24, 12)), batch_size=ash.choice(32, 16, "full"), **PARTS)
LARGE = ash.Space(hidden=ash.choice((192, 128), (128,)), batch_size=128, **PARTS)  # worth a team
X = np.array(list(zip(*mixed_columns(200).values(), strict=True)), object)
Y = mixed_target(mixed_columns(200))


@pytest.mark.parametrize("space", [SMALL, LARGE], ids=["small", "large"])
def test_the_outcome_is_the_same_however_it_is_computed(tune: Run, data: Data, space: ash.Space) -> None:
    settings = {"space": space, "candidates": 12}
    first = tune(data, teams=False, **settings)
    assert {params["embedding"] for params in first.params} == {"periodic", "none"}
    for name in ("input_scaling", "parametric_activation"):
        assert {params[name] for params in first.params} == {True, False}
    cases = itertools.product((1, 2, 3), (True, False), (TIGHT, LOOSE), FMA_SETS)
    for threads, teams, limit, name in cases:
        result = tune(data, threads=threads, teams=teams, memory_limit=limit, instruction_set=name, **settings)
        assert outcome(result) == outcome(first), (threads, teams, limit, name)


@pytest.mark.parametrize("training", ["resume", "restart"])
def test_folds_and_weights_have_the_same_bits_too(tune: Run, training: str) -> None:
    weights = np.random.default_rng(2).uniform(0.5, 3, 200)
    settings = {"space": SMALL, "candidates": 8, "cv": 3, "sample_weight": weights, "training": training}
    first = tune((X, Y), teams=False, **settings)
    for threads, limit in itertools.product((1, 2, 3), (TIGHT, LOOSE)):
        result = tune((X, Y), threads=threads, memory_limit=limit, **settings)
        assert outcome(result) == outcome(first), (threads, limit)


def test_a_column_that_is_constant_in_one_fold_is_embedded_in_the_others(tune: Run) -> None:
    """Folds have networks of different widths then; the model has seen all rows."""
    x = np.random.default_rng(3).normal(size=(90, 4))
    x[30:, 2] = 1.0  # a fold that validates on the first rows trains on nothing else
    folds = [(np.setdiff1d(np.arange(90), rows), rows) for rows in np.split(np.arange(90), 3)]
    settings = {"space": ash.Space(**PARTS | {"embedding": "periodic"}), "candidates": 4, "cv": folds}
    results = [tune((x, x[:, 0] ** 2), threads=threads, **settings) for threads in (1, 2)]
    assert outcome(results[0]) == outcome(results[1])
    assert results[0].model.core.numbers == [0, 1, 2, 3]


def test_what_a_network_scored_is_what_it_scores() -> None:
    """The evaluation reads weights and factors apart, the model has them multiplied."""
    for seed in range(3):
        result = ash.tune(X, Y, SMALL, candidates=12, seed=seed, validation=(X[:60], Y[:60]), progress=False)
        assert result.best_score == pytest.approx(result.model.score(X[:60], Y[:60]), abs=1e-6)


def test_results_say_what_a_candidate_had() -> None:
    result = ash.tune(X, Y, SMALL, candidates=12, progress=False)
    assert set(PARTS) <= set(result.best_params)
    for params in result.params:
        assert isinstance(params["input_scaling"], bool) and isinstance(params["embedding_frequency"], float)
    table = result.to_pandas()
    assert set(table["embedding"]) == {"periodic", "none"}
    model = result.model
    assert (model.core.numbers != []) == (result.best_params["embedding"] == "periodic")


def test_estimators_take_the_recipe() -> None:
    order = np.random.default_rng(0).permutation(200)
    space = ash.Space(**PARTS | {"embedding": "periodic", "input_scaling": True})
    fits = [
        ash.ASHRegressor(space, candidates=4, random_state=0).fit(X[rows], Y[rows]) for rows in (np.arange(200), order)
    ]
    assert fits[0].result_.digest == fits[1].result_.digest
    assert (fits[0].predict(X) == fits[1].predict(X)).all()
