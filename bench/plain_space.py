"""The space of plain networks on which schedules and teams are measured, whatever is the default by now."""

from __future__ import annotations

from itertools import product

import ash

WIDTHS = (32, 64, 128)


def plain_space() -> ash.Space:
    """Return no hidden layer to three of them, by learning rates that suit the optimizer; for digits."""
    return ash.Space(
        hidden=ash.choice(*_shapes(), default=(64, 64)),
        activation=ash.choice("relu", "silu", "gelu", "tanh"),
        optimizer=ash.choice("adamw", "adam", "nesterov"),
        learning_rate=[
            ash.log(3e-3, 3e-1, levels=17).when(optimizer="nesterov"),
            ash.log(3e-4, 3e-2, levels=17),
        ],
        momentum=ash.choice(0.9, 0.95).when(optimizer="nesterov"),
        beta2=ash.choice(0.95, 0.99, 0.999).when(optimizer=("adam", "adamw")),
        weight_decay=ash.choice(0.0, 0.001, 0.01, 0.03, 0.1, 0.3).when(optimizer="adamw"),
        l2=ash.choice(0.0, 1e-5, 1e-4, 1e-3).when(optimizer=("adam", "nesterov")),
        dropout=ash.uniform(0.0, 0.3, levels=7, default=0.0),
        batch_size=ash.choice(16, 32, 64, default=32),
        label_smoothing=ash.choice(0.0, 0.03, 0.1),
    )


def _shapes() -> list[tuple[int, ...]]:
    """Return no hidden layer, one, two that do not widen and three equal ones; the widest stands once at most."""
    shapes: list[tuple[int, ...]] = [(), *((width,) for width in WIDTHS)]
    shapes += [pair for pair in product(WIDTHS, repeat=2) if pair[0] >= pair[1] and pair[1] < WIDTHS[-1]]
    return [*shapes, *((width,) * 3 for width in WIDTHS[:-1])]
