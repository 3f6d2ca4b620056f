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
   beside as many busy processes as there are CPUs. Runs are short, and each has to find out anew that cores are taken.
4. Oversubscribed. Four times as many threads as CPUs against as many: told how many CPUs there are, and not told.

Before each part the weights, decisions and scores of all variants must be equal, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import (
    CoreRun,
    arguments,
    busy,
    check_equal,
    core_data,
    core_settings,
    cpus,
    digits,
    interleaved,
    machine,
    print_table,
    ratios,
    run_core,
    save,
    show,
    shown,
    spread,
    training_cost,
    verdict,
)

from ash import _core
from ash.settings import to_settings
from ash.space import default_space

ROWS, VALIDATION = 2048, 64
OPTIMIZERS = ("momentum", "adam")
WIDE = ((64, 256, 256, 10), 128)
FASTEST = 60e9  # multiply-adds a second, at most: for a rough guess how long something takes


@dataclass(frozen=True)
class Case:
    """A network, its batch and its optimizer."""

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


NETWORKS = [
    *(((64, 64, 10), 32), ((64, 128, 64, 10), 64), ((64, 128, 128, 10), 32), ((64, 128, 128, 10), 128)),
    *(((64, 256, 256, 10), batch) for batch in (32, 64, 128, 512)),
    ((64, 512, 512, 10), 128),
]
CASES = [Case(sizes, batch, optimizer) for sizes, batch in NETWORKS for optimizer in OPTIMIZERS]


def random_data() -> _core.Data:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(ROWS + VALIDATION, 64)), random.integers(0, 10, ROWS + VALIDATION)
    return core_data(x, y, 10, standardize=False, validation=VALIDATION)


def team_counts() -> list[int]:
    """Return how many threads a team may have here: all numbers up to 8, powers of two, and all CPUs."""
    most = max(2, cpus())
    return [count for count in range(2, most + 1) if count <= 8 or count == most or count & (count - 1) == 0]


def one_candidate(data: _core.Data, case: Case, seconds: float, **options: Any) -> CoreRun:
    """Train it for about so many seconds, at least 3 epochs."""
    epochs = max(3, round(seconds * FASTEST / (case.step * ROWS / case.batch)))
    return run_core(data, [case.settings()], min_epochs=epochs, max_rungs=1, **options)


def check_case(data: _core.Data, case: Case, threads: int) -> int:
    """Return how many threads the tuner put to work; weights that depend on that end the script."""
    runs = [one_candidate(data, case, 0.05, threads=threads, teams=teams) for teams in (True, False)]
    check_equal(f"{case.name} on {threads} threads", runs)
    return int(runs[0].jobs["team"].max())


def alone_and_shared(quick: bool) -> list[dict[str, Any]]:
    """Time steps of all networks alone and by teams of all sizes."""
    data, results = random_data(), []
    for threads in team_counts():
        for case in CASES:
            formed = check_case(data, case, threads)
            steps = max(1, round(0.02 * FASTEST / case.step))
            quiet = _core.time_steps(data, case.settings(), steps, 2)
            times = _core.time_team(data, case.settings(), steps=steps, repeats=3 if quick else 15, threads=threads)
            quiet += _core.time_steps(data, case.settings(), steps, 2)
            results.append(
                {
                    "case": case.name,
                    "threads": threads,
                    "multiply_adds": case.step,
                    "formed_by_tuner": formed,
                    "blocks_of_helpers": times["blocks"],
                    "round_trip_ns": 1e9 * times["round_trip"],
                    "quiet_us": spread([1e6 * second for second in quiet]),
                    "alone_us": spread([1e6 * second for second in times["alone"]]),
                    "shared_us": spread([1e6 * second for second in times["shared"]]),
                    "speedup": ratios(times["alone"], times["shared"]),
                    "required": 1.7 if (case.sizes, case.batch) == WIDE and threads == 2 else None,
                }
            )
    header = ["step", "threads", "M multiply-adds", "tuner", "round trip ns", "quiet us", "alone us", "shared us"]
    rows = [
        [
            result["case"],
            str(result["threads"]),
            f"{result['multiply_adds'] / 1e6:.2f}",
            f"team of {result['formed_by_tuner']}" if result["formed_by_tuner"] > 1 else "no team",
            f"{result['round_trip_ns']:.0f}",
            *(f"{result[name]['median']:.1f}" for name in ("quiet_us", "alone_us", "shared_us")),
            shown(result["speedup"], ".2f"),
            verdict(result["speedup"]["median"], ">=", result["required"]),
        ]
        for result in results
    ]
    print_table([*header, "speed-up min/med/max", "required"], rows)
    return results


