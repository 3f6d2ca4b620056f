"""What every bench is: an answer that is checked, cases that are measured one by one, a table that is printed.

    check()  ->  case, case, case, ...  ->  results/NAME.json  ->  sections()
                   |    ^
         a line each v    | those on record are not measured again
             results/.partial/NAME.jsonl

A bench that is interrupted goes on from the cases on record when it is started again with the same arguments, on the
same machine, with the same build; else it begins anew and says why.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench.machine import machine, show
from bench.sections import Section


@dataclass(frozen=True)
class Options:
    """What a bench is told on the command line."""

    quick: bool
    results: Path
    data: Path | None = None
    models: tuple[int, ...] = ()  # numbers of candidates, of the tables
    threads: tuple[int, ...] = (1,)  # numbers of threads to measure, from OMP_NUM_THREADS
    anew: bool = False


@dataclass(frozen=True)
class Case:
    """One piece that is measured on its own and kept at once: `run` returns what JSON can hold."""

    key: str
    run: Callable[[], Any]


@dataclass(frozen=True)
class Bench:
    """A bench as `run_bench` takes it."""

    cases: Sequence[Case]
    sections: Callable[[Mapping[str, Any]], Sequence[Section]]  # of the results: keys of cases to what they returned
    check: Callable[[], None] = lambda: None  # raises SystemExit with a sentence where an answer is wrong
    packages: Sequence[str] = field(default_factory=tuple)  # whose versions are named beside the figures


def run_bench(name: str, bench: Bench, options: Options, *, keep: bool = False) -> None:
    """Check, measure what is not on record, write results/NAME.json, print; keep: the record too."""
    facts = machine(bench.packages)
    print(f"== {name}")
    show(facts)
    record = Record(options.results / ".partial" / f"{name}.jsonl", _identity(name, facts, options))
    if options.anew:
        record.forget()
    console = Console(stderr=True)
    with console.status("checking answers"):  # and building what is measured
        bench.check()
    _measure(bench.cases, record, console)
    results = {case.key: record.values[case.key] for case in bench.cases}
    written = {"machine": facts, "quick": options.quick, "seconds": record.seconds, "results": results}
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"{name}.json"
    path.write_text(json.dumps(written, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if not keep:
        record.forget()
    for section in bench.sections(results):
        print(f"{section.as_text()}\n")
    print(f"written: {path} ({written['seconds']:.0f} s of measuring)\n", flush=True)


def _measure(cases: Sequence[Case], record: Record, console: Console) -> None:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task("", total=len(cases))
        for number, case in enumerate(cases, 1):
            progress.update(task, description=case.key)
            if case.key not in record.values:
                start = time.perf_counter()
                record.add(case.key, case.run(), time.perf_counter() - start)
                if not console.is_terminal:
                    print(f"{number} of {len(cases)}: {case.key}", file=sys.stderr, flush=True)
            progress.advance(task)


def _identity(name: str, facts: Mapping[str, str], options: Options) -> dict[str, Any]:
    """Return what must be equal for cases on record to count."""
    varying = ("load", "date")
    told = {"quick": options.quick, "data": str(options.data), "models": options.models, "threads": options.threads}
    return {"bench": name, **json.loads(json.dumps(told)), **{k: v for k, v in facts.items() if k not in varying}}


class Record:
    """The cases measured so far, a line of JSON each, after a line that says of what.

    Invariant: every complete line is a whole case; a line that was cut off is dropped when the file is read.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path, self.identity = path, dict(identity)
        self.values: dict[str, Any] = {}
        self.seconds = 0.0
        self._read()

    def add(self, key: str, value: Any, seconds: float) -> None:
        """Keep a case."""
        line = json.dumps({"key": key, "seconds": seconds, "value": value}, allow_nan=False)
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self.identity) + "\n", encoding="utf-8")
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self._take(json.loads(line))

    def forget(self) -> None:
        """Remove the file and all it holds, but not what was read from it if it is already returned."""
        self.path.unlink(missing_ok=True)
        self.values, self.seconds = {}, 0.0

    def _take(self, line: Mapping[str, Any]) -> None:
        self.values[line["key"]] = line["value"]
        self.seconds += line["seconds"]

    def _read(self) -> None:
        if not self.path.exists():
            return
        text = self.path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        lines = [json.loads(line) for line in whole.splitlines()]
        differing = [key for key in self.identity if not lines or lines[0].get(key) != self.identity[key]]
        if differing:
            print(f"{self.path} is of another {differing[0]}: beginning anew")
            self.path.unlink()
            return
        if whole != text:
            self.path.write_text(whole, encoding="utf-8")
        for line in lines[1:]:
            self._take(line)
        print(f"going on: {len(self.values)} cases are on record in {self.path}\n")
