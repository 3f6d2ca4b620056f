"""Measures the cases of a bench. Each case is saved at once as a line of JSON, with all that its value depends on.

    results/NAME.json    {"measured": [          stamps (bench/machine.py): commit, machine, packages, trees
                            {...}],
                          "cases": {
                            "first": {"of": 0, "seconds": 1.5, "told": {...}, "value": ...},
                            "second": {"of": 0, ...}}}

A recorded case is valid as long as the machine, the packages, the code and the options (`told`) are the same. An
interrupted bench therefore resumes, and a finished one measures only what has changed. Recorded cases that are not
requested are kept if they were measured on the same machine. `of` is the index of a case's stamp.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import SUBJECTS
from bench.arguments import Parser, names
from bench.figures import Section
from bench.machine import COMPARED, ROOT, check_build, stamp

RESULTS, QUICK_RESULTS = ROOT / "bench" / "results", ROOT / "build" / "bench" / "quick" / "results"
DIGITS = 6  # significant digits of recorded numbers


@dataclass(frozen=True)
class Case:
    """A part of a bench that is measured separately and saved at once; `run` returns a JSON value."""

    key: str
    run: Callable[[], Any]
    told: Mapping[str, Any] = field(default_factory=dict)  # options that affect the value but are not in `key`
    measures: Sequence[str] | None = None  # measured folders and files; if None, those of the bench
    packages: Sequence[str] | None = None


@dataclass(frozen=True)
class Bench:
    """Cases that are measured together, saved in one file and shown under one heading."""

    name: str  # NAME in results/NAME.json
    title: str
    measures: Sequence[str]  # folders and files, as paths in the repository, on which the figures depend
    cases: Callable[[Namespace], Sequence[Case]]  # makes the cases from the options
    sections: Callable[[Mapping[str, Any]], Sequence[Section]]  # makes the page's sections from {case key: value}
    check: Callable[[Namespace], None] = lambda _: None  # raises SystemExit with a sentence if an answer is wrong
    packages: Sequence[str] = ()  # packages whose versions affect the figures, besides Python and NumPy
    anywhere: bool = False  # whether cases from other machines count; then each value names its processor as `on`
    at_once: Callable[[], int] = lambda: 1  # number of cases to run at once; above 1 only if their times do not matter
    readme: Callable[[Mapping[str, Any]], Sequence[str]] | None = None  # makes the Markdown lines for the README


class Record:
    """The recorded cases of one file; each added case is written at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stamps: list[dict[str, Any]] = []
        self.lines: dict[str, dict[str, Any]] = {}
        if path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            self.stamps = found["measured"]
            self.lines = {key: {"told": {}, **line} for key, line in found["cases"].items()}

    def values(self, anywhere: bool = False) -> dict[str, Any]:
        """Return the values by case key. If `anywhere`, each value names its processor in the entry `on`."""
        if not anywhere:
            return {key: line["value"] for key, line in self.lines.items()}
        processors = [stamp["machine"].get("processor") for stamp in self.stamps]
        return {key: {"on": processors[line["of"]], **line["value"]} for key, line in self.lines.items()}

    def counts(self, key: str, told: Mapping[str, Any], now: Mapping[str, Any], anywhere: bool) -> bool:
        """Return whether a case is recorded with the same options, code and packages as now."""
        if not self.holds(key, now, anywhere):
            return False
        line = self.lines[key]
        then = self.stamps[line["of"]]
        return line["told"] == told and all(then[name] == now[name] for name in COMPARED if name != "machine")

    def add(self, key: str, value: Any, seconds: float, told: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Add a case and write the file."""
        if now not in self.stamps:
            self.stamps.append(dict(now))
        of = self.stamps.index(dict(now))
        self.lines[key] = {"of": of, "seconds": round(seconds, 2), "told": dict(told), "value": rounded(value)}
        self.write()

    def holds(self, key: str, now: Mapping[str, Any], anywhere: bool) -> bool:
        """Return whether a measured value from this machine (any machine if `anywhere`) is recorded for a case."""
        if key not in self.lines or is_skipped(self.lines[key]["value"]):
            return False
        return anywhere or bool(self.stamps[self.lines[key]["of"]]["machine"] == now["machine"])

    def drop_others(self, keys: Sequence[str], machine: Mapping[str, str]) -> None:
        """Remove the cases of other machines, except those with these keys."""
        elsewhere = [k for k, line in self.lines.items() if self.stamps[line["of"]]["machine"] != machine]
        for key in set(elsewhere) - set(keys):
            del self.lines[key]
        self.write()

    def write(self) -> None:
        """Rewrite the file, without stamps that no case uses any more."""
        used = sorted({line["of"] for line in self.lines.values()})
        self.stamps = [self.stamps[number] for number in used]
        for line in self.lines.values():
            line["of"] = used.index(line["of"])
        stamps = ",\n".join(map(_compact, self.stamps))
        told = {key: {name: part for name, part in line.items() if part != {}} for key, line in self.lines.items()}
        lines = ",\n".join(f"{json.dumps(key)}: {_compact(line)}" for key, line in told.items())
        self.path.parent.mkdir(parents=True, exist_ok=True)
        copy = self.path.with_suffix(".new")
        copy.write_text(f'{{"measured": [\n{stamps}\n],\n"cases": {{\n{lines}\n}}}}\n', encoding="utf-8")
        copy.replace(self.path)


def _compact(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def is_skipped(value: Any) -> bool:
    """Return whether a case was not measured because a package, a table or a tool was missing."""
    return isinstance(value, Mapping) and "skipped" in value


def rounded(value: Any) -> Any:
    """Return a value as JSON stores it, with numbers rounded to DIGITS significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {str(key): rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, (list, tuple)) else value


def measure(bench: Bench, options: Namespace) -> Record:
    """Check the answers, measure the cases without a valid record, write results/NAME.json and print the results."""
    print(f"== {bench.name}: {bench.title}", flush=True)
    record = Record(options.results / f"{bench.name}.json")
    cases = bench.cases(options)
    stamps = {case.key: _stamp(bench, case) for case in cases}
    told = {case.key: {**rounded(case.told), **({"quick": True} if options.quick else {})} for case in cases}
    missing = [
        case
        for case in cases
        if options.anew or not record.counts(case.key, told[case.key], stamps[case.key], bench.anywhere)
    ]
    if len(missing) < len(cases):
        print(f"{len(cases) - len(missing)} of {len(cases)} cases are on record in {record.path} (--anew: measure all)")
    if missing:
        bench.check(options)
    for number, (case, seconds, value) in enumerate(_run_all(missing, bench.at_once()), 1):
        if not is_skipped(value) or not record.holds(case.key, stamps[case.key], bench.anywhere):
            record.add(case.key, value, seconds, told[case.key], stamps[case.key])
        print(f"{number} of {len(missing)}: {case.key} ({seconds:.1f} s)", file=sys.stderr, flush=True)
    if cases and not bench.anywhere:
        record.drop_others(list(stamps), stamps[cases[0].key]["machine"])
    for section in bench.sections(record.values(bench.anywhere)):
        print(f"\n{section.as_text()}")
    print(f"\nwritten: {record.path}", flush=True)
    return record


def _stamp(bench: Bench, case: Case) -> dict[str, Any]:
    measures = bench.measures if case.measures is None else case.measures
    return stamp(tuple(measures), tuple(bench.packages if case.packages is None else case.packages))


def _run_all(cases: Sequence[Case], at_once: int) -> Iterator[tuple[Case, float, Any]]:
    """Yield each case when it ends, with its seconds and value; if a case fails, cases not yet started are dropped.

    If `at_once` is 1, cases run in this thread, so that Ctrl-C interrupts them.
    """

    def run(case: Case) -> tuple[Case, float, Any]:
        start = time.perf_counter()
        value = case.run()
        return case, time.perf_counter() - start, value

    if at_once == 1:
        yield from map(run, cases)
        return
    with ThreadPoolExecutor(at_once) as pool:
        running = [pool.submit(run, case) for case in cases]
        try:
            yield from (future.result() for future in as_completed(running))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def parser(subject: str) -> Parser:
    """Return the command-line parser of a subject."""
    module = importlib.import_module(f"bench.{subject}")
    made = Parser(prog=f"python -m bench {subject}", description=SUBJECTS[subject].answers)
    made.add_argument("--quick", action="store_true", help="a few small cases: to see that it works, not to quote")
    made.add_argument("--anew", action="store_true", help="measure what is on record again")
    made.add_argument("--results", type=Path, help="folder of the JSON (bench/results; --quick: under build/bench)")
    if len(module.BENCHES) > 1:
        parts = [bench.name for bench in module.BENCHES]
        made.add_argument("--parts", type=names(parts), default=tuple(parts), help=f"some of {','.join(parts)} (all)")
    getattr(module, "arguments", lambda _: None)(made)
    return made


def main(subject: str, words: Sequence[str]) -> None:
    """Measure a subject and write its page."""
    options = parser(subject).parse_args(words)
    options.results = (options.results or (QUICK_RESULTS if options.quick else RESULTS)).resolve()
    if not options.quick:
        check_build()
    benches = importlib.import_module(f"bench.{subject}").BENCHES
    for bench in benches:
        if len(benches) == 1 or bench.name in options.parts:
            measure(bench, options)
    importlib.import_module("bench.report").write_pages(options.results, [subject])
