"""Time a training step alone and shared by a team of threads, in turn; a speed-up compares a pair of runs.

The gain of a team depends on the distance of its cores. "round trip" is the time that a cache line takes from one
thread to the other and back, just before. On a virtual machine it changes from one minute to the next. Waiting helpers
look for work all the time here, so "quiet" is shown too: the same steps with no other thread in the process. The team
is formed even if it does not pay; "tuner" says whether the tuner, which counts multiply-adds per thread and step
(kLeastShare in cpp/ash/run/seats.cpp), would form it. Before anything is timed, the weights alone and shared must be
equal bit for bit.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ash import _core
from bench.core import core_data, core_settings, run_core, training_cost
from bench.figures import Section, Table, ratios, shown, spread, verdict
from bench.machine import CORE, cpus
from bench.record import Bench, Case

REPEATS, QUICK_REPEATS = 15, 3
REQUIRED = 1.7  # of two threads on the wide network
ROWS, VALIDATION = 2048, 64
FASTEST = 60e9  # the most multiply-adds per second, to estimate how long something takes


@dataclass(frozen=True)
class Network:
    """Layers and batch; trained by SGD with momentum."""

    sizes: tuple[int, ...]
    batch: int

    @property
    def name(self) -> str:
        """Sizes and batch, as tables write them."""
        return f"{'-'.join(map(str, self.sizes))} @ {self.batch}"

    @property
    def step(self) -> int:
        """Multiply-adds of a step."""
        return self.batch * training_cost(self.sizes)

    def steps(self, seconds: float) -> int:
        """Return how many steps take about this long."""
        return max(1, round(seconds * FASTEST / self.step))

    def settings(self, rate: float = 1e-3) -> _core.Settings:
        """Return it as settings of the core; with a low rate, so that no run diverges."""
        hidden = list(self.sizes[1:-1])
        return core_settings(
            hidden=hidden,
            activations=["relu"] * len(hidden),
            optimizer="momentum",
            learning_rate=rate,
            batch_size=self.batch,
        )


WIDE = Network((64, 256, 256, 10), 128)
NETWORKS = tuple(
    Network(sizes, batch)
    for sizes, batches in (
        ((64, 64, 10), (32,)),
        ((64, 128, 64, 10), (64,)),
        ((64, 128, 128, 10), (32, 128)),
        ((64, 256, 256, 10), (32, 128, 512)),
        ((64, 512, 512, 10), (128,)),
    )
    for batch in batches
)


def random_data() -> _core.Data:
    """Return rows of noise, since it does not matter here what is learned."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(ROWS + VALIDATION, 64)), random.integers(0, 10, ROWS + VALIDATION)
    return core_data(x, y, 10, standardize=False, validation=VALIDATION)


def team_counts() -> list[int]:
    """Return how many threads a team may have here: all numbers up to 8, powers of two, and all CPUs."""
    most = max(2, cpus())
    return [count for count in range(2, most + 1) if count <= 8 or count == most or count & (count - 1) == 0]


def formed(data: _core.Data, network: Network, threads: int) -> int:
    """Return how many threads the tuner put to work; if the outcome depends on their number, the bench ends."""
    epochs = max(3, round(network.steps(0.05) * network.batch / ROWS))
    given = {"min_epochs": epochs, "max_rungs": 1, "threads": threads}
    alone, shared = (run_core(data, [network.settings()], teams=teams, **given) for teams in (False, True))
    for name in ("score", "weights_hash"):
        if not np.array_equal(alone[name], shared[name]):
            raise SystemExit(f"{network.name} on {threads} threads: a team changes {name}: nothing to time")
    return int(shared["team"].max())


def step(data: _core.Data, network: Network, threads: int, repeats: int) -> dict[str, Any]:
    """Time steps of a network alone and by a team, and alone with no other thread in the process."""
    team, steps = formed(data, network, threads), network.steps(0.02)
    quiet = _core.time_steps(data, network.settings(), steps, 2)
    times = _core.time_team(data, network.settings(), steps=steps, repeats=repeats, threads=threads)
    quiet += _core.time_steps(data, network.settings(), steps, 2)
    return {
        "multiply_adds": network.step,
        "formed_by_tuner": team,
        "round_trip_ns": 1e9 * times["round_trip"],
        "quiet_us": spread([1e6 * second for second in quiet]),
        "alone_us": spread([1e6 * second for second in times["alone"]]),
        "shared_us": spread([1e6 * second for second in times["shared"]]),
        "speedup": ratios(times["alone"], times["shared"]),
    }


def sections(values: Mapping[str, Any]) -> list[Section]:
    """Return a row per step and number of threads."""
    header = ["step", "M multiply-adds", "tuner", "round trip ns", "quiet us", "alone us", "shared us"]
    rows = [_row(key, found) for key, found in values.items()]
    note = "Below 1 the team costs time. The tuner forms none where a step is too small, as 'tuner' says."
    return [Table("A step alone and shared", [*header, "speed-up min/med/max", "required"], rows, note)]


def _row(key: str, found: Mapping[str, Any]) -> list[str]:
    return [
        key,
        f"{found['multiply_adds'] / 1e6:.2f}",
        f"team of {found['formed_by_tuner']}" if found["formed_by_tuner"] > 1 else "no team",
        f"{found['round_trip_ns']:.0f}",
        *(f"{found[name]['median']:.1f}" for name in ("quiet_us", "alone_us", "shared_us")),
        shown(found["speedup"], ".2f"),
        verdict(found["speedup"]["median"], ">=", REQUIRED if key == f"{WIDE.name}, 2 threads" else None),
    ]


def cases(options: Namespace) -> list[Case]:
    """Return a case per network and size of team."""
    data, repeats = random_data(), QUICK_REPEATS if options.quick else REPEATS
    return [
        Case(f"{network.name}, {threads} threads", partial(step, data, network, threads, repeats))
        for threads in team_counts()
        for network in ((NETWORKS[0], WIDE) if options.quick else NETWORKS)
    ]


BENCH = Bench(
    "teams",
    "A step shared by a team of threads",
    (*CORE, "bench/kernels/teams.py"),
    cases,
    sections,
)
