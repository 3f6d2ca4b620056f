"""The faults of a run (F49 to F118): numerics, threads, signals, processes, surroundings; and the count of all.

Each is met at the public face here: `ash.tune`, the command line, a fresh interpreter.
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

import ash
from ash.errors import AllDiverged, NothingFinished, SettingError
from fault_help import quick, small_space, table, targets
from fault_list import NOT_DUE, SECTIONS, counts, lines, numbers_in

pytestmark = pytest.mark.core

X, Y = table()
XR, YR = targets()
EXPLODING = {"hidden": (20, 20), "activation": "identity", "optimizer": "sgd", "batch_size": 8}


def test_f38_no_time_at_all() -> None:
    with pytest.raises(NothingFinished):
        quick(X, Y, time_limit=0)


def test_f40_one_seed_gives_one_outcome() -> None:
    expected = quick(X, Y, candidates=16, threads=1)
    for seed in (3, np.int64(3)):
        assert quick(X, Y, candidates=16, threads=2, seed=seed).digest == expected.digest


def test_f49_all_diverged_has_the_table_of_causes() -> None:
    space = ash.Space(**EXPLODING, learning_rate=ash.choice(1e6, 2e6, 3e6, 4e6))
    with pytest.raises(AllDiverged) as caught:
        quick(XR, YR, space, min_epochs=4)
    for word in ("candidate", "learning_rate", "optimizer", "epochs", "loss", "sgd", "3e+06"):
        assert word in str(caught.value)


def test_f50_equal_scores_go_up_by_number() -> None:
    ladder = ash.Ladder(16, algorithm="sh")
    order = []
    while (job := ladder.next()) is not None:
        order.append((job.rung, job.candidate))
        ladder.report(job, 0.5, 1.0)
    assert order == [(rung, candidate) for rung in range(4) for candidate in range(16 >> rung)]


def test_f51_divergence_ranks_last_and_poisons_nothing() -> None:
    space = ash.Space(**EXPLODING, learning_rate=ash.choice(0.01, 0.011, 0.012, 0.013, 1e6, 1.1e6, 1.2e6, 1.3e6))
    result = quick(XR, YR, space, candidates=8, min_epochs=4)
    exploded = [row for row in result.candidates if row["params"]["learning_rate"] > 1]
    assert len(exploded) == 4 and all(row["diverged"] and row["rungs"] == 1 for row in exploded)
    assert max(row["rungs"] for row in result.candidates) == 3
    assert np.isfinite(result.best_score)


@pytest.mark.parametrize("scale", [pytest.param(1e30, id="F52-huge"), pytest.param(1e-30, id="F52-tiny")])
def test_features_of_any_scale(scale: float) -> None:
    result = quick(X * scale, Y)
    assert result.best_score == pytest.approx(quick(X, Y).best_score, abs=0.1)
    assert np.isfinite(result.model.predict_proba(X * scale)).all()


def test_f54_f57_the_build_checks_nan_and_knows_its_instruction_set() -> None:
    from ash import _core

    build = _core.build_info()
    assert "fast-math" not in build["flags"]
    assert build["instruction_set"] == _core.instruction_sets()[0]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"batch_size": 1}, id="F55-batch-1"),
        pytest.param({"batch_size": 10**6}, id="F55-batch-above-rows"),
        pytest.param({"batch_size": 47}, id="F55-last-batch-1"),
        pytest.param({"batch_size": "full"}, id="F55-full"),
        pytest.param({"hidden": (1,)}, id="F55-width-1"),
        pytest.param({"hidden": (4096,)}, id="F55-width-4096"),
        pytest.param({"hidden": ()}, id="F55-depth-0"),
    ],
)
def test_sizes_at_the_edge(changes: dict[str, object]) -> None:
    assert quick(X, Y, small_space(**changes)).best_score > 0.3


def test_f56_constant_target_and_undefined_metric() -> None:
    with pytest.warns(UserWarning, match="undefined"):
        result = quick(XR, np.full(60, 4.5), min_epochs=50)
    np.testing.assert_allclose(result.model.predict(XR), 4.5, atol=0.5)
    with pytest.raises(SettingError, match="r2"):
        quick(XR, np.full(60, 4.5), metric="r2")


def test_f78_in_other_threads_at_once() -> None:
    results: list[ash.Result] = []
    threads = [threading.Thread(target=lambda: results.append(quick(X, Y))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 3
    assert {result.best_score for result in results} == {quick(X, Y).best_score}


def test_f78_inside_asyncio() -> None:
    async def both() -> tuple[ash.Result, ash.Result]:
        return quick(X, Y), await asyncio.to_thread(quick, X, Y)

    here, there = asyncio.run(both())
    assert here.best_score == there.best_score


def test_every_fault_has_a_test_or_a_reason() -> None:
    found = numbers_in(Path(__file__).parents[1])
    due = {number for faults in SECTIONS.values() for number in faults} - NOT_DUE.keys()
    assert [f"F{number:02}" for number in sorted(due - found)] == []
    assert [f"F{number:02}" for number in sorted(found & NOT_DUE.keys())] == []


def test_the_table_of_faults_counts_what_was_tried() -> None:
    rows = counts(["test_f58_a", "test_x[F64-b]", "test_f103_f05_c"], ["test_f61_d"], ["test_f115_e"])
    found = {
        row["section"]: tuple(row[name] for name in ("faults", "due", "tried", "survived", "skipped")) for row in rows
    }
    assert found["crash, journal, disk"] == (3, 18, 3, 2, 0)
    assert found["data"] == (1, 32, 1, 1, 0)
    assert found["many machines"] == (0, 10, 0, 0, 0)
    assert found["environment"] == (0, 5, 0, 0, 1)
    assert [line.split()[-1] for line in lines(rows)[1:]] == [str(row["skipped"]) for row in rows]
