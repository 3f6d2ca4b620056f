"""Memory: 1,024, 2,048 and 16,384 networks of 64-128-64-10 under no limit, 256 MB and 64 MB (10^6 bytes).

Each run has a process of its own, whose peak is read at its end. 320 rows of scikit-learn's digits, 64 of them to
score: few, so that 16,384 networks take a minute and not six, while the ladder has all its rungs and a state all its
bytes. The candidates differ in learning rate and random numbers alone; AdamW, so a state is three times the weights.
Only the best is kept: states that are kept for an ensemble are not dropped, so 32 of them add 7 MB to any peak at most.

    states       peak of the states of candidates that may still go up; required: no more than the limit
    process      peak of resident memory in all, beyond what the process had before the run (VmHWM)
    retrained    epochs trained again because a dropped candidate went up after all; by the epochs of the run
    time         by the run without a limit; one run each, so a disturbed minute shows

The digests of all limits must be equal, or the bench ends. Jobs are short here, so what dropping a state costs beside
them weighs more than it does on a larger table: that favours no limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import ash
from bench.child import call, peak_bytes
from bench.figures import verdict
from bench.machine import cpus
from bench.sections import Line, Plot, Section, Table
from bench.suite import Bench, Case, Options

MB = 1_000_000
LIMITS = {"none": 2**62, "256 MB": 256 * MB, "64 MB": 64 * MB}
COUNTS = (1024, 2048, 16384)
ROWS, VALIDATION = 320, 64
LEVELS = 20_000  # learning rates to draw from
SMALL, TIGHT = 64, 4 * MB  # of the check: candidates, and a limit that drops most of them


def tune(candidates: int, limit: int) -> ash.Result:
    """Run it in this process."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    space = ash.Space(
        hidden=ash.choice((128, 64)), learning_rate=ash.log(3e-4, 3e-2, levels=LEVELS), batch_size=ash.choice(64)
    )
    return ash.tune(
        x[:ROWS],
        y[:ROWS],
        space,
        candidates=candidates,
        validation=VALIDATION,
        memory_limit=limit,
        keep=1,
        threads=cpus(),
        progress=False,
    )


def measure(candidates: int, limit: int) -> dict[str, Any]:
    """Run it in this process, which must be a fresh one, and read its peak."""
    tune(2, limit)  # whatever the first call loads
    before = peak_bytes()
    result = tune(candidates, limit)
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


def all_limits(candidates: int, limits: Sequence[str]) -> list[dict[str, Any]]:
    """Run these limits one after the other, each in a fresh process; digests that differ end the bench."""
    results: list[dict[str, Any]] = []
    for name in limits:
        found = call("bench.memory", "measure", {"candidates": candidates, "limit": LIMITS[name]})
        results.append({"candidates": candidates, "limit": name, **found})
        if found["digest"] != results[0]["digest"]:
            raise SystemExit(f"{candidates} candidates, limit {name}: another digest than without a limit")
        results[-1]["time_ratio"] = found["seconds"] / results[0]["seconds"]
    return results


def check() -> None:
    """End unless few candidates have the same digest when most of their states are dropped, and some are."""
    free, tight = tune(SMALL, LIMITS["none"]), tune(SMALL, TIGHT)
    if free.digest != tight.digest:
        raise SystemExit("the digest depends on the memory limit: nothing to measure")
    if not tight.memory["dropped"]:
        raise SystemExit(f"a limit of {TIGHT} bytes drops none of {SMALL} candidates: nothing to measure")


def bench(options: Options) -> Bench:
    """Make a case of each number of candidates, which holds all limits, since their digests are compared."""
    counts, limits = (COUNTS[:1], ("none", "64 MB")) if options.quick else (COUNTS, tuple(LIMITS))
    cases = [Case(f"{count} candidates", partial(all_limits, count, limits)) for count in counts]
    return Bench(cases, sections, check, ("scikit-learn",))


def sections(results: Mapping[str, Any]) -> list[Section]:
    """Return peaks and what they cost, and the peaks as a plot."""
    found = [each for limits in results.values() for each in limits]
    header = ["candidates, limit", "seconds", "time", "epochs", "retrained", "dropped", "states MB", "required"]
    table = Table(
        f"Peak memory of networks of 64-128-64-10 with AdamW on {ROWS} rows",
        [*header, "process MB", "before", "used"],
        [_row(each) for each in found],
        "The digests of all limits are equal. 'process' is what the run added to the process; 'used' is the share of "
        "the threads' time that went into jobs.",
    )
    return [table, _plot(found)]


def _row(result: Mapping[str, Any]) -> list[str]:
    limit = LIMITS[result["limit"]] / MB if result["limit"] != "none" else None
    states = result["peak_bytes"] / MB
    return [
        f"{result['candidates']:,}, {result['limit']}",
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


def _plot(found: Sequence[Mapping[str, Any]]) -> Plot:
    def line(limit: str) -> Line:
        points = {each["candidates"]: each["process"] / MB for each in found if each["limit"] == limit}
        return Line(f"limit: {limit}", points)

    return Plot(
        "memory",
        "What a run adds to the process at its peak",
        "candidates",
        "MB",
        [line(limit) for limit in dict.fromkeys(each["limit"] for each in found)],
        ("x", "y"),
    )
