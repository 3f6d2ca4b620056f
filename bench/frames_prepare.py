"""From the user's table to what the core trains on, against scikit-learn's StandardScaler, in time and memory."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ash
from ash import _core
from ash.options import read_options
from ash.parts import Parts, read_parts, read_table
from ash.preparation import BLOCK_CELLS, prepare
from bench.child import call, forget_peak, peak_bytes
from bench.figures import interleaved, ratios, shown, spread, timed, verdict
from bench.machine import cpus
from bench.sections import Section, Table
from bench.suite import Case, Options

Floats = NDArray[np.float32]

ROWS, QUICK_ROWS, COLUMNS = 1_000_000, 20_000, 100
ROUNDS, QUICK_ROUNDS = 7, 2
EXACT_ROWS = 2**14  # of which the quartiles are exact; those of more come from a sample of as many
TOLERANCE, SAMPLED_TOLERANCE = 1e-6, 0.05  # of center and scale, relative; 0.05 is five standard deviations
MOST_TIME = 1.5  # by the scaler
MOST_MEMORY = 1.25  # by the float32 matrix; of a table small enough, a block of rows is more than that
MB = 1_000_000
SCALER = "scaler"
ORDERS = {"as given": False, "sorted": True}
DEFAULTS: Mapping[str, Any] = ash.tune.__kwdefaults__


def _columns(x: Floats) -> dict[str, Floats]:
    """Return the columns one by one, each in one piece, as a file of columns is read."""
    return {f"x{place}": np.ascontiguousarray(x[:, place]) for place in range(x.shape[1])}


def _frame(package: str, x: Floats) -> Any:
    return importlib.import_module(package).DataFrame(_columns(x))


LAYOUTS: dict[str, Callable[[Floats], Any]] = {
    "NumPy float32": lambda x: x,
    "NumPy float64": lambda x: x.astype(np.float64),
    "NumPy float32, F-order": np.asfortranarray,
    "pandas float32": partial(_frame, "pandas"),
    "polars float32": partial(_frame, "polars"),
}
QUICK_LAYOUTS = ("NumPy float32", "pandas float32", "polars float32")


def numbers(rows: int) -> tuple[Floats, NDArray[np.int64]]:
    """Return columns of mean 5 and deviation 3, and two classes."""
    x = np.random.default_rng(0).standard_normal((rows, COLUMNS), dtype=np.float32)
    x *= 3
    x += 5
    return x, (x[:, 0] > 5).astype(np.int64)


def ours(table: Any, y: Any, sort: bool) -> tuple[Parts, _core.Data]:
    """Read, split and scale a table at the defaults of `ash.tune`."""
    options = read_options(**DEFAULTS)
    parts = read_parts(*read_table(table, y, options, None, sort), DEFAULTS["validation"], options)
    return parts, prepare(parts)


def theirs(table: Any) -> Any:
    """Standardize it elsewhere."""
    from sklearn.preprocessing import StandardScaler

    return StandardScaler().fit_transform(table)


def difference(x: Floats, parts: Parts, data: _core.Data) -> float:
    """Return the largest relative error of center and scale, against NumPy's of the training rows."""
    core, _ = _core.train(data, _core.Settings(), 0)
    rows = x[parts.table.frame.numbers_of(parts.training)]
    lower, median, upper = (np.quantile(rows, share, axis=0).astype(np.float64) for share in (0.25, 0.5, 0.75))
    pairs = ((core.input_center, median), (core.input_scale, upper - lower))
    return max(float(np.max(np.abs(found / expected - 1))) for found, expected in pairs)


def tolerance(rows: int) -> float:
    """Return the most that `difference` may be for a table of so many rows, at the default validation part."""
    return TOLERANCE if (1 - DEFAULTS["validation"]) * rows <= EXACT_ROWS else SAMPLED_TOLERANCE


def run(what: str, table: Any, y: Any) -> Any:
    """Let the scaler or one of our orders have the table, and return what it made of it."""
    return theirs(table) if what == SCALER else ours(table, y, ORDERS[what])


