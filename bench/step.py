"""One training step against the processor's FMA peak and against one-thread PyTorch.

A step is what training does over and over: gather the rows of a batch, forward, softmax cross-entropy, backward, SGD
with momentum. First one to three steps must agree with PyTorch to 1e-5. Then rounds: in each the peak, our steps and
PyTorch's are measured one after the other, each the best of a few short stretches, so that neither a disturbed moment
nor a busy machine favours one of them; ratios are taken within a round, and their median over the rounds is compared
with what is required.

Multiply-adds of a step: batch * weights forward, the same for the gradient of the weights, and for the gradient of the
inputs of every layer but the first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from common import arguments, core_data, core_settings, machine, print_table, save, show, spread

from ash import _core

ROWS = 4096
RATE, MOMENTUM = 0.01, 0.9
STRETCHES = 8  # in a round, of which the best counts


@dataclass(frozen=True)
class Case:
    """A network, its batch, and what is required: per cent of peak, times PyTorch (None: nothing is)."""

    sizes: tuple[int, ...]
    batch: int
    peak: float | None = None
    torch: float | None = None

    @property
    def name(self) -> str:
        """Sizes and batch, as tables writes them."""
        return f"{'-'.join(map(str, self.sizes))} @ {self.batch}"

    @property
    def operations(self) -> float:
        """Floating-point operations of one step; a multiply-add counts two."""
        products = [i * o for i, o in pairwise(self.sizes)]
        return 2.0 * self.batch * (2 * sum(products) + sum(products[1:]))


CASES = [
    Case((64, 64, 10), 32, peak=60, torch=30),
    Case((64, 128, 64, 10), 64, peak=78, torch=7),
    Case((64, 256, 256, 10), 128, peak=88, torch=1.9),
    Case((784, 256, 128, 10), 128, torch=1.8),
    Case((30, 16, 2), 32),
]


def settings(case: Case, batch: int) -> _core.Settings:
    hidden = list(case.sizes[1:-1])
    return core_settings(
        hidden=hidden,
        activations=["relu"] * len(hidden),
        optimizer="momentum",
        momentum=MOMENTUM,
        learning_rate=RATE,
        learning_rate_schedule="constant",
        batch_size=batch,
    )


def rows_of(case: Case, rows: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, case.sizes[0])).astype(np.float32).astype(np.float64)
    return x, random.integers(0, case.sizes[-1], rows)


class TorchSteps:
    """The same network, data and optimizer in PyTorch, on one thread."""

    def __init__(self, torch: Any, case: Case, initial: _core.Network, rows: int) -> None:
        self.torch, self.batch = torch, case.batch
        layers: list[Any] = []
        for weight, bias in zip(initial.weights, initial.biases, strict=True):
            dense = torch.nn.Linear(*weight.shape)
            dense.weight.data = torch.tensor(weight.T.copy())
            dense.bias.data = torch.tensor(bias)
            layers += [dense, torch.nn.ReLU()]
        self.model = torch.nn.Sequential(*layers[:-1])
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=RATE, momentum=MOMENTUM)
        x, y = rows_of(case, rows)
        self.x, self.y = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
        self.criterion = torch.nn.CrossEntropyLoss()
        self.order, self.next = torch.randperm(rows), 0

    def step(self) -> None:
        """Train on the next batch of the shuffled rows."""
        if self.next + self.batch > len(self.order):
            self.order, self.next = self.torch.randperm(len(self.order)), 0
        chosen = self.order[self.next : self.next + self.batch]
        self.next += self.batch
        self.optimizer.zero_grad()
        self.criterion(self.model(self.x[chosen]), self.y[chosen]).backward()
        self.optimizer.step()

    def seconds(self, steps: int) -> float:
        """Return the seconds a step."""
        start = time.perf_counter()
        for _ in range(steps):
            self.step()
        return (time.perf_counter() - start) / steps


def check(torch: Any, case: Case) -> float:
    """Return the largest difference to PyTorch's weights after 1 and 3 steps; more than 1e-5 ends the script."""
    data = core_data(*rows_of(case, case.batch), case.sizes[-1], standardize=False)
    chosen = settings(case, case.batch)
    worst = 0.0
    for steps in (1, 3):
        theirs = TorchSteps(torch, case, _core.train(data, chosen, 0)[0], case.batch)
        for _ in range(steps):
            theirs.step()
        ours, _ = _core.train(data, chosen, steps)
        dense = [layer for layer in theirs.model if hasattr(layer, "weight")]
        for weight, bias, layer in zip(ours.weights, ours.biases, dense, strict=True):
            worst = max(worst, float(np.abs(weight.T - layer.weight.detach().numpy()).max()))
            worst = max(worst, float(np.abs(bias - layer.bias.detach().numpy()).max()))
    if not worst <= 1e-5:
        raise SystemExit(f"{case.name}: weights differ from PyTorch's by {worst:.2g}, more than 1e-5: nothing to time")
    return worst


