"""The public ladder: asynchronous successive halving by ask and tell, for anything that is trained step by step."""

import math
import threading
from dataclasses import dataclass
from numbers import Real
from typing import NotRequired, TypedDict

from ash import _core
from ash._utils.arguments import explained
from ash._utils.checks import one_of, read_score, whole
from ash.errors import SettingError

ALGORITHMS = ("ash", "sh", "random")
PROMOTIONS = ("capped", "paper", "improving")

_MOST_CANDIDATES = 2**31 - 1
_MOST_EPOCHS = 2**63 - 1


class LadderSettings(TypedDict):
    """The checked arguments of a ladder, in the form in which the core accepts them."""

    candidates: int
    eta: int
    min_epochs: int
    max_rungs: int
    algorithm: str
    promotion: str
    max_total_epochs: int  # 0 if there is no limit
    stop_score: float  # NaN if no score ends the run
    patience: int  # 0 if there is no limit
    rungs: NotRequired[list[tuple[int, int]]]  # (places, epochs) of each rung, if rungs are given explicitly


@dataclass(frozen=True, slots=True)
class Job:
    """One candidate to be trained for one rung.

    A job is a value: it may be pickled, sent to another process and reported from there.

    Attributes
    ----------
    candidate : int
        The candidate's number, from 0.
    rung : int
        The rung's number, from 0. A candidate with a job in a higher rung was promoted from the rung below.
    epochs : int
        The budget of this rung, ``min_epochs * eta**rung``. Train the candidate further by this budget, or from scratch
        with it, but do the same for all candidates.
    """

    candidate: int
    rung: int
    epochs: int


class Ladder:
    """Asynchronous successive halving by ask and tell: you train, the ladder decides.

    Parameters
    ----------
    candidates : int
        The number of candidates, 1 to 2**31 - 1. A candidate is identified by its number.
    eta : int, default 2
        Reduction factor, at least 2. When ``f`` candidates have finished in a rung, ``f // eta`` of them may be
        promoted.
    min_epochs : int, default 1
        Budget of rung 0, in any unit; rung ``k`` takes ``min_epochs * eta**k``.
    max_rungs : int or None, default None
        The maximum number of rungs. Rung ``k`` has ``candidates // eta**k`` places; with "random" every rung has
        `candidates` places instead. None: the last rung is the highest one for which ``candidates // eta**k`` is at
        least `eta`.
    algorithm : {"ash", "sh", "random"}, default "ash"
        "ash" promotes as soon as it can, "sh" has a barrier between rungs, "random" eliminates no candidate.
    promotion : {"capped", "paper", "improving"}, default "capped"
        The rule of "ash". "capped" never promotes more candidates than the rung above has places. "paper" promotes
        every candidate that is among the best ``f // eta`` at the time [1]_, so late results may overfill the rung
        above. "improving" does the same, but only for candidates that did better than in the rung below.
    max_total_epochs : int or None, default None
        The maximum number of epochs of all jobs together, at least `min_epochs`. Once the next job would exceed this
        limit, no further job is given, not even a smaller one. None: no limit.
    stop_score : float or None, default None
        A finite score. Once a score at least as high is reported, the ladder is `finished`; jobs that are still running
        may be reported. None: no score ends the run.
    patience : int or None, default None
        After this many reports in a row without a new best score, the ladder is `finished`; jobs that are still running
        may be reported. None: no limit.

    Raises
    ------
    SettingError
        An argument is not allowed; the message names it, its value and what is allowed.

    Notes
    -----
    Higher scores rank first, then lower losses, then lower numbers. A score or loss that is not finite means that the
    candidate diverged, so it ranks last and is never promoted. A decision takes O(log candidates). A ladder is
    thread-safe.

    Anything you keep for a candidate between its jobs, such as a checkpoint, can be deleted once `take_retired` returns
    the candidate.

    References
    ----------
    .. [1] Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, Algorithm 2.

    Examples
    --------
    >>> import ash
    >>> ladder = ash.Ladder(candidates=4)
    >>> while (job := ladder.ask()) is not None:
    ...     ladder.tell(job, score=job.candidate / 10)
    >>> [rung["finished"] for rung in ladder.rungs]
    [4, 2]
    """

    @explained()
    def __init__(
        self,
        candidates: int,
        *,
        eta: int = 2,
        min_epochs: int = 1,
        max_rungs: int | None = None,
        algorithm: str = "ash",
        promotion: str = "capped",
        max_total_epochs: int | None = None,
        stop_score: float | None = None,
        patience: int | None = None,
    ) -> None:
        settings = ladder_settings(
            candidates,
            eta=eta,
            min_epochs=min_epochs,
            max_rungs=max_rungs,
            algorithm=algorithm,
            promotion=promotion,
            max_total_epochs=max_total_epochs,
            stop_score=stop_score,
            patience=patience,
        )
        self._core = _core.Ladder(**settings)
        self._running: dict[Job, _core.Job] = {}
        self._lock = threading.Lock()

    def ask(self) -> Job | None:
        """Return the next job, or None if the next job depends on a report or if no more jobs follow."""
        with self._lock:
            asked = self._core.next()
            if asked is None:
                return None
            job = Job(asked.candidate, asked.rung, asked.epochs)
            self._running[job] = asked
            return job

    def tell(self, job: Job, score: float, loss: float = 0.0) -> None:
        """Tell how a job ended.

        Parameters
        ----------
        job : Job
            A job that `ask` returned and that has not been told yet.
        score : float
            Higher is better; NaN or infinity if the candidate diverged.
        loss : float, default 0.0
            Breaks ties between equal scores; lower is better. NaN or infinity if the candidate diverged.

        Raises
        ------
        SettingError
            The ladder has no such running job, or score or loss is not a number. The error leaves the ladder unchanged.
        """
        if not isinstance(job, Job):
            raise SettingError(f"job must be a Job that Ladder.ask() returned, got {job!r}")
        score, loss = _number("score", score), _number("loss", loss)
        with self._lock:
            asked = self._running.pop(job, None)
            if asked is None:
                raise SettingError(
                    f"job={job!r} is not running in this ladder: it was told before, or is not one of its jobs; "
                    "tell each job that Ladder.ask() returned once"
                )
            self._core.report(asked, score, loss)

    def take_retired(self) -> list[int]:
        """Return the candidates that have retired since the last call; they will never get another job.

        A candidate retires with the report after which it cannot get another job, because it has diverged, has finished
        in the last rung, or ranks behind so many better candidates that no later report can promote it.

        Returns
        -------
        list of int
            Each candidate is returned once; empty if none has retired since the last call.
        """
        with self._lock:
            return self._core.take_retired()

    @property
    def finished(self) -> bool:
        """Whether no job is running and no more jobs follow, or `stop_score` or `patience` has ended the run."""
        with self._lock:
            return self._core.finished

    @property
    def ending(self) -> str | None:
        """Why the ladder is `finished`, or None if it is not.

        The reasons are "finished" (all rungs are done), "stop_score", "patience" and "max_total_epochs".
        """
        with self._lock:
            return self._core.ending

    @property
    def rungs(self) -> list[dict[str, int]]:
        """One dict per rung, from rung 0 up: places, epochs, running, finished, promoted, diverged."""
        with self._lock:
            return self._core.rungs

    def __repr__(self) -> str:
        """Show the finished jobs of each rung."""
        rungs = ", ".join(f"{rung['finished']}/{rung['places']}" for rung in self.rungs)
        return f"<ash.Ladder finished {rungs}>"


