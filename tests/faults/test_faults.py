"""Tests the faults of data, settings and numerics (F01 to F57): one call per line, with its expected error, if any.

Details are tested in the tests of the parts of ash. The tables in this file ensure that every fault is tested through
the public functions. F29 is in test_data.py, and faults of processes and machines are in the other files of this
folder.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from scipy import sparse

import ash
from ash.errors import AllDivergedError, AshError, DataError, SettingError
from fault_help import quick, small_space, table, targets
from fault_list import NOT_DUE, SECTIONS, counts, lines, numbers_in

pytestmark = pytest.mark.core

X, Y = table()
XR, YR = targets()


def changed(row: int, column: int, value: float) -> np.ndarray:
    x = X.copy()
    x[row, column] = value
    return x


def labels(values: Any, dtype: Any = None) -> np.ndarray:
    """Return the targets Y, with these two labels in place of 0 and 1."""
    return np.array(values, dtype=dtype)[Y]


def rows_of(ladder: ash.Ladder) -> list[int]:
    return [rung["epochs"] for rung in ladder.rungs]


REFUSED: list[tuple[str, Callable[[], Any], type[AshError], str]] = [
    ("F01-no-rows", lambda: quick(X[:0], Y[:0]), DataError, r"0 sample"),
    ("F01-no-columns", lambda: quick(X[:, :0], Y), DataError, r"0 feature"),
    ("F02-flat", lambda: quick(X[:, 0], Y), DataError, r"(?i)reshape your data"),
    ("F02-number", lambda: quick(3.0, Y), DataError, r"(?i)reshape your data|scalar"),
    ("F03-one-row", lambda: quick(X[:1], Y[:1]), DataError, r"1 sample|n_samples=1|one row"),
    ("F03-one-target", lambda: quick(XR[:1], YR[:1]), DataError, r"1 sample|n_samples=1|one row"),
    ("F04-lengths", lambda: quick(X, Y[:-1]), DataError, r"inconsistent numbers of samples"),
    ("F04-no-y", lambda: quick(X, None), DataError, r"requires y to be passed"),
    ("F05-nan", lambda: quick(changed(2, 1, np.nan), Y, missing="error"), DataError, r"contains NaN in column 1"),
    ("F06-inf", lambda: quick(changed(2, 1, np.inf), Y), DataError, r"(?i)inf"),
    ("F06-minus-inf", lambda: quick(changed(2, 1, -np.inf), Y), DataError, r"(?i)inf"),
    ("F07-beyond-float32", lambda: quick(X * 1e300, Y), DataError, r"(?i)large|float32|range"),
    ("F08-nan-in-target", lambda: quick(XR, np.where(np.arange(60) == 3, np.nan, YR)), DataError, r"(?i)nan"),
    ("F08-inf-in-target", lambda: quick(XR, np.where(np.arange(60) == 3, np.inf, YR)), DataError, r"(?i)inf"),
    ("F08-nan-label", lambda: quick(X, labels([0.0, np.nan]), task="classification"), DataError, r"(?i)nan"),
    ("F09-float-classes", lambda: quick(XR, YR, task="classification"), DataError, r"Unknown label type"),
    ("F10-one-class", lambda: quick(X, np.zeros(60, dtype=int)), DataError, r"class"),
    ("F10-one-class-weighs", lambda: quick(X, Y, sample_weight=Y), DataError, r"class"),
    ("F13-complex", lambda: quick(X + 1j, Y), DataError, r"Complex data not supported"),
    ("F13-complex-target", lambda: quick(X, YR + 1j), DataError, r"(?i)complex"),
    ("F14-dict-inside", lambda: quick(np.array([[1.0, {}]] * 60, dtype=object), Y), DataError, r"dict|string.*number"),
    ("F17-length", lambda: quick(X, Y, sample_weight=np.ones(59)), DataError, r"sample_weight.shape == \(59,\)"),
    ("F17-two-dimensional", lambda: quick(X, Y, sample_weight=np.ones((60, 1))), DataError, r"must be 1D array"),
    ("F17-negative", lambda: quick(X, Y, sample_weight=X[:, 0]), DataError, r"Negative values"),
    ("F17-nan", lambda: quick(X, Y, sample_weight=changed(2, 0, np.nan)[:, 0]), DataError, r"contains NaN"),
    ("F17-zeros", lambda: quick(X, Y, sample_weight=np.zeros(60)), DataError, r"at least one non-zero"),
    ("F28-too-much", lambda: quick(np.broadcast_to(0.5, (2**24, 2**13)), np.zeros(2**24)), DataError, r"GB|GiB|TB|TiB"),
    ("F30-two-label-columns", lambda: quick(X, np.stack([Y, Y], 1), task="classification"), DataError, r"y"),
    ("F31-iterator", lambda: quick(iter(X), Y), DataError, r"iterator|generator"),
    ("F31-generator", lambda: quick((row for row in X), Y), DataError, r"generator"),
    ("F31-none", lambda: quick(None, Y), DataError, r"None"),
    ("F31-three-dimensional", lambda: quick(X[:, :, None], Y), DataError, r"3"),
    ("F31-masked", lambda: quick(np.ma.masked_greater(X, 1.0), Y), DataError, r"(?i)mask"),
    ("F31-no-columns", lambda: quick(pandas.DataFrame(index=range(60)), Y), DataError, r"0 feature|column"),
    ("F31-path", lambda: quick("table.csv", Y), DataError, r"(?i)str|path"),
    ("F33-unknown", lambda: ash.Space(learning_rates=0.1), SettingError, r"learning_rate\b"),
    ("F33-peer", lambda: ash.Space(hidden_layer_sizes=(3,)), SettingError, r"hidden\b"),
    ("F33-budget", lambda: ash.Space(epochs=ash.integers(1, 9)), SettingError, r"epochs.*budget"),
    ("F34-empty", lambda: ash.choice(), SettingError, r"empty"),
    ("F34-low-above-high", lambda: ash.uniform(1, 0), SettingError, r"low"),
    ("F34-integers-low-above-high", lambda: ash.integers(5, 4), SettingError, r"low"),
    ("F34-log-of-zero", lambda: ash.loguniform(0, 1), SettingError, r"low"),
    ("F34-log-of-less", lambda: ash.loguniform(-1, 1), SettingError, r"low"),
    ("F34-wide-step", lambda: ash.integers(1, 4, step=9), SettingError, r"step"),
    ("F34-nan", lambda: ash.uniform(0, float("nan")), SettingError, r"finite"),
    ("F34-infinite", lambda: ash.loguniform(1, float("inf")), SettingError, r"finite"),
    ("F35-unhashable", lambda: ash.choice({"a": 1}, {"b": 2}), SettingError, r"dict"),
    (
        "F35-nan-value",
        lambda: ash.Space(learning_rate=ash.choice(0.1, float("nan"))),
        SettingError,
        r"learning_rate must be a number .*, got nan",
    ),
    ("F36-no-epochs", lambda: quick(X, Y, min_epochs=0), SettingError, r"min_epochs must be .*, got 0"),
    ("F36-no-rungs", lambda: quick(X, Y, max_rungs=0), SettingError, r"max_rungs must be .*, got 0"),
    ("F36-eta-one", lambda: quick(X, Y, eta=1), SettingError, "eta must be an integer from 2 to"),
    ("F36-eta-fraction", lambda: quick(X, Y, eta=2.5), SettingError, r"eta must be .*, got 2.5"),
    ("F38-no-candidates", lambda: quick(X, Y, candidates=0), SettingError, r"candidates must be .*, got 0"),
    ("F38-without-end", lambda: quick(X, Y, candidates=None), SettingError, r"candidates=None never ends by itself"),
    ("F38-less-than-a-job", lambda: quick(X, Y, min_epochs=3, max_total_epochs=2), SettingError, r"max_total_epochs=2"),
    ("F40-negative-seed", lambda: quick(X, Y, random_state=-1), SettingError, r"random_state must be .*, got -1"),
    ("F36-ladder-eta-one", lambda: ash.Ladder(8, eta=1), SettingError, "eta must be an integer from 2 to"),
]


@pytest.mark.parametrize(("call", "error", "pattern"), [pytest.param(*c[1:], id=c[0]) for c in REFUSED])
def test_invalid_input_is_refused(
    call: Callable[[], Any], error: type[AshError], pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check that each error is an ash error and a ValueError, says what is wrong, and is raised before any training."""

    def trained(*_: Any, **__: Any) -> None:
        raise AssertionError("training has begun")

    monkeypatch.setattr("ash._core.Tuner", trained)
    with pytest.raises(error, match=pattern) as caught:
        call()
    assert isinstance(caught.value, ValueError)


