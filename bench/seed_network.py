"""The seed's network alone: 64-64-10, full batch, one update an epoch; against what it took there.

The published 0.35 s an epoch (Table 1, the rung of one epoch, one thread) were measured on another machine and on 3,823
rows, so no ratio is required; theirs is almost all allocation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from bench.core import core_data, core_settings, oracle
from bench.datasets import Digits
from bench.figures import spread, timed
from bench.published import EPOCH_SECONDS
from bench.sections import Table

EPOCHS_CHECKED = 3


def measure_network(table: Digits, quick: bool) -> dict[str, Any]:
    """Return seconds an epoch, after the losses have been compared with the oracle's."""
    data = core_data(table.x, table.y, 10)
    settings = core_settings(
        hidden=[64], activations=["relu"], optimizer="sgd", learning_rate=0.1, batch_size=0, initialization="auto"
    )
    difference = _check(data, settings, table)
    few, many = (2, 22) if quick else (10, 210)
    seconds = []
    for _ in range(3 if quick else 9):
        start, _ = timed(lambda: _core.train(data, settings, few))
        end, _ = timed(lambda: _core.train(data, settings, many))
        seconds.append((end - start) / (many - few))  # the difference: without what a call takes at its beginning
    return {"rows": len(table.x), "seconds": spread(seconds), "difference": difference}


def network_table(found: dict[str, Any]) -> Table:
    """Return it beside the published time."""
    ours = found["seconds"]
    rows = [
        ["published, another machine", "3823", f"{EPOCH_SECONDS:.6f}", "1"],
        *(
            [f"ash, {kind}", str(found["rows"]), f"{ours[kind]:.6f}", f"{int(EPOCH_SECONDS / ours[kind])}"]
            for kind in ("min", "median", "max")
        ),
    ]
    note = (
        f"One thread. The losses of {EPOCHS_CHECKED} epochs agree with those in double precision to "
        f"{found['difference']:.1e}."
    )
    return Table("64-64-10, full batch: an epoch", ["", "rows", "seconds", "times faster"], rows, note)


def _check(data: _core.Data, settings: _core.Settings, table: Digits) -> float:
    """Return the largest relative difference of the losses to the oracle's; more than 1e-4 ends the bench."""
    reference = oracle()
    initial, _ = _core.train(data, settings, 0)
    chosen = reference.Hyperparameters((64,), ("relu",), "sgd", settings.learning_rate)
    weights, biases = ([part.astype(np.float64) for part in parts] for parts in (initial.weights, initial.biases))
    network = reference.Network(weights, biases, chosen, 10)
    expected = reference.Trainer(network, chosen).job(_scaled(table.x), table.y[:, None].astype(float), EPOCHS_CHECKED)
    _, losses = _core.train(data, settings, EPOCHS_CHECKED)
    worst = float(np.abs(losses / np.array(expected) - 1).max())
    if not worst <= 1e-4:
        raise SystemExit(f"losses differ from the double-precision ones by {worst:.2g}: nothing to time")
    return worst


def _scaled(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return numbers as the core trains on them: by median and quartiles, clipped smoothly at 3."""
    lower, center, upper = np.quantile(x, [0.25, 0.5, 0.75], axis=0)
    half_range = (x.max(axis=0) - x.min(axis=0)) / 2
    scale = np.where(upper > lower, upper - lower, np.where(half_range > 0, half_range, 1))
    z = (x - center) / scale
    return np.asarray(z / np.sqrt(1 + (z / 3) ** 2))
