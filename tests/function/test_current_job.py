"""Tests `ash.current_job`: a job can read its own description, and finds the files of its candidate's earlier jobs."""

import json
import os
import signal
import stat
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import nullcontext
from itertools import accumulate
from pathlib import Path
from typing import Any

import optuna
import pytest

import ash
from callback_help import After
from fault_help import python, wait_until
from function_help import FAILURES, run
from function_journal_help import looked_at, tune
from journal_help import rows

Told = list[dict[str, Any]]
EPOCHS = 8
"""The largest number of epochs per candidate. Rungs end at 1, 2, 4 and 8 epochs."""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder for temporary files, and let runs commit after each job."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    looked_at(monkeypatch)
    return folder


def score(x: float, epochs: int) -> float:
    return 1 - (x - 0.3) ** 2 - 0.1 / epochs


def note(log: Path, x: float) -> None:
    """Log the current job and the number of epochs stored in its directory, then increase that number by one."""
    job = ash.current_job()
    count = job.directory / "count"
    found = int(count.read_text()) if count.exists() else 0
    count.write_text(str(found + 1))
    told = {"x": x, "job": job[:4], "directory": str(job.directory), "found": found}
    with (log / f"{os.getpid()} {threading.get_ident()}").open("a") as file:  # one file per thread
        file.write(json.dumps(told) + "\n")


def forms(log: Path) -> dict[str, Any]:
    """Return a dict from the name of each form of training function to a function that calls `note` in every epoch."""

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        for _ in range(epochs):
            note(log, params["x"])
        return score(params["x"], (state or 0) + epochs), (state or 0) + epochs

    def generator(params: dict[str, Any]) -> Iterator[float]:
        for epoch in range(EPOCHS):
            note(log, params["x"])
            yield score(params["x"], epoch + 1)

    def reporting(params: dict[str, Any], report: Callable[[float], bool]) -> None:
        for epoch in range(EPOCHS):
            note(log, params["x"])
            report(score(params["x"], epoch + 1))

    class Kind:
        def __init__(self, params: dict[str, Any]) -> None:
            self.x, self.done, self.first = params["x"], 0, ash.current_job().candidate

        def fit_more(self, epochs: int) -> None:
            for _ in range(epochs):
                note(log, self.x)
            self.done += epochs

        def score(self) -> float:
            assert ash.current_job().candidate == self.first
            return score(self.x, self.done)

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        for epoch in range(EPOCHS):
            note(log, x)
            trial.report(score(x, epoch + 1), epoch)
        return score(x, EPOCHS)

    return {
        "function": function,
        "generator": generator,
        "report": reporting,
        "class": Kind,
        "objective": ash.from_optuna(objective),
    }


PLACES: dict[str, Any] = {
    "calling thread": {"n_jobs": 1},
    "n_jobs": {"n_jobs": 2},
    "processes": {"n_jobs": 2, "executor": "processes"},
    "thread pool": {"executor": lambda: ThreadPoolExecutor(2)},
    "process pool": {"executor": lambda: ProcessPoolExecutor(2)},
}


CASES = [(form, place) for place in PLACES for form in ("function", "generator", "report", "class", "objective")]
SLOW = {("generator", "processes"), ("class", "processes"), ("objective", "processes")}
"""Cases that are left out: they start new interpreters and test nothing beyond the process pool."""


