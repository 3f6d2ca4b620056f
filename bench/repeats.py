"""Timed runs repeated from their records, and the cost of a schedule that can be repeated.

Proof. A fit with a time limit is repeated without the limit, on another number of threads. Both fits must make the same
decisions and save identical model files. During some fits, every core runs another program. Some fits run through Dask
or loky, or are killed and resumed. Fits without load are also repeated on the same number of threads, for timing.

Price. The same fit is run with schedule="reproducible" and with schedule="greedy", on two threads. The bench measures
the errors on held-out rows, the share of the trained epochs whose jobs were decided in time, and the used share of the
cores' time. The ratio of errors is smoothed as in the bench `quality`.

The comparison favors the greedy schedule, which uses all results, while the reproducible one drops results that were
not decided before the time limit. The bench takes two hours; --parts and --tables choose what to measure now. Nothing
else may run on the machine.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

import numpy as np

from bench.arguments import Parser, folder, names
from bench.executors import EXECUTORS, NEEDS
from bench.figures import Section, Table, shown, spread, timed, verdict
from bench.machine import CORE
from bench.processes import call
from bench.quality.contenders import CONTENDERS, OURS, Task
from bench.quality.measure import scores, timed_use
from bench.quality.page import geometric_mean, shown_mean, smoothed
from bench.quality.tables import TABLES, split
from bench.record import Bench, Case

PROOF, PLACES, PRICE = "proof", "places", "price"
PARTS = (PROOF, PLACES, PRICE)
THREADS, MOST_SEEDS = 2, 3
PRICE_LIMIT, PLACE_LIMIT = 20.0, 5.0  # seconds
QUICK_LIMIT = 2.0
LEAST_ROWS = 1_000
MOST_RATIO, LEAST_DECIDED, LEAST_BUSY, MOST_REPEAT = 1.01, 0.97, 0.95, 1.02
FEW_ROWS = 500
COPIES = 5  # number of fits through each executor; each fits a different variant
LOAD = "import time\nwhile True: pass"


class Variant(NamedTuple):
    """A way to fit a table. If `weighted`, the rows have the weights 0, 1 and 2 in turn."""

    table: str
    given: Mapping[str, Any] = {}
    weighted: bool = False


VARIANTS = {
    "five folds": Variant("vehicle"),
    "folds, regression": Variant("diabetes"),
    "ensemble": Variant("letter", {"validation": 0.2}),
    "ensemble, regression": Variant("california"),
    "categories": Variant("adult", {"scoring": "roc_auc"}),
    "weights": Variant("winequality_white", {"validation": 0.2}, weighted=True),
    "one network": Variant("segment", {"cv": 3, "ensemble": 1}),
    "no refit": Variant("titanic", {"validation": 0.25, "refit": False, "scoring": "neg_log_loss"}),
}
SHAPES = ((5.0, 1), (5.0, 2), (15.0, 1), (15.0, 2), (60.0, 2))
"""Time limits (seconds) and numbers of threads of the fits that are repeated."""


def prove(variant: str, limit: float, threads: int, loaded: bool, data: str | None) -> dict[str, Any]:
    """Fit until the limit and repeat the fit; return the times by number of threads, and whether all fits are equal."""
    warnings.simplefilter("ignore")
    fit = Fitting(variant, data)
    fit.warm_up()
    with _load() if loaded else nullcontext():
        seconds, first = timed(lambda: fit.timed(limit, threads))
    took = {str(threads): seconds}
    others = (1, 2) if not loaded else (3 - threads,)
    equal = True
    for count in others:
        again_seconds, again = timed(partial(fit.again, first, n_jobs=count))
        equal &= is_equal(first, again)
        took[f"again on {count}"] = again_seconds
    return {**_about(first), "equal": equal, "seconds": took}


class Fitting:
    """Fits a variant on its table, and repeats a fit from its record."""

    def __init__(self, variant: str, data: str | None) -> None:
        import ash

        self._variant = VARIANTS[variant]
        rows = split(self._variant.table, data, 0, categories=False)
        self._x, self._y = rows.x, rows.y
        self._estimator = ash.ASHClassifier if rows.classes else ash.ASHRegressor
        self._weights = np.arange(len(rows.y)) % 3 if self._variant.weighted else None

    def warm_up(self) -> None:
        """Fit a few rows, so that code that is loaded only once is loaded before the clock starts."""
        self._estimator(candidates=2, n_jobs=1).fit(self._x[:FEW_ROWS], self._y[:FEW_ROWS])

    def timed(self, limit: float, threads: int | None, **changes: Any) -> Any:
        """Return an estimator fitted until the time limit."""
        given = {**self._variant.given, "time_limit": limit, "n_jobs": threads, "random_state": 0, **changes}
        return self._estimator(**given).fit(self._x, self._y, sample_weight=self._weights)

    def again(self, first: Any, **where: Any) -> Any:
        """Return an estimator whose fit repeats the first fit from its record."""
        fit = self._estimator(record=first.result_.record, **where)
        return fit.fit(self._x, self._y, sample_weight=self._weights)


def is_equal(first: Any, again: Any) -> bool:
    """Return whether two fits have the same digest, the same record and byte-identical model files."""
    same = first.result_.digest == again.result_.digest and first.result_.record == again.result_.record
    return bool(same and _file_of(first.model_) == _file_of(again.model_))


def _file_of(model: Any) -> bytes:
    with tempfile.TemporaryDirectory() as place:
        model.save(Path(place) / "model.safetensors")
        return (Path(place) / "model.safetensors").read_bytes()


def _about(fit: Any) -> dict[str, Any]:
    return {"ended": fit.result_.ended, "decisions": len(fit.result_.jobs), "model": fit.result_.record.model[:16]}


@contextmanager
def _load() -> Iterator[None]:
    """Keep each core busy with another process, until the context is left."""
    others = [subprocess.Popen([sys.executable, "-c", LOAD]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def prove_elsewhere(place: str, variant: str, here_first: bool, data: str | None) -> dict[str, Any]:
    """Fit in this process and repeat through an executor, or in reverse if not `here_first`; return the outcome."""
    warnings.simplefilter("ignore")
    fit = Fitting(variant, data)
    with EXECUTORS[place]() as executor:
        if here_first:
            first, again = (made := fit.timed(PLACE_LIMIT, THREADS)), fit.again(made, executor=executor)
        else:
            first, again = (made := fit.timed(PLACE_LIMIT, None, executor=executor)), fit.again(made, n_jobs=1)
    return {**_about(first), "equal": is_equal(first, again)}


def prove_killed(variant: str, seed: int, data: str | None) -> dict[str, Any]:
    """Kill a process at a random moment of its fit, resume the fit from the journal, and repeat the finished fit."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as place:
        journal = str(Path(place) / "run.ash")
        words = f"from bench.repeats import Fitting; Fitting({variant!r}, {data!r}).timed(60.0, 2, journal={journal!r})"
        child = subprocess.Popen([sys.executable, "-c", words], stderr=subprocess.DEVNULL)
        while not Path(journal).is_file():
            if child.poll() is not None:
                raise SystemExit(f"the process that is to be killed has ended with {child.returncode}")
            time.sleep(0.05)
        time.sleep(random.Random(seed).uniform(0.5, PLACE_LIMIT))
        child.send_signal(signal.SIGKILL)
        child.wait()
        fit = Fitting(variant, data)
        first = fit.timed(3 * PLACE_LIMIT + 2.0, 1, journal=journal)  # includes the time of the killed process
        return {**_about(first), "equal": is_equal(first, fit.again(first, n_jobs=THREADS))}


