"""Tests that Ctrl-C and SIGTERM end runs gracefully, and that the library never installs a signal handler.

These tests do not measure how quickly runs end. The interrupted work is so long that a run that ignored the signal
would never end.
"""

import importlib
import math
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import pytest
from sklearn.datasets import load_digits

import ash
import data_help
from ash.cli.command import main
from ash.engine.candidates import DrawnCandidates
from ash.sampling import Drawn
from fault_help import HANG_SECONDS

# Each signal is sent shortly after the first event of a given kind, so the run has started even on a slow machine.
CHILD = """
import importlib, os, signal, sys, threading
import ash
from sklearn.datasets import load_digits

module = importlib.import_module("ash.engine.event_loop")
open_view = module.open_view
X, y = load_digits(return_X_y=True)

def interrupt_after(kind, number=signal.SIGINT):
    def send():
        os.kill(os.getpid(), number)

    def watch(*arguments):
        view = open_view(*arguments)
        update = view.update
        def spy(events):
            update(events)
            if any(event[0] == kind for event in events) and not armed:
                armed.append(threading.Timer(0.2, send))
                armed[0].start()
        armed = []
        view.update = spy
        return view

    module.open_view = watch
"""
PARTIAL = """
before = signal.getsignal(signal.SIGINT)
interrupt_after("finished")
result = ash.tune(X, y, CANDIDATES, validation=0.2, n_jobs=2, config=ash.SearchConfig(min_epochs=20, stop_score=2.0))
assert result.interrupted and result.ended == "interrupted", result.ended
assert result.jobs and result.model.predict(X).shape == y.shape
module.open_view = open_view  # no signal for the next one
assert ash.tune(X, y, candidates=2, validation=0.2, verbose=0).ended == "finished"
assert signal.getsignal(signal.SIGINT) is before
"""
NOTHING = """
space = ash.Space(hidden=(512, 512), learning_rate=ash.choice(0.001, 0.01))
interrupt_after("started")
try:
    config = ash.SearchConfig(min_epochs=100_000)
    ash.tune(X, y, space, candidates=2, validation=0.2, n_jobs=2, verbose=0, config=config)
except KeyboardInterrupt:
    print("nothing")
"""
FIT = """
from sklearn.model_selection import GridSearchCV, cross_val_score
estimator = ash.ASHClassifier(candidates=None, config=ash.SearchConfig(stop_score=2.0))
interrupt_after("finished")
try:
    HOW
except KeyboardInterrupt as error:
    assert str(error).startswith("ASHClassifier.fit was interrupted after"), error
    print("stopped")
"""
COMMAND = """
interrupt_after("finished", NUMBER)
from ash.cli.command import main
sys.exit(main(["digits", "--candidates", "20000", "--out", "out", "--json", "s.json"]))
"""


def child(code, status=0, **settings):
    words = [sys.executable, "-c", CHILD + code]
    done = subprocess.run(words, capture_output=True, text=True, timeout=HANG_SECONDS, **settings)
    assert done.returncode == status, done.stderr
    return done


@pytest.mark.parametrize("candidates", ["candidates=5_000", "candidates=None, verbose=0"])
def test_f76_ctrl_c_returns_finished_jobs_and_allows_another_run(candidates):
    done = child(PARTIAL.replace("CANDIDATES", candidates))
    assert done.stderr.count("UserWarning: the run was interrupted after") == 1


@pytest.mark.parametrize(
    "how", ["cross_val_score(estimator, X, y)", "GridSearchCV(estimator, {'random_state': [0, 1]}).fit(X, y)"]
)
def test_ctrl_c_in_a_fit_ends_its_caller_too(how):
    """Check that scikit-learn's cross-validation ends too, and does not score the half-trained model of a fold."""
    assert child(FIT.replace("HOW", how)).stdout == "stopped\n"


def test_f76_ctrl_c_before_the_end_of_the_first_job_is_a_keyboard_interrupt():
    """Send the signal during a job that would take hours."""
    assert child(NOTHING).stdout == "nothing\n"


def test_a_second_ctrl_c_raises_at_once():
    """Let the core stop slowly. The first Ctrl-C arrives while its threads run, the second while ash waits for them."""
    module = importlib.import_module("ash.engine.event_loop")
    tuner = Mock(rungs=({"epochs": 1, "places": 1},))
    tuner.events.return_value = []
    tuner.wait.side_effect = KeyboardInterrupt
    candidates = DrawnCandidates(Drawn([{}], iter(()), 1))
    trees = module.TreeTrainer(None, [], [])
    told = (module.NullNetworkJournal(), module.Reporter(()), module.NoDispatcher(), (), trees)
    loop = module.EventLoop(tuner, candidates, data_help.options(verbose=0), *told)
    with pytest.raises(KeyboardInterrupt):
        loop.run(lambda _: math.inf)
    assert tuner.stop.called


def test_a_failing_view_stops_the_threads(monkeypatch):
    module = importlib.import_module("ash.engine.event_loop")

    class Failing(module.View):
        def update(self, events):
            raise RuntimeError("no display")

    class Kept(ash._core.Tuner):
        def start(self):
            tuners.append(self)
            super().start()

    tuners = []
    monkeypatch.setattr(module, "open_view", lambda *_: Failing())
    monkeypatch.setattr("ash._core.Tuner", Kept)
    with pytest.raises(RuntimeError, match="no display"):
        ash.tune(
            *load_digits(return_X_y=True), candidates=20_000, config=ash.SearchConfig(min_epochs=3), validation=0.2
        )
    assert tuners[0].wait(0.0) and len(tuners[0].jobs()["score"]) < 20_000


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"])
def test_f76_f77_an_interrupted_command_writes_its_files(tmp_path, number, status):
    done = child(COMMAND.replace("NUMBER", str(int(number))), status, cwd=tmp_path)
    assert "Traceback" not in done.stderr and "interrupted" in done.stdout and "test" in done.stdout
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {"model.safetensors", "candidates.csv", "jobs.csv", "report.html"}
    assert (tmp_path / "s.json").exists()
    assert ash.load(tmp_path / "out" / "model.safetensors").score(*load_digits(return_X_y=True)) > 0.5


def test_the_command_restores_the_signal_handler(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    assert main(["wine", "--candidates", "2", "--quiet", "--out", str(tmp_path)]) == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_command_runs_outside_of_the_main_thread(tmp_path):
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(main, ["wine", "--candidates", "2", "--quiet", "--out", str(tmp_path)]).result() == 0
    assert os.listdir(tmp_path)
