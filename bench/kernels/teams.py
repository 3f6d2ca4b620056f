"""Times a training step on one thread ("alone") and shared by a team of threads, in turn.

A speed-up is the ratio of two adjacent runs. The gain of a team depends on the distance between its cores. "round trip"
is the time that a cache line takes from one thread to another and back, measured just before the steps. On a virtual
machine this time changes from minute to minute. In the runs "alone", the other threads of the team wait and spin, so
"quiet" is also shown: the same steps with no other thread in the process. The team is formed even if it does not pay.
"tuner" says whether the tuner would form it. This depends on the multiply-adds per thread and step (kLeastShare in
cpp/ash/run/seats.cpp). Before anything is timed, one thread and the team must produce bit-identical weights.
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
REQUIRED = 1.7  # required speed-up of two threads on the wide network
ROWS, VALIDATION = 2048, 64
FASTEST = 60e9  # highest multiply-adds per second, used to estimate durations


@dataclass(frozen=True)
class Network:
    """A network's layer sizes and batch size; it is trained by SGD with momentum."""

    sizes: tuple[int, ...]
    batch: int

    @property
    def name(self) -> str:
        """The layer sizes and the batch size, as shown in tables."""
        return f"{'-'.join(map(str, self.sizes))} @ {self.batch}"

    @property
    def step(self) -> int:
        """The multiply-adds of a step."""
        return self.batch * training_cost(self.sizes)

    def steps(self, seconds: float) -> int:
        """Return the number of steps that take about this many seconds."""
        return max(1, round(seconds * FASTEST / self.step))

    def settings(self, rate: float = 1e-3) -> _core.Settings:
        """Return the core settings, with a low learning rate so that no run diverges."""
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
    """Return rows of noise, since only the time of training matters here."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(ROWS + VALIDATION, 64)), random.integers(0, 10, ROWS + VALIDATION)
    return core_data(x, y, 10, standardize=False, validation=VALIDATION)


def team_counts() -> list[int]:
    """Return the team sizes to measure: all numbers up to 8, powers of two, and the number of CPUs."""
    most = max(2, cpus())
    return [count for count in range(2, most + 1) if count <= 8 or count == most or count & (count - 1) == 0]


def formed(data: _core.Data, network: Network, threads: int) -> int:
    """Return the size of the team that the tuner formed; end the bench if the team changes the outcome."""
    epochs = max(3, round(network.steps(0.05) * network.batch / ROWS))
    given = {"min_epochs": epochs, "max_rungs": 1, "threads": threads}
    alone, shared = (run_core(data, [network.settings()], teams=teams, **given) for teams in (False, True))
    for name in ("score", "weights_hash"):
        if not np.array_equal(alone[name], shared[name]):
            raise SystemExit(f"{network.name} on {threads} threads: a team changes {name}: nothing to time")
    return int(shared["team"].max())


def step(data: _core.Data, network: Network, threads: int, repeats: int) -> dict[str, Any]:
    """Time a network's steps on one thread, by a team, and on one thread with no other thread in the process."""
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
    """Return the table, with one row per step and number of threads."""
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
    """Return one case per network and team size."""
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
