"""The simulator: cases computed by hand, its bounds, its oracle, the figures of the brief, and its arguments."""

import dataclasses
import math
import pickle
import random
import sys
from typing import Any

import numpy as np
import pytest

import ash
from ash import _core
from ash.simulation.simulate import simulate
from ash.simulation.simulation import Simulation
from reference import PROMOTIONS, Job, ReferenceLadder
from reference_simulator import Greedy, Planned, Threads

pytestmark = pytest.mark.core


def makespans(simulation: Simulation) -> list[float]:
    return [row["makespan"] for row in simulation.rows]


def test_four_candidates_by_hand() -> None:
    """Seconds 3, 1, 2, 2 an epoch; the second and the third go up for two epochs. Greedy on two threads:

    thread 0  [ 0: rung 0     ][ 1: rung 1 ][ 2: rung 1            ]     At 3 thread 0 comes first, and of two finished
    thread 1  [1][ 2: rung 0  ][ 3: rung 0 ]                             "1" is better; "2" must wait for all four.
              0  1             3            5                      9
    """
    arguments = {"costs": [3, 1, 2, 2], "scores": [0.1, 0.3, 0.4, 0.2], "schedule": "greedy", "teams": False}
    found = simulate(4, threads=[1, 2], **arguments)
    alone, both = found.rows
    assert (found.W, found.D) == (3 + 1 + 2 + 2 + 2 + 4, 2 + 4)
    assert alone["makespan"] == found.W
    assert both == {
        **{"threads": 2, "makespan": 9.0, "utilization": 14 / 18, "speedup": 14 / 9, "bound": 7.0},
        **{"work_per_thread": 7.0, "halving": 8 / 2 + 6 / 2, "jobs": 6, "epochs": 8, "work": 14.0, "chain": 6.0},
    }


def test_help_by_hand() -> None:
    """One job of 12 seconds, three threads: each further one adds half of its time."""
    alone, helped = (simulate(1, costs=12, threads=3, team_efficiency=0.5, teams=teams) for teams in (False, True))
    assert makespans(alone) == [12] and makespans(helped) == [6]
    assert alone.rows[0]["utilization"] == pytest.approx(1 / 3) and helped.rows[0]["utilization"] == 1
    assert helped.rows[0]["speedup"] == 2


def test_one_epoch_costs_one_second_unless_told() -> None:
    found = simulate(128, threads=[1, 128], teams=False)
    assert (found.W, found.D) == (896, 127)
    assert found.rows[0]["makespan"] == 896 and found.rows[0]["epochs"] == 896
    assert [row["jobs"] for row in found.rows] == [254, 254]
    assert found.rows[1]["bound"] == 127 and found.rows[1]["work_per_thread"] == 7
    assert found.rows[1]["halving"] == 127


