"""`python -m bench program` makes `ash_bench`: the runs of bench/tables as one file that needs no Python.

The program holds the table and the candidates and is linked statically, so it runs on any Linux of the same
architecture. Before it is handed over its runs are compared with those of the module that Python loads: the same jobs
in the same order, the same scores and the same weights, bit for bit.

The sweep file inside it (little endian, no padding; a text is its length and its letters, integers are int64, numbers
are doubles):

    text: commit and trees, as members of a stamp; text: name of the table; rows, features, classes, training rows,
    validation rows; x [rows][features]; y [rows]; numbers of the training rows; numbers of the validation rows
    settings, and for each: its name, the name of `training`, candidates, and for each of these: layers, width [layers],
    name of the activation [layers], the names of NAMES, the numbers of NUMBERS, batch size (0: full)
"""

from __future__ import annotations

import json
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ash import _core
from ash.settings import to_settings
from ash.splits import split_rows
from bench.arguments import Parser, folder
from bench.core import run_core
from bench.datasets import FILES, Digits
from bench.machine import CORE, ROOT, stamp
from bench.processes import program
from bench.tables.settings import MOST_MODELS, SEED, SETTINGS, candidates, read, training

CLASSES, VALIDATION = 10, 0.2  # the table's, and ash.tune's
NAMES = ("optimizer", "learning_rate_schedule", "initialization")
NUMBERS = (
    *("learning_rate", "momentum", "beta1", "beta2", "epsilon", "l2", "weight_decay", "dropout", "label_smoothing"),
)
MEASURES = (*CORE, "bench/program", "bench/tables/settings.py")
MODELS = 32  # of the comparison


def main(words: Sequence[str]) -> None:
    """Make the program, compare it, and say where it lies and how it is used."""
    parser = Parser(prog="python -m bench program", description="Builds the runs of `tables` as one file, ash_bench.")
    parser.add_argument("--data", type=folder(*FILES), help="folder with the full optical digits (else load_digits)")
    table = read(parser.parse_args(words).data)
    file = write_sweep(ROOT / "build" / "bench" / f"{table.name}.sweep", table)
    built = program("ash_bench", f"-DASH_BENCH_SWEEP={file}")
    check(built, table)
    print(f"""{built}
one file of {built.stat().st_size / 1e6:.1f} MB: no Python, no libraries; {table.name} and its candidates are inside
with {MODELS} models its outcomes are those of the Python module, bit for bit

On the other machine:    ./ash_bench tables-NAME.json        (--help says more)
Back here:               copy it to bench/results, then python -m bench report makes bench/pages/tables-NAME.md""")


def check(built: Path, table: Digits) -> None:
    """End unless program and module have the same outcome for both settings and algorithms."""
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
            if found_digest != str(digest(run.jobs)):
                raise SystemExit(f"{setting}, {algorithm}: ash_bench and the Python module have different outcomes")


def digest(jobs: _core._Columns) -> int:
    """Return FNV-1a over the 64-bit words of the jobs in order of decision, as main.cpp counts it."""
    score = np.array(jobs["score"], np.float64)
    score[np.isnan(score)] = np.nan
    columns = (jobs["candidate"], jobs["rung"], score.view(np.uint64), jobs["weights_hash"])
    value = 0xCBF29CE484222325
    for words in zip(*(np.asarray(column).tolist() for column in columns), strict=True):
        for word in words:
            value = ((value ^ word) * 0x100000001B3) % 2**64
    return value


def write_sweep(path: Path, table: Digits) -> Path:
    """Write the sweep file of this table and return its path; a file that is already so is not touched."""
    training_rows, validation_rows = split_rows(table.y.astype(np.float64), len(table.y), VALIDATION, SEED)
    origin = stamp(MEASURES, ())
    members = json.dumps({name: origin[name] for name in ("commit", "trees")})[1:-1]
    shape = (*table.x.shape, CLASSES, len(training_rows), len(validation_rows))
    arrays = (table.x.astype("<f8"), table.y.astype("<f8"), training_rows.astype("<i8"), validation_rows.astype("<i8"))
    parts = [_texts(members, table.name), _integers(*shape), *(array.tobytes() for array in arrays)]
    parts.append(_integers(len(SETTINGS)))
    for setting in SETTINGS:
        parts += [_texts(setting, training(setting)), _integers(MOST_MODELS)]
        parts += [_candidate(to_settings(params)) for params in candidates(setting, MOST_MODELS)]
    content = b"".join(parts)
    if not path.is_file() or path.read_bytes() != content:  # the program is built anew only when it must be
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return path


def _texts(*texts: str) -> bytes:
    return b"".join(struct.pack("<q", len(text)) + text.encode("ascii") for text in texts)


def _integers(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


def _candidate(one: _core.Settings) -> bytes:
    layers = _integers(len(one.hidden), *one.hidden) + _texts(*one.activations)
    numbers = struct.pack(f"<{len(NUMBERS)}d", *(getattr(one, name) for name in NUMBERS))
    return layers + _texts(*(getattr(one, name) for name in NAMES)) + numbers + _integers(one.batch_size)
