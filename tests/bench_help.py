"""A bench of two cases, for the tests of what every bench is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.sections import Section, Table
from bench.suite import Bench, Case, Options


def options(folder: Path, **changes: Any) -> Options:
    return Options(**{"quick": True, "results": folder, **changes})


def two_cases(measured: list[str], fails: bool = False) -> Bench:
    def case(name: str) -> Case:
        def run() -> dict[str, int]:
            measured.append(name)
            if fails and name == "second":
                raise KeyboardInterrupt
            return {"length": len(name)}

        return Case(name, run)

    def sections(results: Mapping[str, Any]) -> list[Section]:
        return [Table("lengths", ["case", "length"], [[key, str(value["length"])] for key, value in results.items()])]

    return Bench([case("first"), case("second")], sections)
