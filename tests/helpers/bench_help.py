"""Helpers for tests of benches: a bench with two cases, and functions that find tables and rows in its output."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.figures import Section, Table
from bench.record import Bench, Case


def options(folder: Path, **changes: Any) -> Namespace:
    return Namespace(**{"quick": False, "anew": False, "results": folder, **changes})


def two_cases(measured: list[str], fails: bool = False, **changes: Any) -> Bench:
    """Return a bench whose cases append their names to `measured`; if `fails`, the second case is interrupted."""

    def case(name: str) -> Case:
        def run() -> dict[str, float]:
            measured.append(name)
            if fails and name == "second":
                raise KeyboardInterrupt
            return {"length": len(name), "third": 1 / 3}

        return Case(name, run)

    def sections(values: Mapping[str, Any]) -> list[Section]:
        return [Table("lengths", ["case", "length"], [[key, str(value["length"])] for key, value in values.items()])]

    cases = [case("first"), case("second")]
    given = {"cases": lambda _: cases, "sections": sections, **changes}
    return Bench("lengths", "Lengths of names", ("cpp/ash", "bench/record.py"), **given)


def table(shown: list[Section], begins: str) -> Table:
    return next(each for each in shown if isinstance(each, Table) and each.title.startswith(begins))


def row(found: Table, name: str) -> dict[str, str]:
    return next(dict(zip(found.header, cells, strict=True)) for cells in found.rows if cells[0] == name)
