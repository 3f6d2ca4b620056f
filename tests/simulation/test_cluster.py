"""Simulated clusters: cases computed by hand, the oracle, a cluster that costs nothing, bounds, arguments."""

import doctest
import math
import pickle
import random
from typing import Any

import numpy as np
import pytest

import ash
from ash import _core
from ash.simulation.cluster import Cluster, core_settings
from ash.simulation.simulate import simulate
from reference import PROMOTIONS, Job, ReferenceLadder
from reference_cluster import Cluster as ReferenceCluster
from reference_simulator import Greedy, Planned

pytestmark = pytest.mark.core

FIGURES = ("work_per_thread", "chain", "coordinator", "line", "latency")


def row_of(candidates: int, threads: int, cluster: Cluster, **arguments: Any) -> dict[str, Any]:
    return simulate(candidates, threads=threads, cluster=cluster, schedule="greedy", **arguments).rows[0]


def test_latency_and_decisions_by_hand() -> None:
    """Four jobs of 10 seconds on two processes; a decision takes half a second, a message one.

    in flight 1   0.5 1.5 [ 0      ] 11.5 12.5 13 14 [ 2     ] 24 25       in flight 2   1.5 [ 0    ] 11.5 [ 2    ] 21.5
                  1.0 2.0 [ 1      ] 12.0 13.0 13.5 14.5 [ 3 ] 24.5 25.5                 2.0 [ 1    ] 12.0 [ 3    ] 22.0
    """
    arguments = {"costs": 10.0, "max_rungs": 1}
    costs = {"latency": 1.0, "decision_seconds": 0.5}
    one = row_of(4, 2, Cluster(**costs), **arguments)
    two = row_of(4, 2, Cluster(in_flight=2, **costs), **arguments)
    assert (one["makespan"], two["makespan"]) == (25.5, 23.0)
    assert one["utilization"] == 40 / 51 and one["speedup"] == 40 / 25.5
    assert (one["processes"], one["bytes"], one["moves"]) == (2, 0, 0)
    assert (one["coordinator"], one["line"], one["latency"], one["bounded_by"]) == (2.0, 0.0, 4.0, "work")
    assert two["latency"] == 2.0, "two places a thread share the messages"


def test_a_state_that_must_move_by_hand() -> None:
    """At 3 candidate 2 has taken the place at home when 0 may go up: told at 4, its state has left at 5.

    process 0   1 [ 0 ] 2      4 [ 2: rung 0, 10 seconds           ] 14
    process 1   1 [ 1 ] 2           6 [ 0: rung 1 ] 7   9 [ 3 ] 10              16 [ 3: rung 1 ] 17
    """
    costs = [[1, 1], [1, 1], [10, 1], [1, 1]]
    found = row_of(4, 2, Cluster(latency=1.0, process_bandwidth=5.0, state_bytes=5), costs=costs, scores=[4, 1, 2, 3])
    assert (found["makespan"], found["moves"], found["bytes"], found["line"]) == (18.0, 1, 5.0, 1.0)


@pytest.mark.parametrize("seed", range(64))
def test_against_the_oracle(seed: int) -> None:
    draw, generator = random.Random(seed), np.random.default_rng(seed)
    count, eta, threads, workers = draw.randint(1, 40), draw.randint(2, 4), draw.randint(1, 9), draw.randint(1, 12)
    rules = {"eta": eta, "algorithm": draw.choice(["ash", "ash", "sh", "random"])}
    rules["promotion"] = draw.choice(PROMOTIONS)
    schedule, order = draw.choice(["greedy", "reproducible"]), draw.choice(["finish", "start", "rung"])
    rungs = len(_core.Ladder(count, **rules).rungs)
    costs = generator.uniform(0.5, 2, (count, rungs)) * eta ** np.arange(rungs)
    seconds = costs * generator.lognormal(0, 0.5, (count, rungs))
    scores = np.where(generator.uniform(0, 1, (count, rungs)) < 0.05, np.nan, generator.uniform(0, 1, (count, rungs)))
    states = generator.uniform(0, 9, (count, rungs)) * (draw.random() < 0.8)
    settings = {
        "threads_per_process": draw.randint(1, 4),
        "in_flight": draw.randint(1, 3),
        "states_stay": draw.random() < 0.5,
        "latency": draw.choice([0.0, draw.uniform(0, 1)]),
        "bandwidth": draw.choice([math.inf, draw.uniform(2, 40)]),
        "process_bandwidth": draw.choice([math.inf, draw.uniform(2, 40)]),
        "data_bytes": draw.choice([0.0, draw.uniform(0, 20)]),
        "decision_seconds": draw.choice([0.0, draw.uniform(0, 0.5)]),
    }

    def of(table: np.ndarray) -> Any:
        return lambda job: float(table[job.candidate, job.rung])

    def outcome(job: Job) -> tuple[float, float]:
        return of(scores)(job), 0.0

    ladder = ReferenceLadder(count, **rules)
    greedy = schedule == "greedy"
    clock = Greedy(ladder, outcome) if greedy else Planned(ladder, outcome, of(costs), workers, order)
    expected = ReferenceCluster(threads, settings, of(states))
    expected.run(clock, of(seconds))

    totals, _, columns = _core.simulate(
        count,
        costs,
        **{**rules, "seconds": seconds, "scores": scores, "schedule": schedule, "order": order, "workers": workers},
        **{"threads": threads, "teams": False, "cluster": _core.Cluster(**settings), "state_bytes": states},
        keep_jobs=True,
    )
    names = ("candidate", "rung", "epochs", "thread", "start", "end")
    rows = list(zip(*(columns[name].tolist() for name in names), strict=True))
    assert [Job(*row[:3]) for row in rows] == clock.decided
    assert {Job(*row[:3]): row[3:] for row in rows} == expected.jobs, "the same threads and seconds to the bit"
    assert totals["makespan"] == expected.now and totals["moves"] == expected.moves
    assert totals["processes"] == len(expected.processes)
    assert totals["busy"] == pytest.approx(expected.busy) and totals["bytes"] == pytest.approx(expected.bytes)
    assert totals["coordinator"] == pytest.approx(settings["decision_seconds"] * expected.given)
    assert totals["line"] == pytest.approx(expected.line())


