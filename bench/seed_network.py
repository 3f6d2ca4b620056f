"""The network of the student project that ash starts from: 64-64-10, full batch, 3,823 digits, one update an epoch.

Its published 0.35 s an epoch (Table 1, rung of 1 epoch, one thread) were measured on another machine, so the two
figures stand beside each other and no ratio is required; theirs is almost all allocation.
"""

from __future__ import annotations

import math

import numpy as np
from common import arguments, core_data, core_settings, digits, machine, oracle, print_table, save, show, spread, timed

from ash import _core

PUBLISHED_SECONDS = 0.35
EPOCHS_CHECKED = 3


def check(data: _core.Data, settings: _core.Settings, x: np.ndarray, y: np.ndarray) -> float:
    """Return the largest relative difference of three losses to the oracle's; more than 1e-4 ends the script."""
    reference = oracle()
    initial, _ = _core.train(data, settings, 0)
    chosen = reference.Hyperparameters((64,), ("relu",), "sgd", settings.learning_rate)
    network = reference.Network(
        [w.astype(np.float64) for w in initial.weights], [b.astype(np.float64) for b in initial.biases], chosen, 10
    )
    scale = x.std(axis=0)
    scaled = (x - x.mean(axis=0)) / np.where(scale > 0, scale, 1)
    expected = reference.Trainer(network, chosen).job(scaled, y[:, None].astype(float), EPOCHS_CHECKED)
    _, losses = _core.train(data, settings, EPOCHS_CHECKED)
    worst = float(np.abs(losses / np.array(expected) - 1).max())
    if not worst <= 1e-4:
        raise SystemExit(f"losses differ from the double-precision ones by {worst:.2g}: nothing to time")
    return worst


def main() -> None:
    options = arguments(__doc__.splitlines()[0] if __doc__ else "", data=True)
    facts = machine()
    show(facts)
    name, x, y, _, _ = digits(options.data)
    data = core_data(x, y, 10)
    settings = core_settings(
        hidden=[64], activations=["relu"], optimizer="sgd", learning_rate=0.1, batch_size=0, initialization="auto"
    )
    difference = check(data, settings, x, y)
    print(f"{name}, {len(x)} rows; losses of {EPOCHS_CHECKED} epochs agree with the oracle to {difference:.1e}\n")
    few, many = (2, 22) if options.quick else (10, 210)
    seconds = []
    for _ in range(3 if options.quick else 9):
        start, _ = timed(lambda: _core.train(data, settings, few))
        end, _ = timed(lambda: _core.train(data, settings, many))
        seconds.append((end - start) / (many - few))  # the difference: without the start
    ours = spread(seconds)
    rows = [
        ["published (C++, OpenMP; another machine)", f"{PUBLISHED_SECONDS:.6f}", "1"],
        *(
            [f"ash, one thread, {kind}", f"{ours[kind]:.6f}", f"{math.floor(PUBLISHED_SECONDS / ours[kind])}"]
            for kind in ("min", "median", "max")
        ),
    ]
    print_table(["64-64-10, full batch", "seconds an epoch", "times faster"], rows)
    results = {
        "rows": len(x),
        "data": name,
        "published_seconds": PUBLISHED_SECONDS,
        "ash_seconds": ours,
        "difference": difference,
    }
    save("seed_network", facts, results)


if __name__ == "__main__":
    main()
