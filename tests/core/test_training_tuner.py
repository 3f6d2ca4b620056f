"""Tests training in the tuner: equal bits on any number of threads, divergence, unusual numbers, the FPU's state."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from ash import _core
from training_help import OPTIMIZERS, core_data, parameters, run_tuner, same_bits, scores, settings, table

pytestmark = pytest.mark.core


def mixed_candidates(count: int) -> list[_core.Settings]:
    """Return candidates with different sizes, optimizers, batch sizes and rates."""
    activations = ["relu", "sigmoid", "tanh", "gelu", "silu", "identity"]
    return [
        settings(
            hidden=(8 + 7 * (i % 4),) * (i % 3),
            activations=(activations[i % 6],) * (i % 3),
            optimizer=OPTIMIZERS[i % 5],
            learning_rate=10.0 ** -(1 + i % 3),
            batch_size=[0, 16, 33][i % 3],
            dropout=[0.0, 0.2][i % 2],
        )
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def three_classes() -> _core.Data:
    return core_data(*table(260, 6, 3, 3), 3, validation=60)


@pytest.mark.parametrize("training", ["resume", "restart"])
@pytest.mark.parametrize("algorithm", ["sh", "random"])
def test_same_bits_on_any_number_of_threads(three_classes: _core.Data, algorithm: str, training: str) -> None:
    """Use barriers or no promotions, so that the greedy schedule runs the same jobs on any number of threads."""
    settings = {"algorithm": algorithm, "training": training, "seed": 5}
    found = {
        (schedule, threads): scores(
            run_tuner(three_classes, mixed_candidates(24), schedule=schedule, threads=threads, **settings)
        )
        for schedule in ("reproducible", "greedy")
        for threads in (1, 2, 3, 7)
    }
    one = found["reproducible", 1]
    assert len(one) > 24 or algorithm == "random"
    assert all(each == one for each in found.values()), found.keys()


def test_a_greedy_job_has_the_bits_of_a_reproducible_one(three_classes: _core.Data) -> None:
    """Check that timing does not change a job's results, though it decides which jobs the greedy schedule runs."""
    one = scores(run_tuner(three_classes, mixed_candidates(24), threads=1, seed=5))
    for threads in (1, 2, 7):
        several = scores(run_tuner(three_classes, mixed_candidates(24), threads=threads, seed=5, schedule="greedy"))
        common = one.keys() & several.keys()
        assert len(common) >= 24
        assert all(one[key] == several[key] for key in common)


@pytest.mark.parametrize("training", ["restart", "resume"])
def test_a_job_equals_training_its_candidate_alone(three_classes: _core.Data, training: str) -> None:
    """Compare with a single training, as long as the last job (restart) or as all the candidate's jobs (resume)."""
    candidates = mixed_candidates(8)
    for candidate in candidates:
        candidate.learning_rate_schedule = "constant" if training == "resume" else "cycle"
    tuner = run_tuner(three_classes, candidates, algorithm="sh", training=training, min_epochs=2, seed=9)
    number, rung, _, (network,) = tuner.kept()[0][0]
    epochs = 2 * 2**rung if training == "restart" else 2 * (2 ** (rung + 1) - 1)
    alone, _ = _core.train(three_classes, candidates[number], epochs, seed=9, candidate=number)
    assert same_bits(parameters(network), parameters(alone))


def test_the_best_job_has_the_highest_score_and_its_network_has_this_score() -> None:
    x, y = table(260, 6, 3, 3)
    tuner = run_tuner(core_data(x, y, 3, validation=60), mixed_candidates(12), threads=2)
    jobs = tuner.jobs()
    candidate, rung, _, (network,) = tuner.kept()[0][0]
    row = (jobs["candidate"] == candidate) & (jobs["rung"] == rung)
    assert jobs["score"][row] == jobs["score"].max()
    hits = network.predict(np.ascontiguousarray(x[-60:])).argmax(axis=1) == y[-60:, 0]
    assert jobs["score"][row][0] == pytest.approx(hits.mean(), abs=1e-12)


