"""Tests threads refused by the system: by RLIMIT_NPROC, by pids.max of a control group, or for lack of memory.

A run then uses fewer threads, with the same result. If the system refuses every thread, the run raises
`ash.ThreadRefusedError`. Each limit is set in a forked child of an interpreter that has already imported all modules.
"""

import os
from pathlib import Path

import pytest

import needs
from fault_help import run

SWEEP = """
import resource
from concurrent.futures import ThreadPoolExecutor
from sklearn.linear_model import SGDClassifier
warnings.simplefilter("ignore")
MODEL = quick(X, Y).model
MANY = np.tile(X, (2000, 1))
CLASSES = MODEL.predict(MANY[:60])

def tune():
    return quick(X, Y, n_jobs=3).digest == EXPECTED
def predict():
    return (MODEL.predict(MANY, n_jobs=3).reshape(-1, 60) == CLASSES).all()
def executor():
    with ThreadPoolExecutor(8) as pool:
        return quick(X, Y, n_jobs=None, executor=pool).digest == EXPECTED
def function():
    result = ash.tune_function(
        lambda params, epochs, state: params["x"], {"x": ash.uniform(0.0, 1.0)}, candidates=8, n_jobs=3, verbose=0
    )
    return len(result.jobs) > 8
def search():
    space = {"alpha": ash.loguniform(1e-5, 1e-1)}
    search = ash.ASHSearchCV(SGDClassifier(random_state=0), space, candidates=4, n_jobs=3, cv=3, random_state=0)
    return search.fit(X, Y).best_score_ > 0.5
def folds():
    result = quick(X, Y, cv=3, n_jobs=3)
    return result.model.predict(X).shape == Y.shape

def outcome(call, limit, number):
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        status = 9
        try:
            limit(number)
            status = 0 if call() else 3
        except (ash.ThreadRefusedError, ash.ExecutorFailedError, MemoryError):
            status = 1
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def sweep(limit, numbers):
    assert all(call() for call in CALLS)  # all is imported, which another user may not be allowed to
    found = {call.__name__: [outcome(call, limit, number) for number in numbers] for call in CALLS}
    assert all(set(statuses) <= {0, 1} and statuses[-1] == 0 for statuses in found.values()), found
    assert any(1 in statuses for statuses in found.values()), found
    print("survived", found)
"""
CALLS = "CALLS = (tune, predict, executor, function, search, folds)\n"
PROCESSES = """
def limit(number):
    os.setuid(54321)  # a user without any process, as far as anybody knows
    resource.setrlimit(resource.RLIMIT_NPROC, (number, number))
sweep(limit, [1, 2, 3, 4, 5, 6, 8, 64])
"""
GROUP = """
def limit(number):
    with open(f"{GROUP}/cgroup.procs", "w") as file:
        file.write(str(os.getpid()))
    with open(f"{GROUP}/pids.max", "w") as file:
        file.write(str(number))
sweep(limit, [1, 2, 3, 4, 5, 6, 8, 64])
"""


ONE = {"OPENBLAS_NUM_THREADS": "1"}
"""Keeps OpenBLAS from starting threads. If a thread were refused to it, it would raise SIGINT, like Ctrl-C."""


@pytest.fixture(scope="module")
def digest() -> str:
    return run("print(quick(X, Y).digest)")


def test_a_process_limit_reduces_the_threads(digest: str) -> None:
    if os.geteuid() != 0:
        needs.not_here("only root can become a user without processes")
    assert run(SWEEP + CALLS + PROCESSES, expected=digest, **ONE).startswith("survived")


def test_a_control_group_with_few_processes_reduces_the_threads(digest: str) -> None:
    group = new_group()
    try:
        assert run(f"GROUP = {str(group)!r}\n" + SWEEP + CALLS + GROUP, expected=digest, **ONE).startswith("survived")
    finally:
        group.rmdir()


def new_group() -> Path:
    for root in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")):
        group = root / f"ash-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / "pids.max").exists():
            return group
        group.rmdir()
    needs.not_here("no control group that limits processes can be made here")


def test_stacks_too_large_for_memory_reduce_the_threads(digest: str) -> None:
    code = """
os.environ["OMP_STACKSIZE"] = "999999G"
with warnings.catch_warnings(record=True) as found:
    warnings.simplefilter("always")
    print(quick(X, Y, n_jobs=2).digest == EXPECTED, *[str(each.message).partition(";")[0] for each in found])
"""
    for variable in ({}, {"OMP_STACKSIZE": "999999G"}):
        assert run(code, expected=digest, **variable) == "True the system allows only 1 of 2 threads"
