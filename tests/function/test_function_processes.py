"""Tests ash's child processes, forked from a server: they die, hang or exit, and the run continues."""

import importlib
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import ash
from ash.cli.show import journal_lines
from ash.executors.job_pool import Pool
from ash.executors.jobs import Where, versions
from ash.function.answers import SharedFunction
from ash.function.processes import Child, ForkServer, Processes
from config_help import configured
from fault_help import HANG_SECONDS, python, wait_until
from function_help import FAILURES, job_of, limit_what_hangs, meet, train
from function_journal_help import tune
from journal_help import rows

pytestmark = pytest.mark.filterwarnings(*FAILURES)
PROCESSES: dict[str, Any] = {"executor": "processes", "n_jobs": 2}
NOWHERE = Where("", versions(), None)
SETTINGS: dict[str, Any] = {**PROCESSES, "random_state": 0, "verbose": 0, "max_failures": 10**6}


def descendants() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


@pytest.fixture(autouse=True)
def before() -> Iterator[set[int]]:
    """Yield the child processes left by earlier tests, and check after the test that it has left no further ones."""
    found = descendants()
    yield found
    assert descendants() <= found


SPACE = {"what": list(range(1000)), "x": ash.uniform(0, 1, levels=1001)}


def kind_of(what: int) -> str | None:
    return "died" if what < 10 else "late" if what < 15 else "failed" if what < 215 else None


def test_f47_candidates_that_fail_hang_or_die_at_random_are_all_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def random_faults(params: dict[str, Any], epochs: int, state: Any) -> Any:
        what = params["what"]
        if what < 10:
            os.kill(os.getpid(), signal.SIGKILL if what < 5 else signal.SIGSEGV)
        if what < 15:
            time.sleep(1000)
        if what < 200:
            raise ValueError(what)
        return (float("nan"), None) if what < 215 else (params["x"], epochs + (state or 0))

    limit_what_hangs(monkeypatch, lambda params: kind_of(params["what"]) == "late")
    path = tmp_path / "run.ash"
    settings = {**SETTINGS, "candidates": 1500, "job_limit": 0.2, "journal": path}
    result = ash.tune_function(random_faults, SPACE, **configured(settings))
    kinds = {failure.candidate: failure.kind for failure in result.failures}
    expected = {number: kind_of(params["what"]) for number, params in enumerate(result.params)}
    assert kinds == {number: kind for number, kind in expected.items() if kind is not None}
    assert set(kinds.values()) == {"died", "late", "failed"}
    assert Counter(job.candidate for job in result.jobs if job.rung == 0) == Counter(range(1500))
    assert rows(path, "SELECT count(*) FROM jobs") == [(len(result.jobs),)]
    shown = "\n".join(journal_lines(str(path)))
    assert "died, " in shown and "failed, " in shown and " late" in shown
    again = ash.tune_function(random_faults, SPACE, **configured(settings))
    assert again.failures == result.failures and again.digest == result.digest


def test_import_time_does_not_count_as_job_time() -> None:
    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        return train(params, epochs, state)

    class Slow:
        """A function that takes a long time to unpickle."""

        def __call__(self, params: dict[str, Any], epochs: int, state: Any) -> Any:
            return function(params, epochs, state)

        def __reduce__(self) -> Any:
            return (lambda: (time.sleep(2.5), function)[1]), ()

    result = tune(None, function=Slow(), candidates=4, config=ash.SearchConfig(job_limit=2), **PROCESSES)
    assert not result.failures


MODULE = """
import os, pathlib, threading, time

folder = pathlib.Path({folder!r})
if os.getpid() != {here}:
    (folder / str(os.getpid())).touch()
    {more}

def function(params, epochs, state):
    return params["x"], None
"""


