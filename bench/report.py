"""Generates the pages and the README's figures from the JSON in bench/results, so that no figure is typed by hand.

A page is bench/pages/SUBJECT.md, with its pictures beside it. It has one heading per bench of the subject. If the
measured code has changed since, a line that starts with `MARK` says how outdated the figures are. Files called
NAME-WHERE.json contain results of the same bench from another machine, and get separate pages.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bench import SUBJECTS
from bench.arguments import Parser
from bench.figures import Picture, Section
from bench.machine import ROOT, age
from bench.record import RESULTS, Bench, Record

README = ROOT / "README.md"
MARK = "> **Not of today's code.**"
ORIGIN = "origin"
"""Name of the README block that says when and where the figures were measured."""
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def main(words: Sequence[str]) -> None:
    """Write all pages. If the results are those of bench/results, also fill in the README."""
    parser = Parser(prog="python -m bench report", description="Writes the pages and the README's figures.")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON (bench/results)")
    results = parser.parse_args(words).results.resolve()
    write_pages(results, SUBJECTS)
    if results == RESULTS:
        README.write_text(filled(README.read_text(encoding="utf-8"), results), encoding="utf-8")
        print(f"written: {README}")


def write_pages(results: Path, subjects: Iterable[str]) -> None:
    """Write the pages and pictures of these subjects next to the JSON folder."""
    folder = results.parent / "pages" if results.name == "results" else results
    folder.mkdir(parents=True, exist_ok=True)
    for name, text, pictures in pages(results, subjects):
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
        print(f"written: {folder / name}.md")
        if pictures and importlib.util.find_spec("matplotlib") is None:
            print(f"{len(pictures)} pictures are not drawn: matplotlib is not installed (pip install '.[bench]')")
            continue
        for picture in pictures:
            picture.draw(folder)


def pages(results: Path, subjects: Iterable[str]) -> Iterator[tuple[str, str, list[Picture]]]:
    """Yield the name, text and pictures of each page."""
    for subject in subjects:
        benches: Sequence[Bench] = importlib.import_module(f"bench.{subject}").BENCHES
        files = {bench.name: results / f"{bench.name}.json" for bench in benches}
        yield subject, *_page(subject, {bench: files[bench.name] for bench in benches})
        for bench in benches:
            for path in sorted(results.glob(f"{bench.name}-*.json")):
                if path not in files.values():
                    yield path.stem, *_page(subject, {bench: path}, path.stem)


def _page(subject: str, files: dict[Bench, Path], other: str = "") -> tuple[str, list[Picture]]:
    words = (importlib.import_module(f"bench.{subject}").__doc__ or "").strip()
    title = SUBJECTS[subject].answers + (f" ({other})" if other else "")
    parts, pictures = [f"# {title}", re.split(r"\n\s*\n", words)[0].replace("\n", " ")], []
    for bench, path in files.items():
        if len(files) > 1:
            parts.append(f"## {bench.title}")
        if not path.is_file():
            parts.append(f"Not measured: `python -m bench {subject}` writes `{path.name}`.")
            continue
        record = Record(path)
        sections = [_renamed(section, bench.name, other) for section in bench.sections(record.values(bench.anywhere))]
        parts += [*marks(record), *(section.as_markdown().rstrip() for section in sections), _origin(record)]
        pictures += [section for section in sections if isinstance(section, Picture)]
    return "\n\n".join(parts) + "\n", pictures


def _renamed(section: Section, name: str, other: str) -> Section:
    """Return the section; if it is a picture of results from NAME-WHERE.json, replace `name` by `other` in its name."""
    if other and isinstance(section, Picture):
        return replace(section, name=section.name.replace(name, other))
    return section


def marks(record: Record) -> list[str]:
    """Return a line that starts with `MARK` if a case's code has changed or its commit is unknown; else no line."""
    ages = [found for stamp in record.stamps if (found := age(stamp)) is not None]
    unknown = sum(record.stamps[line["of"]]["commit"] is None for line in record.lines.values())
    parts = [f"{_counted(unknown, 'case')} of an unknown commit"] if unknown else []
    if ages:
        changed = list(dict.fromkeys(path for found in ages for path in found.changed))
        commits, days = [found.commits for found in ages if found.commits], max(found.days for found in ages)
        often = f"in up to {_counted(max(commits), 'commit')} and " if commits else "in "
        parts.append(f"Changed since, {often}{_counted(days, 'day')}: {', '.join(changed)}")
    return [f"{MARK} {'. '.join(parts)}."] if parts else []


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _origin(record: Record) -> str:
    """Return the commits, machines, builds and versions in small print, one line per commit and machine."""
    groups: dict[str, list[int]] = {}
    for number, stamp in enumerate(record.stamps):
        groups.setdefault(json.dumps([stamp["commit"], stamp["machine"]]), []).append(number)
    lines = []
    for numbers in groups.values():
        stamps = [record.stamps[number] for number in numbers]
        own = [line for line in record.lines.values() if line["of"] in numbers]
        packages = {name: version for stamp in stamps for name, version in stamp["packages"].items()}
        facts = [f"{name} {value}" for name, value in (stamps[0]["machine"] | packages).items()]
        commit, day = stamps[0]["commit"] or "unknown", max(stamp["date"] for stamp in stamps)[:10]
        took = f"{sum(line['seconds'] for line in own):.0f} s"
        lines.append(f"{len(own)} cases at commit {commit}, {day}, in {took}: {', '.join(facts)}.")
    quick = any(line["told"].get("quick") for line in record.lines.values())
    return f"<sub>{'<br>'.join(lines)}</sub>" + (" **A quick run: too few repeats to quote.**" if quick else "")


def filled(readme: str, results: Path) -> str:
    """Return the README with the figures of these results inserted between its markers."""
    makers = {each.name: each for subject in SUBJECTS for each in importlib.import_module(f"bench.{subject}").BENCHES}
    shown = {name: Record(results / f"{name}.json") for _, name, _ in BLOCK.findall(readme) if name != ORIGIN}

    def block(found: re.Match[str]) -> str:
        if found[2] == ORIGIN:
            return found[1] + _origin_of_all(shown.values()) + "\n" + found[3]
        bench = makers[found[2]]
        assert bench.readme is not None
        return found[1] + "\n".join([*bench.readme(shown[found[2]].values(bench.anywhere)), ""]) + found[3]

    return BLOCK.sub(block, readme)


def _origin_of_all(records: Iterable[Record]) -> str:
    """Return a line in small print: when, where and at which commits the cases of these records were measured."""
    stamps = [stamp for record in records for stamp in record.stamps]
    days = sorted({stamp["date"][:10] for stamp in stamps})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    commits = sorted({(stamp["commit"] or "unknown")[:7] for stamp in stamps})
    machines = sorted({f"{stamp['machine']['cpus']} CPUs of {stamp['machine']['processor']}" for stamp in stamps})
    return f"<sub>Measured {when} on {' and '.join(machines)}, at {', '.join(commits)}.</sub>"
