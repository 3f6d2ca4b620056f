"""The command line of the benches: `python -m bench COMMAND`, from the root of the repository."""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from bench import COMMANDS, HOURS
from bench.ablation_variants import PARTS, VARIANTS
from bench.datasets import FILES
from bench.machine import ROOT, cpus
from bench.quality import SECONDS
from bench.quality_contenders import CONTENDERS
from bench.quality_data import TABLES
from bench.suite import Options, run_bench
from bench.sweep import MOST_MODELS

MODELS = (128, 256, 512, 1024, 2048)
MOST_THREADS = 1024
INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with one sentence."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _whole_numbers(text: str, most: int) -> tuple[int, ...]:
    """Read positive integers with commas between them."""
    words = text.split(",")
    if not all(word.strip().isdecimal() and 1 <= int(word) <= most for word in words):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not allowed; give integers from 1 to {most}, with commas between"
        )
    return tuple(sorted({int(word) for word in words}))


def _models(text: str) -> tuple[int, ...]:
    return _whole_numbers(text, MOST_MODELS)


def _seeds(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; give how many, at least 1")
    return int(text)


def _names(text: str, allowed: Iterable[str]) -> tuple[str, ...]:
    """Read names with commas between them."""
    words = tuple(word.strip() for word in text.split(","))
    unknown = [word for word in words if word not in allowed]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not allowed; give some of {','.join(allowed)}")
    return words


def _folder(text: str) -> Path:
    """Read a folder that holds the optical digits."""
    for file in FILES:
        if not (Path(text) / file).is_file():
            raise argparse.ArgumentTypeError(f"{text!r} has no file {file}; give a folder with {' and '.join(FILES)}")
    return Path(text).resolve()


def _threads(parser: argparse.ArgumentParser) -> tuple[int, ...]:
    """Return the thread counts to measure: the list in OMP_NUM_THREADS, or 1, 2, 4, ... and all CPUs."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    if text:
        try:
            return _whole_numbers(text, MOST_THREADS)
        except argparse.ArgumentTypeError as error:
            parser.error(f"OMP_NUM_THREADS={error}")
    powers = [2**power for power in range(cpus().bit_length()) if 2**power < cpus()]
    return tuple(sorted({*powers, cpus()}))


def _parser() -> argparse.ArgumentParser:
    of_both, parts = " and ".join(HOURS), (*VARIANTS, *PARTS)
    made = _Parser(prog="python -m bench", description="Measures what ash claims; writes JSON to bench/results.")
    made.add_argument(
        "command",
        choices=[*COMMANDS, "all", "report", "program"],
        help=f"all: every one but {of_both}, which take hours, then report; program: build the sweep as one file to "
        "carry to another machine",
    )
    made.add_argument("--quick", action="store_true", help="a few small cases of each: to see that it works")
    made.add_argument("--data", type=_folder, help="folder with the full optical digits (else scikit-learn's half)")
    made.add_argument("--models", type=_models, default=(), help="numbers of candidates of the tables: 128,256,...")
    made.add_argument(
        "--tables", type=partial(_names, allowed=TABLES), default=(), help=f"of {of_both}: {','.join(TABLES)}"
    )
    made.add_argument(
        "--contenders", type=partial(_names, allowed=CONTENDERS), default=(), help=f"of quality: {','.join(CONTENDERS)}"
    )
    made.add_argument(
        "--limits", type=partial(_names, allowed=SECONDS), default=(), help=f"of quality: seconds, {','.join(SECONDS)}"
    )
    made.add_argument(
        "--variants", type=partial(_names, allowed=parts), default=(), help=f"of ablation: {','.join(parts)}"
    )
    made.add_argument("--seeds", type=_seeds, help=f"of {of_both}, and searches of models: so many seeds, from 0")
    made.add_argument("--results", type=Path, help="folder of the JSON (bench/results; --quick: build/bench/quick)")
    made.add_argument("--anew", action="store_true", help="do not go on where an interrupted run stopped")
    return made


def _commands(command: str, quick: bool) -> Sequence[str]:
    """Return what a command runs; `all` takes what takes hours only where it is quick."""
    return [each for each in COMMANDS if quick or each not in HOURS] if command == "all" else [command]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    results = given.results or (ROOT / "build" / "bench" / "quick" if given.quick else ROOT / "bench" / "results")
    models = given.models or (MODELS[:1] if given.quick else MODELS)
    options = Options(
        quick=given.quick,
        results=results.resolve(),
        data=given.data,
        models=models,
        tables=given.tables,
        contenders=given.contenders,
        limits=given.limits,
        variants=given.variants,
        seeds=given.seeds,
        threads=_threads(parser),
        anew=given.anew,
    )
    try:
        if given.command == "program":
            importlib.import_module("bench.program").main(options)
        for command in _commands(given.command, given.quick):
            for name in COMMANDS.get(command, ()):
                module = importlib.import_module(f"bench.{name}")
                run_bench(name, module.bench(options), options, keep=given.command == "all")
        if given.command in ("all", "report"):
            importlib.import_module("bench.report").write(options)
        if given.command == "all":
            shutil.rmtree(options.results / ".partial", ignore_errors=True)
    except KeyboardInterrupt:
        print("\ninterrupted: what was measured is kept, and the same command goes on from there", file=sys.stderr)
        return INTERRUPTED
    return 0
