"""Compares a layer's matrix products with the processor's FMA peak, OpenBLAS through NumPy, and LIBXSMM.

The three products of training are measured on one thread in single precision: forward (X W), gradient of the weights
(X^T D) and gradient of the inputs (D W^T). Each answer is checked against double precision in the process that then
times the product. Each round measures the peak and the libraries in turn, each as the best of a few short stretches.
Shares of the peak are taken within a round. Only useful multiply-adds count. If a kernel pads rows to 16 floats, as
ours does, a layer with 10 outputs can reach at most 10/16 of the peak.

Operands are in the cache, as in a training step. Some choices affect the comparison. Our rows are aligned, padded and
never a power of two apart, and LIBXSMM gets the same memory. For the gradient of the inputs, our kernel and LIBXSMM
read a transposed copy of W, which our update maintains. NumPy reads W itself, since its BLAS packs the operands.
LIBXSMM generates a kernel for each size, and is meant for small sizes. NumPy's time includes the Python call (`call` in
the table of libraries); `a.dot(b, out=c)` is the shortest way through NumPy to its BLAS. NumPy uses its own arrays,
whose rows are not padded. A transposed array is a view, which BLAS multiplies without a copy.
"""

from __future__ import annotations

import ctypes
import functools
import statistics
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from bench.figures import Section, Table, interleaved, shown, spread, timed
from bench.processes import ONE_THREAD, call, native
from bench.record import Bench, Case

BATCHES = (16, 32, 64, 128, 512)
FORWARD = ((30, 16), (64, 10), (64, 64), (64, 128), (128, 64), (128, 128), (256, 256), (512, 512), (784, 256))
BACKWARD = ((64, 64), (128, 64), (256, 256), (784, 256))
BACKWARD_BATCHES = (32, 128, 512)
ROUNDS = 15
PEAK_SECONDS, STRETCH_SECONDS, STRETCHES = 0.003, 0.001, 4
ROUNDING = 2.0**-24
Floats = NDArray[np.float32]

TITLES = {
    "forward": "Forward, Y = X W",
    "weight_gradient": "Gradient of the weights, G = X^T D",
    "input_gradient": "Gradient of the inputs, E = D W^T",
}
# The libraries' names in tables, by their keys in the results.
LIBRARIES = {"ash": "ash", "numpy": "NumPy", "libxsmm": "LIBXSMM"}
INSTALL = {"libxsmm": "libxsmm-dev"}  # package in Debian and Ubuntu


@dataclass(frozen=True)
class Layer:
    """One of a layer's products, at several batch sizes."""

    use: str
    inputs: int
    outputs: int
    batches: tuple[int, ...]

    @property
    def size(self) -> str:
        """The numbers of inputs and outputs as text."""
        return f"{self.inputs}x{self.outputs}"

    @property
    def key(self) -> str:
        """The name of the case."""
        return f"{self.use} {self.size}"


def layers(quick: bool) -> list[Layer]:
    """Return the layers to measure."""
    if quick:
        return [Layer(use, 64, 64, (16, 128)) for use in TITLES]
    forward = [Layer("forward", *size, BATCHES) for size in FORWARD]
    uses = ("weight_gradient", "input_gradient")
    return forward + [Layer(use, *size, BACKWARD_BATCHES) for use in uses for size in BACKWARD]


class _Matrix(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("rows", "columns", "stride")),
    )


class _Problem(ctypes.Structure):  # as declared in products.hpp
    _fields_ = (("use", ctypes.c_int), *((name, _Matrix) for name in ("a", "b", "b_transposed", "c")))


@functools.cache
def library() -> ctypes.CDLL:
    """Return the C++ functions for products by our kernel and the libraries found; build them if out of date."""
    found = native()
    found.bench_version.restype = ctypes.c_char_p
    found.bench_padded.restype, found.bench_padded.argtypes = ctypes.c_int64, [ctypes.c_int64]
    found.bench_multiply.restype = ctypes.c_bool
    found.bench_multiply.argtypes = [ctypes.c_char_p, ctypes.POINTER(_Problem), ctypes.c_int64]
    return found


def _padded(values: Floats) -> Floats:
    """Return a copy in the core's layout, with rows aligned to 64 bytes and padded with zeros."""
    rows, columns = values.shape
    stride = library().bench_padded(columns)
    memory = np.zeros(rows * stride + 16, np.float32)
    start = -memory.ctypes.data % 64 // memory.itemsize
    copy = memory[start : start + rows * stride].reshape(rows, stride)[:, :columns]
    copy[...] = values
    return copy


