"""Tests the rules of CONTRIBUTING.md that neither the linter nor the type checker checks.

The tests check the repository that contains them and, where stated, the installed `ash`.
"""

import ast
import importlib.metadata
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ash
from ash import _core

ROOT = Path(__file__).resolve().parents[2]
MAXIMUM_FUNCTION_LINES = 60
FORBIDDEN_FLAGS = re.compile(r"-ffast-math|-Ofast|-march=native|-funsafe-math|-ffinite-math-only|-fassociative-math")
LAYERS = ("kernels", "data", "model", "search", "train", "run", "simulate", "measure")
"""The folders of the core. Each may include only headers of the folders before it."""
# The headers that each part of the core may include directly, so that dependencies point one way.
ALLOWED_INCLUDES = {
    "rung": {"minmax_heap"},
    "ladder": {"rung", "minmax_heap"},
    "clock": {"ladder", "rung"},
    "running_jobs": set(),
    "simulator": {"clock", "ladder", "rung", "running_jobs", "random", "simulated_ladder"},
    "simulated_ladder": {"clock", "ladder", "rung", "simulator"},
    "processes": {"running_jobs"},
    "cluster": {"simulator", "simulated_ladder", "processes", "require"},
}


def sources(*patterns: str) -> list[Path]:
    """Return the matching files of the repository, sorted. There must be at least one."""
    folders = ("cpp", "python", "tests", "bench", "docs")
    found = sorted(path for pattern in patterns for folder in folders for path in (ROOT / folder).rglob(pattern))
    assert found, f"no file matches {patterns} under {ROOT}"
    return found


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def test_public_names_are_imported_where_type_checkers_see_them() -> None:
    tree = ast.parse(Path(ash.__file__).read_text())
    blocks = [tree, *(each for each in tree.body if isinstance(each, ast.If))]
    at_once, later = (
        {alias.name: each.module for each in block.body if isinstance(each, ast.ImportFrom) for alias in each.names}
        for block in blocks
    )
    assert later.pop("callbacks") == "ash"
    assert {name: f"ash.{module}" for name, module in ash._MODULE_OF.items()} == later
    errors = {name for name, module in at_once.items() if module == "ash.errors"}
    assert {"callbacks", "__version__", *later, *errors} == set(ash.__all__)


def test_there_is_one_version() -> None:
    version = project()["version"]
    newest = re.search(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest.group(1) == version
    assert _core.build_info()["version"] == version
    assert importlib.metadata.version("ash-tune") == version
    assert ash.__version__ == version


def test_no_command_is_called_ash() -> None:
    scripts = [entry.name for entry in importlib.metadata.distribution("ash-tune").entry_points]
    assert scripts == ["ash-tune"]


def test_the_package_is_typed() -> None:
    assert (Path(ash.__file__).parent / "py.typed").is_file()


def test_python_functions_are_short() -> None:
    lengths = {
        f"{name(path)}: {node.name}": (node.end_lineno or 0) - node.lineno + 1 - docstring_lines(node)
        for path in sources("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert {function: lines for function, lines in lengths.items() if lines > MAXIMUM_FUNCTION_LINES} == {}


def docstring_lines(node: ast.FunctionDef) -> int:
    """Return the number of docstring lines, which do not count as lines of the function."""
    return len((ast.get_docstring(node) or "").splitlines())


def test_no_module_imports_the_public_names_of_ash() -> None:
    """Check this here, since import-linter takes `from ash import _core` for an import of all of ash."""
    package = ROOT / "python" / "ash"
    found = [
        f"{name(path)}:{node.lineno}: {each.name}"
        for path in package.rglob("*.py")
        if path != package / "__init__.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom | ast.Import)
        for each in node.names
        if (each.name == "ash" if isinstance(node, ast.Import) else node.module == "ash" and each.name != "_core")
    ]
    assert found == []


def test_no_flag_breaks_reproducibility_or_portability() -> None:
    build_files = [ROOT / "CMakeLists.txt", ROOT / "CMakePresets.json", ROOT / "pyproject.toml"]
    build_files += [*(ROOT / "cmake").iterdir(), *ROOT.glob("*/**/CMakeLists.txt")]
    found = [
        f"{name(path)}: {line.strip()}"
        for path in build_files
        for line in path.read_text().splitlines()
        if FORBIDDEN_FLAGS.search(line.partition("#")[0])
    ]
    assert found == []
    flags = _core.build_info()["flags"]
    assert not FORBIDDEN_FLAGS.search(flags)
    assert "-ffp-contract=off" in flags


def includes(path: Path) -> Iterator[str]:
    for match in re.finditer(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE):
        yield match.group(1)


def test_every_source_of_the_core_is_built() -> None:
    cmake = (ROOT / "CMakeLists.txt").read_text()
    missing = [
        name(path)
        for path in (ROOT / "cpp" / "ash").rglob("*.cpp")
        if name(path) not in cmake and not path.name.startswith("unit_")
    ]
    assert missing == []


def test_only_the_bindings_include_python() -> None:
    guilty = [
        f"{name(path)}: {header}"
        for path in sources("*.cpp", "*.hpp")
        for header in includes(path)
        if header.startswith("pybind11") or header == "Python.h"
    ]
    assert [line for line in guilty if not line.startswith("cpp/bindings")] == []
    assert guilty != []


def test_only_the_pruner_uses_private_names_of_optuna() -> None:
    private = re.compile(r"\b(study|trials?|distribution|sampler|storage)\._[a-z]")
    found = [name(path) for path in sources("*.py") if private.search(path.read_text(encoding="utf-8"))]
    assert found == ["python/ash/optuna.py"]


def test_folders_of_the_core_include_only_earlier_folders() -> None:
    core = ROOT / "cpp" / "ash"
    found = [
        f"{name(path)}: {header}"
        for path in core.rglob("*.[ch]pp")
        for header in includes(path)
        if header.startswith("ash/")
        and LAYERS.index(header.split("/")[1]) > LAYERS.index(path.relative_to(core).parts[0])
    ]
    assert found == []
    assert {path.name for path in core.iterdir()} == set(LAYERS)


@pytest.mark.parametrize("part", ALLOWED_INCLUDES)
def test_decisions_depend_on_neither_threads_nor_training(part: str) -> None:
    files = list((ROOT / "cpp" / "ash").rglob(f"{part}.[ch]pp"))
    assert files
    for path in files:
        own = {header.rpartition("/")[2].removesuffix(".hpp") for header in includes(path) if header.startswith("ash/")}
        assert own <= ALLOWED_INCLUDES[part] | {part}
        assert not {"omp.h", "thread", "mutex", "atomic", "chrono"} & set(includes(path))


def test_the_trainer_does_not_include_rungs() -> None:
    training = {"trainer", "propagation", "team", "sharing", "network", "state", "data", "workspace", "cost", "digest"}
    files = list((ROOT / "cpp" / "ash").rglob("*.[ch]pp"))
    assert training <= {path.stem for path in files}
    for path in files:
        if path.stem in training or path.parent.name == "kernels":
            names = {header.rpartition("/")[2] for header in includes(path) if header.startswith("ash/")}
            assert not {"rung.hpp", "ladder.hpp", "clock.hpp", "tuner.hpp"} & names, path
