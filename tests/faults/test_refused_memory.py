"""Tests memory refused to the core: its n-th allocation fails during calls of public functions.

tests/cpp/fail_allocations.cpp tests every allocation of the core without Python. The tests here include the bindings,
which pass arrays, records and networks to Python.
"""

import subprocess
from pathlib import Path

import pytest

import needs
from fault_help import run

SWEEP = """
import collections, ctypes, io, traceback
warnings.simplefilter("ignore")
fail_new_at = ctypes.CDLL(LIBRARY).fail_new_at
fail_new_at.restype = ctypes.c_long
fail_new_at.argtypes = [ctypes.c_long]

# The table in which pybind11 notes objects is then as large as it gets: see fail_new.cpp.
settings = [ash._core.Settings() for _ in range(5000)]
del settings
RESULT = quick(X, Y, keep=3)
MODEL = ash.ASHClassifier(small_space(), candidates=6, random_state=0, n_jobs=2).fit(X, Y)
LABELS = MODEL.predict(X)
MODEL.model_.save("model.safetensors")
RESULT.report("report.html")
REPORT = open("report.html").read()
quick(X, Y, journal="a.ash")

def tune():
    return quick(X, Y, n_jobs=2).digest == EXPECTED
def fit():
    again = ash.ASHClassifier(small_space(), candidates=6, random_state=0, n_jobs=2).fit(X, Y)
    return (again.predict(X) == LABELS).all()
def folds():
    return len(quick(X, Y, cv=3, n_jobs=2).jobs) > 3
def predict():
    return (MODEL.predict(X) == LABELS).all()
def report():
    RESULT.report("again.html")
    return open("again.html").read() == REPORT
def load():
    return (ash.load("model.safetensors").predict(X) == LABELS).all()
def resume():
    return quick(X, Y, journal="a.ash").digest == EXPECTED
def arrays():
    return all(len(member.core.weights) == len(member.core.biases) for member in RESULT.kept.networks)
def simulate():
    return len(ash.simulate(64, threads=[3]).rows) == 1

def one(call, n):
    fail_new_at(n)
    try:
        return "right" if call() else "wrong"
    except (MemoryError, ash.AshError) as error:
        return type(error).__name__
    except BaseException as error:
        fail_new_at(0)
        traceback.print_exc()
        return "raised " + type(error).__name__
    finally:
        left.append(fail_new_at(0))

for call in (tune, fit, folds, predict, report, load, resume, arrays, simulate):
    left, found, n, step = [], collections.Counter(), 1, 1
    assert call()
    while not left or left[-1] <= 0:
        found[one(call, n)] += 1
        n += max(1, n // 40)
    assert call()
    print(call.__name__, dict(found))
    assert set(found) <= {"right", "MemoryError", "ThreadRefusedError"}, found
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, built = Path(__file__).parents[1] / "helpers" / "fail_new.cpp", tmp_path_factory.mktemp("new") / "new.so"
    compiler = needs.program("g++")
    subprocess.run([compiler, "-std=c++20", "-O1", "-shared", "-fPIC", source, "-o", built], check=True)
    return built


def test_f63_failed_allocations_of_the_core_are_handled(library: Path, tmp_path: Path) -> None:
    digest = run("print(quick(X, Y).digest)")
    code = f"LIBRARY = {str(library)!r}\n" + SWEEP
    print(run(code, expected=digest, folder=tmp_path, LD_PRELOAD=str(library)))
