"""Target statistics are what their definition gives row by row, and no training row sees its own target."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ash.encoding.schema import learn_schema
from ash.encoding.target_statistics import MOST_STATISTICS
from ash.encoding.training_encoding import learn_encoding
from ash.errors import DataError
from encoding_help import ROWS, cities, learned, mixed

pytestmark = pytest.mark.core


def ordered_by_loops(
    cells: list[str | None], values: NDArray[np.float64], order: list[int], weights: list[float]
) -> NDArray[np.float64]:
    """Return the statistics by the definition: training rows see those before them, others see all."""
    total = sum(weights[row] for row in order)
    prior = sum(weights[row] * values[row] for row in order) / total
    sums: dict[str | None, Any] = {}
    counts: dict[str | None, float] = {}
    result = np.empty(values.shape)
    for row in order:
        level = cells[row]
        result[row] = (sums.get(level, 0.0) + prior) / (counts.get(level, 0.0) + 1)
        sums[level] = sums.get(level, 0.0) + weights[row] * values[row]
        counts[level] = counts.get(level, 0.0) + weights[row]
    for row in set(range(len(cells))) - set(order):
        result[row] = (sums.get(cells[row], 0.0) + prior) / (counts.get(cells[row], 0.0) + 1)
    return result


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("outputs", [1, 3])
def test_statistics_of_a_regression(weighted: bool, outputs: int) -> None:
    random = np.random.default_rng(1)
    cells, y = cities(), random.normal(5.0, 2.0, (ROWS, outputs))
    weights = random.integers(0, 4, ROWS).astype(float) if weighted else None
    training = random.permutation(ROWS)[:300]
    frame = mixed([[cell, 1.0] for cell in cells])
    fitted = learned(frame, y, training=training, weights=weights)
    given = [1.0] * ROWS if weights is None else weights.tolist()
    expected = ordered_by_loops(cells, y, training.tolist(), given)
    block = fitted.fitting_block(slice(0, ROWS))
    assert np.allclose(block[:, :outputs], expected, rtol=1e-12)
    counts = {level: sum(given[row] for row in training if cells[row] == level) for level in set(cells)}
    assert np.allclose(block[:, outputs], [math.log1p(counts[cell]) for cell in cells], rtol=1e-14)
    assert np.array_equal(fitted.fitting_block(slice(7, 90)), block[7:90])
    rest = sorted(set(range(ROWS)) - set(training.tolist()))
    assert np.array_equal(block[rest], fitted.block(frame, slice(0, ROWS))[rest])
    numbers = "" if outputs == 1 else " 0"
    assert fitted.names[0] == f"x0: target mean{numbers}"
    assert fitted.features == outputs + 2


@pytest.mark.parametrize("classes", [2, 4])
def test_statistics_of_a_classification(classes: int) -> None:
    random = np.random.default_rng(2)
    cells, labels = cities(), random.integers(0, classes, ROWS)
    training = random.permutation(ROWS)[:350]
    fitted = learned(
        mixed([[cell] for cell in cells]), labels[:, None].astype(float), classes=classes, training=training
    )
    shares = (labels[:, None] == np.arange(1, classes)).astype(float)
    expected = ordered_by_loops(cells, shares, training.tolist(), [1.0] * ROWS)
    assert np.allclose(fitted.fitting_block(slice(0, ROWS))[:, :-1], expected, rtol=1e-12)
    assert fitted.targets == tuple(range(1, classes))


def test_predictions_use_all_training_rows_and_the_prior_for_unknown_levels() -> None:
    cells, y = cities(), np.random.default_rng(3).normal(size=(ROWS, 1))
    encoding = learned(mixed([[cell] for cell in cells]), y)
    later = mixed([["nowhere"], [None], ["city 1"]])
    prior = y.mean()
    expected = [[prior, 0.0]]
    for level in (None, "city 1"):
        own = y[[row for row in range(ROWS) if cells[row] == level], 0]
        expected.append([(own.sum() + prior) / (len(own) + 1), math.log1p(len(own))])
    assert np.allclose(encoding.block(later, slice(0, 3)), expected, rtol=1e-12)
    with pytest.raises(DataError, match=r"column 0, row 0: level 'nowhere' was not seen in training"):
        encoding.block(later, slice(0, 3), unknown="error")


def test_a_missing_level_that_training_had_not_has_the_prior() -> None:
    cells, y = [cell or "city 3" for cell in cities()], np.random.default_rng(3).normal(size=(ROWS, 1))
    encoding = learned(mixed([[cell] for cell in cells]), y)
    assert np.allclose(encoding.block(mixed([[None]]), slice(0, 1)), [[y.mean(), 0.0]], rtol=1e-12)


def test_no_training_row_sees_its_own_target_or_a_later_one() -> None:
    cells, y = cities(), np.random.default_rng(4).normal(size=(ROWS, 1))
    frame, training = mixed([[cell] for cell in cells]), np.random.default_rng(5).permutation(ROWS)[:300]
    before = learned(frame, y, training=training).fitting_block(slice(0, ROWS))[:, 0]
    seen = 0
    for place in (0, 20, 50, 100, 250):
        changed, row = y.copy(), training[place]
        changed[row] += 3.0
        changed[training[-1]] -= 3.0  # so that the prior stays
        after = learned(frame, changed, training=training).fitting_block(slice(0, ROWS))[:, 0]
        sees = np.array([cells[later] == cells[row] for later in training]) & (np.arange(300) > place)
        assert np.allclose(after[training[~sees]], before[training[~sees]], rtol=1e-12)
        assert (after[training[sees]] > before[training[sees]] + 1e-3).all()
        seen += np.count_nonzero(sees)
    assert seen > 10


def test_levels_that_are_not_kept_are_unknown_in_training_too() -> None:
    cells, y = [*cities(), "rare"], np.random.default_rng(6).normal(size=(ROWS + 1, 1))
    frame = mixed([[cell] for cell in cells])
    few = learn_schema(frame, missing="indicator", most_levels=40)
    fitted = learn_encoding(few, frame, targets=y, classes=0, training=np.arange(ROWS + 1))
    kept = set(few.columns[0].levels)
    assert len(kept) == 40
    unknown = [row for row, cell in enumerate(cells) if cell is not None and cell not in kept]
    assert len(unknown) > 1
    assert np.allclose(fitted.fitting_block(slice(0, ROWS + 1))[unknown], [y.mean(), 0.0], rtol=1e-12)


def test_at_most_16_outputs_or_frequent_classes_have_statistics() -> None:
    frame = mixed([[cell] for cell in cities()])
    y = np.random.default_rng(7).normal(size=(ROWS, 20))
    assert learned(frame, y).targets == tuple(range(MOST_STATISTICS))
    labels = np.arange(ROWS) % 40 % 21
    encoding = learned(frame, labels[:, None].astype(float), classes=21)
    frequent = sorted(range(1, 21), key=lambda label: (-np.count_nonzero(labels == label), label))[:MOST_STATISTICS]
    assert encoding.targets == tuple(sorted(frequent))
    assert encoding.features == MOST_STATISTICS + 1


def test_no_weight_at_all_gives_finite_statistics() -> None:
    fitted = learned(mixed([[cell] for cell in cities()]), np.ones((ROWS, 1)), weights=np.zeros(ROWS))
    assert not fitted.fitting_block(slice(0, ROWS)).any()
