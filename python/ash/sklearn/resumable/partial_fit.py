"""Resumes estimators with `partial_fit`. An epoch is one pass over all rows in a new order, or one new row.

One call of `partial_fit` with all rows is one pass: row by row for SGDClassifier, in batches for MLPClassifier. With an
integer `random_state` these estimators shuffle in the same way in each call. So ash passes the rows in a new order in
each epoch. The order depends only on `random_state` and the epoch. With ``shuffle=False`` rows are not reordered.
Naive Bayes counts rows, so a second pass would count all rows twice. Its resource is rows, and each job adds new rows.
"""

import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.checks import is_integer
from ash.sklearn.resumable.protocol import Resumable, Rows, is_a


def can_pass(estimator: Any) -> bool:
    """Return whether an estimator has `partial_fit` and can use it.

    Early stopping and ``class_weight="balanced"`` do not work with `partial_fit`. MultiOutputClassifier needs the
    classes of each output.
    """
    is_balanced = str(getattr(estimator, "class_weight", None)) == "balanced"
    needs_all_rows = getattr(estimator, "early_stopping", False) or is_balanced
    return hasattr(estimator, "partial_fit") and not (needs_all_rows or is_a(estimator, "MultiOutputClassifier"))


class Passes(Resumable):
    """Resumes training by further passes over all rows."""

    @staticmethod
    def refuses(estimator: Any) -> str:
        """Return why `partial_fit` cannot be used; "" if it can."""
        return "" if can_pass(estimator) else f"{type(estimator).__name__} with these parameters has no partial_fit"

    def more(self, rows: Rows, epochs: int) -> None:
        """Make `epochs` passes over the rows."""
        seed = getattr(self.estimator, "random_state", None)
        for _ in range(epochs):
            order = np.random.default_rng([int(seed) if is_integer(seed) else 0, self.done]).permutation(rows.count)
            shuffled = getattr(self.estimator, "shuffle", True)
            learn(self.estimator, rows.at(order) if shuffled else rows, first=not self.done)
            self.done += 1


class FurtherRows(Resumable):
    """Resumes training with new rows, in the order of `rows_in_order`."""

    def more(self, rows: Rows, epochs: int) -> None:
        """Train on `epochs` new rows, or on all rows that are left."""
        order = rows_in_order(rows)[self.done : self.done + epochs]
        if len(order):
            learn(self.estimator, rows.at(order), first=not self.done)
        self.done += len(order)


class Nets(Resumable):
    """Resumes a skorch estimator: a PyTorch module, its optimizer and the random state.

        NeuralNetClassifier(Module, module__width=64, optimizer=torch.optim.AdamW, lr=0.01)     resource: max_epochs

    Between jobs the net itself is the state: weights, optimizer state, history and callbacks. Gradients are dropped.
    The net is pickled attribute by attribute, since skorch's own pickling needs importable module classes. Classes that
    are defined in a notebook or a function are not importable. Weights, shuffles and dropout are drawn from PyTorch's
    global generators of the CPU and of the net's `device`. Their states are set for the candidate before each job. So
    results are repeatable unless jobs run in several threads of one process, or operations on the device are not
    deterministic. Source: skorch, NeuralNet.partial_fit.
    """

    def __init__(self, estimator: Any, parameter: str | None, seed: int = 0) -> None:
        super().__init__(estimator, parameter)
        self.seed = seed
        self._random: Any = None

    @staticmethod
    def wants_process(estimator: Any) -> bool:
        """Return whether the net is trained on a CPU, where threads would share random numbers and wait for the GIL."""
        return not Nets.is_on_gpu(estimator)

    @staticmethod
    def is_on_gpu(estimator: Any) -> bool:
        """Return whether the net's `device` is neither the CPU nor None, with which skorch leaves the module alone."""
        return str(getattr(estimator, "device", "cpu")) not in ("cpu", "None")

    def more(self, rows: Rows, epochs: int) -> None:
        """Train for `epochs` more epochs."""
        import torch

        gpu = torch.device(self.estimator.device) if self.is_on_gpu(self.estimator) else None
        module: Any = torch.cuda if gpu is None else getattr(torch, gpu.type)
        with torch.random.fork_rng([] if gpu is None else [gpu], device_type="cuda" if gpu is None else gpu.type):
            if self._random is None:
                torch.manual_seed(self.seed)  # of the CPU and of all devices
            else:
                torch.set_rng_state(self._random[0])
                if gpu is not None:
                    module.set_rng_state(self._random[1], gpu)
            self.estimator.set_params(max_epochs=epochs)
            self.estimator.partial_fit(rows.X, rows.y, **rows.params)
            self._random = torch.get_rng_state(), None if gpu is None else module.get_rng_state(gpu)
        self.done += epochs
        self.estimator.set_params(max_epochs=self.done)

    def rest(self) -> None:
        """Free the memory of the net's gradients."""
        self.estimator.module_.zero_grad(set_to_none=True)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "estimator": (type(self.estimator), dict(self.estimator.__dict__))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        kind, attributes = state["estimator"]
        net = kind.__new__(kind)
        net.__dict__.update(attributes)
        self.__dict__.update({**state, "estimator": net})


def learn(estimator: Any, rows: Rows, first: bool) -> None:
    """Call `partial_fit` once. If `first`, pass all classes, provided that `partial_fit` accepts them."""
    given = dict(rows.params)
    if first and rows.classes is not None and "classes" in inspect.signature(estimator.partial_fit).parameters:
        given["classes"] = rows.classes
    estimator.partial_fit(rows.X, rows.y, **given)


def rows_in_order(rows: Rows) -> NDArray[np.int64]:
    """Return row indices in a fixed random order that begins with one row of each class."""
    order = np.random.default_rng(0).permutation(rows.count)
    if rows.classes is None or np.ndim(rows.y) != 1:
        return order
    _, firsts = np.unique(np.asarray(rows.y)[order], return_index=True)
    return np.concatenate([order[firsts], np.delete(order, firsts)])