def price(table: str, schedule: str, seed: int, limit: float, data: str | None) -> dict[str, Any]:
    """Return the errors of a timed fit, the decided share of its epochs, and the used share of the cores' time."""
    from ash import SearchConfig

    warnings.simplefilter("ignore")
    rows = split(table, data, seed, categories=False)
    task = Task(TABLES[table].kind, seed, limit, THREADS)
    fit_ash = CONTENDERS[OURS].fit
    fit_ash(replace(task, few=True), rows.x[:FEW_ROWS], rows.y[:FEW_ROWS], n_jobs=1)
    others = {"n_jobs": THREADS, "config": SearchConfig(schedule=schedule)}
    seconds, busy, fit = timed_use(lambda: fit_ash(task, rows.x, rows.y, **others), THREADS)
    count = len(rows.y) + len(rows.y_test)
    return {**scores(fit, rows), "rows": count, "seconds": seconds, "busy": busy, "decided": decided(fit.result_)}


def decided(result: Any) -> float:
    """Return the epochs of the decided jobs as a share of the epochs of all finished jobs."""
    epochs = {rung["rung"]: rung["epochs"] for rung in result.rungs}
    ended = {(candidate, rung) for candidate, rung in zip(*_keys(result.fold_scores), strict=True)}
    of_jobs = set(zip(*_keys(result.columns), strict=True))
    lost = sum(epochs[rung] for _, rung in ended - of_jobs)
    known = sum(epochs[rung] for _, rung in of_jobs)
    return float(known / (known + lost))


