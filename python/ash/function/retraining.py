"""Retrains candidates whose states are lost, rung by rung up to their current rung.

    target: rung 3 of candidate c     jobs (c, 0) -> (c, 1) -> (c, 2) -> (c, 3); only the last answer counts

The lower rungs were decided earlier, so their new results are ignored. But if a job in a lower rung fails, the target
fails, too. A state is lost if it was in an earlier process, whose pickles are not loaded, or if this process could not
copy it or keep it (state_store.py).
"""

from collections.abc import Callable, Sequence
from typing import Any

from ash import _core
from ash._utils.aliases import Key
from ash._utils.user_warnings import warn_user
from ash.function.answers import FINISHED, Answer
from ash.function.current_job import EPOCHS, Job
from ash.function.job_runners import JobRunners
from ash.function.outcomes import Best
from ash.function.state_store import LOST, States
from ash.space.hyperparameters import Params

WAKE_SECONDS = 1.0
FROM_OUTSIDE = ("interrupted", "stopped", "time_limit", "failures")
"""Values of `ended` after which a lost best state is not trained again."""


class Retraining:
    """The candidates of a run that are being trained again.

    `params` lists the hyperparameters of the candidates so far, and may grow. `job_of` returns the job for a key, and
    `begin` starts it.
    """

    def __init__(
        self,
        runners: JobRunners,
        states: States,
        params: Sequence[Params],
        job_of: Callable[[Key], Job],
        begin: Callable[[Job, Params, Any], None],
    ) -> None:
        self._runners, self._states, self._params, self._job_of, self._begin = runners, states, params, job_of, begin
        self._targets: dict[int, Key] = {}

    def begin(self, task: _core.Task) -> None:
        """Start to retrain the candidate of a task from the lowest rung; a runner must be free."""
        self._targets[task.candidate] = task.candidate, task.rung
        self._start((task.candidate, 0), None)

    def step(self, key: Key, answer: Answer) -> tuple[Key, Answer] | None:
        """Process the answer of a job.

        Return the key and answer to record, or None while the job's candidate is being retrained. The answer of a job
        that is not part of a retraining is returned unchanged.
        """
        target = self._targets.get(key[0])
        if target is None:
            return key, answer
        if key != target and answer.kind == FINISHED:
            self._start((key[0], key[1] + 1), answer.state)
            return None
        del self._targets[key[0]]
        if key != target:
            answer = answer._replace(text=f"trained again, in rung {key[1]}: {answer.text}")
        return target, answer

    def complete(self, key: Key, training: str) -> Answer | None:
        """Train a candidate again up to the rung in `key`; return the last answer, or None if all runners are lost.

        If the run has ended while the candidate was being retrained, one of these jobs may still be running. Then its
        answer is awaited, since two running jobs cannot have the same key.
        """
        rungs = range(key[1] + 1) if training == "resume" else range(key[1], key[1] + 1)
        answer = None
        for rung in rungs:
            job = key[0], rung
            if job not in self._runners.running:
                while self._runners.free <= 0:
                    if not self._runners.running:
                        return None
                    self._runners.wait(WAKE_SECONDS)
                self._start(job, None if answer is None else answer.state)
            answer = self._answer(job)
            if answer.kind != FINISHED:
                break
        return answer

    def _start(self, key: Key, state: object) -> None:
        job = self._job_of(key)
        if key != self._targets.get(key[0]):
            self._states.retrained_epochs += job[EPOCHS]
        self._begin(job, dict(self._params[key[0]]), state)

    def _answer(self, key: Key) -> Answer:
        while True:
            for each, answer in self._runners.wait(WAKE_SECONDS):
                if each == key:
                    return answer


def state_of(best: Best, retraining: Retraining, ended: str, training: str) -> Any:
    """Return the state of the best job; if the state is lost, train the candidate again.

    Warn and return None if this training fails, if all runners are lost, or if `ended` is one of FROM_OUTSIDE.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C interrupted this training.
    """
    if best.state is not LOST:
        return best.state
    why = f"a run that ended with {ended!r} does not train it again"
    if ended not in FROM_OUTSIDE:
        answer = retraining.complete((best.candidate, best.rung), training)
        if answer is not None and answer.kind == FINISHED:
            return answer.state
        why = "all threads exceeded job_limit" if answer is None else f"training it again failed: {answer.text}"
    warn_user(f"best_state is None: it is lost, and {why}")
    return None
