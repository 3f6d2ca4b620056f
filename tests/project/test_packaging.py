"""Tests that pyproject.toml and the files next to it describe the package correctly and consistently."""

import ast
import re
import runpy
import shlex
import subprocess
import sys
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DISTRIBUTION = runpy.run_path(str(ROOT / ".ci" / "distribution.py"))
PYPROJECT = DISTRIBUTION["read"](ROOT)
PROJECT = PYPROJECT["project"]
SOURCE = PROJECT["urls"]["Source"]
LOCAL = {path.stem: path for path in (ROOT / "tests").rglob("*.py")}
"""Test modules by name."""


def test_every_requirement_has_a_lower_bound() -> None:
    extras = chain.from_iterable(PROJECT["optional-dependencies"].values())
    requirements = {*PYPROJECT["build-system"]["requires"], *PROJECT["dependencies"], *extras}
    others = {each for each in requirements if not each.startswith(PROJECT["name"] + "[") and "==" not in each}
    bounds = DISTRIBUTION["lower_bounds"](PYPROJECT)
    assert {re.split(r"[\[>]", each)[0] for each in others} == {each.partition("==")[0] for each in bounds}
    assert len({each.partition("==")[0] for each in bounds}) == len(bounds)


def test_a_lower_bound_becomes_a_constraint() -> None:
    project = {
        "build-system": {"requires": ["backend>=0.11"]},
        "project": {
            "dependencies": ["one>=1.2", "two[more,most]>=3"],
            "optional-dependencies": {"a": ["own[b]", "c==4"]},
        },
    }
    assert DISTRIBUTION["lower_bounds"](project) == ["backend==0.11", "one==1.2", "two==3"]


def imports(path: Path) -> set[str]:
    """Return the top-level names of all modules that a test module imports, directly or through its local modules."""
    found, waiting = set(), [path]
    while waiting:
        statements = ast.parse(waiting.pop().read_text(encoding="utf-8")).body
        names = {each.name for node in statements if isinstance(node, ast.Import) for each in node.names}
        names |= {node.module or "" for node in statements if isinstance(node, ast.ImportFrom)}
        new = {name.partition(".")[0] for name in names} - found
        waiting += [LOCAL[name] for name in new if name in LOCAL]
        found |= new
    return found


def test_a_wheel_is_tested_only_with_available_modules() -> None:
    settings = PYPROJECT["tool"]["cibuildwheel"]
    assert all((ROOT / source).exists() for source in settings["test-sources"])
    required = {re.split(r"[\[>]", each)[0] for each in (*PROJECT["dependencies"], *settings["test-requires"])}
    allowed = {*sys.stdlib_module_names, *required, "ash", "sklearn", "scipy"}
    commands = [settings["test-command"], settings["windows"]["test-command"]]
    for name in {word for command in commands for word in shlex.split(command) if word.startswith("tests/")}:
        found = imports(ROOT / name) | imports(ROOT / "tests" / "conftest.py")
        assert found - allowed - LOCAL.keys() == set(), name


def test_the_citation_describes_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    found = dict(re.findall(r"^([\w-]+): (.+)$", citation, re.MULTILINE))
    assert found["version"] == PROJECT["version"]
    assert found["license"] == PROJECT["license"]
    assert found["repository-code"] == SOURCE


def test_the_links_of_the_readme_work_on_a_package_index() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", readme)
    assert links != [] and all(link.startswith("https://") for link in links)
    hosts = (f"{SOURCE}/(?:blob|tree)", SOURCE.replace("//github.com", "//raw.githubusercontent.com"))
    for link in [*links, *PROJECT["urls"].values()]:
        if own := re.fullmatch(f"(?:{'|'.join(hosts)})/main/(.+)", link):
            assert (ROOT / own[1]).exists(), link


def test_all_files_use_one_address_of_the_repository() -> None:
    files = [ROOT / "README.md", *ROOT.glob(".github/**/*.yml"), *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    owner = SOURCE.removeprefix("https://")
    for path in files:
        for found in re.findall(r"github\.com/[\w-]*ash[\w-]*/[\w-]+", path.read_text(encoding="utf-8")):
            assert found == owner, path


def test_everything_but_journals_works_without_posix_locks(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["fcntl"] = None  # as on Windows
import ash, numpy
table = numpy.eye(40, 3), [0, 1] * 20
print(ash.tune(*table, candidates=2, random_state=0).ended)
try:
    ash.tune(*table, candidates=2, random_state=0, journal="run.ash")
except ash.JournalError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    ended, error = done.stdout.splitlines()
    assert ended == "finished"
    assert "needs POSIX file locks" in error
    assert list(tmp_path.iterdir()) == []
