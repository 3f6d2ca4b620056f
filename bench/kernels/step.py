"""Compares one training step with the processor's FMA peak, PyTorch, scikit-learn and JAX, on one thread each.

A step gathers the rows of a batch and computes the forward pass, softmax cross-entropy, the backward pass and SGD with
momentum. First, the weights after one and three steps must agree to 1e-5 with a plain numpy network in double precision
and with every installed library. Then each round measures the peak, our steps and the peers' steps in turn, each as the
best of a few short stretches, so that disturbances favor none of them. Ratios are taken within a round.

The multiply-adds of a step are counted as (rows of the batch) * (number of weights) for the forward pass, the same for
the gradient of the weights, and the same without the first layer for the gradient of the inputs.

A time includes everything between two updates, and one shuffling per epoch. Some choices affect the comparison. PyTorch
is called as in its tutorials, with several Python calls per step. scikit-learn is measured in whole epochs of
`partial_fit`, so its argument checks are shared by 32 to 128 steps; for two classes it has one output instead of two.
JAX runs one compiled call per epoch, its fastest way; one call per step, as most people write it, takes longer. The
smaller the network, the larger a framework's overhead; with wide layers the matrix products dominate.
"""

from __future__ import annotations

import functools
import importlib.util
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ash import _core
from bench.core import core_data, core_settings
from bench.figures import Line, Picture, Plot, Section, Table, interleaved, item_lines, ratios, shown, spread, verdict
from bench.kernels.step_peers import PEERS, Oracle, Problem, Steps
from bench.machine import CORE
from bench.processes import ONE_THREAD, call
from bench.record import Bench, Case

ROUNDS, QUICK_ROUNDS = 15, 2
LABELS = {"torch": "PyTorch", "torch_compiled": "PyTorch compiled", "sklearn": "scikit-learn", "jax": "JAX"}
BF16 = {"bf16": "ash in bf16", "torch_bf16": "PyTorch in bf16"}
# The JAX runtime reads the size of its thread pool from these variables.
ENVIRONMENT = {
    **ONE_THREAD,
    "JAX_PLATFORMS": "cpu",
    "NPROC": "1",
    "PJRT_NPROC": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}
ROWS = 4096
RATE, MOMENTUM = 0.01, 0.9
STRETCHES = 8  # stretches per round; the best one counts
PEAK_SECONDS = 0.01  # length of a stretch that measures the peak
WARM_UP = 3  # untimed stretches of each peer; the first one compiles
ALLOWED = 1e-5  # largest allowed difference of weights
ONE = 1.1  # CPU time of the process / CPU time of its main thread; a larger ratio means more than one thread


@dataclass(frozen=True)
class Network:
    """A network, and the speed required: `percent` of the peak, and `times_torch` times as fast as PyTorch."""

    sizes: tuple[int, ...]
    batch: int
    percent: float | None = None
    times_torch: float | None = None

    @property
    def name(self) -> str:
        """The layer sizes and the batch size, as shown in tables."""
        return f"{'-'.join(map(str, self.sizes))} @ {self.batch}"

    @property
    def operations(self) -> float:
        """The floating-point operations of one step; a multiply-add counts as two."""
        products = [i * o for i, o in pairwise(self.sizes)]
        return 2.0 * self.batch * (2 * sum(products) + sum(products[1:]))


_ALL = (
    Network((64, 64, 10), 32, percent=60, times_torch=30),
    Network((64, 128, 64, 10), 64, percent=78, times_torch=7),
    Network((64, 256, 256, 10), 128, percent=88, times_torch=1.9),
    Network((64, 512, 512, 10), 128),
    Network((784, 256, 128, 10), 128, times_torch=1.8),
    Network((30, 16, 2), 32),
)
NETWORKS = {network.name: network for network in _ALL}
WIDE = "64-256-256-10 @ 128"


def _settings(network: Network, precision: str = "fp32") -> _core.Settings:
    hidden = list(network.sizes[1:-1])
    return core_settings(
        hidden=hidden,
        activations=["relu"] * len(hidden),
        optimizer="momentum",
        momentum=MOMENTUM,
        learning_rate=RATE,
        learning_rate_schedule="constant",
        batch_size=network.batch,
        precision=precision,
    )


def _problem(network: Network, rows: int) -> tuple[_core.Data, Problem]:
    """Return random rows as core data, and the problem with the core's initial network."""
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, network.sizes[0])).astype(np.float32).astype(np.float64)
    y = random.integers(0, network.sizes[-1], rows)
    data = core_data(x, y, network.sizes[-1], standardize=False)
    return data, Problem(network.sizes, network.batch, RATE, MOMENTUM, _trained(network, data, 0), x, y)