@pytest.mark.parametrize(
    ("more", "most"),
    [
        ("pass", 1),
        ("import sklearn.linear_model", 1),
        ("threading.Thread(target=time.sleep, args=(30,), daemon=True).start()", 3),
        ("if len(list(folder.iterdir())) == 1: os._exit(3)", 3),
    ],
    ids=["safe", "safe threads", "threads", "exit"],
)
def test_imports_happen_once_if_forking_is_safe(
    more: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Include cases in which each child must import the module, since the fork server has died or has threads."""
    folder = tmp_path / "imports"
    folder.mkdir()
    text = MODULE.format(folder=str(folder), here=os.getpid(), more=more)
    (tmp_path / "own_module.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_module", raising=False)
    function = importlib.import_module("own_module").function
    result = ash.tune_function(function, {"x": ash.uniform(0, 1)}, candidates=16, **PROCESSES)
    imports = len(list(folder.iterdir()))
    assert not result.failures and (imports == 1 if most == 1 else 1 < imports <= most)


def test_there_is_one_more_process_than_places(before: set[int], tmp_path: Path) -> None:
    seen: list[int] = []

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        meet(tmp_path, 2)
        return train(params, epochs, state)

    class Looks(ash.Callback):
        def on_job(self, job: Any, params: Any) -> None:
            seen.append(len(descendants() - before))

    tune(None, Looks(), function=function, **PROCESSES)
    assert max(seen) == 3


def test_children_draw_different_random_numbers(tmp_path: Path) -> None:
    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        (tmp_path / f"drawn {os.getpid()} {np.random.random()} {random.random()}").touch()
        meet(tmp_path, 2)
        return 1.0

    tune(None, function=function, candidates=8, config=ash.SearchConfig(max_rungs=1), **PROCESSES)
    found = [file.name.split()[1:] for file in tmp_path.glob("drawn *")]
    assert len({process for process, *_ in found}) == 2
    assert len({number for _, *numbers in found for number in numbers}) == 16


def test_a_killed_fork_server_is_replaced() -> None:
    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        if params["depth"] == 3:
            parent = os.getppid()
            command = Path(f"/proc/{parent}/cmdline").read_bytes()
            if b"serve_forks" in command:  # do not kill a process that has adopted the orphaned child
                os.kill(parent, signal.SIGKILL)
            time.sleep(0.05)
            os.kill(os.getpid(), signal.SIGKILL)
        return train(params, epochs, state)

    result = tune(None, function=function, **PROCESSES)
    assert {failure.kind for failure in result.failures} == {"died"}
    assert {failure.candidate for failure in result.failures} == {
        number for number, params in enumerate(result.params) if params["depth"] == 3
    }
    assert {failure.text.partition(" ended ")[2] for failure in result.failures} <= {
        "for an unknown reason",
        "by SIGKILL",
    }
    assert result.ended == "finished"


def test_a_job_that_closes_the_connection_is_killed() -> None:
    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        if params["depth"] == 2:
            os.closerange(3, 1000)
            time.sleep(1000)
        return train(params, epochs, state)

    result = tune(None, function=function, candidates=12, **PROCESSES)
    assert {failure.text for failure in result.failures} == {"the process of the job ended by SIGKILL"}


def test_a_child_that_dies_between_jobs_loses_no_job() -> None:
    with Processes(train, 1, None) as places:
        for epochs in (1, 2):
            places.start(job_of(rung=epochs, epochs=epochs), {"x": 0.3, "depth": 1}, None)
            [(_, answer)] = places.wait(HANG_SECONDS)
            assert answer.kind == "finished" and places.open(answer.state) == epochs
            (child,) = places._children
            assert child is not None and child.alive
            os.kill(child._number, signal.SIGKILL)
            wait_until(lambda child=child: not child.alive)


def test_a_child_that_is_started_while_the_run_ends_runs_no_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, begun = ForkServer.child, threading.Event()

    def start_late(self: ForkServer) -> Any:
        begun.set()
        wait_until(lambda: places._over)
        return start(self)

    monkeypatch.setattr(ForkServer, "child", start_late)
    with Processes(lambda params, epochs, state: (tmp_path / "job").touch(), 1, None) as places:
        places.start(job_of(), {}, None)
        assert begun.wait(HANG_SECONDS)
    assert not (tmp_path / "job").exists()


def test_atexit_functions_of_children_run(tmp_path: Path) -> None:
    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        import atexit

        atexit.register((tmp_path / str(os.getpid())).touch)
        return train(params, epochs, state)

    tune(None, function=function, candidates=8, **PROCESSES)
    assert 1 <= len(list(tmp_path.iterdir())) <= 2


def test_a_child_whose_exit_hangs_is_killed() -> None:
    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        import atexit

        atexit.register(time.sleep, 1000)
        return train(params, epochs, state)

    assert tune(None, function=function, candidates=4, **PROCESSES).ended == "finished"


def test_a_fork_server_reports_the_end_of_a_child_only_once() -> None:
    server = ForkServer(NOWHERE)
    child, connection = server.child()
    server.kill(child)
    assert server.ended(child) == "by SIGKILL" and server.ended(child) == "for an unknown reason"
    server.kill(child)  # the child no longer exists
    connection.close()
    server.close()
    assert server.ended(child) == "for an unknown reason"
    server.close()


def test_a_fork_server_killed_before_it_reports_a_child_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that the unreported child ends; else it would read messages meant for its replacement."""
    ask, lost = ForkServer._ask, []

    def killed_first(self: ForkServer, request: int | None, *handles: int) -> Any:
        answer = ask(self, request, *handles)
        if not lost:
            lost.append(Path("/proc", str(answer), "stat"))
            self._process.kill()
            raise OSError("it is no more")
        return answer

    monkeypatch.setattr(ForkServer, "_ask", killed_first)
    pool = Pool(None, 1)
    server = ForkServer(pool.open(SharedFunction(train, "processes")))
    child = Child(server)
    wait_until(lambda: not lost[0].exists() or ") Z " in lost[0].read_text())
    assert child.do((job_of(), {"x": 0.3, "depth": 1}, None), None).kind == "finished"
    child.close()
    server.close()
    pool.close()


def test_a_script_without_a_main_guard_is_not_run_again() -> None:
    code = """
import ash
print("begun")
result = ash.tune_function(lambda params, epochs, state: params["x"], {"x": [1, 2, 3, 4]},
    executor="processes", n_jobs=2, candidates=4, verbose=0)
print(result.best_score)
"""
    done = python(code)
    assert done.stdout == "begun\n4.0\n" and done.stderr == "", done.stderr