def exploding(**changes: object) -> _core.Settings:
    return settings(hidden=(20, 20), activations=("identity", "identity"), learning_rate=1e6, batch_size=8, **changes)


@pytest.mark.parametrize("algorithm", ["ash", "sh", "random"])
def test_f51_divergence_is_a_result_that_ranks_last(algorithm: str) -> None:
    data = core_data(*table(200, 6, 1, 0), 0, validation=40)
    candidates = [exploding() if i % 2 else settings(learning_rate=0.01 * (i + 1)) for i in range(8)]
    tuner = run_tuner(data, candidates, algorithm=algorithm, metric="r2", min_epochs=3, threads=2)
    jobs = tuner.jobs()
    exploded = jobs["candidate"] % 2 == 1
    assert exploded.sum() == 4, "each was tried once and never promoted"
    assert jobs["diverged"][exploded].all() and not jobs["diverged"][~exploded].any()
    assert np.isfinite(jobs["score"][~exploded]).all() and np.isfinite(jobs["loss"][~exploded]).all()
    assert tuner.kept()[0][0][0] % 2 == 0
    if algorithm != "random":
        assert jobs["rung"].max() >= 1, "the others' cut-off is not poisoned"
    kinds = [event[0] for event in tuner.events()]
    assert kinds.count("diverged") == 4


def test_f51_all_diverged_leaves_no_best() -> None:
    data = core_data(*table(200, 6, 1, 0), 0, validation=40)
    tuner = run_tuner(data, [exploding() for _ in range(6)], metric="r2", min_epochs=3)
    assert tuner.kept()[0] == []
    assert tuner.jobs()["diverged"].all() and len(tuner.jobs()["diverged"]) == 6
    assert tuner.rungs[0]["diverged"] == 6


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_f51_train_stops_at_the_epoch_that_diverged(optimizer: str) -> None:
    data = core_data(*table(200, 6, 1, 0), 0)
    chosen = exploding(optimizer=optimizer)
    chosen.learning_rate = 1e30 if optimizer.startswith("adam") else 1e6
    _, losses = _core.train(data, chosen, 4)
    finite = np.isfinite(losses)
    assert not finite.all()
    assert not finite[int(finite.argmin()) :].any(), "no loss is made up for epochs that were not trained"


@pytest.mark.parametrize("scale", [1e30, 1e-30, 1e150, 1e-150])
def test_f52_features_of_any_size_train_alike(scale: float) -> None:
    """Check that multiplying features by a factor changes only rounding errors, since the scaler computes in double."""
    x, y = table(120, 5, 3, 3)
    chosen = settings(hidden=(9,), activations=("tanh",))
    plain, losses = _core.train(core_data(x, y, 3), chosen, 5)
    scaled, scaled_losses = _core.train(core_data(x * scale, y, 3), chosen, 5)
    np.testing.assert_allclose(scaled_losses, losses, rtol=1e-4)
    np.testing.assert_allclose(parameters(scaled), parameters(plain), rtol=1e-3, atol=1e-4)
    if scale > 1e38:
        with pytest.raises(ValueError, match="x: infinite, or beyond the range of float32"):
            scaled.predict(x * scale)
        return
    np.testing.assert_allclose(
        scaled.predict(np.ascontiguousarray(x * scale)), plain.predict(np.ascontiguousarray(x)), atol=1e-4
    )


@pytest.mark.parametrize("hidden", [(), (9,), (9, 9)])
def test_f52_huge_unscaled_features_diverge(hidden: tuple[int, ...]) -> None:
    x, y = table(120, 5, 1, 0)
    data = core_data(x * 1e30, y, 0, validation=20, standardize=False)
    candidates = [settings(hidden=hidden, activations=("relu",) * len(hidden)) for _ in range(4)]
    tuner = run_tuner(data, candidates, metric="r2")
    assert tuner.jobs()["diverged"].all() and tuner.kept()[0] == []