@pytest.mark.parametrize(("form", "place"), [case for case in CASES if case not in SLOW])
def test_each_job_sees_its_description_and_its_directory(
    form: str, place: str, tmp_path: Path, temporary: Path
) -> None:
    log, given = tmp_path / "log", dict(PLACES[place])
    log.mkdir()
    train = forms(log)[form]
    space = None if form == "objective" else {"x": ash.uniform(0, 1)}
    make = given.get("executor")
    with make() if callable(make) else nullcontext(make) as executor:
        given |= {"executor": executor, "candidates": 8, "max_epochs": EPOCHS, "verbose": 0}
        result = ash.tune_function(train, space, **given)
    assert not result.failures and len(result.rungs) == 4
    told: dict[int, Told] = defaultdict(list)
    for file in log.iterdir():
        for line in map(json.loads, file.read_text().splitlines()):
            told[line["job"][0]].append(line)
    rungs = [row["epochs"] for row in result.rungs]
    totals = list(accumulate(rungs))
    for candidate, lines in told.items():
        jobs = {tuple(line["job"]) for line in lines}
        done = {job.rung for job in result.jobs if job.candidate == candidate}
        assert jobs == {(candidate, rung, rungs[rung], totals[rung]) for rung in done}
        assert {line["x"] for line in lines} == {result.params[candidate]["x"]}
        assert len({line["directory"] for line in lines}) == 1
        assert sorted(line["found"] for line in lines) == list(range(len(lines))), "an earlier file was not found"
    assert set(told) == set(range(8)) and len({line["directory"] for lines in told.values() for line in lines}) == 8
    assert list(temporary.iterdir()) == []


def test_current_job_is_refused_outside_of_a_job() -> None:
    words = r"must be called by the function that ash\.tune_function runs"
    caught: list[str] = []

    def ask() -> None:
        try:
            ash.current_job()
        except ash.SettingError as error:
            caught.append(str(error))

    def nested(params: dict[str, Any], epochs: int, state: Any) -> float:
        return float(params["x"] + ash.current_job().rung)

    def function(params: dict[str, Any], epochs: int, state: Any) -> float:
        before = ash.current_job()
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        inner = ash.tune_function(nested, {"x": [1, 2]}, candidates=2, n_jobs=1, verbose=0)
        assert inner.best_score == 2 and ash.current_job() == before
        return 0.0

    with pytest.raises(ash.SettingError, match=words):
        ash.current_job()
    run(function, candidates=2, n_jobs=1)
    assert len(caught) == 2
    with pytest.raises(ash.SettingError, match=words):
        ash.current_job()


def test_a_retired_function_has_no_job_but_has_one_after_its_last_report() -> None:
    ends: dict[int, str] = {}

    def function(params: dict[str, Any], report: Callable[[float], bool]) -> None:
        candidate = ash.current_job().candidate
        more = all(report(score(params["x"], epoch + 1)) for epoch in range(EPOCHS))
        try:
            ends[candidate] = f"{more} {ash.current_job().rung}"
        except ash.SettingError:
            ends[candidate] = f"{more} none"

    result = ash.tune_function(function, {"x": ash.uniform(0, 1)}, candidates=8, max_epochs=EPOCHS, n_jobs=1, verbose=0)
    top = {job.candidate for job in result.jobs if job.rung == 3}
    wait_until(lambda: len(ends) == 8)
    assert ends == {candidate: "True 3" if candidate in top else "False none" for candidate in range(8)}


@pytest.mark.parametrize("training", ["resume", "restart"])
def test_total_epochs_depend_on_the_training(training: str) -> None:
    told: set[tuple[int, int]] = set()

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        assert ash.current_job().epochs == epochs
        told.add((epochs, ash.current_job().total_epochs))
        return score(params["x"], epochs), epochs

    run(function, n_jobs=1, training=training, max_rungs=3)
    assert told == ({(1, 1), (2, 3), (4, 7)} if training == "resume" else {(1, 1), (2, 2), (4, 4)})


class Kept:
    """Trains in directories, and records before each job which directories exist."""

    def __init__(self, folder: Callable[[], Path]) -> None:
        self.folder = folder
        self.seen: list[set[int]] = []

    def __call__(self, params: dict[str, Any], epochs: int, state: Any) -> float:
        directory = ash.current_job().directory
        self.seen.append({int(each.name.removeprefix("candidate-")) for each in self.folder().glob("candidate-*")})
        file = directory / "epochs"
        done = epochs + (int(file.read_text()) if file.exists() else 0)
        assert done == ash.current_job().total_epochs, "files of a waiting candidate are gone"
        file.write_text(str(done))
        return score(params["x"], done)


