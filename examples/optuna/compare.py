"""Run each original Optuna example and its ash version with equal budgets, and write the table of README.md.

    python compare.py FOLDER [--seconds 20] [--seeds 1] [--only NAME ...]

FOLDER holds a copy of https://github.com/optuna/optuna-examples, and ask_and_tell.py (README.md says where to find it).
A budget is a number of seconds of processor time on one core, after imports. Each example has these sides (versions):

    optuna      the original; its study is stopped at the end of the budget
    unchanged   the original's objective, if there is one, run with `ash.from_optuna`
    ash         the ash version
"""

import argparse
import ast
import contextlib
import datetime
import importlib
import io
import multiprocessing
import os
import platform
import subprocess
import tempfile
import time
import tokenize
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from originals import ORIGINALS, fix_splits, offer_digits, seed_all

import ash

HERE = Path(__file__).resolve().parent
README = HERE / "README.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
SIDES = ("optuna", "unchanged", "ash")
PATIENCE = 60
"""Maximum wall-clock seconds of a run per second of its processor time, in case the machine is busy."""
Curve = list[tuple[float, float]]
"""Seconds and score of each trial or job."""


class Clock:
    """An ash callback that records the curve of a run, and stops the run when its budget is spent."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.began, self.curve = seconds, time.process_time(), Curve()

    @property
    def is_over(self) -> bool:
        """Whether the budget is spent."""
        return time.process_time() - self.began >= self.seconds

    def add(self, score: float) -> None:
        """Append a score to the curve, with the processor time used so far."""
        self.curve.append((time.process_time() - self.began, score))

    def on_start(self, run: Any) -> None:
        """Store the run, so that it can be stopped later."""
        self.run = run

    def on_job(self, job: Any, params: dict[str, Any]) -> None:
        """Record the score of a job, and stop the run if the budget is spent."""
        self.add(job.score)
        if self.is_over:
            self.run.stop()


def of_optuna(name: str, folder: Path, clock: Clock) -> None:
    """Run an original Optuna example until the budget of `clock` is spent; `clock` records its scores."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    optimize, ask, tell = optuna.Study.optimize, optuna.Study.ask, optuna.Study.tell

    def record(trial: optuna.trial.FrozenTrial) -> None:
        if trial.state == optuna.trial.TrialState.COMPLETE:
            clock.add(trial.value)

    def after(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        record(trial)
        if clock.is_over:
            study.stop()

    def bounded(study: optuna.Study, objective: Any, **options: Any) -> None:
        options |= {"n_trials": None, "timeout": None, "callbacks": [*(options.get("callbacks") or []), after]}
        clock.began = time.process_time()
        optimize(study, objective, **options)

    def asked(study: optuna.Study) -> optuna.Trial:
        if clock.is_over:
            raise SystemExit
        return ask(study)

    optuna.Study.optimize = bounded
    if name == "ask_and_tell":
        optuna.Study.ask = asked
        optuna.Study.tell = lambda *given, **options: record(tell(*given, **options))
    with contextlib.suppress(SystemExit):
        ORIGINALS[name].run(folder, "__main__")


def of_ash(name: str, folder: Path, clock: Clock, seed: int) -> None:
    """Run the ash version of an example until the budget of `clock` is spent; `clock` records its scores."""
    ash.tune_function = partial(ash.tune_function, callbacks=clock)
    ash.ASHSearchCV = partial(ash.ASHSearchCV, callbacks=clock)
    limits: dict[str, Any] = {"candidates": None, "time_limit": PATIENCE * clock.seconds, "random_state": seed}
    if name == "ask_and_tell":
        following, told = ash.Ladder.ask, ash.Ladder.tell
        ash.Ladder.ask = lambda ladder: None if clock.is_over else following(ladder)
        ash.Ladder.tell = lambda ladder, job, score: [clock.add(score), told(ladder, job, score)]
        limits["candidates"] = 2000
    example = importlib.import_module(name)
    clock.began = time.process_time()
    example.tune(**limits)


def of_objective(name: str, folder: Path, clock: Clock, seed: int) -> None:
    """Run the objective of an original Optuna example unchanged, with `ash.from_optuna`."""
    original = ORIGINALS[name]
    objective = eval(original.objective or "", original.run(folder, "original"))
    limits: dict[str, Any] = {"candidates": None, "time_limit": PATIENCE * clock.seconds, "random_state": seed}
    clock.began = time.process_time()
    ash.tune_function(ash.from_optuna(objective), **limits, max_epochs=original.reports, n_jobs=1, callbacks=clock)


def curve_of(side: str, name: str, folder: Path, seconds: float, seed: int) -> Curve:
    """Run one version of an example (`side` is one of `SIDES`), and return its curve.

    Call this in a new process, since it changes global settings.
    """
    warnings.simplefilter("ignore")
    os.chdir(tempfile.mkdtemp())
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        fix_splits()
        offer_digits(name)
        seed_all(seed)
        clock = Clock(seconds)
        if side == "optuna":
            of_optuna(name, folder, clock)
        else:
            {"ash": of_ash, "unchanged": of_objective}[side](name, folder, clock, seed)
    return clock.curve


def in_a_process(function: Callable[..., Curve], *arguments: Any) -> Curve:
    """Call a function in a new process and return its result."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def lines_of_code(text: str) -> int:
    """Count the lines that are neither blank nor part of a comment or docstring."""
    lines = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type in (tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING)
        for line in range(token.start[0], token.end[0] + 1)
    }
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            lines -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return len(lines)


def best(curve: Curve) -> float:
    """Return the best score of a curve, or NaN if the curve is empty."""
    return max((score for _, score in curve), default=float("nan"))


def seconds_to(curve: Curve, score: float) -> float:
    """Return the seconds after which a curve first reached a score."""
    return next(seconds for seconds, each in curve if each >= score)


def row(name: str, folder: Path, seconds: float, seeds: int) -> str:
    """Run every version of an example in `SIDES` with each seed, and return the example's row of the Markdown table."""
    original = ORIGINALS[name]
    sides = [side for side in SIDES if side != "unchanged" or original.objective]
    curves = {
        side: [in_a_process(curve_of, side, name, folder, seconds, seed) for seed in range(seeds)] for side in sides
    }
    scores = {side: sum(map(best, curves[side])) / seeds for side in sides}
    both = [min(best(a), best(b)) for a, b in zip(curves["optuna"], curves["ash"], strict=True)]
    times = {side: sum(map(seconds_to, curves[side], both)) / seeds for side in ("optuna", "ash")}
    counts = {side: sum(map(len, curves[side])) // seeds for side in sides}
    cells = [
        f"[{name}]({name}.py)",
        *(str(lines_of_code(text)) for text in (original.text(folder), (HERE / f"{name}.py").read_text("utf-8"))),
        *(f"{scores[side]:.4f}" if side in scores else "no objective" for side in SIDES),
        *(f"{times[side]:.1f}" for side in ("optuna", "ash")),
        *(str(counts[side]) if side in counts else "" for side in ("optuna", "ash")),
    ]
    return f"| {' | '.join(cells)} |"


def table(folder: Path, seconds: float, seeds: int, names: list[str]) -> Iterator[str]:
    """Yield a line that describes the measurement, then the lines of the Markdown table with one row per example."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True).stdout
    yield (
        f"{seconds:g} seconds of processor time per run, seeds: {seeds}, one core of {processor()}, "
        f"Python {platform.python_version()}, commit {commit.strip()}, {datetime.date.today()}."
    )
    yield ""
    yield (
        "| example | lines, Optuna | lines, ash | score, Optuna | score, its objective by `from_optuna` | score, ash "
        "| seconds to the lower of both scores, Optuna | seconds, ash | trials of Optuna | jobs of ash |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for name in names:
        found = row(name, folder, seconds, seeds)
        print(found, flush=True)
        yield found


def processor() -> str:
    """Return the processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    """Compare the examples, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=list(ORIGINALS), choices=list(ORIGINALS), metavar="NAME")
    told = parser.parse_args()
    os.environ["KERAS_BACKEND"] = "torch"
    lines = list(table(told.folder.resolve(), told.seconds, told.seeds, told.only))
    if told.only == list(ORIGINALS):
        before, _, rest = README.read_text("utf-8").partition(BEGIN)
        README.write_text(f"{before}{BEGIN}\n{chr(10).join(lines)}\n\n{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
