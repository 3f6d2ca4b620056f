"""What all scripts under bench/ share: the machine in words, repeats, tables, data, JSON.

Every script checks its answer before it times, prints machine, processors, instruction set, flags, commit and versions,
and keeps what it printed in bench/results/NAME.json. Times are of one run on one machine: compare ratios.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash.cpus import allowed_cpus

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
Array = NDArray[np.float64]


def arguments(description: str, *, data: bool = False) -> argparse.Namespace:
    """Read the options that every script has: --quick, and --data where it reads tables."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="few repeats: to see that the script works")
    if data:
        parser.add_argument(
            "--data",
            type=Path,
            default=ROOT.parent / "shared" / "data",
            help="folder with optdigits_train.csv.gz and other tables (default: %(default)s)",
        )
    return parser.parse_args()


def processor() -> str:
    """Return the processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def commit() -> str:
    """Return the commit of this working tree, with a + where it has changes."""
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        state = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if state.stdout.strip() else "")


def machine(packages: Sequence[str] = ()) -> dict[str, str]:
    """Return machine, processors, build and versions: what a figure is worth nothing without."""
    facts = {
        "processor": processor(),
        "processors": f"{len(os.sched_getaffinity(0))} allowed of {os.cpu_count()}",
        "system": f"{platform.system()} {platform.release()}",
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "commit": commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
    }
    facts.update({f"core {name}": value for name, value in _core.build_info().items()})
    for package in ("numpy", *packages):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    return facts


def show(facts: Mapping[str, str]) -> None:
    """Print the facts, one a line."""
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:<{width}}  {value}")
    print()


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return minimum, median and maximum."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def shown(line: Mapping[str, float], form: str = ".3f") -> str:
    """Return minimum / median / maximum as text."""
    return " / ".join(format(line[name], form) for name in ("min", "median", "max"))


def ratios(above: Sequence[float], below: Sequence[float]) -> dict[str, float]:
    """Return the spread of the ratios of pairs."""
    return spread([a / b for a, b in zip(above, below, strict=True)])


def verdict(value: float, relation: str, required: float | None) -> str:
    """Return what is required, and whether the value is so; relation: ">=" or "<="."""
    if required is None:
        return "-"
    held = value >= required if relation == ">=" else value <= required
    return f"{relation} {required:g} {'yes' if held else 'NO'}"


def interleaved(functions: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[Any]]:
    """Call all functions in turn, so many rounds, each other one backwards; what they returned, by name."""
    results: dict[str, list[Any]] = {name: [] for name in functions}
    for number in range(rounds):
        for name in list(functions)[:: -1 if number % 2 else 1]:
            results[name].append(functions[name]())
    return results


def cpus() -> int:
    """Return how many CPUs this process may use, as ash counts them."""
    return allowed_cpus().count


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep so many other processes running, which do nothing but use a core, and end them."""
    script = "import os; parent = os.getppid()\nwhile os.getppid() == parent: sum(range(10**5))"
    processes = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(count)]
    try:
        time.sleep(0.5)  # until all have started
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that one call took, and what it returned."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns aligned: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, *rows]:
        cells = [
            f"{cell:<{width}}" if column == 0 else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def save(name: str, facts: Mapping[str, str], results: Any) -> None:
    """Write bench/results/NAME.json."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": dict(facts), "results": results}, indent=2) + "\n", encoding="utf-8")
    print(f"\nwritten: {path.relative_to(ROOT)}")


def read_table(path: Path) -> tuple[Array, NDArray[np.int64]]:
    """Return features and integer classes of a CSV file whose last column is the target."""
    rows = np.loadtxt(path, delimiter=",", skiprows=1)
    return np.ascontiguousarray(rows[:, :-1]), rows[:, -1].astype(np.int64)


def digits(folder: Path) -> tuple[str, Array, NDArray[np.int64], Array, NDArray[np.int64]]:
    """Return (name, training x and y, test x and y) of the UCI optical digits, or of scikit-learn's half of them."""
    files = [folder / f"optdigits_{part}.csv.gz" for part in ("train", "test")]
    if all(file.exists() for file in files):
        return ("optdigits", *read_table(files[0]), *read_table(files[1]))
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    print(f"{folder} has no optdigits_train.csv.gz: taking scikit-learn's digits, a quarter of them for testing\n")
    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    return "load_digits", x_train, y_train.astype(np.int64), x_test, y_test.astype(np.int64)


def core_settings(**values: Any) -> _core.Settings:
    """Make settings of the core with these attributes."""
    settings = _core.Settings()
    for name, value in values.items():
        setattr(settings, name, value)
    return settings


def core_data(
    x: Array, classes: NDArray[np.int64], count: int, *, standardize: bool = True, validation: int = 0
) -> _core.Data:
    """Make data with the last rows for validation; 0: all rows train, and the first validates too."""
    numbers = np.arange(len(x), dtype=np.int64)
    training, scoring = (numbers[:-validation], numbers[-validation:]) if validation else (numbers, numbers[:1])
    y = np.ascontiguousarray(classes[:, None], dtype=np.float64)
    x = np.ascontiguousarray(x, dtype=np.float64)
    return _core.Data(x, y, count, training.copy(), scoring.copy(), standardize)


def _whole_lines(columns: int) -> int:
    return -(-columns // 16) * 16


def prediction_cost(sizes: Sequence[int]) -> int:
    """Return the multiply-adds of a row, forward, as cpp/ash/cost.hpp counts them."""
    return sum(i * _whole_lines(o) for i, o in pairwise(sizes))


def training_cost(sizes: Sequence[int]) -> int:
    """Return the multiply-adds of a row that is trained on, as cpp/ash/cost.hpp counts them."""
    return 2 * prediction_cost(sizes) + sum(o * _whole_lines(i) for i, o in pairwise(sizes[1:]))


@dataclass(frozen=True)
class CoreRun:
    """What a run of the core's tuner took, and what it recorded."""

    wall: float  # seconds
    cpu: float  # seconds of all threads of this process
    jobs: Mapping[str, NDArray[Any]]


def run_core(data: _core.Data, candidates: Sequence[_core.Settings], **options: Any) -> CoreRun:
    """Run the core's tuner to its end."""
    tuner = _core.Tuner(data, candidates, **options)
    cpu, start = time.process_time(), time.perf_counter()
    tuner.start()
    while not tuner.wait(60.0):
        continue
    wall = time.perf_counter() - start
    return CoreRun(wall, time.process_time() - cpu, tuner.jobs())


def check_equal(what: str, runs: Sequence[CoreRun]) -> None:
    """End the script unless all runs decided alike and have trained the same weights."""
    for name in ("candidate", "rung", "score", "weights_hash"):
        if any(not np.array_equal(run.jobs[name], runs[0].jobs[name]) for run in runs):
            raise SystemExit(f"{what}: {name} differs between runs that must be equal: nothing to time")


def oracle() -> ModuleType:
    """Load tests/reference_network.py: the trainer in plain numpy, in double precision."""
    path = ROOT / "tests" / "reference_network.py"
    specification = importlib.util.spec_from_file_location("reference_network", path)
    if specification is None or specification.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(specification)
    sys.modules["reference_network"] = module
    specification.loader.exec_module(module)
    return module