ACCEPTED: list[tuple[str, Callable[[], ash.Result]]] = [
    ("F03-one-feature", lambda: quick(X[:, :1], Y)),
    ("F05-nan", lambda: quick(changed(2, 1, np.nan), Y)),
    ("F05-all-missing", lambda: quick(np.column_stack([X, np.full(60, np.nan)]), Y)),
    ("F14-text", lambda: quick(np.column_stack([X.astype(object), np.where(np.arange(60) % 3, "a", "b")]), Y)),
    ("F14-numeric-strings", lambda: quick(X.astype(object), Y)),
    ("F14-digits-as-text", lambda: quick(X.astype("U32").astype(object), Y)),
    ("F21-signed-zeros", lambda: quick(np.column_stack([X, np.where(Y > 0, 0.0, -0.0)]), Y)),
    ("F21-duplicate-columns", lambda: quick(np.column_stack([X, X]), Y)),
    ("F30-several-targets", lambda: quick(XR, np.stack([YR, -YR], 1))),
    ("F34-low-equals-high", lambda: quick(X, Y, small_space(learning_rate=ash.loguniform(0.01, 0.01)), candidates=3)),
    ("F35-duplicates", lambda: quick(X, Y, small_space(dropout=ash.choice(0.0, 0.0, 0.1)))),
]


