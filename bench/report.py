"""bench/REPORT.md and its plots, and the README's figures, out of the JSON of bench/results: no figure typed by hand.

`python -m bench report` writes the same bytes for the same JSON. A bench without JSON is named as not measured. What
`ash_bench` has measured on another machine is read from files called program*.json and gets the tables of the sweep.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import COMMANDS
from bench.machine import ROOT
from bench.readme import fill
from bench.sections import Plot, Section
from bench.suite import Options

HEAD = """# Figures

Written by `python -m bench report` from the JSON in `bench/results`; what each bench means, how to read it and where we
are poor is in `bench/README.md`. Every bench checks its answers before it takes a time. Times are of one run on one
machine: compare ratios. Spreads are minimum / median / maximum.
"""


def write(options: Options) -> None:
    """Write REPORT.md and plots beside the folder of the JSON; of bench/results, fill the README too."""
    folder = options.results.parent if options.results.name == "results" else options.results
    parts = list(_benches(options.results))
    (folder / "REPORT.md").write_text("\n".join([HEAD, *(text for text, _ in parts)]), encoding="utf-8")
    print(f"written: {folder / 'REPORT.md'}")
    plots = [section for _, sections in parts for section in sections if isinstance(section, Plot)]
    if importlib.util.find_spec("matplotlib") is None:
        print(f"{len(plots)} plots are not drawn: matplotlib is not installed (pip install '.[plot]')")
    else:
        for plot in plots:
            plot.draw(folder / "plots")
        print(f"written: {len(plots)} plots in {folder / 'plots'}")
    if options.results == ROOT / "bench" / "results":
        readme = ROOT / "README.md"
        readme.write_text(fill(readme.read_text(encoding="utf-8")), encoding="utf-8")
        print(f"filled: {readme}")


def _benches(results: Path) -> Iterator[tuple[str, Sequence[Section]]]:
    """Yield the text and the sections of each bench, and of each file of another machine."""
    for command, names in COMMANDS.items():
        for name in names:
            module = importlib.import_module(f"bench.{name}")
            path = results / f"{name}.json"
            title = f"## {command}: {name}" if name != command else f"## {command}"
            if not path.is_file():
                yield f"{title}\n\nNot measured: `python -m bench {command}` writes `{path.name}`.\n", []
                continue
            found = json.loads(path.read_text(encoding="utf-8"))
            yield _rendered(title, module.__doc__ or "", found, module.sections(found["results"]))
    carried = importlib.import_module("bench.program")
    for path in sorted(results.glob("program*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        sections = carried.sections(found, path.stem)
        yield _rendered(f"## {path.stem}: the sweep of the C++ program", carried.__doc__ or "", found, sections)


def _rendered(
    title: str, words: str, found: Mapping[str, Any], sections: Sequence[Section]
) -> tuple[str, Sequence[Section]]:
    first = re.split(r"\n\s*\n", words.strip())[0].replace("\n", " ")
    parts = [title, first, _machine(found), *(section.as_markdown().rstrip() for section in sections)]
    return "\n\n".join(parts) + "\n", sections


def _machine(found: Mapping[str, Any]) -> str:
    """Return the machine and the build in a line or two."""
    facts = dict(found["machine"])
    short = ", ".join(f"{name} {value}" for name, value in facts.items() if name not in ("load", "system"))
    quick = " **Quick run: too few repeats to quote.**" if found.get("quick") else ""
    took = f" Measured in {found['seconds']:.0f} s." if "seconds" in found else ""
    return f"<sub>{short}.{took}</sub>{quick}"