@pytest.mark.parametrize("schedule", ["greedy", "reproducible"])
@pytest.mark.parametrize("costs", ["equal", "varied"])
@pytest.mark.parametrize("threads", [1, 3, 8, 64])
def test_a_cluster_that_costs_nothing_is_threads(schedule: str, costs: str, threads: int) -> None:
    table = np.ones(1) if costs == "equal" else np.random.default_rng(threads).lognormal(0, 1, 90)
    given = {"schedule": schedule, "teams": False, "noise": 0.3 * (costs == "varied"), "keep_jobs": True}
    totals, rungs, columns = _core.simulate(90, table, threads=threads, **given)
    for threads_per_process in (1, threads):
        cluster = core_settings(Cluster(threads_per_process=threads_per_process, states="travel"))
        own, own_rungs, own_columns = _core.simulate(90, table, threads=threads, cluster=cluster, **given)
        assert {name: own[name] for name in totals if name != "busy"} | {"busy": totals["busy"]} == totals
        assert own["busy"] == pytest.approx(totals["busy"]) and own_rungs == rungs
        assert all((own_columns[name] == columns[name]).all() for name in columns)


@pytest.mark.parametrize("seed", range(12))
def test_no_cluster_beats_its_bounds(seed: int) -> None:
    draw = random.Random(seed)
    parts = {"latency": draw.uniform(0, 2), "decision_seconds": draw.uniform(0, 0.3), "data_bytes": draw.uniform(0, 99)}
    parts |= {"bandwidth": draw.uniform(9, 99), "process_bandwidth": draw.uniform(9, 99)}
    cluster = Cluster(
        threads_per_process=draw.randint(1, 5),
        in_flight=draw.randint(1, 3),
        states=draw.choice(["stay", "travel"]),
        state_bytes=lambda generator, count: generator.uniform(0, 20, count),
        **parts,
    )
    for schedule in ("greedy", "reproducible"):
        for row in simulate(100, threads=[1, 3, 16, 100], cluster=cluster, schedule=schedule, noise=0.3).rows:
            assert all(row["makespan"] >= row[name] * (1 - 1e-12) for name in FIGURES), row
            assert row["utilization"] == pytest.approx(row["work"] / row["threads"] / row["makespan"])
            words = dict(zip(("work", "longest chain", "coordinator", "line", "latency"), FIGURES, strict=True))
            figure = row["work"] / 32 if row["bounded_by"] == "workers" else row[words[row["bounded_by"]]]
            assert figure >= max(row[name] for name in FIGURES) and row["makespan"] >= figure * (1 - 1e-12)


@pytest.mark.parametrize(
    ("word", "arguments"),
    [
        ("work", {"threads": 2}),
        ("longest chain", {"threads": 128}),
        ("workers", {"threads": 128, "workers": 4, "max_rungs": 1}),
        ("coordinator", {"threads": 8, "cluster": {"decision_seconds": 9.0}}),
        ("line", {"threads": 8, "cluster": {"bandwidth": 1.0, "state_bytes": 9, "states": "travel"}}),
        ("latency", {"threads": 8, "cluster": {"latency": 99.0}}),
    ],
)
def test_what_bounds_it(word: str, arguments: dict[str, Any]) -> None:
    cluster = Cluster(**arguments.get("cluster", {}))
    assert simulate(128, **{**arguments, "cluster": cluster}).rows[0]["bounded_by"] == word