@pytest.mark.parametrize("call", [pytest.param(c[1], id=c[0]) for c in ACCEPTED])
def test_unusual_but_valid_input_is_accepted(call: Callable[[], ash.Result]) -> None:
    result = call()
    assert np.isfinite(result.best_score)
    assert all(np.isfinite(w).all() for w in result.model.core.weights)


@pytest.mark.parametrize(
    "x",
    [
        pytest.param(X[0], id="F02-flat"),
        pytest.param(X[:, :2], id="F19-fewer-columns"),
        pytest.param(np.where(X == X, "red", "blue"), id="F23-text-for-numbers"),
        pytest.param(changed(0, 0, np.inf), id="F06-inf"),
        pytest.param(X + 1j, id="F13-complex"),
        pytest.param(None, id="F31-none"),
        pytest.param(X[:, :, None], id="F31-three-dimensional"),
    ],
)
def test_invalid_input_is_refused_by_predict(x: Any) -> None:
    model = quick(X, Y).model
    with pytest.raises(DataError):
        model.predict(x)


@pytest.mark.parametrize("value", [pytest.param(np.nan, id="F05-nan"), pytest.param(np.inf, id="F06-inf")])
def test_the_faulty_column_is_named(value: float) -> None:
    with pytest.raises(DataError, match="weight"):
        quick(pandas.DataFrame(changed(2, 1, value), columns=["height", "weight", "age"]), Y, missing="error")
    with pytest.raises(DataError, match=r"column.*\b1\b"):
        quick(changed(2, 1, value), Y, missing="error")


def test_f05_a_missing_cell_is_predicted_even_if_training_had_none() -> None:
    """Check that a missing cell is predicted like the column's median."""
    model = quick(X, Y).model
    filled = np.where(np.isnan(changed(0, 1, np.nan)), model.core.input_center, X)
    np.testing.assert_array_equal(model.predict_proba(changed(0, 1, np.nan)), model.predict_proba(filled))
    assert model.encoding.features == 3
    assert quick(changed(2, 1, np.nan), Y).model.encoding.names[2] == "x1 is missing"


def test_f07_integers_beyond_double_precision_are_rounded() -> None:
    """Check that the numbers only lose digits, and that a warning says so."""
    x = (X * 2**55).astype(np.int64)
    with pytest.warns(UserWarning, match=r"2\*\*53"):
        result = quick(x, Y)
    assert result.best_score == pytest.approx(quick(X, Y).best_score, abs=0.1)


def test_f12_categorical_labels_are_predicted() -> None:
    result = quick(X, pandas.Series(labels(["no", "yes"]), dtype="category"))
    assert result.model.classes_.tolist() == ["no", "yes"]


WHOLE = np.round(X * 20)


def read_only_map(folder: Path) -> np.ndarray:
    np.save(folder / "x.npy", WHOLE)
    return np.asanyarray(np.load(folder / "x.npy", mmap_mode="r"))


LAYOUTS: dict[str, Callable[[Path], Any]] = {
    **{f"F15-{t}": lambda _, t=t: WHOLE.astype(t) for t in ("f2", "f4", "i1", "i2", "i4", "i8", ">f8", ">f4", ">i4")},
    "F15-F-order": lambda _: np.asfortranarray(WHOLE),
    "F15-negative-strides": lambda _: WHOLE[::-1].copy()[::-1],
    "F15-slice": lambda _: np.repeat(np.repeat(WHOLE, 2, axis=0), 2, axis=1)[::2, ::2],
    "F15-read-only-map": read_only_map,
    "F15-list": lambda _: WHOLE.tolist(),
}


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_equal_numbers_give_equal_results(layout: str, tmp_path: Path) -> None:
    """Check that the result does not depend on dtype and layout, and that the caller's array is not changed."""
    x = LAYOUTS[layout](tmp_path)
    before = np.array(x)
    result, expected = quick(x, Y), quick(WHOLE, Y)
    np.testing.assert_array_equal(result.model.predict_proba(x), expected.model.predict_proba(WHOLE))
    np.testing.assert_array_equal(np.asarray(x), before)


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "u8", "?"])
def test_f15_unsigned_integers_and_booleans_equal_floats(kind: str) -> None:
    x = (np.abs(WHOLE) % 2 if kind == "?" else np.abs(WHOLE)).astype(kind)
    expected = quick(x.astype(np.float64), Y).model.predict_proba(x.astype(np.float64))
    np.testing.assert_array_equal(quick(x, Y).model.predict_proba(x), expected)