def whole_runs(x: np.ndarray, y: np.ndarray, quick: bool) -> dict[str, Any]:
    """32 candidates of the wide network, rates apart, on 2 threads and on 1."""
    data = core_data(x, y, 10, validation=len(x) // 5)
    case = Case(*WIDE, "momentum")
    candidates = [case.settings(float(rate)) for rate in np.geomspace(1e-3, 3e-2, 32)]
    variants: dict[str, Callable[[], CoreRun]] = {
        "1 thread": lambda: run_core(data, candidates, threads=1),
        "2 threads, teams": lambda: run_core(data, candidates, threads=2, teams=True),
        "2 threads, no teams": lambda: run_core(data, candidates, threads=2, teams=False),
    }
    runs = interleaved(variants, 1 if quick else 7)
    check_equal("32 candidates", [run for name in runs for run in runs[name]])
    works = [float(run.jobs["core_seconds"].sum()) for run in runs["1 thread"]]
    print(f"\n32 candidates of {case.name}, W = {shown(spread(works))} s")
    results: dict[str, dict[str, Any]] = {}
    rows = []
    for name, own in runs.items():
        threads = 1 if name == "1 thread" else 2
        walls = [run.wall for run in own]
        results[name] = {
            "wall": spread(walls),
            "by_work_per_thread": ratios(walls, [work / threads for work in works]),
            "required": 1.1 if name == "2 threads, teams" else None,
        }
        ratio, required = results[name]["by_work_per_thread"], results[name]["required"]
        rows.append([name, shown(spread(walls)), shown(ratio), verdict(ratio["median"], "<=", required)])
    print_table(["", "seconds min/med/max", "by W/p", "required"], rows)
    return results


def never_slower(quick: bool) -> list[dict[str, Any]]:
    """Every network on all CPUs, idle and loaded, with a team against without."""
    data, threads = random_data(), max(2, cpus())

    def measure(case: Case, loaded: bool, rounds: int) -> dict[str, Any]:
        times: list[list[float]] = []
        for _ in range(rounds):
            runs = [one_candidate(data, case, 0.06, threads=threads, teams=teams) for teams in (False, True, False)]
            check_equal(case.name, runs)
            times.append([run.wall for run in runs])
        before, shared, after = zip(*times, strict=True)
        alone = [(a + b) / 2 for a, b in zip(before, after, strict=True)]
        return {
            "case": case.name,
            "loaded": loaded,
            "threads": threads,
            "alone": spread(alone),
            "shared": spread(shared),
            "speed": ratios(alone, shared),
            "speed_of_sums": sum(alone) / sum(shared),
            "control": ratios(before, after),
        }

    results = [measure(case, False, 2 if quick else 15) for case in CASES]
    with busy(cpus()):
        results += [measure(case, True, 2 if quick else 21) for case in CASES]
    print(f"\nwith a team by without, on {threads} threads: required >= 0.98")
    rows = [
        [
            result["case"],
            "both cores busy" if result["loaded"] else "idle",
            f"{1e3 * result['alone']['median']:.1f}",
            shown(result["speed"], ".2f"),
            f"{result['speed_of_sums']:.3f}",
            shown(result["control"], ".2f"),
            verdict(result["speed"]["median"], ">=", 0.98),
        ]
        for result in results
    ]
    print_table(["run", "machine", "alone ms", "speed min/med/max", "of sums", "control", "required"], rows)
    return results


def oversubscribed(x: np.ndarray, y: np.ndarray, quick: bool) -> dict[str, Any]:
    """128 candidates of the default space on four threads a CPU."""
    data = core_data(x, y, 10, validation=len(x) // 5)
    drawn = default_space(len(x), x.shape[1], 1, 10).sample(128, 0)
    candidates = [to_settings(params) for params in drawn]
    few, many = cpus(), 4 * cpus()
    options: dict[str, dict[str, Any]] = {
        f"{few} threads": {"threads": few},
        f"{many} threads, told of {few} CPUs": {"threads": many, "cores": few},
        f"{many} threads, not told": {"threads": many},
        f"{many} threads, no teams": {"threads": many, "teams": False},
    }
    runs = interleaved(
        {name: lambda own=own: run_core(data, candidates, **own) for name, own in options.items()}, 1 if quick else 7
    )
    check_equal("128 candidates", [run for own in runs.values() for run in own])
    base = runs[f"{few} threads"]
    results: dict[str, dict[str, Any]] = {}
    rows = []
    for name, own in runs.items():
        results[name] = {
            "wall": spread([run.wall for run in own]),
            "cpu": spread([run.cpu for run in own]),
            "wall_ratio": ratios([run.wall for run in own], [run.wall for run in base]),
            "cpu_ratio": ratios([run.cpu for run in own], [run.cpu for run in base]),
        }
        wall, cpu = results[name]["wall_ratio"], results[name]["cpu_ratio"]
        required = None if own is base else 1.1
        rows.append([name, shown(results[name]["wall"]), shown(results[name]["cpu"]), shown(wall, ".2f")])
        rows[-1] += [verdict(wall["median"], "<=", required), shown(cpu, ".2f")]
    print(f"\n128 candidates of the default space, {few} CPUs")
    print_table(["", "seconds min/med/max", "CPU seconds", "seconds, ratio", "required", "CPU, ratio"], rows)
    return results


def main() -> None:
    options = arguments(__doc__.splitlines()[0] if __doc__ else "", data=True)
    facts = machine()
    show(facts)
    name, x, y, _, _ = digits(Path(options.data))
    quick = bool(options.quick)
    results = {
        "data": name,
        "steps": alone_and_shared(quick),
        "runs": whole_runs(x, y, quick),
        "never_slower": never_slower(quick),
        "oversubscribed": oversubscribed(x, y, quick),
    }
    save("teams", facts, results)


if __name__ == "__main__":
    main()
