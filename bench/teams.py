"""Teams: a step alone and shared, whole runs against W/p, never slower than alone, and more threads than cores.

1. Steps. A network is trained alone and by a team in turn; speed-ups are those of pairs, a run of each. Helpers that
   wait look for work all the time here, so "quiet" is shown too: the same steps with no other thread in the process.
   The team is formed whatever it brings; "tuner" says whether the tuner, which counts multiply-adds a thread and step
   (kLeastShare in cpp/ash/tuner.cpp), would have formed it.
   What a team brings depends on how far apart its cores are; so "round trip" is what a cache line takes from one thread
   to the other and back, just before. On a virtual machine that changes from one minute to the next.
2. Runs of 32 candidates on 2 threads, with teams, without, and on 1 thread, whose core seconds are W.
3. Never slower. One candidate through the tuner: without a team, with one, without: their mean by the time with one;
   "control" is the first by the third, which shows what the machine does by itself. On the machine as it is, and
   beside as many busy processes as there are CPUs. Runs are short, and each has to find out anew that cores are taken:
   that favours running alone.
4. Oversubscribed. 128 candidates of the plain space on four threads a CPU against one a CPU: told how many CPUs there
   are, and not told.

Before anything is timed the weights, decisions and scores of all variants must be equal, bit for bit; those of the runs
that are timed are compared too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from ash import _core
from ash.settings import to_settings
from bench.core import CoreRun, check_equal, core_data, run_core
from bench.datasets import Digits, digits
from bench.figures import busy, one_round, ratios, spread
from bench.machine import cpus
from bench.plain_space import plain_space
from bench.schedule_places import PLACES
from bench.suite import Bench, Case, Options
from bench.teams_networks import (
    NETWORKS,
    QUICK,
    WIDE,
    Network,
    check_networks,
    formed,
    one_candidate,
    random_data,
    team_counts,
)
from bench.teams_sections import sections, wide_speedup

__all__ = ["bench", "sections", "wide_speedup"]


@dataclass(frozen=True)
class Size:
    """How often each part is measured, and with how many candidates."""

    steps: int = 15  # pairs of a network
    whole: int = 5  # rounds of runs
    idle: int = 11  # rounds of a network, alone, shared and alone
    loaded: int = 15
    oversubscribed: int = 5
    few: int = 32  # candidates of the wide network
    many: int = 128  # and of the plain space


SMALL = Size(steps=3, whole=1, idle=2, loaded=2, oversubscribed=1, few=8, many=32)


@dataclass(frozen=True)
class Variants:
    """The same candidates, run by several arguments of the core's tuner, which must not change any bit."""

    data: _core.Data
    candidates: Sequence[_core.Settings]
    options: Mapping[str, Mapping[str, Any]]  # by name

    @property
    def what(self) -> str:
        """Say how many there are."""
        return f"{len(self.candidates)} candidates"

    def run(self, name: str) -> CoreRun:
        """Run one."""
        return run_core(self.data, self.candidates, **self.options[name])

    @cached_property
    def reference(self) -> CoreRun:
        """What all must be equal to: a run of the first."""
        return self.run(next(iter(self.options)))

    def check(self) -> None:
        """End the bench unless every variant is equal to the reference."""
        check_equal(self.what, [self.reference, *(self.run(name) for name in list(self.options)[1:])])

    def round(self, number: int) -> dict[str, Any]:
        """Time each once, in turn."""
        functions: dict[str, Callable[[], Any]] = {name: partial(self.run, name) for name in self.options}
        runs = one_round(functions, number)
        check_equal(self.what, [self.reference, *runs.values()])
        seconds = {
            name: {"wall": run.wall, "cpu": run.cpu, "work": float(run.jobs["core_seconds"].sum())}
            for name, run in runs.items()
        }
        return {"candidates": len(self.candidates), "runs": seconds}