def measure(layout: str, rows: int, rounds: int) -> dict[str, Any]:
    """Check both orders, then time them and the scaler in turns; for a process of its own."""
    x, y = numbers(rows)
    table = LAYOUTS[layout](x)
    worst = max(difference(x, *ours(table, y, sort)) for sort in ORDERS.values())
    if not worst <= tolerance(rows):
        raise SystemExit(f"{layout}: center or scale is off by {worst:.1e}: nothing to time")
    del x

    def seconds_of(what: str) -> float:
        return timed(partial(run, what, table, y))[0]

    times = interleaved({what: partial(seconds_of, what) for what in (SCALER, *ORDERS)}, rounds)
    seconds = {name: spread(each) for name, each in times.items()}
    ratio = {name: ratios(times[name], times[SCALER]) for name in ORDERS}
    return {"difference": worst, "seconds": seconds, "ratio": ratio}


def added_bytes(layout: str, rows: int, what: str) -> int:
    """Return what a run adds to the process at its peak, beyond the table; for a fresh process."""
    few, labels = numbers(1000)
    run(what, LAYOUTS[layout](few), labels)  # whatever the first call loads
    x, y = numbers(rows)
    table = LAYOUTS[layout](x)
    del x
    forget_peak()
    before = peak_bytes()
    kept = run(what, table, y)
    after = peak_bytes()
    del kept
    return after - before


def _case(layout: str, rows: int, rounds: int) -> dict[str, Any]:
    package = layout.split()[0].lower()
    found: dict[str, Any] = {"layout": layout, "rows": rows}
    if importlib.util.find_spec(package) is None:
        return {**found, "skipped": f"{package} is not installed"}
    threads = {"OMP_NUM_THREADS": str(cpus())}
    given = {"layout": layout, "rows": rows}
    found |= call("bench.frames_prepare", "measure", {**given, "rounds": rounds}, threads)
    peaks = {
        what: call("bench.frames_prepare", "added_bytes", {**given, "what": what}, threads)
        for what in (SCALER, *ORDERS)
    }
    return {**found, "added_bytes": peaks}


def cases(options: Options) -> list[Case]:
    """Return a case for each layout."""
    rows, rounds = (QUICK_ROWS, QUICK_ROUNDS) if options.quick else (ROWS, ROUNDS)
    layouts = QUICK_LAYOUTS if options.quick else LAYOUTS
    return [Case(f"prepare, {layout}", partial(_case, layout, rows, rounds)) for layout in layouts]


def sections(results: Sequence[Mapping[str, Any]]) -> list[Section]:
    """Return seconds and bytes beside those of the scaler."""
    header = ["table, rows", "scaler s", "ours s", "ours by scaler", "required", "scaler MB", "ours MB"]
    rows = [row for result in results for row in _rows(result, len(header) + 2)]
    worst = max((result["difference"] for result in results if "difference" in result), default=0.0)
    required = tolerance(max(result["rows"] for result in results))
    note = (
        "Seconds are medians, ratios of pairs: minimum / median / maximum. Sorted: rows in the order of their hashes, "
        "as the estimators read them. MB: what a run adds to a fresh process at its peak, beyond the table. "
        "By float32: by 4 bytes a cell of the table. The core pads its rows to 64 bytes, and a block of rows of at "
        f"most {BLOCK_CELLS * 8 // 2**20} MiB comes on top, so nothing is required there of fewer than {ROWS:,} rows. "
        f"Center and scale agree with NumPy's of all training rows to {worst:.0e} (required: {required:g})."
    )
    title = f"From the table to the core, {max(result['rows'] for result in results):,} x {COLUMNS}"
    return [Table(title, [*header, "by float32", "required"], rows, note)]


def _rows(result: Mapping[str, Any], columns: int) -> list[list[str]]:
    if "skipped" in result:
        return [[result["layout"], result["skipped"], *[""] * (columns - 2)]]
    return [_row(result, order) for order in ORDERS]


def _row(result: Mapping[str, Any], order: str) -> list[str]:
    seconds, ratio, added = result["seconds"], result["ratio"][order], result["added_bytes"]
    times_matrix = added[order] / (4 * result["rows"] * COLUMNS)
    return [
        f"{result['layout']}, {order}",
        f"{seconds[SCALER]['median']:.3g}",
        f"{seconds[order]['median']:.3g}",
        shown(ratio, ".2f"),
        verdict(ratio["median"], "<=", MOST_TIME),
        f"{added[SCALER] / MB:.0f}",
        f"{added[order] / MB:.0f}",
        f"{times_matrix:.2f}",
        verdict(times_matrix, "<=", MOST_MEMORY if result["rows"] >= ROWS else None),
    ]
