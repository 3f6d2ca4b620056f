"""Tests the script that learns the portfolio: its pool, the order that it finds, and the file that it writes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ash.space.hyperparameters import model_of
from scripts.learn_portfolio import KINDS, ROWS, SMALL, TARGET, Table, at_random, learn, log_error, pool, read, space_of

pytestmark = pytest.mark.core


@pytest.mark.parametrize("rows", [100, SMALL - 1, SMALL, 10**6])
@pytest.mark.parametrize("classes", [0, 2])
def test_the_default_space_contains_the_pool(rows: int, classes: int) -> None:
    spaces = {model: space_of(rows, classes, model) for model in ("network", "lightgbm")}
    configurations = pool(rows, classes)
    assert len({json.dumps(params) for params in configurations.values()}) == len(configurations) == 38
    for params in configurations.values():
        found = spaces[model_of(params)].completed(params)
        assert found is not None and {name: found[name] for name in params} == params


def test_the_file_holds_configurations_of_the_pool_ordered_by_kind() -> None:
    parts = json.loads(TARGET.read_text(encoding="utf-8"))
    assert [(part["task"], part["rows below"]) for part in parts] == [
        *(("classification", SMALL), ("classification", None)),
        *(("regression", SMALL), ("regression", None)),
    ]
    for part in parts:
        known = pool((part["rows below"] and SMALL - 1) or SMALL, 2 * (part["task"] == "classification"))
        assert all(params in json.loads(json.dumps(list(known.values()))) for params in part["candidates"])
        assert "".join(model_of(params)[0] for params in part["candidates"]) == KINDS[1:]


def kept(folder: Path, name: str, errors: dict[str, float], seed: int) -> Table:
    """Return a table with predictions by the configurations named in `errors`, each with the error given there."""
    random = np.random.default_rng(seed)
    targets, held = random.normal(size=(2, ROWS + 50))
    noise = {each: size * random.normal(size=(2, ROWS + 50)) for each, size in errors.items()}
    known = np.stack([targets + each[0] for each in noise.values()])[..., None].astype(np.float32)
    predictions = np.stack([held + each[1] for each in noise.values()])
    scores = [-size for size in errors.values()]
    truth: dict[str, Any] = {"truth": targets[:, None], "held_truth": held, "known": known, "held": predictions}
    np.savez(folder / f"{name}.npz", names=list(errors), scores=scores, rows=3_000, **truth)
    return read(folder / f"{name}.npz")


def test_the_configuration_that_most_lowers_the_ensemble_error_comes_first(tmp_path: Path) -> None:
    errors = {"default": 0.5, **{f"ash {n}": 2.0 for n in range(8)}, **{f"tree {n}": 3.0 for n in range(4)}}
    good = [{**errors, "ash 5": 0.4, "tree 2": 0.6}, {**errors, "ash 5": 0.5, "tree 2": 0.7}]
    tables = [
        kept(tmp_path, name, own, place) for place, (name, own) in enumerate(zip(("loans", "card"), good, strict=True))
    ]
    order = learn(tables, (True, False))
    assert order[:3] == ["default", "tree 2", "ash 5"] and len(set(order)) == len(order) == len(KINDS)
    together, alone = (log_error(tables[0], frozenset(order[:count])) for count in (3, 1))
    assert together == pytest.approx(np.log((0.5**-2 + 0.4**-2 + 0.6**-2) ** -0.5), abs=0.05) and alone > together
    assert alone == pytest.approx(np.log(0.5), abs=0.05)
    usual = at_random(tables[0], 0)
    assert usual[:2] == ["default", "tree 0"] and sorted(usual) != usual and set(usual) <= set(errors)
