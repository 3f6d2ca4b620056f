"""Tests a wheel or an sdist as users install it, or lists the oldest dependencies that pyproject.toml allows.

    python .ci/distribution.py try dist/ash_tune-*.whl    installs it in a fresh environment and tests it there
    python .ci/distribution.py oldest >oldest.txt         constraints for pip: each lower bound as the only version

`try` does what cibuildwheel does after a build: it installs only the file and test-requires, copies test-sources into
an empty folder, and runs test-command there. A wheel is tested with the files of this checkout, an sdist with the files
that it contains.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOWER_BOUND = re.compile(r"([\w.-]+)(?:\[[\w,-]+\])?>=([\w.]+)")


def read(root: Path) -> dict[str, Any]:
    """Return the parsed pyproject.toml of this folder."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def try_distribution(file: Path, work: Path) -> None:
    """Install and test a wheel or sdist, using the empty folder `work`."""
    root = ROOT
    if file.suffix != ".whl":
        with tarfile.open(file) as archive:
            archive.extractall(work / "unpacked", filter="data")
        [root] = (work / "unpacked").iterdir()
    settings = read(root)["tool"]["cibuildwheel"]
    programs = work / "venv" / "bin"
    subprocess.run([sys.executable, "-m", "venv", programs.parent], check=True)
    subprocess.run([programs / "pip", "install", "-q", file, *settings["test-requires"]], check=True)
    here = work / "here"
    here.mkdir()
    for source in settings["test-sources"]:
        copy = shutil.copytree if (root / source).is_dir() else shutil.copy
        copy(root / source, here / source)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    subprocess.run(settings["test-command"], shell=True, cwd=here, env=environment, check=True)


def lower_bounds(project: dict[str, Any]) -> list[str]:
    """Return a line name==version for each lower bound among the requirements to build, run and test ash."""
    table = project["project"]
    requirements = chain(
        project["build-system"]["requires"], table["dependencies"], *table["optional-dependencies"].values()
    )
    bounds = [LOWER_BOUND.fullmatch(requirement) for requirement in requirements]
    return sorted({f"{bound[1]}=={bound[2]}" for bound in bounds if bound})


def main() -> None:
    """Run the command named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("try").add_argument("file", type=Path)
    commands.add_parser("oldest")
    arguments = parser.parse_args()
    if arguments.command == "oldest":
        print(*lower_bounds(read(ROOT)), sep="\n")
        return
    with tempfile.TemporaryDirectory() as work:
        try_distribution(arguments.file.resolve(strict=True), Path(work))


if __name__ == "__main__":
    main()
