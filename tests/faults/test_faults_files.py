"""Tests faults of files and some other faults (F103 to F117): untrusted models, hostile names, missing packages."""

import json
import os
import pickle
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from safetensors.numpy import save_file

import ash
import needs
from ash.errors import MissingExtraError, ModelFormatError
from fault_help import Canary, command_line, quick, table
from journal_help import with_states

X, Y = table()
HOSTILE = [
    "a/../b",
    "x\0y",
    "line\nbreak",
    "quote\"'",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "\x1b[31mred",
]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("ending", ["ash", "safetensors", "onnx", "json"], ids=lambda ending: f"F103-{ending}")
def test_no_code_in_a_file_is_executed(ending: str, tmp_path: Path) -> None:
    path, mark = tmp_path / f"model.{ending}", tmp_path / "mark"
    path.write_bytes(pickle.dumps(Canary(mark)))
    with pytest.raises(ModelFormatError):
        ash.load(path)
    with pytest.raises(ash.JournalError):
        quick(X, Y, journal=path)
    assert not mark.exists()


def with_header(header: bytes, body: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + body


OF_EIGHT_BYTES = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def of_tensor(**changes: Any) -> bytes:
    return json.dumps({"a": {**OF_EIGHT_BYTES, **changes}}).encode()


SAFETENSORS = {
    "empty": b"",
    "header beyond the file": (1 << 20).to_bytes(8, "little") + b"{}",
    "header of 100 MB": (101 << 20).to_bytes(8, "little"),
    "header of 2^63": (1 << 63).to_bytes(8, "little") + b"{}",
    "not UTF-8": with_header(b'{"\xff": 1}'),
    "not JSON": with_header(b"{nothing}"),
    "deep": with_header(b"[" * 10_000 + b"]" * 10_000),
    "hole": with_header(of_tensor(data_offsets=[8, 16]), bytes(16)),
    "tail": with_header(of_tensor(), bytes(9)),
    "overlap": with_header(json.dumps(dict.fromkeys("ab", OF_EIGHT_BYTES)).encode(), bytes(8)),
    "missing bytes": with_header(of_tensor(), bytes(7)),
    "shape overflow": with_header(of_tensor(shape=[1 << 62, 1 << 62]), bytes(8)),
    "negative shape": with_header(of_tensor(shape=[-2]), bytes(8)),
    "size": with_header(of_tensor(shape=[3]), bytes(8)),
    "dtype": with_header(of_tensor(dtype="F7"), bytes(8)),
    "key twice": with_header(b'{"a":1,"a":2}'),
    "1e400": with_header(b'{"__metadata__": {"x": 1e400}}'),
    "NaN": with_header(b'{"__metadata__": {"x": NaN}}'),
}


@pytest.mark.parametrize("fault", SAFETENSORS, ids=lambda fault: f"F104-{fault}")
def test_invalid_safetensors_files_are_refused(fault: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(SAFETENSORS[fault])
    with pytest.raises(ModelFormatError):
        ash.load(path)


@pytest.mark.parametrize(
    "value",
    ["[" * 10_000, "{}", "null", '{"format": 1e400}', '{"layers": [-1]}', "NaN"],
    ids=lambda value: f"F105-{value[:12]}",
)
def test_metadata_is_checked_before_anything_is_created(value: str, tmp_path: Path) -> None:
    save_file({"weights": np.zeros(3, np.float32)}, tmp_path / "a", {"ash": value})
    with pytest.raises(ModelFormatError):
        ash.load(tmp_path / "a")


@pytest.mark.parametrize("member", ["../out", "/tmp/out", "a" * 10], ids=["F108-up", "F108-absolute", "F108-bomb"])
def test_archives_are_refused(member: str, tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, bytes(1 << 24))
    with pytest.raises(ModelFormatError):
        ash.load(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_file_permissions_follow_the_umask(mask: int, mode: int, tmp_path: Path) -> None:
    result = quick(X, Y)
    before = os.umask(mask)
    try:
        result.model.save(tmp_path / "model")
        result.report(tmp_path / "report.html")
        result.to_json(tmp_path / "run.json")
        result.trace(tmp_path / "trace.json")
        result.model.to_cpp(tmp_path / "model.hpp")
        result.model.to_onnx(tmp_path / "model.onnx")
    finally:
        os.umask(before)
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()} == dict.fromkeys(
        ("model", "report.html", "run.json", "trace.json", "model.hpp", "model.onnx"), oct(mode)
    )


@pytest.mark.parametrize("name", ["trace", "to_json", "report", "save", "to_cpp", "to_onnx"])
def test_a_file_is_written_completely_or_not_at_all(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, path = quick(X, Y), tmp_path / "file"
    write = getattr(result if hasattr(result, name) else result.model, name)
    path.write_bytes(before := b"another file")

    def full(*_: Any) -> None:
        raise OSError("disk full")

    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
            patch.setattr(os, function, full)
            write(path)
        assert path.read_bytes() == before and [*tmp_path.iterdir()] == [path]
    for place, error in ((tmp_path / "no such folder" / "file", FileNotFoundError), (tmp_path, IsADirectoryError)):
        with pytest.raises(error) as refusal:
            write(place)
        assert (refusal.value.filename, refusal.value.filename2) == (str(place), None)


def test_f110_hostile_names_have_no_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_states(monkeypatch)
    frame = pandas.DataFrame(np.tile(X, (1, 3))[:, : len(HOSTILE)], columns=HOSTILE)
    labels = np.array(HOSTILE)[:2][Y]
    path = tmp_path / "run.ash"
    result = quick(frame, labels, journal=path)
    html = result.report(tmp_path / "run.html").read_text(encoding="utf-8")
    assert "<script>alert" not in html
    result.model.save(tmp_path / "model.safetensors")
    names = sorted(each.name for each in tmp_path.iterdir())
    assert names == ["model.safetensors", "run.ash", "run.ash-lock", "run.ash-states", "run.html"]
    for file in ("model.safetensors", "run.ash"):
        done = subprocess.run(command_line("show", str(tmp_path / file)), capture_output=True, text=True, check=True)
        assert "\x1b" not in done.stdout and "\0" not in done.stdout
    assert quick(frame, labels, journal=path).digest == result.digest


def test_f112_the_command_executes_no_code_in_a_file(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    table_file = tmp_path / "table.csv"
    table_file.write_text(
        f"a,target\n\"__import__('pathlib').Path('{mark}').write_text('x')\",1\n!!python/object,0\n" * 20
    )
    subprocess.run(command_line(str(table_file), "--candidates", "1"), cwd=tmp_path, capture_output=True, check=False)
    assert not mark.exists()
    # Only these files unpickle data, namely data that a run exchanges with its own workers.
    workers = {f"executors/{name}.py" for name in ("jobs", "mpi_pool")}
    workers |= {"function/answers.py"}
    files = [
        path for path in (ROOT / "python").rglob("*.py") if str(path.relative_to(ROOT / "python/ash")) not in workers
    ]
    source = "\n".join(path.read_text(encoding="utf-8") for path in files)
    assert not re.search(r"(?<![\w.])(eval|exec)\(|yaml\.load|pickle\.load", source)


def test_f115_a_processor_without_avx_is_supported() -> None:
    from ash import _core

    code = "from ash import _core; print(_core.instruction_sets())"
    words = [needs.program("qemu-x86_64"), "-cpu", "Nehalem", sys.executable, "-c", code]
    # OpenBLAS's variables are left out, since they may select code for a newer processor.
    here = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS")}
    done = subprocess.run(words, env=here, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0 and "baseline" in done.stdout and "x86-64-v3" not in done.stdout, done.stderr
    assert "baseline" in _core.instruction_sets()


EXTRAS = {
    "to_pandas": ("pandas", "tables"),
    **{name: (package, package) for name, package in (("to_polars", "polars"), ("to_optuna", "optuna"))},
    **{name: (package, package) for name, package in (("to_onnx", "onnx"), ("to_torch", "torch"))},
    **{name: (name.lower(), name.lower()) for name in ash.callbacks.__all__},
}
"""Maps each call that needs a package to the package and the extra that installs it."""


@pytest.mark.parametrize("name", EXTRAS, ids=lambda name: f"F117-{name}")
def test_a_missing_package_names_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package, extra = EXTRAS[name]
    result = quick(X, Y)
    owner = next(each for each in (result, result.model, ash.callbacks) if hasattr(each, name))
    arguments = {"to_onnx": ["m.onnx"], "TensorBoard": ["folder"]}.get(name, [])
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        MissingExtraError, match=f"{name} needs {package.partition('.')[0]}; install it with: pip"
    ) as missing:
        getattr(owner, name)(*arguments)
    assert f"'ash-tune[{extra}]'" in str(missing.value) and isinstance(missing.value, ImportError)
    assert extra in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
