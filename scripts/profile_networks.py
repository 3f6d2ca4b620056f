"""Profiles fits of networks by `ash.ASHClassifier` and `ash.ASHRegressor`, by sampling all threads.

    python -m scripts.profile_networks [TABLE ...] [--seconds 60] [--threads 2] [--data FOLDER]

The script needs Linux with perf, and a native core built with symbols and frame pointers:

    CXXFLAGS=-fno-omit-frame-pointer pip install --config-settings=install.strip=false .

A sample is attributed to the first part (see PARTS) that matches a function on its stack, from the innermost function
outward. Everything called by a validation is `evaluation`. Idle is the time in which the threads did not compute. The
first line shows the multiply-adds per second of the whole fit. The multiply-adds are those of all training epochs that
the search decided, without padding. Those of the refit and of jobs that were cut off are left out.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.quality.tables import TABLES, split

USUAL = ("letter", "adult", "california", "credit", "gss_wages")
RATE = 499  # samples per second and thread
VALUES_PER_NUMBER = 3  # outputs of a periodic embedding per number (cpp/ash/kernels/embedding.hpp)
PARTS = {
    "products": ("::product", "tiles_below"),
    "embedding": ("::embed", "update_embedding"),
    "update": ("::update",),
    "copies": ("::transpose", "scale_rows", "copy_all", "copy_scaled"),
    "elementwise": ("::activate", "::drop", "delta_parametric", "scale_gradient"),
    "gather": ("gather", "shuffle"),
    "loss": ("softmax", "squared_error", "pinball", "poisson"),
    "other training": ("ash::train", "ash::TrainingJob", "::Run::"),
    "scheduling": ("ash::Tuner", "ash::Team", "ash::Candidates", "GOMP", "gomp"),
}


def fit(table: str, seconds: float, threads: int, folder: str | None) -> None:
    """Fit networks, and print the multiply-adds and the start and end times as JSON."""
    import ash
    from ash.engine.planning import rows_of_epoch

    part = split(table, folder, 0, categories=True)
    kind = ash.ASHClassifier if part.classes else ash.ASHRegressor
    config = ash.SearchConfig(models="network")
    estimator = kind(time_limit=seconds, n_jobs=threads, random_state=0, config=config)
    began = time.monotonic()
    estimator.fit(part.x, part.y)
    ended = time.monotonic()
    result = estimator.result_
    encoding = result.model.encoding
    shape = encoding.features, part.classes or 1, int(encoding.scaled.sum())
    per_row = [multiply_adds(params, *shape) for params in result.params]
    most = result.settings["epoch_rows"]
    rows = sum(rows_of_epoch(each, most) for each in result.record.data["training rows"])  # summed over the folds
    done = rows * sum(per_row[job.candidate] * job.epochs for job in result.jobs)
    print(json.dumps({"multiply_adds": done, "began": began, "ended": ended}))


def multiply_adds(params: Mapping[str, Any], features: int, outputs: int, numbers: int) -> int:
    """Return the multiply-adds of the matrix products of a training step, per row."""
    embeds = params["embedding"] != "none"
    sizes = [features + numbers * VALUES_PER_NUMBER * embeds, *params["hidden"], outputs]
    weights = [inputs * width for inputs, width in pairwise(sizes)]
    return 3 * sum(weights) - (0 if embeds else weights[0])


def samples(lines: Iterable[str]) -> Iterator[tuple[float, list[str]]]:
    """Yield the time and the functions of each sample, innermost first, from the output of `perf script`."""
    at, functions = 0.0, list[str]()
    for line in lines:
        if not line.startswith((" ", "\t")) and line.strip().endswith(":"):
            at, functions = float(line.strip().rstrip(":")), []
        elif line.strip():
            functions.append(line.split(maxsplit=1)[-1])  # drop the address
        elif functions:
            yield at, functions
            functions = []


def part_of(functions: list[str]) -> str:
    """Return the part to which a sample with these functions counts: a key of PARTS, "evaluation" or "Python"."""
    if any("ash::evaluate" in function for function in functions):
        return "evaluation"
    for function in functions:
        for part, names in PARTS.items():
            if any(name in function for name in names):
                return part
    return "Python"


def profile(table: str, seconds: float, threads: int, folder: str | None) -> None:
    """Fit in a process under perf, and print each part's share of the threads' time."""
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "perf.data"
        code = f"from scripts.profile_networks import fit; fit({table!r}, {seconds}, {threads}, {folder!r})"
        options = ["-k", "CLOCK_MONOTONIC", "-e", "cpu-clock", "-F", str(RATE), "--call-graph", "fp", "-o", str(data)]
        command = ["perf", "record", "--quiet", *options, sys.executable, "-W", "ignore", "-c", code]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        script = ["perf", "script", "-i", str(data), "-F", "time,ip,sym"]
        lines = subprocess.run(script, check=True, capture_output=True, text=True).stdout.splitlines()
    facts = json.loads(told.splitlines()[-1])
    wall = facts["ended"] - facts["began"]
    counts = Counter(part_of(each) for at, each in samples(lines) if facts["began"] <= at <= facts["ended"])
    shares = {part: count / (RATE * threads * wall) for part, count in counts.items()}
    shares["idle"] = 1.0 - sum(shares.values())
    rate = facts["multiply_adds"] / wall / 1e9
    print(f"{table}: {rate:.2f} billion multiply-adds decided per second, in {wall:.1f} s")
    for part, share in sorted(shares.items(), key=lambda each: -each[1]):
        print(f"    {part:<16} {share:6.1%}")


def main() -> None:
    """Parse the command line and profile each table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", help=f"some of {', '.join(TABLES)} (default: {' '.join(USUAL)})")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", help="folder of the CSV files")
    given = parser.parse_args()
    if unknown := set(given.tables) - set(TABLES):
        parser.error(f"no table {', '.join(sorted(unknown))}: choose from {', '.join(TABLES)}")
    for table in given.tables or USUAL:
        profile(table, given.seconds, given.threads, given.data)


if __name__ == "__main__":
    main()