def ladder_settings(
    candidates: int,
    *,
    eta: int,
    min_epochs: int,
    max_rungs: int | None,
    algorithm: str,
    promotion: str,
    max_total_epochs: int | None = None,
    stop_score: float | None = None,
    patience: int | None = None,
) -> LadderSettings:
    """Check the arguments that `Ladder` and `tune` share and return them in the core's form; see `Ladder`."""
    checked = read_score("stop_score", stop_score)
    settings = LadderSettings(
        candidates=whole("candidates", candidates, 1, _MOST_CANDIDATES),
        eta=whole("eta", eta, 2, _MOST_EPOCHS),
        min_epochs=whole("min_epochs", min_epochs, 1, _MOST_EPOCHS),
        max_rungs=0 if max_rungs is None else whole("max_rungs", max_rungs, 1, _MOST_EPOCHS),
        algorithm=one_of("algorithm", algorithm, ALGORITHMS),
        promotion=one_of("promotion", promotion, PROMOTIONS),
        max_total_epochs=0
        if max_total_epochs is None
        else whole("max_total_epochs", max_total_epochs, 1, _MOST_EPOCHS),
        stop_score=math.nan if checked is None else checked,
        patience=0 if patience is None else whole("patience", patience, 1, _MOST_EPOCHS),
    )
    if 0 < settings["max_total_epochs"] < settings["min_epochs"]:
        raise SettingError(
            f"max_total_epochs={max_total_epochs!r} allows no job: raise it to min_epochs={min_epochs!r} or more"
        )
    last = _rungs(settings) - 1
    if settings["min_epochs"] * settings["eta"] ** last > _MOST_EPOCHS:
        raise SettingError(
            f"min_epochs={min_epochs!r} is too large: the last rung, {last}, would take more than 2**63 - 1 epochs; "
            "lower min_epochs or max_rungs"
        )
    return settings


def _rungs(settings: LadderSettings) -> int:
    eta, rungs, places = settings["eta"], 1, settings["candidates"]
    while places // eta >= eta and rungs != settings["max_rungs"]:
        rungs, places = rungs + 1, places // eta
    return rungs


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise SettingError(f"{name} must be a number, math.nan if the candidate diverged, got {value!r}")
    try:
        return float(value)
    except OverflowError:  # a huge integer of either sign is a score that is not finite
        return math.inf
