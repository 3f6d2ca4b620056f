"""Makes results without training: a real ladder runs on a simulated clock, and its jobs become the result's columns."""

import dataclasses
import heapq
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ash
import data_help
from ash import _core
from ash.history.digest import decision_hashes, digest_run
from ash.options import Options
from ash.result import Result
from ash.run_record import RunRecord

Columns = dict[str, NDArray[Any]]

SPACE = ash.Space(learning_rate=ash.loguniform(1e-4, 1e-1, levels=31), hidden=ash.choice((16,), (64,), (256,)))
STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TEAM_LIMIT = 4
UNITS_A_SECOND = 1e9
"""Units of virtual time per second."""

COLUMNS = {
    **dict.fromkeys(("candidate", "rung", "epochs", "thread", "worker", "team", "team_limit"), np.int64),
    **dict.fromkeys(("score", "loss", "training_loss", "start", "end"), np.float64),
    **dict.fromkeys(("virtual_start", "virtual_end", "core_seconds"), np.float64),
    "diverged": np.bool_,
    "weights_hash": np.uint64,
}
ASSISTS = {"candidate": np.int64, "rung": np.int64, "thread": np.int64, "start": np.float64, "end": np.float64}


def read_json(text: str) -> Any:
    """Read strict JSON, in which NaN and Infinity are errors (Python's reader accepts them)."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    return json.loads(text, parse_constant=refuse)


def options(**changes: Any) -> Options:
    """Return checked arguments of a run, by default with 16 candidates on 2 threads."""
    given = {"candidates": 16, "n_jobs": 2, "scoring": "accuracy", "task": "classification", "verbose": 0}
    wanted = {**given, **changes}
    checked = data_help.options(**{**wanted, "n_jobs": 1})  # the check would reduce `n_jobs` to the number of CPUs
    return dataclasses.replace(checked, threads=wanted["n_jobs"])


def columns(rows: list[dict[str, Any]]) -> Columns:
    """Return the columns of jobs as the core does. An entry that a row lacks is 0.

    If no row has a hash of weights, the hashes are made from candidate and rung.
    """
    table = {name: np.array([row.get(name, 0) for row in rows], dtype) for name, dtype in COLUMNS.items()}
    if not any("weights_hash" in row for row in rows):
        table["weights_hash"] = (table["candidate"] * 1000 + table["rung"]).astype(np.uint64) + np.uint64(2**63)
    return table


def no_assists() -> Columns:
    return {name: np.array([], dtype) for name, dtype in ASSISTS.items()}


def one_fold(rows: list[dict[str, Any]]) -> Columns:
    kept = [row for row in rows if not row["diverged"]]
    table = {name: np.array([row[name] for row in kept], np.int64) for name in ("candidate", "rung")}
    return table | {"scores": np.array([[row["score"]] for row in kept], np.float64).reshape(-1, 1)}


def network(score: float, params: Mapping[str, Any]) -> ash.Network:
    """Return a network with two features, two classes and no hidden layer."""
    core = _core.Network(
        [np.eye(2, dtype=np.float32)],
        [np.zeros(2, np.float32)],
        [],
        2,
        *(np.zeros(2), np.ones(2), np.zeros(2)),
        *(np.zeros(2), np.ones(2)),
    )
    about = {"classes": np.arange(2), "encoding": data_help.numbers(2), "target_names": None}
    return ash.Network(core, **about, params=params, metric="accuracy", validation_score=score)


def draw_params(count: int, seed: int) -> tuple[dict[str, Any], ...]:
    generator = np.random.default_rng(seed)
    rates = 10 ** generator.uniform(-4, -1, count)
    widths = generator.choice([16, 64, 256], count)
    return tuple({"learning_rate": float(rates[i]), "hidden": (int(widths[i]),)} for i in range(count))


def make_result(
    *, diverge: float = 0.0, noise: float = 0.3, wall_seconds: float | None = None, **changes: Any
) -> Result:
    """Run a ladder on a simulated clock and return the result; each candidate's score rises along a separate curve.

    `diverge` is the share of candidates that diverge in rung 0. The larger `noise` is, the more the ranks change
    between rungs. `changes` are arguments of `ash.tune`.
    """
    wanted = options(**changes)
    count = wanted.candidates or 200
    generator = np.random.default_rng(wanted.seed)
    params = draw_params(count, wanted.seed)
    quality, gone = generator.uniform(0, 1, count), generator.uniform(0, 1, count) < diverge
    seconds = 0.002 * (1 + np.array([one["hidden"][0] for one in params]) / 64)

    def outcome(job: Any) -> dict[str, Any]:
        if gone[job.candidate]:
            return {"score": np.nan, "loss": np.inf, "training_loss": np.nan, "diverged": True, "weights_hash": 0}
        error = (0.1 + 0.4 * quality[job.candidate] + noise * generator.uniform(-0.2, 0.2)) * 0.7**job.rung
        return {"score": float(1 - error), "loss": float(2 * error), "training_loss": float(error), "diverged": False}

    ladder = ash.Ladder(
        count, eta=wanted.eta, min_epochs=wanted.min_epochs, max_rungs=wanted.max_rungs, promotion=wanted.promotion
    )
    rows = _run(ladder, wanted.threads, outcome, lambda job: float(seconds[job.candidate] * job.epochs))
    end = max(row["end"] for row in rows)
    assists = _help(rows, wanted.threads, end) if wanted.teams else no_assists()
    best = max(rows, key=lambda row: (not row["diverged"], row["score"], -row["candidate"], -row["rung"]))
    table, model = columns(rows), network(best["score"], params[best["candidate"]])
    facts: Any = {name: {} for name in ("settings", "plan", "arguments", "space", "version", "data")}
    record = RunRecord(
        **facts,
        by="ash.tune",
        missing=(),
        ended="finished",
        decisions=decision_hashes(table),
        kept=(best["candidate"],),
        refit=(),
        digest=digest_run(params, table, (best["candidate"], best["rung"])),
        model=model.digest,
    )
    return Result(
        model=model,
        kept=None,
        sample=None,
        best_candidate=best["candidate"],
        best_rung=best["rung"],
        params=params,
        columns=table,
        assists=assists,
        fold_scores=one_fold(rows),
        memory={"limit": 10**9, "peak_bytes": 3_000_000, "dropped": 0, "retrained_epochs": 0},
        ladder=ladder.rungs,
        options=wanted,
        space=SPACE,
        ended="finished",
        started=STARTED,
        wall_seconds=end * 1.01 if wall_seconds is None else wall_seconds,
        record=record,
        oof_prediction=np.full((10, 2), np.nan),
        estimated_score=math.nan,
        estimated_score_std_error=math.nan,
    )


def _run(ladder: ash.Ladder, threads: int, outcome: Any, cost: Any) -> list[dict[str, Any]]:
    """Run the ladder greedily on a simulated clock, which is also the virtual clock, with one worker per thread."""
    now, free, running, rows = 0.0, list(range(threads)), [], []
    while True:
        while free and (job := ladder.ask()) is not None:
            heapq.heappush(running, (now + cost(job), free.pop(0), now, job))
        if not running:
            return rows
        now, thread, start, job = heapq.heappop(running)
        free = sorted([*free, thread])
        result = outcome(job)
        ladder.tell(job, result["score"], result["loss"])
        rows.append(
            {
                **{"candidate": job.candidate, "rung": job.rung, "epochs": job.epochs, "thread": thread, "team": 1},
                "team_limit": TEAM_LIMIT,
                **{"start": start, "end": now, "core_seconds": now - start, "worker": thread, **result},
                **{"virtual_start": start * UNITS_A_SECOND, "virtual_end": now * UNITS_A_SECOND},
            }
        )


def _help(rows: list[dict[str, Any]], threads: int, end: float) -> Columns:
    """Let idle threads help running jobs, one job at a time; jobs that started earlier get help first."""
    helped = []
    for thread in range(threads):
        own = sorted((row["start"], row["end"]) for row in rows if row["thread"] == thread)
        gaps = zip([0.0, *(stop for _, stop in own)], [*(start for start, _ in own), end], strict=True)
        for begin, finish in gaps:
            for row in sorted(rows, key=lambda row: row["start"]):
                low, high = max(begin, row["start"]), min(finish, row["end"])
                if high - low > 1e-6:
                    row["team"] = 2
                    row["core_seconds"] += high - low
                    helped.append((row["candidate"], row["rung"], thread, low, high))
                    begin = high
    return {name: np.array([row[at] for row in helped], dtype) for at, (name, dtype) in enumerate(ASSISTS.items())}
