"""Tests journals of networks and boosted trees that are continued with a larger space."""

import json
import shutil
import signal
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import ash
from ash.errors import JournalError, SettingError
from ash.history.json_files import space_story
from ash.journal.database import Changes, Database
from ash.journal.identity import from_json
from callback_help import Diary, X, Y, decided
from estimator_help import classifier
from fault_help import python
from journal_help import EPOCHS, copy, outcome, rows, run, stopped

pytestmark = pytest.mark.core

SMALL: dict[str, Any] = {
    "hidden": ash.choice((64,), (6, 3)),
    "learning_rate": ash.loguniform(1e-3, 1e-2),
    "dropout": ash.uniform(0, 0.2, levels=3),
    "batch_size": 16,
}
LARGE: dict[str, Any] = {
    "hidden": [(128, 64), (6, 3), (64,), ()],
    "learning_rate": ash.loguniform(1e-4, 1e-1),
    "dropout": ash.uniform(0, 0.5, levels=4),
    "batch_size": [8, 16],
}
OF_TREES = {"model": ["network", "lightgbm"], "num_leaves": ash.choice(2, 4).when(model="lightgbm")}
STREAM: dict[str, Any] = {"candidates": None, "max_total_epochs": 480, "virtual_workers": 4}
ADAPTIVE: dict[str, Any] = {**STREAM, "config": ash.SearchConfig(sampler="adaptive")}
FIRST = {"hidden": (64,), "learning_rate": 0.00123, "dropout": 0.1, "batch_size": 16}
KINDS: dict[str, dict[str, Any]] = {
    "random": {"candidates": 24},
    "greedy": {"candidates": 24, "schedule": "greedy", "n_jobs": 1},
    "folds": {"candidates": 12, "cv": 3},
    "first": {"candidates": 24, "first": [FIRST]},
    "stream": STREAM,
    "adaptive": ADAPTIVE,
    "trees": {"candidates": 24, "trees": True},
    "adaptive trees": {**ADAPTIVE, "trees": True},
}


def spaces(changes: dict[str, Any]) -> tuple[ash.Space, ash.Space, dict[str, Any]]:
    """Return the smaller space, the larger space and the other arguments for a kind of run."""
    given = dict(changes)
    more: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    if given.pop("trees", False):
        more = OF_TREES, {**OF_TREES, "num_leaves": ash.choice(2, 3, 4, 7).when(model="lightgbm")}
    return ash.Space(**SMALL, **more[0]), ash.Space(**LARGE, **more[1]), given


def continued(journal: Any, *callbacks: Any, **changes: Any) -> ash.Result:
    """Continue the run with a larger space, and ignore the warning that the space has grown."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* the space has grown: ")
        return run(journal, *callbacks, **changes)


def on_record(path: Path) -> dict[int, Any]:
    return {candidate: from_json(json.loads(text)) for candidate, text, *_ in rows(path, "SELECT * FROM candidates")}


def facts(path: Path) -> dict[str, Any]:
    return {name: json.loads(text) for name, text, *_ in rows(path, "SELECT * FROM facts")}


def results(path: Path) -> dict[Any, Any]:
    """Return the recorded results of each job, without times, threads and workers."""
    columns = "candidate, rung, epochs, score, loss, training_loss, weights_hash, fold_scores"
    found = rows(path, f"SELECT {columns} FROM jobs ORDER BY number")
    return {row[:2]: row[2:] for row in found}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_is_continued_with_a_larger_space(kind: str, tmp_path: Path) -> None:
    """Check that recorded candidates stay bit-identical, and new ones are drawn from the whole space, each once."""
    small, large, given = spaces(KINDS[kind])
    path = tmp_path / "run.ash"
    first = stopped(path, 9, space=small, **given)
    twin, before, there, diary = copy(path, tmp_path / "twin.ash"), on_record(path), results(path), Diary()
    with pytest.warns(
        UserWarning, match=rf"run\.ash: the space has grown: {len(before)} candidates on record are kept"
    ):
        found = run(path, diary, space=large, **given)
    assert all(found.params[number] == params for number, params in before.items())
    assert {key: own for key, own in results(path).items() if key in there} == there
    known, again, whole = (
        {job[:2]: job for job in map(decided, result.jobs)}
        for result in (first, found, run(None, space=small, **given))
    )
    assert known == {key: again[key] for key in known}
    assert not known.keys() & {(job.candidate, job.rung) for job, _ in diary.jobs}
    later = {key for key in again.keys() & whole.keys() if key[0] in before and key not in known}
    assert later and all(again[key] == whole[key] for key in later), (
        "those on record are trained as they would have been"
    )
    assert len({*map(str, found.params)}) == len(found.params) > len(before)
    assert any(not small.has(params) for params in found.params)
    assert all(large.has(params) for number, params in enumerate(found.params) if number not in before)
    assert outcome(continued(twin, space=large, **{"n_jobs": 1, **given})) == outcome(found), "from the same journal"
    assert outcome(run(path, space=large, **given)) == outcome(found), "and a call that finds all of it"


KILLED = """
import os, signal, sys
sys.path[:0] = {places!r}
import ash
from callback_help import After
from test_journal_growth import KINDS, continued, spaces

