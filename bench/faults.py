"""The faults that ash must survive, tried: the tests that have their numbers, and runs that are killed at random.

    list     pytest -m faults: tests by section of the list, how many faults they are of, how many tests were passed
    kills    tests/kill_runs.py: runs with a journal that are killed at random times, and those that go on from them; of
             networks, and of functions

What must be 0 is counted as it is: results that somebody was told of and that are gone, changed or told twice; runs
whose digest is not that of a run without a break; files that nobody names. What favours us: we wrote list and tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.machine import ROOT
from bench.sections import Section, Table
from bench.suite import Bench, Case, Options

KILLS, QUICK_KILLS = 200, 5
QUICK = ("-k", "f64 or f72")
NEEDED = ("pytest", "xdist", "hypothesis")
WRONG = {
    "lost": "acknowledged results lost",
    "changed": "acknowledged results changed",
    "twice": "results told twice",
    "unlike": "runs with another digest",
    "stray": "files that nobody names",
}


def tried(quick: bool) -> dict[str, Any]:
    """Run the tests of faults and return a row for each section; skipped where what they need is missing."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        return {"skipped": f"{missing[0]} is not installed (pip install '.[test]')"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "faults.json"
        words = [sys.executable, "-m", "pytest", "-q", "-m", "faults", f"--faults={path}", *(QUICK if quick else ())]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        if not path.is_file():
            raise SystemExit(f"the tests of faults did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return {"sections": json.loads(path.read_text(encoding="utf-8"))}


def killed(kills: int, what: str) -> dict[str, Any]:
    """Kill so many runs, of networks or functions, and return what was found."""
    words = [sys.executable, "kill_runs.py", "--kills", str(kills), "--what", what]
    done = subprocess.run(words, cwd=ROOT / "tests", capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"the runs to be killed did not run:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout))


def bench(options: Options) -> Bench:
    """Make a case of the list, and one of the kills."""
    kills = QUICK_KILLS if options.quick else KILLS
    cases = [Case("list", partial(tried, options.quick)), Case("kills", partial(killed, kills, "networks"))]
    cases.append(Case("kills of functions", partial(killed, kills, "functions")))
    return Bench(cases, sections, packages=("scikit-learn",))


def sections(results: Mapping[str, Any]) -> Sequence[Section]:
    """Return a table of the list, and one of the kills."""
    found = []
    tests = results.get("list", {})
    if "sections" in tests:
        header = ["section", "faults", "of", "waiting", "tests", "survived", "skipped"]
        names = ("faults", "due", "waiting", "tried", "survived", "skipped")
        rows = [[each["section"], *(str(each[name]) for name in names)] for each in tests["sections"]]
        note = (
            "'faults of': how many of those that are due were tried; 'waiting': of parts that there are not yet "
            "(tests/fault_list.py says which). 'skipped' tests say what is missing on this machine."
        )
        found.append(Table("Faults tried and survived (`pytest -m faults`)", header, rows, note))
    rows = []
    for case, what in {"kills": "networks", "kills of functions": "functions"}.items():
        if kills := results.get(case):
            rows.append([what, *(str(kills[name]) for name in ("kills", "runs", "acknowledged", *WRONG))])
    if rows:
        header = ["of", "kills", "runs to the end", "results acknowledged", *WRONG.values()]
        found.append(Table("Runs killed by SIGKILL at random times, and resumed", header, rows))
    return found
