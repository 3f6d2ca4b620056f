"""Matrix products through NumPy, as bench/products.cpp measures the others; for a fresh process on one BLAS thread.

`a.dot(b, out=c)` is the shortest way through NumPy to its BLAS; `np.matmul` takes about a microsecond longer. Arrays
are NumPy's own, rows without padding; a transposed one is a view, which BLAS multiplies by as it lies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "BLIS_NUM_THREADS": "1"}
PEAK_SECONDS, STRETCH_SECONDS, STRETCHES = 0.003, 0.001, 4  # as in bench/products.cpp
ROUNDING = 2.0**-24

Floats = NDArray[np.float32]


def _operands(use: str, batch: int, inputs: int, outputs: int) -> tuple[Floats, Floats]:
    """Return A and B; uses as in bench/products.hpp."""
    random = np.random.default_rng(0)

    def matrix(*shape: int) -> Floats:
        return random.uniform(-1, 1, shape).astype(np.float32)

    if use == "forward":
        return matrix(batch, inputs), matrix(inputs, outputs)
    if use == "weight_gradient":
        return matrix(batch, inputs).T, matrix(batch, outputs)
    return matrix(batch, outputs), matrix(inputs, outputs).T


def _check(name: str, a: Floats, b: Floats, c: Floats) -> None:
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


def measure(use: str, inputs: int, outputs: int, batches: Sequence[int], rounds: int) -> dict[str, Any]:
    """Return what the program returns, for NumPy; call_us is what a product of two numbers takes."""
    products = []
    for batch in batches:
        a, b = _operands(use, batch, inputs, outputs)
        c = np.full((a.shape[0], b.shape[1]), np.nan, dtype=np.float32)
        a.dot(b, out=c)
        _check(f"{use} {inputs}x{outputs} @ {batch}", a, b, c)
        peaks, seconds = [], []
        for _ in range(rounds):
            peaks.append(max(_core.fma_peak(seconds=PEAK_SECONDS) for _ in range(STRETCHES)))
            seconds.append(_best(a, b, c))
        products.append({"batch": batch, "peaks": peaks, "seconds": {"numpy": seconds}})
    one = np.ones((1, 1), dtype=np.float32)
    return {"numpy": _library(), "call_us": 1e6 * _best(one, one, one.copy()), "products": products}