@pytest.mark.parametrize("schedule", ["greedy", "reproducible"])
def test_halving_with_threads_for_all_takes_the_longest_job_of_each_rung(schedule: str) -> None:
    costs = np.random.default_rng(1).uniform(1, 9, (40, 5))
    scores = np.random.default_rng(2).uniform(0, 1, 40)
    found = simulate(
        40, algorithm="sh", costs=costs, scores=scores, threads=40, workers=40, schedule=schedule, teams=False
    )
    best = np.argsort(-scores)
    assert makespans(found) == [pytest.approx(sum(costs[best[: 40 // 2**k], k].max() for k in range(5)))]


@pytest.mark.parametrize("seed", range(32))
def test_against_the_oracle(seed: int) -> None:
    draw = random.Random(seed)
    count, eta, threads, workers = draw.randint(1, 40), draw.randint(2, 4), draw.randint(1, 9), draw.randint(1, 12)
    rules = {"eta": eta, "algorithm": draw.choice(["ash", "ash", "sh", "random"])}
    rules["promotion"] = draw.choice(PROMOTIONS)
    schedule, order = draw.choice(["greedy", "reproducible"]), draw.choice(["finish", "start", "rung"])
    efficiency = draw.choice([None, 0.0, 0.3, 1.0])
    rungs = len(_core.Ladder(count, **rules).rungs)
    generator = np.random.default_rng(seed)
    limits = generator.integers(1, 5, count) if draw.random() < 0.5 else None
    epochs = eta ** np.arange(rungs)
    costs = generator.uniform(0.5, 2, (count, rungs)) * epochs
    seconds = costs * generator.lognormal(0, 0.5, (count, rungs))
    scores = np.where(generator.uniform(0, 1, (count, rungs)) < 0.05, np.nan, generator.uniform(0, 1, (count, rungs)))

    def of(table: np.ndarray) -> Any:
        return lambda job: float(table[job.candidate, job.rung])

    def outcome(job: Job) -> tuple[float, float]:
        return of(scores)(job), 0.0

    ladder = ReferenceLadder(count, **rules)
    greedy = schedule == "greedy"
    clock = Greedy(ladder, outcome) if greedy else Planned(ladder, outcome, of(costs), workers, order)
    expected = Threads(threads, efficiency, None if limits is None else lambda job: int(limits[job.candidate]))
    expected.run(clock, of(seconds))

    totals, work, columns = _core.simulate(
        count,
        costs,
        **{**rules, "seconds": seconds, "scores": scores, "schedule": schedule, "order": order, "workers": workers},
        **{"threads": threads, "teams": efficiency is not None, "team_efficiency": efficiency or 0.0},
        team_limits=None if limits is None else limits.astype(np.float64),
        keep_jobs=True,
    )
    jobs = [
        Job(*row) for row in zip(*(columns[name].tolist() for name in ("candidate", "rung", "epochs")), strict=True)
    ]
    assert jobs == clock.decided
    for job, thread, start, end, team in zip(
        jobs, *(columns[name].tolist() for name in ("thread", "start", "end", "team")), strict=True
    ):
        assert (thread, team) == (expected.jobs[job][0], expected.jobs[job][3]), job
        assert (start, end) == pytest.approx(expected.jobs[job][1:3], abs=1e-9), job
    assert totals["makespan"] == pytest.approx(expected.now) and totals["busy"] == pytest.approx(expected.busy)
    own = [sum(of(seconds)(job) for job in jobs if job.candidate == candidate) for candidate in range(count)]
    assert totals["work"] == pytest.approx(sum(own)) and totals["chain"] == pytest.approx(max(own))
    assert work == [
        (len(there), pytest.approx(sum(map(of(seconds), there))))
        for there in ([job for job in jobs if job.rung == k] for k in range(rungs))
    ]


@pytest.mark.parametrize("schedule", ["greedy", "reproducible"])
@pytest.mark.parametrize("promotion", PROMOTIONS)
def test_no_schedule_beats_its_bounds(schedule: str, promotion: str) -> None:
    arguments = {"schedule": schedule, "promotion": promotion, "noise": 0.3, "seed": 3}
    for row in simulate(100, teams=False, **arguments).rows:
        assert row["makespan"] >= row["bound"] * (1 - 1e-12)
        assert row["utilization"] == pytest.approx(row["work"] / row["threads"] / row["makespan"])
    for row in simulate(100, team_efficiency=0.7, **arguments).rows:
        assert row["makespan"] >= row["work_per_thread"] * (1 - 1e-12)
        assert row["utilization"] == pytest.approx(1)
    for row in simulate(100, team_efficiency=1.0, **arguments).rows:
        assert row["makespan"] == pytest.approx(row["work_per_thread"])


@pytest.mark.parametrize("schedule", ["greedy", "reproducible"])
def test_one_thread_is_always_busy(schedule: str) -> None:
    found = simulate(60, threads=[4, 1], schedule=schedule, noise=0.2, workers=5)
    assert found.rows[1]["makespan"] == pytest.approx(found.W)
    assert found.rows[0]["speedup"] == pytest.approx(found.rows[1]["makespan"] / found.rows[0]["makespan"])


@pytest.mark.parametrize("seed", range(8))
def test_teams_are_never_slower(seed: int) -> None:
    arguments = {"seed": seed, "noise": 0.4, "costs": lambda generator, n: generator.lognormal(0, 1, n)}
    with_teams, without = (simulate(70, teams=teams, **arguments) for teams in (True, False))
    assert all(a <= b * (1 + 1e-12) for a, b in zip(makespans(with_teams), makespans(without), strict=True))


def test_reproducible_decisions_depend_on_no_thread_no_noise_no_order_no_team() -> None:
    def decisions(**arguments: Any) -> tuple[list[int], list[int]]:
        _, _, columns = _core.simulate(100, np.ones(1), seed=5, keep_jobs=True, **arguments)
        return columns["candidate"].tolist(), columns["rung"].tolist()

    expected = decisions()
    for threads in (1, 2, 3, 7, 64):
        for order in ("finish", "start", "rung"):
            for noise, teams in ((0.0, False), (0.5, True), (2.0, False)):
                assert decisions(threads=threads, order=order, noise=noise, teams=teams) == expected
    assert decisions(workers=8) != expected
    assert decisions(threads=7, schedule="greedy") != decisions(threads=2, schedule="greedy")


def test_seed_and_noise() -> None:
    assert makespans(simulate(noise=0.1, seed=1)) == makespans(simulate(noise=0.1, seed=1))
    assert makespans(simulate(noise=0.1, seed=1)) != makespans(simulate(noise=0.1, seed=2))
    exact, noisy = simulate(2000, threads=1), simulate(2000, threads=1, noise=0.1)
    assert 0 < abs(noisy.W / exact.W - 1) < 0.03


def test_kinds_of_costs() -> None:
    class Doubled:
        def rvs(self, size: int, random_state: np.random.Generator) -> Any:
            return 2 + 0 * random_state.uniform(size=size)

    an_epoch = simulate(20, costs=2.0)
    for costs in (
        np.float32(2),
        [2] * 20,
        np.full((20, 4), [2, 4, 8, 16]),
        Doubled(),
        lambda generator, count: np.full(count, 2),
        lambda generator, count: np.full((count, 4), [2, 4, 8, 16]),
    ):
        assert simulate(20, costs=costs).rows == an_epoch.rows


def test_scores_decide() -> None:
    scores = np.full((8, 3), np.nan)
    scores[2, :] = 1.0
    found = simulate(8, scores=scores, threads=1)
    assert found.rows[0]["jobs"] == 8 + 1 and found.rows[0]["epochs"] == 8 + 2
    assert simulate(8, scores=np.arange(8), threads=1).rows[0]["epochs"] == 8 + 8 + 8


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"candidates": 0}, "candidates=0"),
        ({"eta": 1}, "eta=1"),
        ({"promotion": "best"}, "promotion='best'"),
        ({"threads": 0}, r"threads=0 is not allowed; give an integer from 1 to 65536"),
        ({"threads": [1, 2.5]}, r"threads=2\.5"),
        ({"threads": []}, r"threads=\[\] is not allowed; give an integer in 1"),
        ({"threads": "4"}, "threads='4'"),
        ({"workers": 0}, "workers=0"),
        ({"schedule": "fast"}, "schedule='fast' is not allowed; it must be one of 'reproducible', 'greedy'"),
        ({"order": None}, "order=None is not allowed; it must be one of 'finish', 'start', 'rung'"),
        ({"teams": 1}, "teams=1 is not allowed; it must be True or False"),
        ({"team_efficiency": 1.5}, r"team_efficiency=1\.5 is not allowed; only numbers from 0 to 1 are"),
        ({"noise": -0.1}, r"noise=-0\.1 is not allowed; only numbers from 0 to 10 are"),
        ({"noise": math.nan}, "noise=nan"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": None}, "seed=None"),
        ({"costs": 0}, r"costs holds 0\.0; give seconds that are positive and finite"),
        ({"costs": [1.0, math.inf, 1.0, 1.0]}, "costs holds inf"),
        ({"costs": [1.0, 2.0]}, r"costs of shape \(2,\) is not allowed; give numbers of shape \(4,\) or \(4, 2\)"),
        ({"costs": [[1.0], [1.0, 2.0]]}, "costs=.* is not allowed; give numbers of shape"),
        ({"costs": "cheap"}, "costs='cheap' is not allowed"),
        ({"costs": 10**400}, "costs=10.* is not allowed"),
        ({"costs": lambda generator, count: [1.0]}, r"costs of shape \(1,\)"),
        ({"scores": [1.0]}, r"scores of shape \(1,\)"),
        ({"scores": 1.0}, r"scores of shape \(\)"),
    ],
)
def test_refuses_in_a_sentence(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ash.SettingError, match=sentence):
        simulate(**{"candidates": 4, **arguments})


def test_the_outcome_is_a_value_and_a_table() -> None:
    found = simulate(128, threads=(1, 8), teams=False)
    assert repr(pickle.loads(pickle.dumps(found))) == repr(found)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.W = 0.0  # type: ignore[misc]
    lines = repr(found).splitlines()
    assert lines[0] == "128 candidates, eta 2, ash, reproducible with 32 workers, no teams"
    assert lines[1] == "work W 896, longest chain D 127" and len(lines) == 6
    assert lines[-1].split()[:3] == ["8", "180.0000", "4.9778"]
    frame = found.to_pandas()
    assert list(frame["threads"]) == [1, 8] and list(frame.columns) == list(found.rows[0])


def test_a_missing_pandas_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ash.MissingExtra, match="pip install pandas"):
        simulate(4).to_pandas()