def test_f21_constant_columns_have_no_effect() -> None:
    """Check that nothing is divided by zero, and that such a column has no effect on predictions either."""
    x = np.column_stack([X, np.full(60, 7.0), np.zeros(60)])
    model = quick(x, Y).model
    assert np.isfinite(model.predict_proba(x)).all()
    other = x.copy()
    other[:, 3:] = [8.0, -1.0]
    np.testing.assert_array_equal(model.predict_proba(other), model.predict_proba(x))


@pytest.mark.parametrize("y", [pytest.param(Y, id="F30-classes"), pytest.param(YR, id="F30-targets")])
def test_a_two_dimensional_target_with_one_column_causes_a_warning(y: np.ndarray) -> None:
    from sklearn.exceptions import DataConversionWarning

    with pytest.warns(DataConversionWarning):
        result = quick(X, y[:, None])
    assert result.model.predict(X).shape == (60,)


@pytest.mark.parametrize(
    ("candidates", "eta", "epochs"),
    [
        pytest.param(243, 3, [1, 3, 9, 27, 81], id="F37-243-by-3"),
        pytest.param(729, 3, [1, 3, 9, 27, 81, 243], id="F37-epochs-to-243"),
        pytest.param(1000, 10, [1, 10, 100], id="F37-1000-by-10"),
        pytest.param(10_000, 10, [1, 10, 100, 1000], id="F37-epochs-to-1000"),
        pytest.param(128, 2, [1, 2, 4, 8, 16, 32, 64], id="F37-the-seed"),
        pytest.param(10, 2, [1, 2, 4], id="F37-10-by-2"),
        pytest.param(1, 2, [1], id="F37-one"),
    ],
)
def test_rungs_are_integers(candidates: int, eta: int, epochs: list[int]) -> None:
    """Check powers of eta: with float logarithms, 243 candidates (eta 3) or 1000 (eta 10) had one rung too few."""
    assert rows_of(ash.Ladder(candidates, eta=eta)) == epochs


def test_f16_sparse_matrices_are_read_like_dense_ones() -> None:
    expected = quick(X, Y).digest
    for kind in (sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix, sparse.csr_array):
        for integers in (np.int32, np.int64):
            matrix = kind(X)
            for name in ("indices", "indptr"):
                if hasattr(matrix, name):
                    setattr(matrix, name, getattr(matrix, name).astype(integers))
            assert quick(matrix, Y).digest == expected


def test_f24_many_levels_and_unusual_names_are_accepted() -> None:
    rows = 100_000
    names = [f"level {number}" for number in range(rows - 4)] + ["a\0b", "\N{GRINNING FACE}", "x" * 10_000, "\u202e"]
    frame = pandas.DataFrame({"level": names, "number": np.arange(rows, dtype=float)})
    labels = np.arange(rows) % 2
    with pytest.warns(UserWarning, match=r"column 0 \('level'\) has a different text in each row"):
        result = quick(frame, labels, candidates=1, max_rungs=1, space=small_space(batch_size=4096))
    assert len(result.model.encoding.schema.columns[0].levels) <= 2**16
    assert result.model.predict(frame[-10:]).shape == (10,)


def test_f26_columns_of_unsupported_types_are_named() -> None:
    times = pandas.date_range("2026-01-01", periods=len(Y))
    odd = {
        "timedelta": times - times[0],
        "period": times.to_period("D"),
        "list": [[1, 2]] * len(Y),
        "struct": [{"a": 1}] * len(Y),
    }
    for kind, values in odd.items():
        frame = pandas.DataFrame({"fine": X[:, 0], f"the {kind}": values})
        with pytest.raises(DataError, match=f"the {kind}"):
            quick(frame, Y)


def test_f27_an_index_has_no_effect() -> None:
    expected = quick(X, Y).digest
    for index in ([0] * len(Y), pandas.MultiIndex.from_product([range(6), range(10)]), range(100, 40, -1)):
        assert quick(pandas.DataFrame(X, index=index), pandas.Series(Y, index=index)).digest == expected


