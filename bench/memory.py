"""Memory: 1,024, 2,048 and 16,384 networks of 64-128-64-10 under no limit, 256 MB and 64 MB (10^6 bytes).

Each run has a process of its own, whose peak is read at its end. scikit-learn's digits (1,797 rows); the candidates
differ in learning rate and random numbers alone; AdamW, so a state is three times the weights.

    states       peak of the states of candidates that may still go up; required: no more than the limit
    process      peak of resident memory in all, beyond what the process had before the run: that of the system, where
                 it says so (VmHWM), and not ru_maxrss, which a process inherits from the one that started it
    retrained    epochs trained again because a dropped candidate went up after all; by the epochs of the run
    time         by the run without a limit; one run each

The digests of all limits must be equal, or the script ends.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from common import cpus, machine, print_table, save, show, verdict

import ash

MB = 1_000_000
LIMITS = {"none": 2**62, "256 MB": 256 * MB, "64 MB": 64 * MB}
COUNTS = (1024, 2048, 16384)
LEVELS = 20_000  # learning rates to draw from


def peak_bytes() -> int:
    """Return the most resident memory that this process has had."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def run(count: int, limit: int) -> dict[str, Any]:
    """Run it in this process."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    space = ash.Space(
        hidden=ash.choice((128, 64)), learning_rate=ash.log(3e-4, 3e-2, levels=LEVELS), batch_size=ash.choice(64)
    )
    ash.tune(x, y, space, candidates=2, progress=False)  # whatever the first call loads
    before = peak_bytes()
    result = ash.tune(x, y, space, candidates=count, memory_limit=limit, threads=cpus(), progress=False)
    return {
        "digest": result.digest,
        "seconds": result.wall_seconds,
        "utilization": result.utilization,
        "epochs": result.epochs,
        "process_before": before,
        "process": peak_bytes() - before,
        "best_score": result.best_score,
        **{name: result.memory[name] for name in ("peak_bytes", "dropped", "retrained_epochs")},
    }


def in_child(count: int, limit: int) -> dict[str, Any]:
    """Run it in a process of its own."""
    command = [sys.executable, __file__, "--child", str(count), str(limit)]
    child = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(child.stdout)
    return found


def measure(count: int) -> list[dict[str, Any]]:
    """Run all limits one after the other; digests that differ end the script."""
    results = []
    for name, limit in LIMITS.items():
        results.append({"candidates": count, "limit": name, **in_child(count, limit)})
        print(f"{count} candidates, limit {name}: {results[-1]['seconds']:.1f} s", flush=True)
        if results[-1]["digest"] != results[0]["digest"]:
            raise SystemExit(f"{count} candidates, limit {name}: another digest than without a limit")
        results[-1]["time_ratio"] = results[-1]["seconds"] / results[0]["seconds"]
    return results


def report(results: list[dict[str, Any]]) -> None:
    header = ["candidates, limit", "seconds", "time", "epochs", "retrained", "dropped", "states MB", "required"]
    rows = []
    for result in results:
        limit = LIMITS[result["limit"]] / MB if result["limit"] != "none" else None
        states = result["peak_bytes"] / MB
        rows.append(
            [
                f"{result['candidates']}, {result['limit']}",
                f"{result['seconds']:.1f}",
                f"{result['time_ratio']:.3f}",
                str(result["epochs"]),
                f"{100 * result['retrained_epochs'] / result['epochs']:.2f} %",
                str(result["dropped"]),
                f"{states:.1f}",
                verdict(states, "<=", limit),
                f"{result['process'] / MB:.1f}",
                f"{result['process_before'] / MB:.0f}",
                f"{result['utilization']:.3f}",
            ]
        )
    print()
    print_table([*header, "process MB", "before", "used"], rows)
    print("\nThe digests of all limits are equal.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="without the largest: to see that the script works")
    parser.add_argument("--child", nargs=2, type=int, metavar=("CANDIDATES", "LIMIT"), help="one run; prints JSON")
    options = parser.parse_args()
    if options.child:
        print(json.dumps(run(*options.child)))
        return
    facts = machine(["scikit-learn"])
    show(facts)
    results = [result for count in COUNTS[: 2 if options.quick else 3] for result in measure(count)]
    report(results)
    save("memory", facts, results)


if __name__ == "__main__":
    main()
