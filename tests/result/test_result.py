"""Tests the result of a run: rows that agree with each other, tables, plots, text."""

import dataclasses
import math
import pickle
from itertools import pairwise

import pytest
from sklearn.datasets import load_wine

import ash
from ash._utils.display import format_table, show, show_param, show_seconds
from ash.history.json_files import finite
from ash.history.records import JobRecord
from result_help import make_result

X, Y = load_wine(return_X_y=True)


@pytest.fixture(scope="module")
def result():
    return ash.tune(X, Y, candidates=16, n_jobs=2, random_state=1, verbose=0, validation=0.2)


def test_jobs_describe_the_whole_run(result):
    assert len(result.jobs) == sum(rung["finished"] for rung in result.rungs) == 16 + 8 + 4 + 2
    assert result.epochs == sum(job.epochs for job in result.jobs) == 16 + 16 + 16 + 16
    assert len({(job.candidate, job.rung) for job in result.jobs}) == len(result.jobs)
    for job in result.jobs:
        assert job.epochs == 2**job.rung and 1 <= job.team <= 2 and 0 <= job.thread < 2
        assert 0 <= job.worker < 32 and 0 <= job.virtual_start < job.virtual_end and 0 < job.weights_hash < 2**64
        assert 0 <= job.start < job.end <= result.wall_seconds + 0.01
        assert math.isfinite(job.training_loss) and not job.diverged
        assert job.loss > 0 or (job.loss == 0 and job.score == 1.0)  # a probability that float32 rounds to 1 has loss 0
    decided = [(job.virtual_end, job.worker) for job in result.jobs]
    assert decided == sorted(decided)
    assert len({job.weights_hash for job in result.jobs}) == len(result.jobs)


def test_records_match_the_columns(result):
    assert set(JobRecord._fields) == set(result.columns)
    assert all(values.shape == (len(result.jobs),) for values in result.columns.values())
    assert set(result.assists) == {"candidate", "rung", "thread", "start", "end", "busy"}
    assert set(result.memory) >= {"limit", "peak_bytes", "dropped", "retrained_epochs"}
    assert result.memory["peak_bytes"] > 0 == result.memory["dropped"] == result.memory["retrained_epochs"]


def test_the_time_of_helpers_counts_as_core_seconds():
    result = make_result(candidates=16, n_jobs=4)
    helped = {(job.candidate, job.rung): 0.0 for job in result.jobs}
    names = ("candidate", "rung", "start", "end")
    for candidate, rung, start, end in zip(*(result.assists[name].tolist() for name in names), strict=True):
        helped[candidate, rung] += end - start
    for job in result.jobs:
        assert job.core_seconds == pytest.approx(job.end - job.start + helped[job.candidate, job.rung])
    assert result.core_seconds == pytest.approx(sum(job.end - job.start for job in result.jobs) + sum(helped.values()))
    assert sum(helped.values()) > 0 and result.utilization == pytest.approx(1 / 1.01)


def test_promoted_candidates_are_found_one_rung_higher(result):
    for lower, upper in pairwise(result.rungs):
        assert lower["promoted"] == upper["finished"] <= upper["places"]
    assert [rung["epochs"] for rung in result.rungs] == [1, 2, 4, 8]
    assert [rung["rung"] for rung in result.rungs] == [0, 1, 2, 3]


def test_candidates_agree_with_their_jobs(result):
    assert [row["candidate"] for row in result.candidates] == list(range(16))
    for row in result.candidates:
        own = [job for job in result.jobs if job.candidate == row["candidate"]]
        assert row["rungs"] == len(own) and row["epochs"] == sum(job.epochs for job in own)
        assert row["score"] == max(job.score for job in own)
        assert row["params"] == result.params[row["candidate"]]


def test_the_best_candidate_has_the_best_score(result):
    best = max(result.jobs, key=lambda job: (job.score, -job.loss, -job.candidate, -job.rung))
    assert (best.candidate, best.rung) == (result.best_candidate, result.best_rung)
    assert result.best_score == best.score == max(rung["best_score"] for rung in result.rungs)
    assert result.best_params == result.candidates[best.candidate]["params"] == result.model.params


def test_core_seconds_and_utilization_are_consistent(result):
    assert 0 < result.core_seconds <= 2 * result.wall_seconds
    assert result.utilization == pytest.approx(result.core_seconds / (2 * result.wall_seconds))
    assert result.threads == 2 and result.seed == 1
    assert result.settings["candidates"] == 16 and result.settings["task"] == "classification"


def test_a_result_is_immutable_and_can_be_pickled(result):
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.wall_seconds = 0.0
    result.best_params["hidden"] = "changed"
    assert result.best_params["hidden"] != "changed"
    twin = pickle.loads(pickle.dumps(result))
    assert twin.jobs == result.jobs and repr(twin) == repr(result)
    assert (twin.model.predict(X) == result.model.predict(X)).all()


def test_a_result_is_converted_to_frames(result):
    candidates, jobs, rungs = (result.to_pandas(table) for table in ("candidates", "jobs", "rungs"))
    assert list(candidates["candidate"]) == list(range(16)) and "learning_rate" in candidates
    assert len(jobs) == len(result.jobs) and jobs["score"].max() == result.best_score
    assert list(jobs["weights_hash"]) == [job.weights_hash for job in result.jobs]
    assert list(rungs["places"]) == [16, 8, 4, 2]
    with pytest.raises(ash.SettingError, match="'candidates', 'jobs', 'rungs'"):
        result.to_pandas("trials")


