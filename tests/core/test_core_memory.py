"""Tests that the core raises MemoryError instead of crashing if memory for Python objects is refused.

These tests are not marked `core`: sanitizers have their own allocator, and do not allow the address space to be
limited.
"""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import needs
from ash import _core

if sys.platform != "linux":
    needs.not_here("only Linux limits the address space")

X = np.random.default_rng(0).normal(size=(60, 5))
Y = np.arange(60.0).reshape(-1, 1) % 2
ROWS = np.arange(40), np.arange(40, 60)

REFUSED = """
import resource
import sys

import numpy as np

from ash import _core

ROWS = np.arange(30), np.arange(30, 40)
data = _core.Data(np.random.default_rng(0).normal(size=(40, 20)), np.arange(40.0)[:, None] % 2, 2, *ROWS)
settings = _core.Settings()
settings.hidden, settings.activations = [512, 512], ["relu", "relu"]
network, _ = _core.train(data, settings, 1)
tuner = _core.Tuner([data], [settings], memory_limit=0)
tuner.start()
tuner.wait(60.0)
job = (data,), settings, 0, 0, 1
rules = dict(min_epochs=1, eta=2, training="resume", metric="accuracy", seed=0)
wide = np.zeros((1000, 20))
calls = {
    "weights": lambda: network.weights,
    "states": lambda: tuner.states(0, 0),
    "jobs": lambda: _core.simulate(20_000, np.ones(1), keep_jobs=True),
    "results": lambda: network.predict(np.zeros((400_000, 20))),
    "letters": lambda: _core.train_job(*job, **rules),
    "data": lambda: _core.Data(wide, wide[:, :1].copy(), 0, np.arange(1000), np.arange(1000)).__getstate__(),
    "losses": lambda: _core.train(data, settings, 2**23),
}
call = calls[sys.argv[1]]
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 20 * 2**20, resource.RLIM_INFINITY))
kept = []
try:
    for _ in range(1000):
        kept.append(call())
except MemoryError:
    print("refused")
"""


@pytest.mark.parametrize("call", ["weights", "states", "jobs", "results", "letters", "data", "losses"])
def test_r2_memory_refused_by_the_system(call: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", REFUSED, call], capture_output=True, text=True, timeout=300, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "refused\n"), ended.stderr[-2000:]


def settings() -> _core.Settings:
    made = _core.Settings()
    made.hidden, made.activations = [8, 8], ["relu", "relu"]
    made.parametric_activation, made.embedding = True, "periodic"
    return made


def calls() -> dict[str, Callable[[], Any]]:
    """Return calls, by name, that create many Python objects but no instance of a core class."""
    data = _core.Data(X, Y, 2, *ROWS)
    network, _ = _core.train(data, settings(), 1)
    tuner = _core.Tuner([data, data], [settings()] * 16, threads=2, keep=3)
    tuner.start()
    assert tuner.wait(60.0)
    candidate, rung, _ = tuner.kept_jobs()[0]
    named = {name: getattr(network, name) for name in ("weights", "biases", "shares", "activations", "embedding")}
    made: dict[str, Callable[[], Any]] = {name: lambda name=name: getattr(network, name) for name in named}
    return made | {
        "digests": data.digests,
        "rungs": lambda: tuner.rungs,
        "jobs": tuner.jobs,
        "steps": tuner.steps,
        "assists": tuner.assists,
        "memory": lambda: tuner.memory,
        "kept_jobs": tuner.kept_jobs,
        "fold_scores": tuner.fold_scores,
        "states": lambda: tuner.states(candidate, rung),
        "build_info": _core.build_info,
        "rows": lambda: _core.row_digests(X),
        "scaling of columns": lambda: _core.robust_scaling(X),
        "predict": lambda: network.predict(X),
    }


def test_each_object_refused_by_the_interpreter() -> None:
    """Make each allocation fail in turn.

    Calls that create core objects or have keyword arguments are left out, since pybind11 would crash.
    """
    try:
        import _testcapi
    except ImportError:
        needs.not_here("this Python was built without _testcapi")
    for name, call in calls().items():
        call()
        refused = 0
        for place in range(100):
            try:
                _testcapi.set_nomemory(place, place + 1)
                call()
            except MemoryError:
                refused += 1
            finally:
                _testcapi.remove_mem_hooks()
        assert refused > 0, name


TREES_REFUSED = """
import resource
import sys

import numpy as np

import ash

x = np.random.default_rng(0).normal(size=(4000, 30)).astype(np.float32)
given = {"random_state": 0, "verbose": 0, "config": ash.SearchConfig(models=["lightgbm"])}


class Tight(ash.Callback):
    def on_start(self, run):
        size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + int(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))


y = x[:, 0] > 0
expected = ash.tune(x, y, candidates=3, **given).digest
try:
    assert ash.tune(x, y, candidates=3, callbacks=[Tight()], **given).digest == expected
except MemoryError:
    print("refused")
"""


@pytest.mark.parametrize("room", [0, 2**16, 2**18, 2**20])
def test_memory_refused_as_a_job_of_trees_starts(room: int) -> None:
    """A Python error in a thread of the core was raised twice, which ended the process."""
    needs.package("lightgbm")
    words = [sys.executable, "-W", "ignore", "-c", TREES_REFUSED, str(room)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0 and (ended.stdout == "refused\n" or room), ended.stderr[-2000:]