def whole_runs(table: Digits, count: int) -> Variants:
    """Candidates of the wide network, rates apart, on 1 thread and on 2."""
    data = core_data(table.x, table.y, 10, validation=len(table.x) // 5)
    candidates = [WIDE.settings(float(rate)) for rate in np.geomspace(1e-3, 3e-2, count)]
    return Variants(data, candidates, {place.name: place.arguments for place in PLACES})


def oversubscribed(table: Digits, count: int) -> Variants:
    """Candidates of the plain space on as many threads as CPUs, and on four a CPU."""
    data = core_data(table.x, table.y, 10, validation=len(table.x) // 5)
    drawn = plain_space().sample(count, 0)
    few, many = cpus(), 4 * cpus()
    options: dict[str, dict[str, Any]] = {
        f"{few} threads": {"threads": few},
        f"{many} threads, told of {few} CPUs": {"threads": many, "cores": few},
        f"{many} threads, not told": {"threads": many},
        f"{many} threads, no teams": {"threads": many, "teams": False},
    }
    return Variants(data, [to_settings(params) for params in drawn], options)


def step(data: _core.Data, network: Network, threads: int, repeats: int) -> dict[str, Any]:
    """Time steps of a network alone and by a team, and alone with no other thread in the process."""
    team, steps = formed(data, network, threads), network.steps(0.02)
    quiet = _core.time_steps(data, network.settings(), steps, 2)
    times = _core.time_team(data, network.settings(), steps=steps, repeats=repeats, threads=threads)
    quiet += _core.time_steps(data, network.settings(), steps, 2)
    return {
        "network": network.name,
        "threads": threads,
        "multiply_adds": network.step,
        "formed_by_tuner": team,
        "blocks_of_helpers": times["blocks"],
        "round_trip_ns": 1e9 * times["round_trip"],
        "quiet_us": spread([1e6 * second for second in quiet]),
        "alone_us": spread([1e6 * second for second in times["alone"]]),
        "shared_us": spread([1e6 * second for second in times["shared"]]),
        "speedup": ratios(times["alone"], times["shared"]),
    }


def never_slower(data: _core.Data, network: Network, loaded: bool, rounds: int) -> dict[str, Any]:
    """Run a network on all CPUs without a team, with one, and without, the machine idle or loaded."""
    threads, times = max(2, cpus()), []
    with busy(cpus()) if loaded else nullcontext():
        for _ in range(rounds):
            runs = [one_candidate(data, network, 0.06, threads=threads, teams=teams) for teams in (False, True, False)]
            check_equal(network.name, runs)
            times.append([run.wall for run in runs])
    before, shared, after = zip(*times, strict=True)
    alone = [(first + last) / 2 for first, last in zip(before, after, strict=True)]
    return {
        "network": network.name,
        "loaded": loaded,
        "threads": threads,
        "alone": spread(alone),
        "shared": spread(shared),
        "speed": ratios(alone, shared),
        "speed_of_sums": sum(alone) / sum(shared),
        "control": ratios(before, after),
    }


def bench(options: Options) -> Bench:
    """Make a case of each network, team and load, and of each round of whole runs."""
    networks, size = (QUICK, SMALL) if options.quick else (NETWORKS, Size())
    data, table = random_data(), digits(options.data)
    whole, many = whole_runs(table, size.few), oversubscribed(table, size.many)
    cases = [
        Case(f"step, {network.name}, {threads} threads", partial(step, data, network, threads, size.steps))
        for threads in team_counts()
        for network in networks
    ]
    cases += [Case(f"run, round {number}", partial(whole.round, number)) for number in range(size.whole)]
    for loaded, rounds in ((False, size.idle), (True, size.loaded)):
        cases += [
            Case(
                f"{'loaded' if loaded else 'idle'}, {network.name}",
                partial(never_slower, data, network, loaded, rounds),
            )
            for network in networks
        ]
    cases += [
        Case(f"oversubscribed, round {number}", partial(many.round, number)) for number in range(size.oversubscribed)
    ]

    def check() -> None:
        check_networks(data, networks)
        whole.check()
        many.check()

    return Bench(cases, sections, check)