def test_f55_depth_0_with_batches_of_one_row_learns() -> None:
    x, y = table(120, 5, 1, 0)
    _, losses = _core.train(core_data(x, y, 0), settings(learning_rate=0.01, batch_size=1), 10)
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("classes", [0, 3])
def test_f56_constant_target(classes: int) -> None:
    x, y = table(60, 5, 1, classes)
    y[:] = 2.0
    network, losses = _core.train(core_data(x, y, classes), settings(hidden=(4,), activations=("tanh",)), 40)
    assert np.isfinite(losses).all() and np.isfinite(parameters(network)).all()
    predictions = network.predict(x)
    if classes:
        assert (predictions.argmax(axis=1) == 2).all()
    else:
        np.testing.assert_allclose(predictions, 2.0, atol=0.5)


def test_f56_undefined_metrics_are_nan_and_rank_last() -> None:
    one_row = np.array([[1.0]])
    assert np.isnan(_core.score("r2", one_row, np.array([[2.0]], dtype=np.float32), 0))
    probabilities = np.array([[0.4, 0.6], [0.3, 0.7]], dtype=np.float32)
    assert np.isnan(_core.score("roc_auc", np.array([[1.0], [1.0]]), probabilities, 2))
    x, y = table(60, 5, 1, 0)
    tuner = run_tuner(core_data(x, y, 0, validation=1), [settings() for _ in range(4)], metric="r2")
    jobs = tuner.jobs()
    assert np.isnan(jobs["score"]).all()
    assert np.isfinite(jobs["loss"]).all(), "the metric is undefined, the network is not"


def test_f54_this_build_detects_nan() -> None:
    """Check that NaN is detected, since the compiler option -ffast-math would remove the checks."""
    nan = np.array([np.nan], dtype=np.float32)
    assert all(np.isnan(_core.evaluate_elementary("exp", nan, name)[0]) for name in _core.instruction_sets())
    assert "fast-math" not in _core.build_info()["flags"]


HOST_STATE = textwrap.dedent("""
    import ctypes, ctypes.util, threading
    import numpy as np
    libm = ctypes.CDLL(ctypes.util.find_library("m"))

    def state():
        tiny = np.array([1e-40], dtype=np.float32)
        kept = (tiny * np.float32(1.0) != 0).all() and (np.array([1e-38], np.float32) * np.float32(1e-3) != 0).all()
        environment = ctypes.create_string_buffer(64)
        libm.fegetenv(environment)
        control = int.from_bytes(environment.raw[28:32], "little") & 0xFFC0  # MXCSR: FTZ, rounding, masks, DAZ
        return bool(kept), libm.fegetround(), control

    def state_of_a_new_thread():
        found = []
        thread = threading.Thread(target=lambda: found.append(state()))
        thread.start()
        thread.join()
        return found[0]

    before = state(), state_of_a_new_thread()
    assert before[0][0]
    import ash
    from ash import _core
    assert (state(), state_of_a_new_thread()) == before, "import"
    x = np.random.default_rng(0).normal(size=(200, 5)) * 1e-30
    y = (x[:, :1] > 0).astype(float)
    rows = np.arange(200)
    tuner = _core.Tuner([_core.Data(x, y, 2, rows, rows)], [_core.Settings() for _ in range(4)], threads=3)
    tuner.start()
    assert tuner.wait(60)
    _core.train(_core.Data(x, y, 2, rows, rows, False), _core.Settings(), 3)
    assert (state(), state_of_a_new_thread()) == before, "training"
""")


def test_f53_the_hosts_floating_point_state_is_unchanged() -> None:
    """Compare rounding mode and denormals before and after import and training, in this thread and in a new one."""
    subprocess.run([sys.executable, "-c", HOST_STATE], check=True, timeout=120)


def test_f29_data_is_a_copy() -> None:
    x, y = table(60, 5, 3, 3)
    data = core_data(x, y, 3)
    plain, _ = _core.train(data, settings(), 3)
    x[:] = np.nan
    y[:] = 0
    again, _ = _core.train(data, settings(), 3)
    assert same_bits(parameters(plain), parameters(again))