def _matrix(values: Floats) -> _Matrix:
    return _Matrix(values.ctypes.data, *values.shape, values.strides[0] // values.itemsize)


class Product:
    """One product with its operands in the layout that suits each library (see the module docstring)."""

    def __init__(self, layer: Layer, batch: int) -> None:
        random = np.random.default_rng(0)

        def matrix(*shape: int) -> Floats:
            return random.uniform(-1, 1, shape).astype(np.float32)

        x, w, d = matrix(batch, layer.inputs), matrix(layer.inputs, layer.outputs), matrix(batch, layer.outputs)
        given = {"forward": (x, w), "weight_gradient": (x, d), "input_gradient": (d, np.ascontiguousarray(w.T))}
        self.a, self.b = {"forward": (x, w), "weight_gradient": (x.T, d), "input_gradient": (d, w.T)}[layer.use]
        self.name = f"{layer.key} @ {batch}"
        self.c = np.empty((self.a.shape[0], self.b.shape[1]), np.float32)  # result of NumPy
        self.operands = [_padded(values) for values in (*given[layer.use], w, self.c)]
        self.problem = _Problem(list(TITLES).index(layer.use), *map(_matrix, self.operands))

    def run(self, name: str, repeats: int) -> bool:
        """Multiply `repeats` times; return False if the library has no kernel for this product."""
        if name != "numpy":
            return bool(library().bench_multiply(name.encode(), self.problem, repeats))
        product, b, c = self.a.dot, self.b, self.c
        for _ in range(repeats):
            product(b, out=c)
        return True

    def check(self, name: str) -> bool:
        """End the script if the error exceeds rounding errors; return False if the library has no kernel."""
        c = self.c if name == "numpy" else self.operands[-1]
        c[...] = np.nan
        if not self.run(name, 1):
            return False
        a, b = self.a.astype(np.float64), self.b.astype(np.float64)
        allowed = 1.01 * (len(b) + 1) * ROUNDING * (np.abs(a) @ np.abs(b))
        if not np.all(np.abs(c - a @ b) <= allowed):
            raise SystemExit(f"{name}: {self.name} is wrong: nothing to time")
        return True

    def best(self, name: str) -> float:
        """Return the seconds per product in the best of a few stretches, each long enough to time accurately."""
        repeats = 1
        while self._stretch(name, repeats) < STRETCH_SECONDS:
            repeats *= 2
        return min(self._stretch(name, repeats) for _ in range(STRETCHES)) / repeats

    def _stretch(self, name: str, repeats: int) -> float:
        return timed(lambda: self.run(name, repeats))[0]


def measure(use: str, inputs: int, outputs: int, batches: Sequence[int], rounds: int) -> dict[str, Any]:
    """Measure a layer in this process, which must have one thread."""
    layer = Layer(use, inputs, outputs, tuple(batches))
    versions = {name: library().bench_version(name.encode()).decode() or None for name in LIBRARIES if name != "numpy"}
    return {
        "use": use,
        "size": layer.size,
        "versions": {**versions, "numpy": _numpy_version()},
        "numpy_call_us": 1e6 * Product(Layer("forward", 1, 1, (1,)), 1).best("numpy"),
        "products": [_measured(layer, batch, rounds, versions) for batch in batches],
    }


def _measured(layer: Layer, batch: int, rounds: int, versions: Mapping[str, str | None]) -> dict[str, Any]:
    product = Product(layer, batch)
    names = [name for name in LIBRARIES if (name == "numpy" or versions[name]) and product.check(name)]
    functions: dict[str, Callable[[], float]] = {name: functools.partial(product.best, name) for name in names}
    functions["peak"] = lambda: max(_core.fma_peak(seconds=PEAK_SECONDS) for _ in range(STRETCHES))
    seconds = interleaved(functions, rounds)
    peaks, operations = seconds.pop("peak"), 2e-9 * batch * layer.inputs * layer.outputs
    return {
        "batch": batch,
        "peak_gflops": statistics.median(peaks),
        "libraries": {
            name: {
                "gflops": statistics.median(operations / second for second in own),
                "percent": spread([100 * operations / second / peak for second, peak in zip(own, peaks, strict=True)]),
            }
            for name, own in seconds.items()
        },
    }


def _numpy_version() -> str:
    """Return NumPy's version and its BLAS, with the BLAS kernels chosen for this processor if known."""
    found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    text = f"{np.__version__}, {found['name']} {found['version']}"
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return text
    chosen = [pool["architecture"] for pool in threadpool_info() if pool.get("architecture")]
    return f"{text} ({chosen[0]})" if chosen else text


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
    """Return the time of this library divided by ours, for each product for which the library has a kernel."""
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


def sections(values: Mapping[str, Any]) -> list[Section]:
    """Return a table of libraries, and one table per kind of product."""
    found = list(values.values())
    tables = [_rates_table(use, [result for result in found if result["use"] == use]) for use in TITLES]
    return [_libraries_table(found), *tables]


def cases(options: Namespace) -> list[Case]:
    """Return one case per layer. It runs in a fresh process with one thread, and checks answers before timing."""
    rounds = 3 if options.quick else ROUNDS

    def run(layer: Layer) -> Any:
        given = {"use": layer.use, "inputs": layer.inputs, "outputs": layer.outputs, "batches": layer.batches}
        return call("bench.kernels.products", "measure", {**given, "rounds": rounds}, ONE_THREAD)

    return [Case(layer.key, functools.partial(run, layer)) for layer in layers(options.quick)]


def build(options: Namespace) -> None:
    """Build the C++ code before any case is timed. Nothing else is checked, since each case checks its answers."""
    library()


BENCH = Bench(
    "products",
    "Matrix products of a layer",
    ("cpp/ash/kernels", "bench/kernels/products.py", "bench/kernels/products.cpp"),
    cases,
    sections,
    check=build,
    packages=("threadpoolctl",),
)
