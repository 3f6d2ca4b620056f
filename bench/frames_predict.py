"""`Network.predict_proba` of a large table on all threads, as a share of the FMA peak of these threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ash
from ash import _core
from bench.child import call
from bench.figures import interleaved, ratios, shown, spread, timed, verdict
from bench.machine import cpus
from bench.sections import Line, Plot, Section, Table
from bench.suite import Case, Options

ROWS, QUICK_ROWS, COLUMNS, CLASSES = 1_000_000, 20_000, 100, 2
ROUNDS, QUICK_ROUNDS = 5, 2
NETWORKS = ((64, 64), (128, 64), (256, 256), (256, 256, 256))
QUICK_NETWORKS = (NETWORKS[0], NETWORKS[-1])
TYPES = ("float32", "float64")
TRAINED_ROWS, CHECKED_ROWS = 5_000, 1_000
TOLERANCE = 1e-4  # of a probability
WIDE, LEAST_SHARE = 256, 0.5  # of the peak, where the products and not the reading bound it
PEAK_SECONDS = 0.2


def trained(hidden: Sequence[int]) -> ash.Network:
    """Return a network of these widths: the better one of two."""
    x = np.random.default_rng(0).standard_normal((TRAINED_ROWS, COLUMNS), dtype=np.float32)
    y = (x[:, 0] + x[:, 1] > 0).astype(np.int64)
    space = ash.Space(hidden=ash.choice(tuple(hidden)), learning_rate=ash.choice(1e-3, 3e-3))
    return ash.tune(x, y, space, candidates=2, threads=cpus(), progress=False).model


def plain(network: ash.Network, x: NDArray[Any]) -> NDArray[np.float64]:
    """Return the probabilities by NumPy in double precision; inputs are clipped at 3, hidden layers are relu."""
    core = network.core
    values = (x.astype(np.float64) - core.input_center) / core.input_scale
    values /= np.sqrt(1 + (values / 3) ** 2)
    *hidden, last = zip(core.weights, core.biases, strict=True)
    for weights, bias in hidden:
        values = np.maximum(values @ weights.astype(np.float64) + bias, 0)
    values = values @ last[0].astype(np.float64) + last[1]
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _multiply_adds(hidden: Sequence[int]) -> int:
    widths = [COLUMNS, *hidden, CLASSES]
    return sum(above * below for above, below in pairwise(widths))


def _checked(network: ash.Network, x: NDArray[Any]) -> float:
    """Return the largest error of a probability in the first rows; end where it is too large."""
    rows = x[:CHECKED_ROWS]
    worst = float(np.max(np.abs(network.predict_proba(rows, threads=cpus()) - plain(network, rows))))
    if not worst <= TOLERANCE:
        raise SystemExit(f"{network!r}: a probability of {x.dtype} rows is off by {worst:.1e}: nothing to time")
    return worst


def measure(hidden: Sequence[int], rows: int, rounds: int) -> dict[str, Any]:
    """Check the answers, then time the peak and both types of rows in turns; for a process of its own."""
    network, threads = trained(hidden), cpus()
    x = np.random.default_rng(1).standard_normal((rows, COLUMNS), dtype=np.float32)
    tables = {name: x.astype(name, copy=False) for name in TYPES}
    worst = max(_checked(network, table) for table in tables.values())
    runs: dict[str, Any] = {"peak": lambda: _core.fma_peak(seconds=PEAK_SECONDS)}
    for name, table in tables.items():
        runs[name] = lambda table=table: timed(lambda: network.predict_proba(table, threads=threads))[0]
    found = interleaved(runs, rounds)
    operations = 2e-9 * rows * _multiply_adds(hidden)
    peaks = [threads * peak for peak in found["peak"]]
    return {
        **{"difference": worst, "threads": threads, "peak_gflops": spread(found["peak"])},
        "seconds": {name: spread(found[name]) for name in TYPES},
        "share": {name: ratios([operations / seconds for seconds in found[name]], peaks) for name in TYPES},
    }


def _case(hidden: Sequence[int], rows: int, rounds: int) -> dict[str, Any]:
    given = {"hidden": hidden, "rows": rows, "rounds": rounds}
    found = call("bench.frames_predict", "measure", given, {"OMP_NUM_THREADS": str(cpus())})
    return {"hidden": hidden, "rows": rows, "multiply_adds": _multiply_adds(hidden), **found}


def _name(hidden: Sequence[int]) -> str:
    return "-".join(map(str, [COLUMNS, *hidden, CLASSES]))


def cases(options: Options) -> list[Case]:
    """Return a case for each network."""
    rows, rounds = (QUICK_ROWS, QUICK_ROUNDS) if options.quick else (ROWS, ROUNDS)
    networks = QUICK_NETWORKS if options.quick else NETWORKS
    return [Case(f"predict, {_name(hidden)}", partial(_case, hidden, rows, rounds)) for hidden in networks]


def sections(results: Sequence[Mapping[str, Any]]) -> list[Section]:
    """Return the shares of the peak, and a plot of them over the size of the network."""
    header = ["network, rows", "seconds", "million rows/s", "peak GFLOP/s a thread", "share of the peak", "required"]
    rows = [_row(result, name) for result in results for name in TYPES]
    note = (
        "Minimum / median / maximum. The peak is that of one thread alone, measured in the same round, times the "
        "threads: threads that share a core or its clock cannot reach it. Reading the table bounds the narrower "
        "networks, so nothing is required of them. Probabilities agree with NumPy's in double precision to "
        f"{max(result['difference'] for result in results):.0e} (required: {TOLERANCE:g})."
    )
    threads = max(result["threads"] for result in results)
    rows_in_all = max(result["rows"] for result in results)
    title = f"predict_proba of {rows_in_all:,} x {COLUMNS}, {threads} threads"
    return [Table(title, [*header], rows, note), _plot(results)]


def _row(result: Mapping[str, Any], name: str) -> list[str]:
    seconds, share = result["seconds"][name], result["share"][name]
    return [
        f"{_name(result['hidden'])}, {name}",
        shown(seconds, ".3g"),
        f"{result['rows'] / seconds['median'] / 1e6:.2f}",
        f"{result['peak_gflops']['median']:.0f}",
        shown(share, ".2f"),
        verdict(share["median"], ">=", LEAST_SHARE if min(result["hidden"]) >= WIDE else None),
    ]


def _plot(results: Sequence[Mapping[str, Any]]) -> Plot:
    lines = [
        Line(f"{name} rows", {result["multiply_adds"]: result["share"][name]["median"] for result in results})
        for name in TYPES
    ]
    title = "predict_proba, share of the FMA peak of all threads"
    return Plot("frames-predict", title, "multiply-adds a row", "share of the peak", lines, ("x",))