_, large, given = spaces(KINDS[{kind!r}])
given["max_total_epochs"] = {limit}
continued({path!r}, After(2, lambda _: os.kill(os.getpid(), signal.SIGKILL)), space=large, **given)
"""


@pytest.mark.parametrize("kind", ["trees", "adaptive trees"])
def test_a_run_with_a_larger_space_survives_a_kill(kind: str, tmp_path: Path) -> None:
    """Give the killed process a lower limit, so that jobs are always left to do."""
    small, large, given = spaces(KINDS[kind])
    path = tmp_path / "run.ash"
    stopped(path, 9, space=small, **given)
    expected = continued(copy(path, tmp_path / "twin.ash"), space=large, **given)
    code = KILLED.format(places=[str(Path(__file__).parent)], kind=kind, path=str(path), limit=20 * EPOCHS)
    assert python(code).returncode == -signal.SIGKILL
    assert facts(path)["run"]["space"] == json.loads(json.dumps(space_story(large)))
    assert len(results(path)) < len(expected.jobs)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".* the space has grown: ")  # the warning was issued before
        again = run(path, space=large, **{**given, "n_jobs": 1})
    assert outcome(again) == outcome(expected)


@pytest.mark.parametrize("names", [["jobs"], ["jobs", "candidates"]], ids=" and ".join)
def test_running_candidates_are_kept_if_they_are_recorded(names: list[str], tmp_path: Path) -> None:
    """Remove two candidates' results, as after a crash.

    The second case also removes their hyperparameters, since ash 0.1 did not record those of running candidates.
    """
    path, lost = tmp_path / "run.ash", (3, 5)
    first = run(path, space=ash.Space(**SMALL), candidates=12, max_rungs=1)
    changes, database = Changes(), Database(path)
    for name in names:
        changes.delete(name, "candidate IN (?, ?)", lost)
    changes.facts = {"ended": None}
    database.write(changes)
    database.close()
    found = continued(path, space=ash.Space(**LARGE), candidates=16, max_rungs=1)
    same = [number for number in range(12) if found.params[number] == first.params[number]]
    assert same == [number for number in range(12) if number not in lost or len(names) == 1]
    assert len({*map(str, found.params)}) == 16
    hashes = {job.candidate: job.weights_hash for job in first.jobs}
    assert all(job.weights_hash == hashes[job.candidate] for job in found.jobs if job.candidate in same)


SCORED: list[int] = []
STUCK = """
import os, signal, sys
sys.path[:0] = {places!r}
import ash
import test_journal_growth as own
from callback_help import After
from journal_help import run

