"""The faults of the surroundings (F76, F77, F83, F84, F118): signals, OpenMP's environment, processors, terminals.

Each runs in a fresh interpreter or through the command line.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from fault_help import command_line, python

SIGNALLED = """
import json, os, signal, sys, threading
import numpy as np
import ash
from ash import _core
def send():
    os.kill(os.getpid(), signal.SIGINT)
class Tuner(_core.Tuner):
    def start(self):
        super().start()
        threading.Timer(0.5, send).start()
_core.Tuner = Tuner
before = signal.getsignal(signal.SIGINT)
x = np.random.default_rng(0).normal(size=(4000, 20))
try:
    result = ash.tune(x, (x[:, 0] > 0).astype(int), candidates=5000, min_epochs=int(sys.argv[1]), progress=False)
    ended, jobs = result.interrupted, len(result.jobs)
    result.model.predict(x[:5])
except KeyboardInterrupt:
    ended, jobs = "KeyboardInterrupt", 0
print(json.dumps([ended, jobs, signal.getsignal(signal.SIGINT) is before]))
"""


@pytest.mark.parametrize(
    ("min_epochs", "ended"), [(1, True), (10**7, "KeyboardInterrupt")], ids=["F76-some", "F76-none"]
)
def test_interrupt_ends_a_run(min_epochs: int, ended: object) -> None:
    """With what is finished; KeyboardInterrupt where nothing is. No handler of ours is left behind (F77)."""
    done = python(SIGNALLED, str(min_epochs))
    assert done.returncode == 0, done.stderr
    how, jobs, handler_kept = json.loads(done.stdout)
    assert how == ended and (jobs > 0) == (ended is True)
    assert handler_kept


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["F77-SIGTERM", "F76-SIGINT"]
)
def test_a_signal_ends_the_command_gracefully(number: signal.Signals, code: int, tmp_path: Path) -> None:
    """Its winner is scored and its files are written; the time is not held to a figure here, only to a bound."""
    arguments = command_line("digits", "--candidates", "20000", "--out", str(tmp_path / "out"))
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        ready, _, _ = select.select([process.stdout, process.stderr], [], [], 60)
        assert ready, "nothing was printed within a minute"
        time.sleep(2)
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode == code
    assert (tmp_path / "out" / "jobs.csv").exists(), "what was finished is kept"


RUN = """
import sys, warnings
import numpy as np
import ash
x = np.random.default_rng(0).normal(size=(100, 3))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    result = ash.tune(x, (x[:, 0] > 0).astype(int), candidates=8, progress=False, threads=eval(sys.argv[1]))
print(result.threads, len({job.thread for job in result.jobs}))
"""


@pytest.mark.parametrize(
    ("environment", "threads", "most"),
    [
        pytest.param({"OMP_NUM_THREADS": "1"}, None, 1, id="F83-one"),
        pytest.param({"OMP_NUM_THREADS": "1"}, 2, 2, id="F83-argument-wins"),
        pytest.param({"OMP_NUM_THREADS": "0"}, None, None, id="F83-zero"),
        pytest.param({"OMP_NUM_THREADS": "abc"}, None, None, id="F83-text"),
        pytest.param({"OMP_NUM_THREADS": "1,2"}, None, 1, id="F83-list"),
        pytest.param({"OMP_DYNAMIC": "true"}, None, None, id="F83-dynamic"),
        pytest.param({"OMP_PROC_BIND": "close"}, None, None, id="F83-bound"),
        pytest.param({"OMP_THREAD_LIMIT": "1"}, 2, 1, id="F83-limit"),
    ],
)
def test_environment_of_openmp(environment: dict[str, str], threads: int | None, most: int | None) -> None:
    done = python(RUN, repr(threads), **environment)
    assert done.returncode == 0, done.stderr
    resolved, used = map(int, done.stdout.split())
    assert 1 <= used <= resolved <= min(most or 10**6, len(os.sched_getaffinity(0)))


def test_f84_one_processor_is_one_thread() -> None:
    pin = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
    done = python(pin + RUN, "None", OMP_NUM_THREADS="")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "1"]


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("150000 100000", 2), ("max 100000", 8), ("", 8), ("50000 100000", 1), (None, 8)],
    ids=["F84-one-and-a-half", "F84-max", "F84-empty", "F84-half", "F84-absent"],
)
def test_quota_of_a_control_group(quota: str | None, expected: int, tmp_path: Path) -> None:
    from ash._utils.machine import allowed_cpus

    process, root = tmp_path / "proc", tmp_path / "cgroup"
    (root / "service" / "job").mkdir(parents=True)
    process.mkdir()
    (process / "cgroup").write_text("0::/service/job\n")
    (process / "mountinfo").write_text(f"30 23 0:26 / {root} rw - cgroup2 cgroup rw\n")
    if quota is not None:
        (root / "service" / "cpu.max").write_text(quota + "\n")
    limit = allowed_cpus(8, process, root)
    assert limit.count == expected
    assert ("cgroup" in limit.reason) == (expected < 8)


SURROUNDINGS = {
    "F118-poor-terminal": {"TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "20"},
    "F118-ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0"},
    "F118-no-home": {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent"},
}


@pytest.mark.parametrize("surroundings", sorted(SURROUNDINGS))
def test_command_in_odd_surroundings(surroundings: str, tmp_path: Path) -> None:
    done = subprocess.run(
        command_line("wine", "--candidates", "4", "--out", str(tmp_path)),
        env={**os.environ, **SURROUNDINGS[surroundings]},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr and b"\x1b" not in done.stdout
    assert (tmp_path / "model.safetensors").exists()


def test_f118_closed_output(tmp_path: Path) -> None:
    """`ash-tune ... | head -0`: no traceback, and the files are written all the same."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            command_line("wine", "--candidates", "4", "--out", str(tmp_path)),
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    assert (tmp_path / "model.safetensors").exists()


def test_f53_import_changes_nothing_of_the_host() -> None:
    """G12: environment, signals, logging, thread counts; the floating-point mode is in test_training_tuner.py."""
    code = """
import logging, os, signal, threading
def state():
    handlers = [signal.getsignal(n) for n in signal.valid_signals() if n not in (signal.SIGKILL, signal.SIGSTOP)]
    root = logging.getLogger()
    return dict(os.environ), handlers, list(root.handlers), root.level, threading.active_count()
before = state()
import ash
assert state() == before
"""
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_light_import() -> None:
    """scikit-learn and rich are imported when they are needed, not before."""
    done = python("import sys, ash; print([m for m in ('sklearn', 'rich', 'pandas', 'torch') if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr
