"""Matrix products of a layer against the processor's FMA peak, OpenBLAS through NumPy, Eigen and LIBXSMM.

One thread, single precision, the three products of training: forward (X W), gradient of the weights (X^T D) and of the
inputs (D W^T). Every answer is compared with one in double precision in the process that then times it. Rounds: in
each the peak and the libraries are measured one after the other, each the best of a few short stretches; shares of the
peak are taken within a round. Only useful multiply-adds count: a layer of 10 outputs can reach at most 10/16 of the
peak where the rows of a kernel are padded to 16 floats, as ours are.

Operands lie in the cache, as they do in a step. What favours whom: our rows are aligned, padded and never a power of
two apart, and Eigen and LIBXSMM get the same memory. Ours and LIBXSMM read a transposed copy of W for the gradient of
the inputs, which our update keeps at hand; NumPy and Eigen, which pack what they multiply by, read W. LIBXSMM has a
kernel made for each size, and is meant for small ones. NumPy's time holds its call: `call` in the table of libraries.
`a.dot(b, out=c)` is the shortest way through NumPy to its BLAS. Its arrays are NumPy's own, rows without padding; a
transposed one is a view, which BLAS multiplies by as it lies.
"""

from __future__ import annotations

import functools
import json
import statistics
import subprocess
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from bench.figures import Section, Table, shown, spread
from bench.processes import ONE_THREAD, call, program
from bench.record import Bench, Case

BATCHES = (16, 32, 64, 128, 512)
FORWARD = ((30, 16), (64, 10), (64, 64), (64, 128), (128, 64), (128, 128), (256, 256), (512, 512), (784, 256))
BACKWARD = ((64, 64), (128, 64), (256, 256), (784, 256))
BACKWARD_BATCHES = (32, 128, 512)
ROUNDS = 15
PEAK_SECONDS, STRETCH_SECONDS, STRETCHES = 0.003, 0.001, 4  # as in products.cpp
ROUNDING = 2.0**-24
Floats = NDArray[np.float32]

TITLES = {
    "forward": "Forward, Y = X W",
    "weight_gradient": "Gradient of the weights, G = X^T D",
    "input_gradient": "Gradient of the inputs, E = D W^T",
}
# Keys of the results, and what tables call them.
LIBRARIES = {"ash": "ash", "numpy": "NumPy", "eigen": "Eigen", "libxsmm": "LIBXSMM"}
INSTALL = {"eigen": "libeigen3-dev", "libxsmm": "libxsmm-dev"}  # packages of Debian and Ubuntu


@dataclass(frozen=True)
class Layer:
    """A product of a layer, at some batches."""

    use: str
    inputs: int
    outputs: int
    batches: tuple[int, ...]

    @property
    def size(self) -> str:
        """Inputs and outputs."""
        return f"{self.inputs}x{self.outputs}"

    @property
    def key(self) -> str:
        """Name of the case."""
        return f"{self.use} {self.size}"


def layers(quick: bool) -> list[Layer]:
    """Return what is measured."""
    if quick:
        return [Layer(use, 64, 64, (16, 128)) for use in TITLES]
    forward = [Layer("forward", *size, BATCHES) for size in FORWARD]
    uses = ("weight_gradient", "input_gradient")
    return forward + [Layer(use, *size, BACKWARD_BATCHES) for use in uses for size in BACKWARD]


@functools.cache
def _built() -> Path:
    return program("bench_products")


