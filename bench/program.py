"""`python -m bench program`: makes `ash_bench`, the sweep of bench/tables.py as one file that needs no Python.

The program holds the table and the candidates (bench/sweep.py) and is linked statically, so it runs on any Linux of the
same architecture. Before it is handed over its runs are compared with those of the module that Python loads: the same
jobs in the same order, the same scores and the same weights, bit for bit.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ash import _core
from ash.settings import to_settings
from bench import build as builder
from bench import sweep
from bench.core import run_core
from bench.datasets import Digits, digits
from bench.machine import ROOT
from bench.sections import Section
from bench.suite import Options
from bench.tables_data import from_program
from bench.tables_sections import sections_of

MB = 1_000_000
MODELS = 32  # of the comparison


def build(table: Digits) -> Path:
    """Return the path of an up-to-date program that holds this table and its candidates."""
    file = sweep.write(ROOT / "build" / "bench" / f"{table.name}.sweep", table)
    return builder.program("ash_bench", f"-DASH_BENCH_SWEEP={file}")


def run(program: Path, *words: str) -> Mapping[str, Any]:
    """Run the program with these arguments and return its results: keys of cases to their figures."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        found = subprocess.run([program, *words, answer], capture_output=True, text=True, check=False)
        if found.returncode != 0:
            said = found.stderr.strip().splitlines()
            raise SystemExit(said[-1] if said else f"{program.name} has ended with exit status {found.returncode}")
        results: Mapping[str, Any] = json.loads(answer.read_text(encoding="utf-8"))["results"]
        return results


def check(program: Path, table: Digits) -> None:
    """End the script unless program and module have the same outcome for both settings and algorithms."""
    found = run(program, "--models", str(MODELS), "--threads", "1", "--repeats", "1")
    data = _core.Data(
        np.ascontiguousarray(table.x, np.float64),
        np.ascontiguousarray(table.y[:, None], np.float64),
        sweep.CLASSES,
        *sweep.rows(table),
    )
    for name in sweep.SETTINGS:
        drawn = [to_settings(params) for params in sweep.candidates(name, MODELS)]
        for algorithm in ("sh", "ash"):
            expected = run_core(data, drawn, algorithm=algorithm, seed=sweep.SEED, **sweep.options(name))
            key = f"{name}, {MODELS}, {algorithm}, no teams, 1"
            if found[key]["digest"] != sweep.outcome_digest(expected.jobs):
                raise SystemExit(f"{key}: ash_bench and the Python module have different outcomes: nothing to time")


def sections(found: Mapping[str, Any], name: str) -> Sequence[Section]:
    """Return the tables and figures of a file that the program has written on some machine."""
    return sections_of(from_program(found["results"], found["table"]), name)


def main(options: Options) -> None:
    """Make the program, compare it, and say where it lies and how it is used."""
    table = digits(options.data)
    with Console(stderr=True).status("building and comparing"):
        program = build(table)
        check(program, table)
    print(f"""{program}
one file of {program.stat().st_size / MB:.1f} MB: no Python, no libraries; {table.name} and its candidates are inside
with {MODELS} models its outcomes are those of the Python module, bit for bit

On the other machine:

    ./ash_bench program.json         1, 2, 4, ... threads, up to the CPUs allowed; or the list in OMP_NUM_THREADS
    ./ash_bench --help               fewer models, other thread counts

Back here, program.json goes to bench/results; `python -m bench report` reads it.""")
