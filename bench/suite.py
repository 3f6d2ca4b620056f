"""What every bench is: an answer that is checked, cases that are measured one by one, a table that is printed.

    check()  ->  case, case, case, ...  ->  results/NAME.json  ->  sections()
                   |    ^
         a line each v    | those on record are not measured again
             results/.partial/NAME.jsonl

A bench that is interrupted goes on from the cases on record when it is started again with the same arguments, on the
same machine, with the same build; else it begins anew and says why.

A bench of hours is kept: what results/NAME.json holds is on record too, whatever commit and packages it is of, so that
a choice of its cases can be measured and the others stay. Its cases say by `holds` which values still count.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench.figures import timed
from bench.machine import machine, show
from bench.sections import Section


@dataclass(frozen=True)
class Options:
    """What a bench is told on the command line."""

    quick: bool
    results: Path
    data: Path | None = None
    models: tuple[int, ...] = ()  # numbers of candidates, of the tables
    tables: tuple[str, ...] = ()  # of quality and ablation: those to measure now; none: all
    contenders: tuple[str, ...] = ()  # of quality, likewise
    limits: tuple[str, ...] = ()  # of quality, likewise: seconds
    variants: tuple[str, ...] = ()  # of ablation, likewise
    seeds: int | None = None  # of quality and ablation: the first ones only
    threads: tuple[int, ...] = (1,)  # numbers of threads to measure, from OMP_NUM_THREADS
    anew: bool = False


@dataclass(frozen=True)
class Case:
    """One piece that is measured on its own and kept at once: `run` returns what JSON can hold."""

    key: str
    run: Callable[[], Any]
    holds: Callable[[Any], bool] = lambda _: True  # whether a value on record still counts


@dataclass(frozen=True)
class Bench:
    """A bench as `run_bench` takes it."""

    cases: Sequence[Case]
    sections: Callable[[Mapping[str, Any]], Sequence[Section]]  # of the results: keys of cases to what they returned
    check: Callable[[], None] = lambda: None  # raises SystemExit with a sentence where an answer is wrong
    packages: Sequence[str] = field(default_factory=tuple)  # whose versions are named beside the figures
    kept: bool = False  # its results are on record for later runs, of other commits and packages too
    one_machine: bool = True  # else what others have measured counts: bits that are the same, or cases that say where
    chosen: Callable[[str], bool] = lambda _: True  # whether the case of this key is to be measured now
    at_once: int = 1  # cases that run at the same time: more only where no time is taken, each in a process of its own


def run_bench(name: str, bench: Bench, options: Options, *, keep: bool = False) -> None:
    """Check, measure what is not on record, write results/NAME.json, print; keep: the record too."""
    facts = machine(bench.packages)
    print(f"== {name}")
    show(facts)
    path = options.results / f"{name}.json"
    chosen = [case for case in bench.cases if bench.chosen(case.key)]
    record = _record(name, bench, facts, options)
    record.drop([case.key for case in chosen if options.anew or not _counts(case, record.values)])
    console = Console(stderr=True)
    with console.status("checking answers"):  # and building what is measured
        bench.check()
    _measure(chosen, record, console, bench.at_once)
    results = {case.key: record.values[case.key] for case in bench.cases if case.key in record.values}
    written = {"machine": facts, "quick": options.quick, "seconds": record.seconds, "results": results}
    if bench.kept:
        written["record"] = {"identity": record.identity, "seconds": {key: record.took[key] for key in results}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(written, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if not keep:
        record.forget()
    for section in bench.sections(results):
        print(f"{section.as_text()}\n")
    print(f"written: {path} ({written['seconds']:.0f} s of measuring)\n", flush=True)


def _record(name: str, bench: Bench, facts: Mapping[str, str], options: Options) -> Record:
    """Return what is on record: of a run that was interrupted, and of a finished one if the bench is kept."""
    varying = ["load", "date"]
    if bench.kept:
        varying += [fact for fact in facts if fact in ("commit", *bench.packages) or fact.startswith("core ")]
    if not bench.one_machine:
        varying += ["processor", "processors", "system"]
    identity = _identity(name, facts, options, varying)
    record = Record(options.results / ".partial" / f"{name}.jsonl", identity)
    if bench.kept:
        record.take_over(options.results / f"{name}.json")
    return record


def _measure(cases: Sequence[Case], record: Record, console: Console, at_once: int) -> None:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        missing = [case for case in cases if case.key not in record.values]
        done = len(cases) - len(missing)
        task = progress.add_task("", total=len(cases), completed=done)

        def begin(case: Case) -> None:
            progress.update(task, description=case.key)

        for number, (case, (seconds, value)) in enumerate(_run_all(missing, at_once, begin), done + 1):
            record.add(case.key, value, seconds)
            if not console.is_terminal:
                print(f"{number} of {len(cases)}: {case.key}", file=sys.stderr, flush=True)
            progress.advance(task)


def _run_all(
    cases: Sequence[Case], at_once: int, begin: Callable[[Case], None]
) -> Iterator[tuple[Case, tuple[float, Any]]]:
    """Yield each case as it ends, with its seconds and value; what has not begun is dropped when one of them fails.

    One at a time runs in this thread, so that Ctrl-C reaches it.
    """

    def run(case: Case) -> tuple[float, Any]:
        begin(case)
        return timed(case.run)

    if at_once == 1:
        yield from ((case, run(case)) for case in cases)
        return
    with ThreadPoolExecutor(at_once) as pool:
        running = {pool.submit(run, case): case for case in cases}
        try:
            yield from ((running[future], future.result()) for future in as_completed(running))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _counts(case: Case, values: Mapping[str, Any]) -> bool:
    return case.key not in values or case.holds(values[case.key])


def _identity(name: str, facts: Mapping[str, str], options: Options, varying: Sequence[str]) -> dict[str, Any]:
    """Return what must be equal for cases on record to count."""
    told = {"quick": options.quick, "data": str(options.data), "models": options.models, "threads": options.threads}
    return {"bench": name, **json.loads(json.dumps(told)), **{k: v for k, v in facts.items() if k not in varying}}


def _line(key: str, value: Any, seconds: float) -> str:
    return json.dumps({"key": key, "seconds": seconds, "value": value}, allow_nan=False)


class Record:
    """The cases measured so far, a line of JSON each, after a line that says of what.

    Invariant: every complete line is a whole case; a line that was cut off is dropped when the file is read.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path, self.identity = path, dict(identity)
        self.values: dict[str, Any] = {}
        self.took: dict[str, float] = {}  # seconds, by the same keys
        self._read()

    @property
    def seconds(self) -> float:
        """What all cases have taken."""
        return sum(self.took.values())

    def add(self, key: str, value: Any, seconds: float) -> None:
        """Keep a case."""
        line = _line(key, value, seconds)
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self.identity) + "\n", encoding="utf-8")
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self._take(json.loads(line))

    def drop(self, keys: Sequence[str]) -> None:
        """Forget these cases only; the file is replaced as a whole."""
        dropped = [key for key in keys if key in self.values]
        if not dropped:
            return
        for key in dropped:
            del self.values[key], self.took[key]
        lines = [json.dumps(self.identity), *(_line(key, value, self.took[key]) for key, value in self.values.items())]
        copy = self.path.with_suffix(".new")
        copy.write_text("\n".join(lines) + "\n", encoding="utf-8")
        copy.replace(self.path)

    def forget(self) -> None:
        """Remove the file and all it holds, but not what was read from it if it is already returned."""
        self.path.unlink(missing_ok=True)
        self.values, self.took = {}, {}

    def take_over(self, path: Path) -> None:
        """Keep the cases of a finished run too, where they are of the same and not on record already."""
        if not path.exists():
            return
        found = json.loads(path.read_text(encoding="utf-8"))
        record = found.get("record", {"identity": {}})
        if not self._is_ours(record["identity"], path):
            return
        for key, value in found["results"].items():
            if key not in self.values:
                self.add(key, value, record["seconds"][key])

    def _is_ours(self, identity: Mapping[str, Any], path: Path) -> bool:
        differing = [key for key in self.identity if identity.get(key) != self.identity[key]]
        if differing:
            print(f"{path} is of another {differing[0]}: beginning anew")
        return not differing

    def _take(self, line: Mapping[str, Any]) -> None:
        self.values[line["key"]] = line["value"]
        self.took[line["key"]] = line["seconds"]

    def _read(self) -> None:
        if not self.path.exists():
            return
        text = self.path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        lines = [json.loads(line) for line in whole.splitlines()]
        if not self._is_ours(lines[0] if lines else {}, self.path):
            self.path.unlink()
            return
        if whole != text:
            self.path.write_text(whole, encoding="utf-8")
        for line in lines[1:]:
            self._take(line)
        print(f"going on: {len(self.values)} cases are on record in {self.path}\n")