def _keys(columns: Mapping[str, Any]) -> tuple[list[int], list[int]]:
    return columns["candidate"].tolist(), columns["rung"].tolist()


def cases(options: Namespace) -> Sequence[Case]:
    """Return the cases of the chosen parts."""
    plan = {PROOF: _proofs, PLACES: _places, PRICE: _prices}
    return [case for part in options.parts or PARTS for case in plan[part](options, options.data)]


def _proofs(options: Namespace, data: str | None) -> Iterator[Case]:
    shapes = ((QUICK_LIMIT, 2),) if options.quick else SHAPES
    for place, variant in enumerate(("five folds",) if options.quick else VARIANTS):
        for number, (limit, threads) in enumerate(shapes):
            loaded = (place + number) % 2 == 1
            key = f"{PROOF}: {variant}, {limit:g} s, {threads} threads, {'loaded' if loaded else 'alone'}"
            told = {"variant": variant, "limit": limit, "threads": threads, "loaded": loaded, "data": data}
            yield _case(key, VARIANTS[variant].table, "prove", told)


def _places(options: Namespace, data: str | None) -> Iterator[Case]:
    if options.quick:
        return
    for place in ("Dask", "loky"):
        for number, variant in enumerate(list(VARIANTS)[:COPIES]):
            told = {"place": place, "variant": variant, "here_first": number % 2 == 0, "data": data}
            yield _case(f"{PLACES}: {place}, {variant}", VARIANTS[variant].table, "prove_elsewhere", told, NEEDS[place])
    for seed in range(2 * COPIES):
        variant = list(VARIANTS)[seed % len(VARIANTS)]
        told = {"variant": variant, "seed": seed, "data": data}
        yield _case(f"{PLACES}: killed, {variant}, {seed}", VARIANTS[variant].table, "prove_killed", told)


def _prices(options: Namespace, data: str | None) -> Iterator[Case]:
    limit = QUICK_LIMIT if options.quick else PRICE_LIMIT
    for seed in range(1 if options.quick else MOST_SEEDS):
        for table in ("digits",) if options.quick else options.tables or TABLES:
            for schedule in ("greedy", "reproducible"):
                told = {"table": table, "schedule": schedule, "seed": seed, "limit": limit, "data": data}
                yield _case(f"{PRICE}: {table}, {schedule}, seed {seed}", table, "price", told)


def _case(key: str, table: str, function: str, told: Mapping[str, Any], package: str | None = None) -> Case:
    packages = ("scikit-learn", *([package] if package else []))
    return Case(key, partial(_run, table, function, told, package), packages=packages)


def _run(table: str, function: str, told: Mapping[str, Any], package: str | None) -> dict[str, Any]:
    missing = TABLES[table].missing(told["data"])
    if package is not None and find_spec(package) is None:
        missing = f"{package} is not installed"
    return {"skipped": missing} if missing else dict(call("bench.repeats", function, told))


