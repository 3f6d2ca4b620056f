"""Tests epochs of only some rows: their choice, bit-identical results for any number of threads, and default size."""

import importlib
import itertools
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

import ash
from ash import _core
from ash.encoding.data_split import Split
from ash.engine.planning import MOST_WHOLE, PART, default_epoch_rows, rows_of_epoch
from ash.engine.refit import SHARE, Refit
from config_help import configured, set_cpus, split_once
from data_help import options, parts_from
from ensemble_help import YR, X, Y, space
from reference_epochs import order_of_pass
from reference_epochs import rows_of_epoch as rows_taken
from reference_layers import Array
from training_help import parameters, reference, robust, same_bits, settings, standardized, table

pytestmark = pytest.mark.core

TOLERANCE = 5e-6  # as in test_training.py


def cut_data(x: Array, y: Array, classes: int, epoch_rows: int) -> _core.Data:
    """Return data whose rows are all for training, with at most `epoch_rows` rows per epoch."""
    rows = np.arange(len(x), dtype=np.int64)
    builder = _core.DataBuilder([True] * x.shape[1], y, classes, rows, rows, None, None, epoch_rows)
    builder.observe(x)
    builder.fill(x)
    return builder.finish()


# The choice of rows


@pytest.mark.parametrize("most", [1, 4, 7, 12, 22, 23, 50])
def test_an_epoch_takes_the_rows_of_the_oracle(most: int) -> None:
    """Identify an epoch's rows by its loss: the network is never changed, and every row has a different loss."""
    x, y = table(23, 3, 1, 0)
    data = cut_data(x, y, 0, most)
    network, losses = _core.train(data, settings(batch_size=5, learning_rate=1e-30), 50, seed=9, candidate=3)
    squares = (((network.predict(x) - y) / network.target_scale) ** 2)[:, 0]
    assert np.diff(np.sort(squares)).min() > 1e-4 * squares.mean()
    for epoch, loss in enumerate(losses):
        taken = rows_taken(9, 3, epoch, 23, most)
        assert len(taken) == data.epoch_rows <= most
        assert loss == pytest.approx(squares[taken].mean(), rel=1e-4), epoch


