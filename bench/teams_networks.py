"""The networks of teams.py, and one of them trained by the tuner: alone, or with as many threads as it may have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ash import _core
from bench.core import CoreRun, check_equal, core_data, core_settings, run_core, training_cost
from bench.machine import cpus

ROWS, VALIDATION = 2048, 64
OPTIMIZERS = ("momentum", "adam")
FASTEST = 60e9  # multiply-adds a second, at most: for a rough guess how long something takes


@dataclass(frozen=True)
class Network:
    """Layers, batch and optimizer."""

    sizes: tuple[int, ...]
    batch: int
    optimizer: str

    @property
    def name(self) -> str:
        """Sizes, batch and optimizer, as tables write them."""
        return f"{'-'.join(map(str, self.sizes))} @ {self.batch}, {self.optimizer}"

    @property
    def step(self) -> int:
        """Multiply-adds of a step."""
        return self.batch * training_cost(self.sizes)

    def steps(self, seconds: float) -> int:
        """Return how many steps take about so long."""
        return max(1, round(seconds * FASTEST / self.step))

    def settings(self, rate: float = 1e-3) -> _core.Settings:
        """Return it in the core's words; a low rate, so that no run diverges."""
        hidden = list(self.sizes[1:-1])
        return core_settings(
            hidden=hidden,
            activations=["relu"] * len(hidden),
            optimizer=self.optimizer,
            learning_rate=rate,
            batch_size=self.batch,
        )


WIDE = Network((64, 256, 256, 10), 128, "momentum")
QUICK = (Network((64, 64, 10), 32, "adam"), WIDE)
NETWORKS = tuple(
    Network(sizes, batch, optimizer)
    for sizes, batches in (
        ((64, 64, 10), (32,)),
        ((64, 128, 64, 10), (64,)),
        ((64, 128, 128, 10), (32, 128)),
        ((64, 256, 256, 10), (32, 64, 128, 512)),
        ((64, 512, 512, 10), (128,)),
    )
    for batch in batches
    for optimizer in OPTIMIZERS
)


def random_data() -> _core.Data:
    """Return rows of noise: what is learned does not matter here."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(ROWS + VALIDATION, 64)), random.integers(0, 10, ROWS + VALIDATION)
    return core_data(x, y, 10, standardize=False, validation=VALIDATION)


def team_counts() -> list[int]:
    """Return how many threads a team may have here: all numbers up to 8, powers of two, and all CPUs."""
    most = max(2, cpus())
    return [count for count in range(2, most + 1) if count <= 8 or count == most or count & (count - 1) == 0]


def one_candidate(data: _core.Data, network: Network, seconds: float, **options: Any) -> CoreRun:
    """Train it for about so many seconds, at least 3 epochs."""
    epochs = max(3, round(network.steps(seconds) * network.batch / ROWS))
    return run_core(data, [network.settings()], min_epochs=epochs, max_rungs=1, **options)


def formed(data: _core.Data, network: Network, threads: int) -> int:
    """Return how many threads the tuner put to work; weights that depend on that end the bench."""
    runs = [one_candidate(data, network, 0.05, threads=threads, teams=teams) for teams in (True, False)]
    check_equal(f"{network.name} on {threads} threads", runs)
    return int(runs[0].jobs["team"].max())


def check_networks(data: _core.Data, networks: Sequence[Network]) -> None:
    """End the bench unless all networks have the same weights alone and in teams of every size."""
    for threads in team_counts():
        for network in networks:
            formed(data, network, threads)