def sections(values: Mapping[str, Any]) -> Sequence[Section]:
    """Return one table per measured part."""
    parts: dict[str, dict[str, Any]] = {part: {} for part in PARTS}
    for key, value in values.items():
        part, _, rest = key.partition(": ")
        if "skipped" not in value:
            parts[part][rest] = value
    made = (_proof_table, _place_table, _price_table)
    return [make(found) for make, found in zip(made, parts.values(), strict=True) if found]


def _proof_table(found: Mapping[str, Any]) -> Table:
    rows, again, scaling = [], [], []
    for name, value in found.items():
        seconds = value["seconds"]
        threads = next(iter(seconds))
        own = seconds.get(f"again on {threads}")
        if own is not None:
            again.append(own / seconds[threads])
            scaling.append(seconds["again on 1"] / seconds["again on 2"])
        rows.append([name, _word(value), f"{value['decisions']:,}", "-" if own is None else f"{again[-1]:.2f}"])
    note = f"Equal: the digest, the record and the bytes of the model's file. {_count(found)} "
    if again:
        note += (
            f"Again: time of the repeated fit divided by that of the timed one, on equally many threads; median "
            f"{median(again):.2f}, {verdict(median(again), '<=', MOST_REPEAT)}. One thread divided by two: "
            f"{shown(spread(scaling), '.2f')}."
        )
    return Table("Timed fits, repeated on other threads", ["fit", "equal", "decisions", "again"], rows, note)


def _place_table(found: Mapping[str, Any]) -> Table:
    rows = [[name, _word(value), f"{value['decisions']:,}"] for name, value in found.items()]
    return Table("Executors, and fits that were killed", ["fit", "equal", "decisions"], rows, _count(found))


def _word(value: Mapping[str, Any]) -> str:
    return "yes" if value["equal"] else "NO"


def _count(found: Mapping[str, Any]) -> str:
    return f"{sum(value['equal'] for value in found.values())} of {len(found)} are equal."


def _price_table(found: Mapping[str, Any]) -> Table:
    runs = {tuple(name.split(", ")): value for name, value in found.items() if value["rows"] >= LEAST_ROWS}
    rows, ratios = [], []
    for table in TABLES:
        pairs = [
            (runs[table, "reproducible", seed], runs[table, "greedy", seed])
            for seed in (f"seed {number}" for number in range(MOST_SEEDS))
            if (table, "reproducible", seed) in runs and (table, "greedy", seed) in runs
        ]
        if not pairs:
            continue
        ratios.append(fmean(smoothed(table, own, greedy) for own, greedy in pairs))
        shares = [f"{fmean(own[name] for own, _ in pairs):.3f}" for name in ("decided", "busy")]
        rows.append([table, str(pairs[0][0]["rows"]), str(len(pairs)), f"{ratios[-1]:.3f}", *shares])
    rows.sort(key=lambda row: -float(row[3]))
    note = "Ratio: error of the reproducible schedule divided by that of the greedy one. "
    if ratios:
        kept = [run for (_, schedule, _), run in runs.items() if schedule == "reproducible"]
        means = {name: fmean(run[name] for run in kept) for name in ("decided", "busy")}
        note += (
            f"Geometric mean {shown_mean(ratios)}, upper bound {verdict(geometric_mean(ratios)[2], '<=', MOST_RATIO)}. "
            f"Decided: {means['decided']:.3f}, {verdict(means['decided'], '>=', LEAST_DECIDED)}. "
            f"Busy: {means['busy']:.3f}, {verdict(means['busy'], '>=', LEAST_BUSY)}."
        )
    header = ["table", "rows", "seeds", "ratio", "decided", "busy"]
    return Table(f"The price: {PRICE_LIMIT:g} s on {THREADS} threads", header, rows, note)


def arguments(parser: Parser) -> None:
    """Add the options that only this subject has."""
    parser.add_argument("--data", type=folder(), help="folder of the CSV files (else ../shared/data)")
    parser.add_argument("--parts", type=names(PARTS), help=f"some of {','.join(PARTS)} (all)")
    parser.add_argument("--tables", type=names(TABLES), help="of the price: some of the tables of quality (all)")


BENCHES = (Bench("repeats", "Timed runs that can be repeated", CORE, cases, sections),)