own.SCORED += 6 * [0]
killed = After(1, lambda _: os.kill(os.getpid(), signal.SIGKILL))
run({path!r}, killed, space=ash.Space(**own.SMALL), scoring=own.accuracy, n_jobs=1, **own.STREAM)
"""


def accuracy(estimator: Any, x: Any, y: Any) -> float:
    """Return the accuracy. Each call removes an item from SCORED; the call that removes the last item never returns."""
    if SCORED:
        SCORED.pop()
        if not SCORED:
            threading.Event().wait()
    return float((estimator.predict(x) == y).mean())


def test_started_candidates_are_recorded(tmp_path: Path) -> None:
    """Check that jobs running at the kill keep their candidates and costs, and so the order of decisions."""
    path, given = tmp_path / "run.ash", {**STREAM, "scoring": accuracy}
    code = STUCK.format(places=[str(Path(__file__).parent)], path=str(path))
    assert python(code).returncode == -signal.SIGKILL
    before, ended = on_record(path), list(results(path))
    assert ended and {candidate for candidate, _ in ended} < set(before) and len(before) == 1 + max(before)
    whole = run(None, space=ash.Space(**SMALL), **given)
    found = continued(path, space=ash.Space(**LARGE), **given)
    assert found.params[: len(before)] == whole.params[: len(before)] == tuple(before.values())
    assert [(job.candidate, job.rung) for job in found.jobs[: len(ended)]] == ended


def test_a_space_may_grow_twice_but_not_shrink(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    small, large, _ = spaces({"trees": True})
    largest = {**{name: list(several) for name, several in large.domains.items()}, "batch_size": [8, 16, 32]}
    run(path, space=small, candidates=8)
    larger = continued(path, space=large, candidates=16)
    found = continued(path, space=ash.Space(**largest), candidates=24)
    assert found.params[:16] == larger.params and len(found.params) == 24
    assert run(path, space=ash.Space(**largest), candidates=24).digest == found.digest
    assert ash.resume(path, X, Y).digest == found.digest
    with pytest.raises(JournalError, match=r"another run: batch_size has 32 in the journal, which is not in 8, 16"):
        run(path, space=large, candidates=24)
    assert ash.tune(X, Y, record=found.record, n_jobs=1).record == found.record


def test_the_same_number_of_candidates_adds_no_new_ones(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    expected = run(path, space=ash.Space(**SMALL))
    assert outcome(continued(path, space=ash.Space(**LARGE))) == outcome(expected)


def test_every_configuration_of_a_larger_space_is_tried(tmp_path: Path) -> None:
    """Use a smaller space whose grid has levels that the larger space's grid lacks."""
    small, large = ({"hidden": [()], "dropout": ash.uniform(0, most, levels=3)} for most in (0.2, 0.5))
    for number, changes in enumerate(
        ({"candidates": 50}, {**STREAM, "config": ash.SearchConfig(sampler="adaptive")}, STREAM)
    ):
        path = tmp_path / f"{number}.ash"
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="candidates=50 exceeds the 3 configurations")
            run(path, space=small, **changes)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="candidates=50 exceeds the 5 configurations|.*has grown")
            found = run(path, space=large, **changes)
        assert [params["dropout"] for params in found.params[:3]] == [0.1, 0.0, 0.2] or number
        assert sorted(params["dropout"] for params in found.params) == [0.0, 0.1, 0.2, 0.25, 0.5]


@pytest.mark.parametrize("kind", ["random", "folds", "adaptive", "adaptive trees"])
def test_a_run_whose_space_has_grown_is_repeated_from_its_record(kind: str, tmp_path: Path) -> None:
    small, large, given = spaces(KINDS[kind])
    stopped(tmp_path / "run.ash", 9, space=small, **given)
    found = continued(tmp_path / "run.ash", space=large, **given)
    other = tmp_path / "other.ash"
    for more in ({}, {"n_jobs": 1}, {"journal": other}, {"journal": other}):
        again = ash.tune(X, Y, record=found.record, verbose=0, **more)
        assert again.record == found.record and again.params == found.params
    assert run(other, space=large, **given).digest == found.digest, "without the record"
    if "trees" not in kind:
        with ThreadPoolExecutor(2) as pool:
            assert ash.tune(X, Y, record=found.record, verbose=0, executor=pool).record == found.record