def test_f39_threads_are_interpreted_as_in_joblib() -> None:
    for wrong in (0, 1.5, "2"):
        with pytest.raises(ash.SettingError, match="n_jobs"):
            quick(X, Y, n_jobs=wrong)
    assert quick(X, Y, n_jobs=-1).threads >= 1 and quick(X, Y, n_jobs=-2).threads >= 1
    with pytest.warns(UserWarning, match="exceeds the"):
        assert quick(X, Y, n_jobs=4096).threads <= (os.cpu_count() or 1)


EXPLODING = {"hidden": (20, 20), "activation": "identity", "optimizer": "sgd", "batch_size": 8}


def test_f49_the_error_after_complete_divergence_lists_the_reasons() -> None:
    space = ash.Space(**EXPLODING, learning_rate=ash.choice(1e6, 2e6, 3e6, 4e6))
    with pytest.raises(AllDivergedError) as caught:
        quick(XR, YR, space, min_epochs=4)
    for word in ("candidate", "learning_rate", "optimizer", "epochs", "loss", "sgd", "3e+06"):
        assert word in str(caught.value)


def test_f50_equal_scores_are_promoted_by_candidate_number() -> None:
    ladder = ash.Ladder(16, algorithm="sh")
    order = []
    while (job := ladder.ask()) is not None:
        order.append((job.rung, job.candidate))
        ladder.tell(job, 0.5, 1.0)
    assert order == [(rung, candidate) for rung in range(4) for candidate in range(16 >> rung)]


def test_f51_diverged_candidates_rank_last_and_affect_no_others() -> None:
    space = ash.Space(**EXPLODING, learning_rate=ash.choice(0.01, 0.011, 0.012, 0.013, 1e6, 1.1e6, 1.2e6, 1.3e6))
    result = quick(XR, YR, space, candidates=8, min_epochs=4)
    exploded = [row for row in result.candidates if row["params"]["learning_rate"] > 1]
    assert len(exploded) == 4 and all(row["diverged"] and row["rungs"] == 1 for row in exploded)
    assert np.isnan([row["score"] for row in exploded]).all() and result.rungs[0]["diverged"] == 4
    assert max(row["rungs"] for row in result.candidates) == 3
    assert np.isfinite(result.best_score)


@pytest.mark.parametrize("scale", [pytest.param(1e30, id="F52-huge"), pytest.param(1e-30, id="F52-tiny")])
def test_features_of_any_scale_are_learned(scale: float) -> None:
    result = quick(X * scale, Y)
    assert result.best_score == pytest.approx(quick(X, Y).best_score, abs=0.1)
    assert np.isfinite(result.model.predict_proba(X * scale)).all()


def test_f54_f57_the_build_keeps_nan_semantics_and_reports_its_instruction_set() -> None:
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
def test_extreme_sizes_are_trained(changes: dict[str, object]) -> None:
    assert quick(X, Y, small_space(**changes)).best_score > 0.3


def test_f56_a_constant_target_and_an_undefined_metric_are_handled() -> None:
    with pytest.warns(UserWarning, match="undefined"):
        result = quick(XR, np.full(60, 4.5), min_epochs=50)
    np.testing.assert_allclose(result.model.predict(XR), 4.5, atol=0.5)
    with pytest.raises(SettingError, match="r2"):
        quick(XR, np.full(60, 4.5), scoring="r2")


def test_every_fault_has_a_test_or_a_reason() -> None:
    found = numbers_in(Path(__file__).parents[1])
    due = {number for faults in SECTIONS.values() for number in faults} - NOT_DUE.keys()
    assert [f"F{number:02}" for number in sorted(due - found)] == []
    assert [f"F{number:02}" for number in sorted(found & NOT_DUE.keys())] == []


def test_the_table_of_faults_counts_the_tested_faults() -> None:
    rows = counts(["test_f58_a", "test_x[F64-b]", "test_f103_f05_c"], ["test_f61_d"], ["test_f115_e"])
    found = {
        row["section"]: tuple(row[name] for name in ("faults", "due", "tried", "survived", "skipped")) for row in rows
    }
    assert found["crash, journal, disk"] == (3, 18, 3, 2, 0)
    assert found["data"] == (1, 32, 1, 1, 0)
    assert found["many machines"] == (0, 10, 0, 0, 0)
    assert found["environment"] == (0, 5, 0, 0, 1)
    assert [line.split()[-1] for line in lines(rows)[1:]] == [str(row["skipped"]) for row in rows]