def measure(torch: Any | None, case: Case, rounds: int) -> dict[str, Any]:
    """Run rounds of peak, ours and PyTorch, interleaved."""
    data, chosen = core_data(*rows_of(case, ROWS), case.sizes[-1], standardize=False), settings(case, case.batch)
    steps = max(5, int(0.005 / (case.operations / 60e9)))
    theirs: Callable[[int], float] | None = None
    if torch is not None:
        theirs = TorchSteps(torch, case, _core.train(data, chosen, 0)[0], ROWS).seconds
        theirs(20)
    _core.time_steps(data, chosen, steps, 1)
    peaks, ours, others = [], [], []
    for _ in range(rounds):
        peaks.append(_core.fma_peak(seconds=0.05))
        ours.append(min(_core.time_steps(data, chosen, steps, STRETCHES)))
        if theirs is not None:
            others.append(min(theirs(10) for _ in range(STRETCHES)))
    shares = [100 * case.operations / second / (peak * 1e9) for second, peak in zip(ours, peaks, strict=True)]
    ratios = [other / second for other, second in zip(others, ours, strict=True)] if others else []
    return {
        "case": case.name,
        "peak_gflops": spread(peaks),
        "ash_us": spread([1e6 * second for second in ours]),
        "torch_us": spread([1e6 * second for second in others]) if others else None,
        "percent_of_peak": spread(shares),
        "required_percent": case.peak,
        "times_torch": spread(ratios) if ratios else None,
        "required_times": case.torch,
    }


def verdict(value: float, required: float | None) -> str:
    if required is None:
        return "-"
    return f">= {required:g} {'yes' if value >= required else 'NO'}"


def row(result: dict[str, Any]) -> list[str]:
    share, ratio, theirs = result["percent_of_peak"], result["times_torch"], result["torch_us"]
    ours = result["ash_us"]
    return [
        result["case"],
        f"{ours['min']:.1f} / {ours['median']:.1f} / {ours['max']:.1f}",
        f"{theirs['min']:.0f} / {theirs['median']:.0f} / {theirs['max']:.0f}" if theirs else "-",
        f"{result['peak_gflops']['median']:.0f}",
        f"{share['min']:.0f} / {share['median']:.0f} / {share['max']:.0f}",
        verdict(share["median"], result["required_percent"]),
        f"{ratio['min']:.1f} / {ratio['median']:.1f} / {ratio['max']:.1f}" if ratio else "-",
        verdict(ratio["median"], result["required_times"]) if ratio else "-",
    ]


def main() -> None:
    options = arguments(__doc__.splitlines()[0] if __doc__ else "")
    facts = machine(["torch"])
    show(facts)
    try:
        import torch
    except ImportError:
        torch = None  # type: ignore[assignment]
        print("PyTorch is not installed (pip install '.[bench]'): its columns stay empty, and no answer is checked\n")
    else:
        torch.set_num_threads(1)
        torch.manual_seed(0)
    results = []
    for case in CASES:
        difference = check(torch, case) if torch is not None else None
        results.append({**measure(torch, case, 3 if options.quick else 15), "difference_to_torch": difference})
        print(f"{case.name}: difference to PyTorch after 3 steps {difference}, measured", flush=True)
    header = ["step", "ash us min/med/max", "torch us", "peak GFLOP/s", "% of peak", "required", "x torch", "required"]
    print()
    print_table(header, [row(result) for result in results])
    save("step", facts, results)


if __name__ == "__main__":
    main()
