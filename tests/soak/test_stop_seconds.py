"""How soon a run ends after Ctrl-C, and after a callback's stop: within half a second (F76).

The best of five tries counts, since a loaded machine may hold up any one of them.
"""

import os
import signal
import threading
import time
from typing import Any

import pytest
from sklearn.datasets import load_digits

import ash

pytestmark = pytest.mark.slow

X, Y = load_digits(return_X_y=True)
LIMIT = 0.5
WIDE = ash.Space(hidden=(512, 512), learning_rate=ash.log(0.0001, 0.01))


class Watch(ash.Callback):
    """Waits for the first job, and ends the run a moment later."""

    def __init__(self, how: str) -> None:
        self._how, self._jobs, self.ended_at = how, 0, 0.0

    def on_start(self, run: Any) -> None:
        self._run = run

    def on_job(self, job: Any, params: Any) -> None:
        self._jobs += 1
        if self._jobs == 1:
            threading.Timer(0.2, self._end).start()

    def _end(self) -> None:
        self.ended_at = time.monotonic()
        if self._how == "stop":
            self._run.stop()
        else:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("how", ["stop", "interrupt"])
@pytest.mark.parametrize("space", [None, WIDE], ids=["small", "wide"])
def test_a_run_ends_within_half_a_second(how: str, space: ash.Space | None) -> None:
    seconds = []
    for _ in range(5):
        watch = Watch(how)
        result = ash.tune(
            X,
            Y,
            space,
            candidates=None,
            threads=2,
            callbacks=[watch],
            progress=False,
            config=ash.SearchConfig(epoch_limit=10**9),
        )
        seconds.append(time.monotonic() - watch.ended_at)
        assert result.ended == ("stopped" if how == "stop" else "interrupted")
    assert min(seconds) <= LIMIT, seconds