def left_by_hand(result: ash.FunctionResult) -> Iterator[set[int]]:
    """Yield, for each job, the candidates whose directories should exist when it starts, by the rules of the ladder."""
    ladder, retired, started = ash.Ladder(len(result.params)), set[int](), set[int]()
    best: Any = None
    for job in result.jobs:
        asked = ladder.ask()
        assert asked is not None and (asked.candidate, asked.rung) == (job.candidate, job.rung)
        started.add(job.candidate)
        yield (started - retired) | ({job.candidate} if best is None else {best.candidate})
        ladder.tell(asked, job.score, -job.score)
        best = job if best is None or (job.rung, job.score) > (best.rung, best.score) else best
        retired |= set(ladder.take_retired())


@pytest.mark.parametrize("with_journal", [False, True])
def test_directories_of_retired_candidates_are_deleted(with_journal: bool, tmp_path: Path, temporary: Path) -> None:
    states = tmp_path / "run.ash-states"
    kept = Kept(lambda: states if with_journal else next(temporary.iterdir()))
    result = run(kept, n_jobs=1, schedule="greedy", journal=tmp_path / "run.ash" if with_journal else None)
    assert not result.failures and kept.seen == list(left_by_hand(result))
    assert max(map(len, kept.seen)) < 40, "all were kept"
    assert list(temporary.iterdir()) == []
    assert sorted(each.name for each in tmp_path.iterdir() if each.name.startswith("run.ash")) == (
        ["run.ash", "run.ash-lock", "run.ash-states"] if with_journal else []
    )
    if with_journal:
        assert [each.name for each in states.iterdir()] == [f"candidate-{result.best_candidate:06d}"]
        modes = {stat.S_IMODE(each.stat().st_mode) for each in (states, *states.iterdir())}
        assert modes == {0o700}


def test_a_new_journal_starts_without_directories_but_keeps_other_files(tmp_path: Path) -> None:
    states = tmp_path / "run.ash-states"
    left = states / "candidate-000003" / "epochs"
    left.parent.mkdir(parents=True)
    left.write_text("99")  # this file belongs to a journal that no longer exists
    for each in (states / "notes.txt", tmp_path / "run.ash-notes.txt"):
        each.write_text("mine")
    result = run(Kept(lambda: states), n_jobs=1, journal=tmp_path / "run.ash", candidates=8)
    assert not result.failures
    assert {each.name for each in states.iterdir()} == {"notes.txt", f"candidate-{result.best_candidate:06d}"}
    beside = {each.name for each in tmp_path.glob("run.ash?*")}
    assert beside == {"run.ash-lock", "run.ash-states", "run.ash-notes.txt"}


@pytest.mark.parametrize("learns", [False, True])
def test_a_directory_is_not_passed_on_to_other_hyperparameters(learns: bool, tmp_path: Path) -> None:
    """Lose the last results in a crash. When the run resumes, its sampler reuses candidate numbers for other values."""
    path, found = tmp_path / "run.ash", dict[int, bool]()

    def function(params: dict[str, Any], epochs: int, state: Any) -> float:
        job = ash.current_job()
        found.setdefault(job.candidate, (job.directory / "mark").exists())
        return score(params["x"], job.total_epochs)

    def sampler() -> Any:
        return optuna.samplers.TPESampler(seed=0) if learns else "random"

    with pytest.raises(SystemExit):
        tune(path, After(9, sys.exit), function=function, sampler=sampler())
    known = {candidate for (candidate,) in rows(path, "SELECT candidate FROM candidates")}
    new, states = max(known) + 5, tmp_path / "run.ash-states"
    waiting = {int(each.name[-6:]) for each in states.iterdir()} & known
    for candidate in (new, *waiting):
        directory = states / f"candidate-{candidate:06d}"
        directory.mkdir(exist_ok=True)
        (directory / "mark").touch()
    found.clear()
    tune(path, function=function, sampler=sampler())
    assert found[new] is not learns
    again = waiting & found.keys()
    assert again and all(found[candidate] for candidate in again)


