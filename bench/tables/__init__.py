"""Sequential (SH) and asynchronous halving (ASH) by threads, in the student project's setting (full-batch) and in ours.

Each number of threads in OMP_NUM_THREADS for which the machine has CPUs is measured, in a fresh process. Larger numbers
are simulated from the job times on one thread, in a separate table. `settings.py` has the two settings, `measure.py`
the measurement, `memory.py` the bytes allocated, `page.py` the tables and the picture.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from functools import partial

from bench.arguments import folder, integer, integers
from bench.datasets import FILES
from bench.machine import CORE, cpus
from bench.record import Bench, Case
from bench.tables import measure, memory
from bench.tables.page import readme, sections
from bench.tables.published import BYTES_ALLOCATED
from bench.tables.settings import MOST_MODELS, SETTINGS, read

MODELS, ROUNDS = (128, 256, 512), 3
MOST_THREADS, MOST_ROUNDS = 1024, 100
SIMULATED = (4, 8, 16, 32)  # always simulated if not measured, since the student project measured them


def thread_counts() -> tuple[list[int], list[int]]:
    """Return the thread counts to measure and to simulate.

    They are 1 and the numbers in OMP_NUM_THREADS (default: 1, 2, 4, ... and all CPUs) up to the number of CPUs.
    """
    text, most = os.environ.get("OMP_NUM_THREADS", ""), cpus()
    try:
        asked = integers(MOST_THREADS)(text) if text else (*(2**power for power in range(most.bit_length())), most)
    except ArgumentTypeError as error:
        raise SystemExit(f"python -m bench tables: OMP_NUM_THREADS={error}") from None
    measured = {1, *(count for count in asked if count <= most)}
    return sorted(measured), sorted({*asked, *SIMULATED} - measured)


def arguments(parser: ArgumentParser) -> None:
    """Add this subject's own options."""
    parser.add_argument("--models", type=integers(MOST_MODELS), help="numbers of candidates (128,256,512)")
    parser.add_argument("--rounds", type=integer(MOST_ROUNDS), help=f"repeats of each run ({ROUNDS})")
    parser.add_argument(
        "--data",
        type=folder(*FILES),
        help=f"folder with the full optical digits: {', '.join(FILES)} (else load_digits)",
    )


def cases(options: Namespace) -> list[Case]:
    """Return a case for each setting with each number of models, and cases for schedules, one epoch and allocations."""
    (threads, more), data = thread_counts(), options.data
    rounds = options.rounds or (1 if options.quick else ROUNDS)
    models, seeds = options.models or ((32,) if options.quick else MODELS), 1 if options.quick else measure.SEEDS
    name, told = read(data).name, {"threads": threads, "simulated": more, "rounds": rounds}
    made = [
        Case(f"{name}, {setting}, {count}", partial(measure.measure, setting, count, data, rounds, threads, more), told)
        for count in models
        for setting in SETTINGS
    ]
    if threads[-1] > 1:
        run = partial(measure.schedules, data, threads[-1], seeds, rounds)
        made.append(Case(f"{name}, schedules", run, {"threads": threads[-1], "rounds": rounds}))
    return [
        *made,
        Case(f"{name}, an epoch", partial(measure.network_epoch, data, 3 * rounds)),
        Case(f"{name}, allocations", partial(memory.measure, data, tuple(BYTES_ALLOCATED))),
    ]


BENCHES = (
    Bench(
        "tables",
        "The student project's tables",
        (*CORE, "bench/tables/measure.py", "bench/tables/memory.py", "bench/tables/settings.py"),
        cases,
        sections,
        check=lambda options: measure.check(options.data),
        packages=("scikit-learn",),
        readme=readme,
    ),
)
