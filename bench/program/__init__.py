"""The command `python -m bench program`: builds `ash_bench`, an executable that performs the runs of bench/tables.

The program contains the table and the candidates and is linked statically, so it runs on any Linux with the same
architecture. Before its path is printed, its runs are compared with those of the Python module: the jobs, their order,
the scores and the weights must be bit-identical.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ash import _core
from ash.data.row_split import split_rows
from ash.space.hyperparameters import to_settings
from bench.arguments import Parser, folder
from bench.core import run_core
from bench.datasets import FILES, Digits
from bench.machine import CORE, ROOT, stamp
from bench.processes import program
from bench.tables.settings import MOST_MODELS, SEED, SETTINGS, candidates, read, training

CLASSES, VALIDATION = 10, 0.2  # classes of the table, and share of validation rows in ash.tune
NAMES = ("optimizer", "learning_rate_schedule", "initialization")
NUMBERS = (
    *("learning_rate", "momentum", "beta1", "beta2", "epsilon", "l2", "weight_decay", "dropout", "label_smoothing"),
)
MEASURES = (*CORE, "bench/program", "bench/tables/settings.py")
MODELS = 32  # number of models in the comparison


def main(words: Sequence[str]) -> None:
    """Build the program, compare it, and print its path and usage."""
    parser = Parser(prog="python -m bench program", description="Builds the runs of `tables` as one file, ash_bench.")
    parser.add_argument("--data", type=folder(*FILES), help="folder with the full optical digits (else load_digits)")
    table = read(parser.parse_args(words).data)
    file = write_sweep(ROOT / "build" / "bench" / f"{table.name}.inc", table)
    built = program("ash_bench", f"-DASH_BENCH_SWEEP={file}")
    check(built, table)
    print(f"""{built}
one file of {built.stat().st_size / 1e6:.1f} MB: no Python, no libraries; {table.name} and its candidates are inside
with {MODELS} models its outcomes are those of the Python module, bit for bit

On the other machine:    ./ash_bench tables-NAME.json        (--help says more)
Back here:               copy it to bench/results, then python -m bench report makes bench/pages/tables-NAME.md""")


def check(built: Path, table: Digits) -> None:
    """Exit unless the program and the Python module have the same outcomes for both settings and algorithms."""
    with tempfile.TemporaryDirectory() as place:
        answer = Path(place) / "answer.json"
        command = [built, "--models", str(MODELS), "--rounds", "1", answer]
        found = subprocess.run(command, env={"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False)
        if found.returncode != 0:
            raise SystemExit(found.stderr.strip() or f"ash_bench has ended with exit status {found.returncode}")
        cases = json.loads(answer.read_text(encoding="utf-8"))["cases"]
    rows = split_rows(table.y.astype(np.float64), len(table.y), VALIDATION, SEED)
    y = np.ascontiguousarray(table.y[:, None], np.float64)
    data = _core.Data(np.ascontiguousarray(table.x, np.float64), y, CLASSES, *rows)
    for setting in SETTINGS:
        drawn = [to_settings(params) for params in candidates(setting, MODELS)]
        for algorithm in ("sh", "ash"):
            run = run_core(data, drawn, algorithm=algorithm, seed=SEED, training=training(setting))
            found_digest = cases[f"{table.name}, {setting}, {MODELS}"]["value"]["digests"][algorithm]
            if found_digest != digest(run):
                raise SystemExit(f"{setting}, {algorithm}: ash_bench and the Python module have different outcomes")


def digest(jobs: _core._Columns) -> int:
    """Return the FNV-1a hash of the 64-bit words of the jobs in order of decision, as main.cpp computes it."""
    score = np.array(jobs["score"], np.float64)
    score[np.isnan(score)] = np.nan
    columns = (jobs["candidate"], jobs["rung"], score.view(np.uint64), jobs["weights_hash"])
    value = 0xCBF29CE484222325
    for words in zip(*(np.asarray(column).tolist() for column in columns), strict=True):
        for word in words:
            value = ((value ^ word) * 0x100000001B3) % 2**64
    return value


def write_sweep(path: Path, table: Digits) -> Path:
    """Write the table and candidates as C++ unless the file is up to date; return its path."""
    training_rows, validation_rows = split_rows(table.y.astype(np.float64), len(table.y), VALIDATION, SEED)
    origin = stamp(MEASURES, ())
    members = json.dumps({name: origin[name] for name in ("commit", "trees")})[1:-1]
    lines = [
        f'const char* const kOrigin = R"({members})";',
        f'const char* const kTable = "{table.name}";',
        _array("std::int64_t", "kShape", (*table.x.shape, CLASSES)),
        _array("double", "kX", table.x.ravel().tolist()),
        _array("double", "kY", table.y.astype(float).tolist()),
        _array("std::int64_t", "kTraining", training_rows.tolist()),
        _array("std::int64_t", "kValidation", validation_rows.tolist()),
    ]
    settings = []
    for number, setting in enumerate(SETTINGS):
        drawn = [_candidate(to_settings(params)) for params in candidates(setting, MOST_MODELS)]
        lines.append(_array("Candidate", f"kCandidates{number}", drawn))
        settings.append(f'Setting{{"{setting}", ash::Continuation::{training(setting)}, kCandidates{number}}}')
    text = "\n".join([*lines, _array("Setting", "kSettings", settings)]) + "\n"
    if not path.is_file() or path.read_text(encoding="ascii") != text:  # avoids an unnecessary rebuild of the program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    return path


def _array(kind: str, name: str, values: Sequence[object]) -> str:
    return f"const std::array<{kind}, {len(values)}> {name}{{{', '.join(map(str, values))}}};"


def _candidate(one: _core.Settings) -> str:
    widths = [*one.hidden, *[0] * (3 - len(one.hidden))]
    activations = [*one.activations, *[""] * (3 - len(one.hidden))]
    parts = [widths, activations, [getattr(one, name) for name in NAMES], [getattr(one, name) for name in NUMBERS]]
    braced = ", ".join(f"{{{', '.join(map(json.dumps, part))}}}" for part in parts)
    return f"Candidate{{{braced}, {one.batch_size}}}"