CRASH = """
import os, signal, sys
from pathlib import Path
import ash
folder, end, returns_state, threads, sampler = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "True", *sys.argv[4:]
if sampler == "tpe":
    import optuna
    sampler = optuna.samplers.TPESampler(seed=0)

def train(params, epochs, state):
    job = ash.current_job()
    file, new = job.directory / "epochs", job.directory / "new"
    done = int(file.read_text()) if file.exists() else 0
    while done < job.total_epochs:
        done += 1
        with (folder / "log").open("a") as log:
            print(job.candidate, done, file=log)
        new.write_text(str(done))
        new.replace(file)
        if f"{job.candidate} {done}" == end:
            os.kill(os.getpid(), signal.SIGKILL)
    score = 1 - (params["x"] - 0.3) ** 2 - 0.1 / job.total_epochs
    return (score, done) if returns_state else score

result = ash.tune_function(train, {"x": ash.uniform(0, 1)}, candidates=16, max_epochs=8, n_jobs=int(threads),
    verbose=0, costs=lambda params, epochs: epochs, journal=folder / "run.ash", sampler=sampler)
print(result.digest, result.best_candidate, result.memory["retrained_epochs"] > 0)
"""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("sampler", ["adaptive", "random", "tpe"])
@pytest.mark.parametrize("returns_state", [False, True])
def test_a_killed_run_repeats_no_epoch(returns_state: bool, sampler: str, threads: int, tmp_path: Path) -> None:
    """Check that a function called again for lower rungs, since its state was lost, finds its epochs on the disk.

    With two threads, another job runs at the time of a kill, and may lose its last epoch.
    """

    def called(name: str, end: str = "") -> Any:
        (tmp_path / name).mkdir(exist_ok=True)
        return python(CRASH, str(tmp_path / name), end, str(returns_state), str(threads), sampler)

    def log(name: str) -> list[str]:
        return (tmp_path / name / "log").read_text().splitlines()

    whole = called("whole")
    assert whole.returncode == 0, whole.stderr
    best = whole.stdout.split()[1]
    ends = ["0 1", f"{best} 2", f"{best} 6"]  # the process is killed in rungs 0, 1 and 3
    ends += ["12 1"] if int(best) < 12 else []  # the parameters of candidate 12 depend on earlier scores
    for number, end in enumerate(sorted(ends, key=log("whole").index)):
        if threads == 1 or number == 0 or end not in log("killed"):  # the other thread may have come so far before
            assert called("killed", end).returncode == -signal.SIGKILL
            assert end in log("killed")
    resumed = called("killed")
    assert resumed.stdout.split() == [*whole.stdout.split()[:2], str(returns_state)], resumed.stderr
    if threads == 1:
        assert sorted(log("killed")) == sorted(log("whole"))
    assert set(log("killed")) == set(log("whole"))
    assert len(log("killed")) <= len(log("whole")) + (threads - 1) * len(ends)
    left = tmp_path / "killed" / "run.ash-states" / f"candidate-{int(best):06d}" / "epochs"
    assert left.read_text() == "8"


@pytest.mark.filterwarnings(*FAILURES)
def test_a_directory_behind_a_link_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    other = elsewhere / "candidate-000000"
    other.mkdir(parents=True)
    (tmp_path / "run.ash-states").symlink_to(elsewhere)
    with pytest.raises(ash.AllFailedError, match="is a link: replace it by a folder"):
        run(Kept(lambda: elsewhere), n_jobs=1, journal=tmp_path / "run.ash")
    assert list(elsewhere.iterdir()) == [other]


def test_functions_that_do_not_call_current_job_need_no_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gettempdir() -> str:
        raise FileNotFoundError("no usable temporary directory")

    asked: list[Path] = []

    def function(params: dict[str, Any], epochs: int, state: Any) -> float:
        asked.append(ash.current_job().directory)
        return score(params["x"], epochs)

    monkeypatch.setattr("tempfile.gettempdir", gettempdir)
    monkeypatch.chdir(tmp_path)
    assert not run(lambda params, epochs, state: params["x"], n_jobs=1).failures
    assert not run(function, n_jobs=1).failures
    assert {path.parent.parent for path in asked} == {tmp_path}
    assert not any(path.parent.exists() for path in asked)
