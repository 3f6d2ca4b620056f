"""What travels to the workers of an executor and what a worker keeps: data, states, the data of several runs."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from ash import _core
from ash.executors import jobs
from ash.executors.jobs import JobAnswer, Order, Shared, Where, versions
from executor_help import digits


def digits_data(classes: int = 10) -> _core.Data:
    X, y = digits()
    targets = y[:, None].astype(float) if classes else X[:, 20:23]
    rows = np.arange(len(X), dtype=np.int64)
    return _core.Data(*map(np.ascontiguousarray, (X, targets)), classes, rows[:1000], rows[1000:])


@pytest.mark.parametrize("classes", [10, 0])
def test_data_are_the_same_when_they_arrive(classes: int) -> None:
    data = digits_data(classes)
    again = pickle.loads(pickle.dumps(data))
    assert again.digests() == data.digests()
    assert (again.features, again.outputs, again.epoch_rows) == (data.features, data.outputs, data.epoch_rows)
    assert again.constant_features == data.constant_features


def test_data_that_do_not_fit_are_refused() -> None:
    parts = digits_data().__getstate__()  # type: ignore[attr-defined]
    for place, wrong in ((0, 65), (1, 5), (4, [99]), (6, (*parts[6][:3], parts[6][3][:-1], *parts[6][4:]))):
        with pytest.raises(ValueError, match=r"data: |standardization: "):
            _core.Data.__new__(_core.Data).__setstate__((*parts[:place], wrong, *parts[place + 1 :]))


def test_states_of_other_networks_are_refused() -> None:
    rules = {"min_epochs": 1, "eta": 2, "training": "resume", "metric": "accuracy", "seed": 0}
    shared = Shared("token", [digits_data()], rules)
    first = jobs.train(shared, Order(0, 0, 1, {"hidden": (16,)}, ()))
    jobs.train(shared, Order(0, 1, 2, {"hidden": (16,)}, first.states))
    with pytest.raises(ValueError, match="candidate 0 has states of other sizes or epochs"):
        jobs.train(shared, Order(0, 1, 2, {"hidden": (32,)}, first.states))


def test_a_process_keeps_the_data_of_few_runs() -> None:
    for number in range(5):
        jobs.know(Shared(str(number), [], {}))
    assert list(jobs._known) == ["3", "4"]
    jobs.know(Shared("5", [], {}), "/nowhere/at/all")
    jobs.know(Shared("6", [], {}))
    assert list(jobs._known) == ["4", "6"]
    jobs._known.clear()
    assert jobs.do(Where("7", versions(), "/nowhere/at/all"), None, Order(0, 0, 1, {}, ())) == JobAnswer(jobs.LACKS)


def test_a_run_of_this_process_keeps_its_data_beside_any_number_of_others() -> None:
    for token in ("own", "first", "second", "third"):
        jobs.know(Shared(token, [], {}), notified=token == "own")
    assert list(jobs._known) == ["own", "second", "third"]
    jobs.forget("own")
    assert list(jobs._known) == ["second", "third"]
    jobs._known.clear()