def _native(layer: Layer, rounds: int) -> dict[str, Any]:
    """Run the C++ program; a wrong answer ends the script with its sentence."""
    numbers = (layer.inputs, layer.outputs, rounds, *layer.batches)
    command = [str(_built()), layer.use, *map(str, numbers)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise SystemExit(found.stderr.strip() or f"{command[0]} ended with {found.returncode}")
    result: dict[str, Any] = json.loads(found.stdout)
    return result


def _rates(layer: Layer, product: Mapping[str, Any]) -> dict[str, Any]:
    """Return GFLOP/s and per cent of the peak for each library of one process."""
    operations = 2e-9 * product["batch"] * layer.inputs * layer.outputs
    rates = {}
    for library, seconds in product["seconds"].items():
        shares = [100 * operations / second / peak for second, peak in zip(seconds, product["peaks"], strict=True)]
        rates[library] = {"gflops": statistics.median(operations / second for second in seconds)}
        rates[library]["percent"] = spread(shares)
    return rates


def measure(layer: Layer, rounds: int) -> dict[str, Any]:
    """Measure the program and then NumPy, each beside a peak of its own."""
    native = _native(layer, rounds)
    given = {"use": layer.use, "inputs": layer.inputs, "outputs": layer.outputs, "rounds": rounds}
    numpy = call("bench.kernels.products", "measure_numpy", {**given, "batches": layer.batches}, ONE_THREAD)
    products = [
        {
            "batch": ours["batch"],
            "peak_gflops": statistics.median(ours["peaks"]),
            "libraries": {**_rates(layer, ours), **_rates(layer, theirs)},
        }
        for ours, theirs in zip(native["products"], numpy["products"], strict=True)
    ]
    return {
        "use": layer.use,
        "size": layer.size,
        "versions": {
            "ash": f"kernel of {native['instruction_set']}",
            "numpy": numpy["numpy"],
            "eigen": native.get("eigen"),
            "libxsmm": native.get("libxsmm"),
        },
        "numpy_call_us": numpy["call_us"],
        "products": products,
    }


def _cells(result: Mapping[str, Any], product: Mapping[str, Any], library: str) -> list[str]:
    rates = product["libraries"].get(library)
    if rates is None:
        return ["-", "not installed" if result["versions"][library] is None else "no kernel"]
    return [f"{rates['gflops']:.1f}", shown(rates["percent"], ".0f")]


def _rates_table(use: str, results: Sequence[Mapping[str, Any]]) -> Table:
    columns = [text for name in LIBRARIES.values() for text in (f"{name} GFLOP/s", "% of peak")]
    rows = [
        [
            f"{result['size']} @ {product['batch']}",
            f"{product['peak_gflops']:.1f}",
            *(cell for library in LIBRARIES for cell in _cells(result, product, library)),
        ]
        for result in results
        for product in result["products"]
    ]
    note = (
        "inputs x outputs @ batch; GFLOP/s are medians of useful operations, shares minimum / median / maximum; "
        "a share above 100 is a round in which the peak was disturbed."
    )
    return Table(TITLES[use], ["product", "peak", *columns], rows, note)


def _by(products: Sequence[Mapping[str, Any]], library: str) -> list[float]:
    """Return how many times as long as ours this library takes, of each product that it has a kernel for."""
    medians = [{name: rates["percent"]["median"] for name, rates in p["libraries"].items()} for p in products]
    return [median["ash"] / median[library] for median in medians if library in median]


def _library_row(library: str, results: Sequence[Mapping[str, Any]]) -> list[str]:
    version = results[0]["versions"][library]
    if version is None:
        return [LIBRARIES[library], f"not installed (Debian: {INSTALL[library]})", "-", "-", "-"]
    ratios = _by([product for result in results for product in result["products"]], library)
    ahead = f"{sum(ratio > 1 for ratio in ratios)} of {len(ratios)}"
    called = min(result["numpy_call_us"] for result in results)
    cells = [ahead, shown(spread(ratios), ".2f")] if library != "ash" else ["-", "-"]
    return [LIBRARIES[library], version, *cells, f"{called:.2f} us" if library == "numpy" else "-"]


def _libraries_table(results: Sequence[Mapping[str, Any]]) -> Table:
    header = ["library", "version", "ash is faster in", "their time by ours", "call"]
    note = "Their time by ours: minimum / median / maximum over all products below; call: of a product of two numbers."
    return Table("Libraries", header, [_library_row(library, results) for library in LIBRARIES], note)


def _operands(use: str, batch: int, inputs: int, outputs: int) -> tuple[Floats, Floats]:
    """Return A and B; uses as in products.hpp."""
    random = np.random.default_rng(0)

    def matrix(*shape: int) -> Floats:
        return random.uniform(-1, 1, shape).astype(np.float32)

    if use == "forward":
        return matrix(batch, inputs), matrix(inputs, outputs)
    if use == "weight_gradient":
        return matrix(batch, inputs).T, matrix(batch, outputs)
    return matrix(batch, outputs), matrix(inputs, outputs).T


def _check_numpy(name: str, a: Floats, b: Floats, c: Floats) -> None:
    """End the script unless c is as near to the product as any order of its additions brings it."""
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    allowed = 1.01 * (len(b) + 1) * ROUNDING * (np.abs(wide_a) @ np.abs(wide_b))
    if not np.all(np.abs(c - wide_a @ wide_b) <= allowed):
        raise SystemExit(f"numpy: {name} is wrong: nothing to time")


def _stretch(product: Callable[..., Any], b: Floats, c: Floats, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        product(b, out=c)
    return time.perf_counter() - start


def _best(a: Floats, b: Floats, c: Floats) -> float:
    """Return the seconds a product, in the best of a few stretches."""
    repeats = 1
    while _stretch(a.dot, b, c, repeats) < STRETCH_SECONDS:
        repeats *= 2
    return min(_stretch(a.dot, b, c, repeats) for _ in range(STRETCHES)) / repeats


def _library() -> str:
    """Return NumPy's version and whose products it calls, with the kernels that were chosen where that can be told."""
    found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    text = f"{np.__version__}, {found['name']} {found['version']}"
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return text
    chosen = [pool["architecture"] for pool in threadpool_info() if pool.get("architecture")]
    return f"{text} ({chosen[0]})" if chosen else text


def measure_numpy(use: str, inputs: int, outputs: int, batches: Sequence[int], rounds: int) -> dict[str, Any]:
    """Return what the program returns, for NumPy; call_us is what a product of two numbers takes."""
    products = []
    for batch in batches:
        a, b = _operands(use, batch, inputs, outputs)
        c = np.full((a.shape[0], b.shape[1]), np.nan, dtype=np.float32)
        a.dot(b, out=c)
        _check_numpy(f"{use} {inputs}x{outputs} @ {batch}", a, b, c)
        peaks, seconds = [], []
        for _ in range(rounds):
            peaks.append(max(_core.fma_peak(seconds=PEAK_SECONDS) for _ in range(STRETCHES)))
            seconds.append(_best(a, b, c))
        products.append({"batch": batch, "peaks": peaks, "seconds": {"numpy": seconds}})
    one = np.ones((1, 1), dtype=np.float32)
    return {"numpy": _library(), "call_us": 1e6 * _best(one, one, one.copy()), "products": products}


def sections(values: Mapping[str, Any]) -> list[Section]:
    """Return a table of libraries, and one of each use."""
    found = list(values.values())
    tables = [_rates_table(use, [result for result in found if result["use"] == use]) for use in TITLES]
    return [_libraries_table(found), *tables]


def cases(options: Namespace) -> list[Case]:
    """Return a case per layer; the answers are checked by the process that times them."""
    rounds = 3 if options.quick else ROUNDS
    return [Case(layer.key, functools.partial(measure, layer, rounds)) for layer in layers(options.quick)]


BENCH = Bench(
    "products",
    "Matrix products of a layer",
    ("cpp/ash/kernels", "bench/kernels/products.py", "bench/kernels/products.cpp"),
    cases,
    sections,
    check=lambda _: print(f"built: {_built()}"),
    packages=("threadpoolctl",),
)
