"""Bytes allocated by 2 to 32 models of the seed's setting on one thread: the memory table of the student project.

`ash_bench --allocations` runs them with an operator new that counts; all of the core's memory comes from there. Loading
the table is not counted, nor are stacks of threads.

    bytes           asked for during a run in all, from the making of the tuner to its end
    an epoch        these by the epochs trained: what the student project gives. It falls with the number of models, as
                    the scratch of the thread is allocated once, and each training allocates its state and a record
    peak            the most that was allocated at once
    further epoch   what one more epoch of a job under way allocates, scores included; required: nothing

The published figures are of the full optical digits (3,823 rows; ours too with --data), with networks 64-...-10 and
jobs from scratch as here, so models, trainings and epochs are the same. Bytes need no clock: no machine has a part in
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from bench import program
from bench.datasets import digits
from bench.figures import verdict
from bench.published import BYTES_ALLOCATED
from bench.sections import Section, Table
from bench.suite import Bench, Case, Options

MB = 1_000_000


def bench(options: Options) -> Bench:
    """Return a case for each number of models; one run of the program measures them all."""
    table = digits(options.data)

    @cache
    def results() -> Mapping[str, Any]:
        return program.run(program.build(table), "--allocations")

    def case(models: int) -> Case:
        return Case(str(models), lambda: {"table": table.name, **results()[f"allocations, {models}"]})

    return Bench(
        cases=[case(models) for models in BYTES_ALLOCATED],
        sections=sections,
        check=lambda: program.check(program.build(table), table),
    )


def sections(results: Mapping[str, Any]) -> Sequence[Section]:
    """Return the table, ours beside the published one."""
    header = ["models", "trainings", "epochs", "MB", "published MB", "by ours", "MB an epoch", "published", "peak MB"]
    rows = [[*_row(int(models), result)] for models, result in results.items()]
    names = sorted({result["table"] for result in results.values()})
    note = (
        f"10^6 bytes, {', '.join(names)}; the published ones are of 3,823 rows of optdigits. "
        "Further epoch: what one more epoch of a job allocates, in bytes."
    )
    title = "Bytes allocated, the seed's setting, one thread"
    return [Table(title, [*header, "further epoch", "required"], rows, note)]


def _row(models: int, result: Mapping[str, Any]) -> Sequence[str]:
    epochs, total = result["epochs"], result["bytes"]
    return (
        *(str(models), str(result["trainings"]), str(epochs)),
        *(f"{total / MB:.2f}", f"{BYTES_ALLOCATED[models] / MB:,.0f}", f"{BYTES_ALLOCATED[models] / total:,.0f} x"),
        *(f"{total / epochs / MB:.3f}", f"{BYTES_ALLOCATED[models] / epochs / MB:.0f}"),
        *(f"{result['peak_bytes'] / MB:.2f}", str(result["further_epoch_bytes"])),
        verdict(result["further_epoch_bytes"], "<=", 0),
    )