def test_reproducible_decisions_depend_on_no_cluster() -> None:
    given = {"threads": 16, "teams": False, "keep_jobs": True, "seed": 5}
    expected = _core.simulate(100, np.ones(1), **given)[2]["candidate"].tolist()
    for cluster in (Cluster(), Cluster(latency=3.0, in_flight=2), Cluster(decision_seconds=0.7, threads_per_process=5)):
        found = _core.simulate(100, np.ones(1), cluster=core_settings(cluster), **given)[2]
        assert found["candidate"].tolist() == expected


def test_more_jobs_in_flight_hide_latency() -> None:
    arguments = {"threads": 8, "max_rungs": 1, "schedule": "greedy"}
    shares = [
        simulate(1000, cluster=Cluster(latency=0.4, in_flight=places), **arguments).rows[0]["utilization"]
        for places in (1, 2, 3)
    ]
    assert shares[0] < 0.6 and shares[1] > 0.98 and shares[2] > 0.98


def test_a_recorded_run_on_a_cluster() -> None:
    generator = np.random.default_rng(0)
    X = generator.normal(size=(90, 3)).astype(np.float32)
    space = ash.Space(hidden=ash.choice((4,), (8,)), learning_rate=ash.log(1e-3, 1e-1))
    result = ash.tune(X, X[:, 0] > 0, space, candidates=8, threads=1, seed=0)
    [row] = result.simulate(4, cluster=Cluster(latency=10.0)).rows
    assert row["jobs"] == len(result.jobs) and row["bounded_by"] == "latency"
    assert row["latency"] == 20.0 * max(len(result.rungs), row["jobs"] / 4)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"threads_per_process": 0}, "threads_per_process=0 is not allowed; give an integer from 1 to 65536"),
        ({"in_flight": 1.5}, r"in_flight=1\.5 is not allowed; give an integer from 1 to 1024"),
        ({"latency": -1}, "latency=-1 is not allowed; give a number, 0 or more"),
        ({"data_bytes": math.inf}, "data_bytes=inf is not allowed; give a number, 0 or more"),
        ({"decision_seconds": "1"}, "decision_seconds='1' is not allowed; give a number, 0 or more"),
        ({"bandwidth": 0}, "bandwidth=0 is not allowed; give bytes a second, more than 0, or None"),
        ({"process_bandwidth": math.nan}, "process_bandwidth=nan is not allowed; give bytes a second"),
        ({"states": "go"}, "states='go' is not allowed; it must be one of 'stay', 'travel'"),
        ({"state_bytes": -1}, r"state_bytes holds -1\.0; give bytes that are finite and not negative"),
        ({"state_bytes": [1.0, 2.0]}, r"state_bytes of shape \(2,\) is not allowed; give numbers of shape \(4,\)"),
        ({"state_bytes": "few"}, "state_bytes='few' is not allowed; give numbers of shape"),
    ],
)
def test_refuses_in_a_sentence(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ash.SettingError, match=sentence):
        simulate(4, cluster=Cluster(**arguments))


def test_refuses_teams_and_what_is_no_cluster() -> None:
    with pytest.raises(ash.SettingError, match="teams=True is not allowed with a cluster: its threads form none"):
        simulate(4, cluster=Cluster(), teams=True)
    with pytest.raises(ash.SettingError, match=r"cluster=8 is not allowed; give an ash\.Cluster, or None"):
        simulate(4, cluster=8)  # type: ignore[arg-type]
    assert simulate(4, cluster=Cluster(), teams=False).settings["teams"] is False


def test_the_outcome_is_a_value_and_a_table() -> None:
    found = simulate(128, threads=(1, 8), cluster=Cluster(latency=0.5, state_bytes=100))
    lines = repr(pickle.loads(pickle.dumps(found))).splitlines()
    assert lines == repr(found).splitlines() and len(lines) == 6
    assert lines[0] == "128 candidates, eta 2, ash, reproducible with 32 workers, no teams"
    assert lines[3].split()[:4] == ["processes", "threads", "makespan", "speed-up"]
    assert lines[5].split()[:2] == ["8", "8"] and lines[5].endswith("longest chain")
    assert list(found.to_pandas()["bounded_by"]) == [row["bounded_by"] for row in found.rows]


def test_its_example_gives_what_it_shows() -> None:
    [example] = doctest.DocTestFinder(recurse=False).find(Cluster, "Cluster")
    assert example.examples and not doctest.DocTestRunner().run(example).failed