DAMAGED: list[tuple[dict[str, Any], str]] = [
    ({"before": 3}, "record is damaged: its before cannot be read"),
    ({"before": [[0]]}, "record is damaged: its before cannot be read"),
    ({"before": [[-1, {}]]}, "record is damaged: its before cannot be read"),
    ({"before": [[0, {"hidden": [64]}]]}, "is missing in"),
    ({"began": 3}, "record is damaged: its space cannot be read"),
    ({"began": {"hidden": []}}, "record is damaged: its space cannot be read"),
]


@pytest.mark.parametrize(("arguments", "message"), DAMAGED, ids=str)
def test_a_damaged_record_is_refused(arguments: dict[str, Any], message: str) -> None:
    record = run(None, space=ash.Space(**SMALL), candidates=4).record
    damaged = replace(record, arguments={**record.arguments, **arguments})
    with pytest.raises(SettingError, match=message):
        ash.tune(X, Y, record=damaged)


def test_an_estimator_continues_and_its_model_has_the_record(tmp_path: Path) -> None:
    path, given = tmp_path / "run.ash", {"random_state": 0, "validation": 0.3, "ensemble": 2}
    classifier(space=SMALL, candidates=8, journal=path, **given).fit(X, Y)
    shutil.copy(path, tmp_path / "twin.ash")
    with pytest.warns(UserWarning, match="the space has grown: 8 candidates"):
        later = classifier(space=LARGE, candidates=16, journal=path, **given).fit(X, Y)
    with pytest.warns(UserWarning, match="the space has grown: 8 candidates"):
        again = classifier(space=LARGE, candidates=16, journal=tmp_path / "twin.ash", n_jobs=1, **given).fit(X, Y)
    later.model_.save(tmp_path / "model.safetensors")
    record = ash.load(tmp_path / "model.safetensors").record
    repeated = ash.ASHClassifier(record=record).fit(X, Y)
    assert later.model_.digest == again.model_.digest == repeated.model_.digest


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"hidden": [(64,), ()]}, r"hidden has \(6, 3\) in the journal, which is not in \(64,\), \(\) in this call"),
    (
        {"learning_rate": ash.loguniform(2e-3, 1)},
        r"learning_rate is log: 0\.001 to 0\.01 in the journal, which is not within",
    ),
    ({"dropout": 0.1}, r"dropout has 0\.0 in the journal, which is not in 0\.1 in this call"),
    ({"batch_size": ash.choice(16, 8).when(hidden=(64,))}, "batch_size has other conditions in the space"),
    ({"weight_decay": 0.1}, "weight_decay is in the space only in this call"),
    ({"model": ["network", "lightgbm"]}, "model is in the space only in this call"),
]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a journal whose space has grown, so that it contains candidates from the smaller space."""
    path = tmp_path_factory.mktemp("begun") / "run.ash"
    run(path, space=ash.Space(**{**SMALL, "hidden": [(64,)]}), candidates=4)
    continued(path, space=ash.Space(**SMALL), candidates=8)
    content = path.read_bytes()
    yield path
    assert path.read_bytes() == content


@pytest.mark.parametrize(("changes", "message"), REFUSED, ids=lambda each: "".join(each) if each else "")
def test_a_different_space_is_refused(changes: dict[str, Any], message: str, begun: Path) -> None:
    with pytest.raises(JournalError, match=f"holds another run: .*{message}.*Nothing was changed"):
        run(begun, space=ash.Space(**{**SMALL, **changes}))
    adaptive = {**ADAPTIVE, "space": ash.Space(**{**SMALL, **changes})}
    with pytest.raises(JournalError, match=f"holds another run: .*{message}.*Nothing was changed"):
        run(begun, **adaptive)


def test_names_in_another_order_are_refused(begun: Path) -> None:
    with pytest.raises(JournalError, match="the space has its names in another order"):
        run(begun, space=ash.Space(**dict(reversed(SMALL.items()))))
