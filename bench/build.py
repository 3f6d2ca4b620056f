"""Builds the C++ programs of the benches under build/bench, with the flags of the wheel."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.machine import ROOT

FOLDER = ROOT / "build" / "bench" / "programs"
LAST_WORDS = 15  # lines of a failed build that are shown


def program(target: str, *definitions: str) -> Path:
    """Return the path of an up-to-date program; definitions: further ones for CMake, as -DNAME=value."""
    cmake = shutil.which("cmake")
    if cmake is None:
        raise SystemExit(f"{target} cannot be built: CMake is not installed (pip install '.[bench]')")
    definitions = ("-DCMAKE_BUILD_TYPE=Release", "-DASH_BENCH=ON", "-DASH_TESTS=OFF", *definitions)
    _run(target, [cmake, "-S", str(ROOT), "-B", str(FOLDER), *definitions])
    _run(target, [cmake, "--build", str(FOLDER), "--target", target, "--parallel"])
    return FOLDER / target


def _run(target: str, command: Sequence[str]) -> None:
    found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if found.returncode != 0:
        words = "\n".join(found.stdout.splitlines()[-LAST_WORDS:])
        raise SystemExit(f"{words}\n{target} cannot be built: the lines above say why")