@pytest.mark.parametrize(("rows", "most"), [(1, 1), (11, 2), (11, 3), (11, 6), (100, 30), (100, 100), (97, 1000)])
def test_the_oracle_takes_no_row_twice_in_a_pass(rows: int, most: int) -> None:
    parts = -(-rows // min(rows, most))
    for number in range(3):
        taken = np.concatenate(
            [rows_taken(5, 1, epoch, rows, most) for epoch in range(number * parts, parts * (number + 1))]
        )
        assert len(set(taken.tolist())) == len(taken) > rows - parts
    assert sorted(order_of_pass(5, 1, 7, rows).tolist()) == list(range(rows))


@pytest.mark.parametrize("classes", [0, 3])
def test_training_on_parts_equals_the_oracle(classes: int) -> None:
    """Train jobs that end in the middle of a pass: a pass has three epochs of 20 rows, and 7 epochs are trained."""
    x, y = table(61, 6, classes or 2, classes, seed=3)
    chosen = settings(hidden=(8,), activations=("tanh",), batch_size=8, optimizer="adamw", epsilon=1e-2)
    data = cut_data(x, y, classes, 21)
    network, losses = _core.train(data, chosen, 1, cycles=3, growth=2)
    orders = [rows_taken(0, 0, epoch, 61, 21).tolist() for epoch in range(7)]
    targets = y if classes else standardized(y)
    expected, expected_losses = reference(data, chosen, robust(x), targets, classes, [1, 2, 4], orders)
    np.testing.assert_allclose(losses, expected_losses, rtol=TOLERANCE, atol=TOLERANCE)
    for number, layer in enumerate(expected.dense):
        np.testing.assert_allclose(network.weights[number], layer.weights, rtol=TOLERANCE, atol=TOLERANCE)


def test_a_full_batch_always_has_all_rows() -> None:
    x, y = table(61, 6, 3, 3)
    whole, part = (_core.train(cut_data(x, y, 3, most), settings(batch_size=0), 3)[0] for most in (0, 20))
    assert same_bits(parameters(whole), parameters(part))


def test_python_and_the_core_agree_on_the_rows_of_an_epoch() -> None:
    x, y = table(40, 2, 1, 0)
    for rows, most in itertools.product((1, 2, 7, 39, 40), (None, 1, 2, 3, 5, 19, 20, 21, 39, 40, 41)):
        assert rows_of_epoch(rows, most) == cut_data(x[:rows], y[:rows], 0, most or 0).epoch_rows


# Runs


def run(y: Any = Y, **changes: Any) -> ash.Result:
    given = {"candidates": 16, "n_jobs": 2, "random_state": 2, "verbose": 0, "epoch_rows": 100, **changes}
    return ash.tune(X, y, space(), **configured(split_once(given)))


@pytest.mark.parametrize("limit", [{}, {"max_total_epochs": 37}, {"training": "restart"}, {"cv": 3}], ids=str)
@pytest.mark.parametrize("kind", ["classes", "targets"])
def test_the_same_digest_on_any_threads(kind: str, limit: dict[str, Any]) -> None:
    y = Y if kind == "classes" else YR
    whole = run(y, epoch_rows=None, **limit)
    results = [run(y, n_jobs=threads, teams=teams, **limit) for threads in (1, 2) for teams in (True, False)]
    assert len({result.digest for result in results}) == 1 and results[0].digest != whole.digest
    assert results[0].settings["epoch_rows"] == 100 and results[0].epochs == whole.epochs
    networks = [parameters(result.model.core) for result in results]
    assert all(same_bits(networks[0], other) for other in networks[1:])


def test_dropped_states_are_retrained_with_the_same_bits() -> None:
    tight = run(memory_limit=1)
    assert tight.memory["retrained_epochs"] > 0 and tight.digest == run().digest


def test_virtual_time_follows_the_rows_of_the_epochs() -> None:
    """Use 72 rows for scoring, and 288 for training: one epoch of all these rows, or three epochs of 96 rows."""
    for name, rows in (("whole", 288), ("part", 96)):
        columns = run(epoch_rows=None if name == "whole" else 100).columns
        job = int(np.flatnonzero((columns["candidate"] == 0) & (columns["rung"] == 0))[0])
        spent = float(columns["virtual_end"][job] - columns["virtual_start"][job])
        forward, trained = 6 * 16 + 8 * 16, 2 * (6 * 16 + 8 * 16) + 3 * 16  # layers 6-8-3, padded to lines of 16
        assert spent == rows * trained + 72 * forward, name


def test_epochs_of_all_rows_make_no_difference() -> None:
    assert len({run(epoch_rows=most).digest for most in (None, 288, 10_000)}) == 1


@pytest.mark.parametrize("cv", [None, 3])
def test_a_large_table_has_short_epochs_by_default(cv: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_epoch_rows(MOST_WHOLE) is None and default_epoch_rows(MOST_WHOLE + 1) == PART
    expected = run(epoch_rows=100, cv=cv)
    monkeypatch.setattr("ash.engine.planning.MOST_WHOLE", 200)
    monkeypatch.setattr("ash.engine.planning.PART", 100)
    found = run(epoch_rows=None, cv=cv)
    assert found.settings["epoch_rows"] == 100 and found.digest == expected.digest
    assert same_bits(parameters(found.model.core), parameters(expected.model.core))
    assert run(epoch_rows=150).settings["epoch_rows"] == 150


# Estimators


@pytest.mark.parametrize("kind", ["classes", "targets"])
def test_a_refit_also_uses_some_rows_per_epoch(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, seen = importlib.import_module("ash.engine.refit"), []
    prepare = module.prepare
    monkeypatch.setattr(module, "prepare", lambda parts, **given: seen.append(prepare(parts, **given)) or seen[-1])
    estimator, y = (ash.ASHClassifier, Y) if kind == "classes" else (ash.ASHRegressor, YR)
    bits = set()
    set_cpus(3, monkeypatch)
    for threads in (1, 2, 3):
        given = {"n_jobs": threads, "candidates": 12, "random_state": 2, "epoch_rows": 100, "validation": 0.2}
        fitted = estimator(space(), **configured(given)).fit(X, y)
        bits.add(fitted.predict(X).tobytes())
    assert len(bits) == 1 and {data.epoch_rows for data in seen} == {90}  # a pass of 360 rows has 4 epochs
    assert fitted.result_.settings["epoch_rows"] == 100


def test_a_refit_is_as_long_as_its_epochs() -> None:
    parts = parts_from(X, Y, validation=72)
    for most, batch_size, growth in ((None, 32, 360 / 288), (100, 32, 90 / 96), (100, "full", 360 / 288)):
        refit = Refit(Mock(), {}, Split((parts,)), options(epoch_rows=most), Mock())
        assert refit.growth({"batch_size": batch_size}) == pytest.approx(SHARE * growth)
