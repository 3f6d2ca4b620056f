"""Tests the computed sizes of workspaces and states. tests/cpp/count_allocations.cpp compares them with allocations."""

import pytest

from ash import _core
from ash.space.hyperparameters import to_settings

pytestmark = pytest.mark.core

LARGE = {"training_rows": 10_000_000, "epoch_rows": 65_536, "validation_rows": 2_000_000}


def workspace_bytes(params, outputs=10, metric="accuracy", **rows):
    """Return the bytes that the core computes for a workspace of these candidates on a table with 20 features."""
    settings = [to_settings(each) for each in params]
    return _core.workspace_bytes(settings, 20, outputs, 20, metric=metric, weighted=False, **{**LARGE, **rows})


def test_only_the_order_of_a_pass_grows_with_the_table():
    small = workspace_bytes([{}], training_rows=65_536, validation_rows=1)
    assert workspace_bytes([{}]) - small == 4 * (LARGE["training_rows"] - 65_536)
    assert workspace_bytes([{"batch_size": "full"}], training_rows=1, validation_rows=1) < 2**20


def test_auc_keeps_the_predictions_that_it_ranks():
    for outputs, ranked in ((2, 1), (10, 10)):
        kept = workspace_bytes([{}], outputs, "roc_auc") - workspace_bytes([{}], outputs)
        assert kept == 4 * (ranked + 1) * LARGE["validation_rows"]


def test_a_workspace_serves_all_candidates():
    wide, long = {"hidden": (512,)}, {"hidden": (8,), "batch_size": 4096}
    both = workspace_bytes([wide, long])
    assert max(workspace_bytes([wide]), workspace_bytes([long])) < both
    assert both < workspace_bytes([wide]) + workspace_bytes([long])
    assert workspace_bytes([]) == 24 * 10  # only the sums of a score


def test_a_state_is_as_many_arenas_as_its_optimizer_needs():
    bytes_of = {
        name: _core.state_bytes(to_settings({"optimizer": name}), 20, 10, 20) for name in ("sgd", "momentum", "adamw")
    }
    assert bytes_of["momentum"] == 2 * bytes_of["sgd"]
    assert bytes_of["adamw"] == 3 * bytes_of["sgd"]


def test_the_largest_numbers_do_not_overflow():
    widest = {"hidden": (16_384,) * 64, "batch_size": "full", "parametric_activation": True, "embedding": "periodic"}
    settings = [to_settings(widest)]
    most = {"metric": "roc_auc", "weighted": True, "training_rows": 2**32 - 1, "epoch_rows": 2**62}
    found = _core.workspace_bytes(settings, 2**18, 2**20, 2**18, validation_rows=2**32 - 1, **most)
    assert 2**56 < found < 2**63
    assert 2**36 < _core.state_bytes(settings[0], 2**18, 2**20, 2**18) < 2**63
    with pytest.raises(ValueError, match="a layer of 268435456 x 16384 weights is too large"):
        _core.state_bytes(settings[0], 2**26, 2**26, 2**26)


@pytest.mark.parametrize(
    "wrong", [{"training_rows": 0}, {"training_rows": 2**32}, {"epoch_rows": -1}, {"validation_rows": -1}]
)
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        workspace_bytes([{}], **wrong)
    for shape in ((0, 1, 0), (2**28 + 1, 1, 0), (1, 0, 0), (1, 1, 2), (1, 1, -1)):
        with pytest.raises(ValueError, match=r"features|outputs|numbers"):
            _core.state_bytes(to_settings({}), *shape)