def test_a_result_is_shown_as_text(result):
    text = repr(result)
    assert text == str(result)
    assert f"accuracy {result.best_score:.4f} by candidate {result.best_candidate}" in text
    assert "16 candidates, 30 jobs, 64 epochs" in text and "seed 1" in text
    rows = text.splitlines()[-4:]
    assert [row.split()[:4] for row in rows] == [[*map(str, (r, 2**r, 16 >> r, 16 >> r))] for r in range(4)]
    assert text.isascii() and max(map(len, text.splitlines())) < 100


@pytest.mark.parametrize(
    "ended", ["finished", "stop_score", "max_total_epochs", "time_limit", "stopped", "interrupted"]
)
def test_the_text_shows_the_end_of_the_run_and_its_memory(result, ended):
    use = {"limit": 2_000_000, "peak_bytes": 1_500_000, "dropped": 3, "retrained_epochs": 12}
    text = repr(dataclasses.replace(result, ended=ended, memory=use))
    said = {"finished": "", "stop_score": ", stop score reached", "max_total_epochs": ", epoch limit reached"}
    said |= {"time_limit": ", stopped by the time limit", "interrupted": ", interrupted"}
    said |= {"stopped": ", stopped by a callback"}
    assert text.splitlines()[2].endswith(f"seed 1{said[ended]}")
    assert "states of at most 1.5 MB, 3 dropped, 12 epochs retrained" in text
    assert "dropped" not in repr(result)


def test_html_is_escaped(result):
    page = result._repr_html_()
    assert page.count("<table>") == page.count("</table>") == 2
    params = ({"<script>": "<b>&"},) * 16
    assert "<script>" not in dataclasses.replace(result, params=params)._repr_html_()
    assert "&lt;script&gt;" in dataclasses.replace(result, params=params)._repr_html_()


@pytest.mark.parametrize("table", ["candidates", "jobs", "rungs"])
def test_tables_are_lists_that_show_their_first_rows(result, table):
    rows = getattr(result, table)
    assert isinstance(rows, list) and rows == list(rows) and type(rows[:2]) is list
    twin = pickle.loads(pickle.dumps(rows))
    assert type(twin) is type(rows) and list(map(str, twin)) == list(map(str, rows)) and repr(twin) == repr(rows)
    header, *lines, last = repr(rows).splitlines()
    assert header.split()[0] in ("candidate", "rung") and len(lines) == min(len(rows), 7)
    more = f"... and {len(rows) - 7} more; " if len(rows) > 7 else ""
    assert last == f'{more}result.to_pandas("{table}") has all rows and columns'
    assert repr(rows).isascii() and max(map(len, [header, *lines])) < 120
    assert len(result.to_pandas(table)) == len(rows)
    page = rows._repr_html_()
    assert page.count("<tr>") == 1 + len(lines) and f"<th>{header.split()[0]}</th>" in page


def test_hyperparameters_in_a_table_are_shortened_and_escaped(result):
    twin = dataclasses.replace(result, params=({"<b>": 0.5, "long": "x" * 90},) * 16)
    assert "  <b>=0.5, long=xxx" in repr(twin.candidates) and "xxx..." in repr(twin.candidates)
    assert "&lt;b&gt;=0.5" in twin.candidates._repr_html_() and "<b>" not in twin.candidates._repr_html_()


def test_an_empty_rung_shows_a_dash():
    result = ash.tune_function(lambda params, epochs, state: (params["a"], None), {"a": [1, 2, 3, 4]}, candidates=4)
    ladder = [*result.ladder, {**result.ladder[-1], "finished": 0, "promoted": 0, "running": 0}]
    twin = dataclasses.replace(result, ladder=ladder)
    assert math.isnan(twin.rungs[-1]["best_score"])
    assert repr(twin).splitlines()[-1].split() == ["2", "5", "0", "0", "0", "-"], "1, 2 and 2 epochs"
    assert repr(twin.rungs).splitlines()[-2].split() == ["2", "2", "2", "0", "0", "0", "-", "-"]
    assert "<td>-</td></tr></table>" in twin._repr_html_() and "<td>-</td></tr></table>" in twin.rungs._repr_html_()


def test_the_html_of_a_function_names_the_reasons_of_failures():
    def train(params, epochs, state):
        if params["a"] == 2:
            raise RuntimeError("<no>")
        return params["a"], None

    with pytest.warns(UserWarning, match="failed"):
        page = ash.tune_function(train, {"a": [1, 2, 3, 4]}, candidates=4, verbose=0)._repr_html_()
    assert page.count("<table>") == 2 and "RuntimeError: &lt;no&gt;" in page and "digest" in page


def test_values_unknown_to_json_are_null():
    assert finite({"a": [1.5, float("nan")], "b": (float("inf"), "x", None, 7)}) == {
        "a": [1.5, None],
        "b": [None, "x", None, 7],
    }


def test_numbers_are_formatted_as_text():
    assert [show(value) for value in (0.98765, 0.012345, 12345.6)] == ["0.9877", "0.01235", "1.235e+04"]
    assert [show(value) for value in (3, "x")] == ["3", "x"]
    assert [show_param(value) for value in (0.95, (64, 32), (), "relu", 32)] == ["0.95", "64-32", "none", "relu", "32"]
    assert [show_seconds(value) for value in (0.4142, 59.9)] == ["0.414 s", "59.9 s"]
    assert [show_seconds(value) for value in (245, 7380)] == ["4 min 05 s", "2 h 03 min"]
    assert format_table(["a", "long"], [[1, 2], [333, 4]]) == ["  a  long", "  1     2", "333     4"]
