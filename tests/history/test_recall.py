"""Tests the rungs of a Result: recall (checked by sorting), spent epochs, and endless runs."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.datasets import load_wine

import ash
from ash.history.records import promoted, rank_correlation, recall, survivors
from reference import PROMOTIONS
from result_help import columns, make_result

pytestmark = pytest.mark.core


def jobs(rungs):
    """Return columns of jobs. Each rung is a list [(candidate, score, loss), ...]; a score of None means diverged."""
    rows = [
        {"candidate": candidate, "rung": rung, "epochs": 2**rung, "loss": loss}
        | {"score": np.nan if score is None else score, "diverged": score is None}
        for rung, entries in enumerate(rungs)
        for candidate, score, loss in entries
    ]
    return columns(rows)


def slow_recall(entries, above, eta):
    order = sorted(entries, key=lambda entry: (entry[1] is None, -(entry[1] or 0), entry[2], entry[0]))
    best = [entry[0] for entry in order[: len(entries) // eta] if entry[1] is not None]
    return sum(candidate in above for candidate in best) / len(best) if best else math.nan


def test_candidates_are_ranked_as_in_the_ladder():
    table = jobs(
        [[(5, 0.5, 1.0), (4, 0.9, 2.0), (3, 0.9, 1.0), (2, 0.9, 1.0), (1, 0.1, 0.0), (0, None, 0.0)], [(2, 1.0, 1.0)]]
    )
    assert table["candidate"][survivors(table, 0, 2)].tolist() == [2, 3, 4]
    assert table["candidate"][survivors(table, 0, 3)].tolist() == [2, 3]
    assert recall(table, 0, 2) == pytest.approx(1 / 3) and recall(table, 0, 3) == 0.5 and recall(table, 0, 6) == 1.0
    assert promoted(table, 0).tolist() == [False, False, False, True, False, False]


def test_recall_is_undefined_if_a_barrier_promotes_none():
    assert math.isnan(recall(jobs([[(0, 0.5, 1.0)]]), 0, 2))
    assert math.isnan(recall(jobs([[(0, None, 1.0), (1, None, 1.0)]]), 0, 2))
    assert survivors(jobs([[(0, None, 1.0), (1, 0.5, 1.0), (2, None, 1.0), (3, None, 1.0)]]), 0, 2).tolist() == [1]


@given(
    st.lists(st.tuples(st.sampled_from([None, 0.0, 0.5, 1.0]), st.sampled_from([0.0, 1.0])), min_size=1, max_size=12),
    st.integers(2, 4),
    st.sets(st.integers(0, 11)),
    st.randoms(use_true_random=False),
)
def test_recall_matches_sorting_all_candidates(outcomes, eta, above, random):
    entries = [(candidate, *outcome) for candidate, outcome in enumerate(outcomes)]
    above = {candidate for candidate in above if candidate < len(entries)}
    random.shuffle(entries)
    table = jobs([entries, [(candidate, 0.5, 0.5) for candidate in above]])
    assert recall(table, 0, eta) == pytest.approx(slow_recall(entries, above, eta), nan_ok=True)


@pytest.mark.parametrize("promotion", PROMOTIONS)
def test_rows_of_rungs_match_their_jobs(promotion):
    result = make_result(candidates=27, eta=3, min_epochs=2, diverge=0.2, promotion=promotion, n_jobs=3)
    assert [row["rung"] for row in result.rungs] == [0, 1, 2]
    for row in result.rungs:
        own = [job for job in result.jobs if job.rung == row["rung"]]
        above = {job.candidate for job in result.jobs if job.rung == row["rung"] + 1}
        entries = [(job.candidate, None if job.diverged else job.score, job.loss) for job in own]
        assert row["spent_epochs"] == sum(job.epochs for job in own) == len(own) * 2 * 3 ** row["rung"]
        if row["rung"] < 2:
            assert row["recall"] == pytest.approx(slow_recall(entries, above, 3)) and row["recall"] <= 1.0
    assert math.isnan(result.rungs[-1]["recall"])
    assert sum(row["spent_epochs"] for row in result.rungs) == result.epochs


def test_endless_runs_have_no_places_and_no_unreached_rungs():
    result = make_result(candidates=16)
    empty = {"places": 2**20, "epochs": 16, "running": 0, "finished": 0, "promoted": 0, "diverged": 0}
    endless = dataclasses.replace(
        result,
        ladder=[*({**rung, "places": 2**30} for rung in result.ladder), empty],
        options=dataclasses.replace(result.options, candidates=None, promotion="paper"),
    )
    assert [row["places"] for row in endless.rungs] == [None] * 4
    assert math.isnan(endless.rungs[-1]["recall"])
    assert list(endless.to_pandas("rungs")["finished"]) == [16, 8, 4, 2]
    header, *rows = repr(endless).splitlines()[-5:]
    assert header.split()[:3] == ["rung", "epochs", "finished"] and "1073741824" not in endless._repr_html_()
    assert [row.split()[:3] for row in rows] == [["0", "1", "16"], ["1", "2", "8"], ["2", "4", "4"], ["3", "8", "2"]]
    running = dataclasses.replace(endless, ladder=[*endless.ladder[:-1], {**empty, "running": 1}])
    assert len(running.rungs) == 5


def test_synchronous_halving_has_full_recall():
    X, y = load_wine(return_X_y=True)
    result = ash.tune(
        X,
        y,
        candidates=16,
        n_jobs=2,
        random_state=2,
        verbose=0,
        config=ash.SearchConfig(algorithm="sh"),
        validation=0.2,
    )
    assert [row["recall"] for row in result.rungs[:-1]] == [1.0, 1.0, 1.0]


def test_rank_correlation_with_the_last_scores_matches_scipy():
    random = np.random.default_rng(0)
    first = [(candidate, round(float(random.random()), 1), 1.0) for candidate in range(20)]
    second = [(candidate, round(score + 0.3 * float(random.random()), 1), 1.0) for candidate, score, _ in first[:10]]
    third = [(candidate, round(score + 0.2 * float(random.random()), 1), 1.0) for candidate, score, _ in second[:4]]
    table = jobs([first, [*second, (10, None, 1.0)], third])
    last = {candidate: score for rung in (second, third) for candidate, score, _ in rung}
    expected = stats.spearmanr([first[candidate][1] for candidate in last], list(last.values())).statistic
    assert rank_correlation(table, 0) == pytest.approx(expected)
    upper = stats.spearmanr([score for _, score, _ in second[:4]], [score for _, score, _ in third]).statistic
    assert rank_correlation(table, 1) == pytest.approx(upper, nan_ok=True)
    assert math.isnan(rank_correlation(table, 2))


def test_rank_correlation_of_few_or_equal_scores_is_undefined():
    two = [[(0, 0.1, 1.0), (1, 0.2, 1.0), (2, 0.3, 1.0)], [(1, 0.5, 1.0), (2, 0.6, 1.0)]]
    equal = [[(n, 0.5, 1.0) for n in range(4)], [(n, 0.1 * n, 1.0) for n in range(4)]]
    assert math.isnan(rank_correlation(jobs(two), 0)) and math.isnan(rank_correlation(jobs(equal), 0))
    rising = [[(n, 0.1 * n, 1.0) for n in range(4)], [(n, 0.2 * n, 1.0) for n in range(4)]]
    assert rank_correlation(jobs(rising), 0) == pytest.approx(1.0)