def _trained(network: Network, data: _core.Data, epochs: int) -> list[tuple[Any, Any]]:
    trained, _ = _core.train(data, _settings(network), epochs)
    return list(zip(trained.weights, trained.biases, strict=True))


def _installed() -> dict[str, type[Steps]]:
    return {name: peer for name, peer in PEERS.items() if importlib.util.find_spec(peer.package) is not None}


def _difference(ours: Sequence[tuple[Any, Any]], theirs: Sequence[tuple[Any, Any]]) -> float | None:
    """Return the largest difference of the weights; None if the shapes of the layers differ."""
    pairs = [pair for layers in zip(ours, theirs, strict=True) for pair in zip(*layers, strict=True)]
    if any(a.shape != b.shape for a, b in pairs):
        return None
    worst = max(float(np.abs(a - b).max()) for a, b in pairs)
    return worst if np.isfinite(worst) else float("inf")


def _differences(network: Network) -> dict[str, float | None]:
    """Compare the weights after 1 and 3 steps on one batch; end the script if a difference is too large."""
    data, problem = _problem(network, network.batch)
    ours = {steps: _trained(network, data, steps) for steps in (1, 3)}
    found: dict[str, float | None] = {}
    for name, peer in {"numpy": Oracle, **_installed()}.items():
        if peer.rounded:
            continue
        theirs, done = peer(problem), 0
        for steps, weights in ours.items():
            theirs.run(steps - done)
            done = steps
            difference = _difference(weights, theirs.weights())
            if difference is not None and not difference <= ALLOWED:
                raise SystemExit(
                    f"{network.name}: weights after {steps} steps differ from {name}'s by {difference:.2g}, "
                    f"more than {ALLOWED:g}: nothing to time"
                )
            found[name] = None if difference is None else max(difference, found.get(name) or 0.0)
    return found


def _best(steps: Steps, name: str) -> Callable[[], float]:
    """Return a function that measures the seconds per step, and ends the script if more than one thread is used."""

    def stretch() -> float:
        start = time.perf_counter()
        steps.run(steps.stretch)
        return (time.perf_counter() - start) / steps.stretch

    def measure() -> float:
        process, thread = time.process_time(), time.thread_time()
        best = min(stretch() for _ in range(STRETCHES))
        used = (time.process_time() - process) / (time.thread_time() - thread)
        if used > ONE:
            raise SystemExit(f"{name} has used {used:.1f} threads, and this compares one with one: nothing to show")
        return best

    for _ in range(WARM_UP):
        stretch()
    return measure


def _rounds(network: Network, rounds: int) -> dict[str, list[float]]:
    """Return the peaks in GFLOP/s and the seconds per step of all libraries, one value per round."""
    data, problem = _problem(network, ROWS)
    chosen, steps = _settings(network), max(5, int(0.005 / (network.operations / 60e9)))
    _core.time_steps(data, chosen, steps, 1)
    measured: dict[str, Callable[[], float]] = {
        "peak": lambda: max(_core.fma_peak(seconds=PEAK_SECONDS) for _ in range(STRETCHES)),
        "ash": lambda: min(_core.time_steps(data, chosen, steps, STRETCHES)),
        "bf16": lambda: min(_core.time_steps(data, _settings(network, "bf16"), steps, STRETCHES)),
    }
    for name, peer in _installed().items():
        measured[name] = _best(peer(problem), name)
    return interleaved(measured, rounds)


def _figures(seconds: Mapping[str, list[float]], name: str) -> dict[str, Any]:
    found = seconds.get(name)
    return {
        f"{name}_us": spread([1e6 * second for second in found]) if found else None,
        f"times_{name}": ratios(found, seconds["ash"]) if found else None,
    }


def measure(network: str, rounds: int) -> dict[str, Any]:
    """Check the answers, then measure the peak, our steps and the peers' steps in rounds."""
    asked = NETWORKS[network]
    differences = _differences(asked)
    seconds = _rounds(asked, rounds)
    attained = [asked.operations / second / 1e9 for second in seconds["ash"]]
    result: dict[str, Any] = {
        "case": network,
        "operations": asked.operations,
        "differences": differences,
        "peak_gflops": spread(seconds["peak"]),
        "ash_us": spread([1e6 * second for second in seconds["ash"]]),
        "percent_of_peak": spread([100 * rate / peak for rate, peak in zip(attained, seconds["peak"], strict=True)]),
    }
    for name in (*PEERS, "bf16"):
        result.update(_figures(seconds, name))
    return result


def _largest(result: Mapping[str, Any]) -> str:
    return f"{max(value for value in result['differences'].values() if value is not None):.0e}"


def _table(results: Sequence[Mapping[str, Any]]) -> Table:
    header = ["step", "ash us", "peak GFLOP/s", "% of peak", "required", "largest difference"]
    header += [text for label in LABELS.values() for text in (f"{label} us", "times ours")]
    rows = []
    for result in results:
        asked, ratio = NETWORKS[result["case"]], result["times_torch"]
        row = [result["case"], shown(result["ash_us"], ".1f"), f"{result['peak_gflops']['median']:.0f}"]
        row += [shown(result["percent_of_peak"], ".0f")]
        row += [verdict(result["percent_of_peak"]["median"], ">=", asked.percent), _largest(result)]
        row += [cell for peer in LABELS for cell in _cells(result, peer)]
        rows.append([*row, verdict(ratio["median"], ">=", asked.times_torch) if ratio else "-"])
    note = (
        "Minimum / median / maximum. Largest difference: of any weight after 3 steps, to a double-precision network "
        "and to every library (required: 1e-5). scikit-learn's network for two classes is another one: timed, not "
        "compared. -: not installed."
    )
    return Table("A training step, one thread each", [*header, "PyTorch, required"], rows, note)


def _cells(result: Mapping[str, Any], peer: str) -> list[str]:
    found = result[f"times_{peer}"]
    return ["-", "-"] if found is None else [f"{result[f'{peer}_us']['median']:.1f}", shown(found, ".1f")]


def _rounded(results: Sequence[Mapping[str, Any]]) -> Table:
    header = ["step", "ash us", *(text for label in BF16.values() for text in (f"{label} us", "times ash in float"))]
    rows = [
        [result["case"], shown(result["ash_us"], ".1f"), *(cell for name in BF16 for cell in _cells(result, name))]
        for result in results
    ]
    note = "Without AMX, ash emulates the order of its sums, which takes longer than in float. PyTorch: torch.autocast."
    return Table("A training step with products in bfloat16, one thread each", header, rows, note)


def _picture(results: Sequence[Mapping[str, Any]]) -> Picture:
    lines = []
    for peer, label in LABELS.items():
        found = [result for result in results if result[f"times_{peer}"] is not None]
        if found:
            lines.append(Line(label, {r["operations"] / 1e6: r[f"times_{peer}"]["median"] for r in found}))
    title = "Time of a training step by ours, one thread"
    plot = Plot(title, "floating-point operations per step, 1e6", "times ours", lines, ("x", "y"))
    return Picture("step", [plot])


def sections(values: Mapping[str, Any]) -> list[Section]:
    """Return the tables of times, and a picture of the peers' times divided by ours."""
    found = list(values.values())
    return [_table(found), _rounded(found), _picture(found)]


def readme(values: Mapping[str, Any]) -> Sequence[str]:
    """Return the README's lines: PyTorch's time per step / ours, for the smallest and the widest network."""
    found = [(name, values[name]["times_torch"]) for name in (next(iter(values)), WIDE)]
    if any(times is None for _, times in found):
        return ["A training step has not been measured beside PyTorch."]
    small, wide = (f"{times['median']:.3g}" for _, times in found)
    return item_lines(
        f"On one thread each, PyTorch takes {small} times as long for a step of a small network (64-64-10, 32 rows), "
        f"and {wide} times for a wide one (64-256-256-10, 128 rows)."
    )


def cases(options: Namespace) -> list[Case]:
    """Return one case per network; each checks its answers in the process that then measures."""
    rounds = QUICK_ROUNDS if options.quick else ROUNDS

    def run(network: str) -> Any:
        return call("bench.kernels.step", "measure", {"network": network, "rounds": rounds}, ENVIRONMENT)

    return [
        Case(network, functools.partial(run, network)) for network in list(NETWORKS)[: 1 if options.quick else None]
    ]


BENCH = Bench(
    "step",
    "A training step",
    (*CORE, "bench/kernels/step.py", "bench/kernels/step_peers.py"),
    cases,
    sections,
    packages=("torch", "scikit-learn", "jax", "jaxlib"),
    readme=readme,
)
