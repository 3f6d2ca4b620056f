"""Runs a job of the user's function, in this process or another one, and returns its outcome as an `Answer`.

    finished   a finite score
    failed     the function raised, its score is not finite, or the job or its state could not be sent
    wrong      the function did not return a score; ends the run in the first job, recorded as a failure in later jobs
    late       the job took longer than `job_limit`
    died       the process ended during the job, or the executor lost or did not accept the job

By default no single outcome ends the run, except `wrong` in the first job. Exceptions that are meant to end the whole
program, such as SystemExit and KeyboardInterrupt, are not outcomes; the run raises them.

Functions and states are sent to other processes as cloudpickle bytes, so lambdas and functions from a notebook work,
too. A function is sent once to each process, with all data that it refers to (ash/executors/jobs.py). Answers are
returned as tuples. A state is pickled in the process that created it, and unpickled in the one that runs the next job.
In between it is bytes, so no other process needs its class. Only bytes from this run's own processes, and from files
that this process wrote itself, are unpickled.
"""

import contextlib
import math
import pickle
import secrets
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, ClassVar, NamedTuple

from ash._utils.aliases import Facts
from ash.errors import SettingError, ThreadRefusedError
from ash.executors.jobs import Where, find
from ash.function.current_job import CURRENT, EPOCHS, Job
from ash.history.records import METRICS, STORY
from ash.run_record import TUNE_FUNCTION

Train = Callable[[dict[str, Any], int, Any], Any]
"""A function of hyperparameters, epochs, and the state that the candidate's previous job returned (None at first)."""

FAILED, FINISHED, LATE, DIED = "failed", "finished", "late", "died"
KINDS = (FAILED, FINISHED, LATE, DIED)
WRONG = "wrong"
"""The kind of an answer if the function did not return a score. FAILED replaces this kind in records."""

MOST_TEXT = 4_000
"""The number of characters that are kept of a traceback, counted from its end."""


class Tunable:
    """The function of a run, and what the run must know about it; subclasses override what differs from a function.

    Parameters
    ----------
    train : callable
        The function that `__call__` of the base class calls.
    original : object, optional
        What the user passed, if it is not `train`. It identifies the run.
    """

    by = TUNE_FUNCTION
    """The entry point, for the record."""
    failure_warning: ClassVar[type[Warning]] = UserWarning
    """The category of warnings about failures."""
    is_objective = False
    """Whether this is an Optuna objective, whose scores in different rungs are not comparable. So `patience` waits for
a better score in the highest rung, and only a score in the last rung ends the run."""
    ended: tuple[int, int] | None = None
    """If a loop has ended before its job: the lowest number of epochs after which one ended, and the number of epochs
that this loop's job should have reached."""

    def __init__(self, train: Callable[..., Any], original: Any = None) -> None:
        self._train, self._original = train, train if original is None else original

    def __call__(self, params: dict[str, Any], epochs: int, state: Any) -> Any:
        """Train a candidate further, and return its score, (score, state), an `Outcome`, a `Scored` or an `Answer`."""
        return self._train(params, epochs, state)

    def __repr__(self) -> str:
        return repr(self.original)

    @property
    def original(self) -> Any:
        """Return the user's object, which identifies the run."""
        return self._original

    @property
    def given_rungs(self) -> Sequence[tuple[int, int]]:
        """Return the candidates and epochs of each rung, or () if the run computes the ladder."""
        return ()

    def identity(self) -> Facts:
        """Return further facts for a journal that affect scores or promotions, such as hashes of the rows."""
        return {}

    def plan(self) -> Facts:
        """Return further facts for the record that may affect scores, but not the order of decisions."""
        return {}

    def refit_seconds(self, infos: Iterable[Any]) -> float:
        """Return how many seconds of the time limit to reserve for a refit, given the infos of the best one's jobs."""
        return 0.0


@dataclass(frozen=True)
class Outcome:
    """A score with a state and further metrics, to be returned by a function that `ash.tune_function` calls.

    Parameters
    ----------
    score : float
        The number by which candidates are compared.
    state : object, optional
        Passed to the next call for the same candidate.
    metrics : dict of str to float, optional
        Further numbers of the job, such as a loss or a latency. They are recorded, but do not affect the search.

    Examples
    --------
    >>> import ash
    >>> ash.Outcome(0.9, metrics={"latency": 0.013})
    Outcome(score=0.9, state=None, metrics={'latency': 0.013})
    """

    score: Any
    state: Any = None
    metrics: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Suggestions(Outcome):
    """The outcome of an Optuna trial.

    `story` has the trial's suggestions so far, in a form that JSON can hold: the values (`params`) and their `space`.
    """

    story: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Report(Outcome):
    """The outcome that a function has passed to `report`."""


class Scored(NamedTuple):
    """The return value of ash's own functions: a score, a state, and further facts (`info`) that JSON can hold.

    `forecast` is the expected score after the next rung. The ladder ranks candidates by it, or by the score if
    `forecast` is None.
    """

    score: Any
    state: Any
    info: Any
    forecast: float | None = None


class Answer(NamedTuple):
    """The outcome of a job, its start and end in seconds, and its thread.

    The times are on the monotonic clock, or, if a journal recorded the job, counted from the start of the run. `text`
    says why a job failed. `info` and `forecast` are as in `Scored`.
    """

    kind: str
    score: float = math.nan
    state: Any = None
    text: str = ""
    start: float = 0.0
    end: float = 0.0
    thread: int = 0
    info: Any = None
    forecast: float | None = None
    error: BaseException | bytes | None = None  # raised by the function; bytes that `pack` returned in another process

    @property
    def rank(self) -> float:
        """Return the value by which the ladder ranks candidates: higher is better, NaN if there is no score."""
        return self.score if self.forecast is None else self.forecast


def attempt(train: Train, job: Job, params: dict[str, Any], state: Any) -> Answer:
    """Call the function and return its answer; raise only ThreadRefusedError and exceptions such as SystemExit."""
    before = CURRENT.set(job)
    try:
        given = train(params, job[EPOCHS], state)
    except ThreadRefusedError:  # no thread was available for a function that reports, which is not the function's fault
        raise
    except Exception as error:
        return failure(error)
    finally:
        CURRENT.reset(before)
    return read(given)


def failure(error: BaseException) -> Answer:
    """Return the answer of a job that raised an error, with a traceback that starts after ash's own frames."""
    frames = error.__traceback__
    while frames is not None and str(frames.tb_frame.f_globals.get("__name__")).startswith("ash."):
        frames = frames.tb_next
    text = "".join(traceback.format_exception(type(error), error, frames or error.__traceback__))
    return Answer(FAILED, text=text[-MOST_TEXT:], error=error)


def read(given: Any) -> Answer:
    """Return the answer of a job that returned `given`: a score, (score, state), an `Outcome` or a `Scored`."""
    if isinstance(given, Scored):
        forecast = given.forecast if given.forecast is not None and math.isfinite(given.forecast) else None
        return read(Outcome(given.score, given.state))._replace(info=given.info, forecast=forecast)
    found = outcome_of(given)
    info: dict[str, Any] = {STORY: given.story} if isinstance(given, Suggestions) and given.story else {}
    if isinstance(found, Answer):
        return found._replace(info=info or found.info)
    if not math.isfinite(found.score):
        return Answer(FAILED, text=f"the score is {found.score}", info=info or None)
    if found.metrics:
        info = {METRICS: found.metrics, **info}
    return Answer(FINISHED, found.score, found.state, info=info or None)


ALLOWED = "a number, (score, state), or ash.Outcome(score=..., state=..., metrics={...})"
REPORTED = "a number; further numbers are passed as metrics={...}"
TWO_NUMBERS = (
    "ash.Outcome(score, metrics={'name': number}) to record a further metric, or ash.Outcome(score, state=number) if "
    "the number is a state"
)


def outcome_of(given: Any, verb: str = "return") -> "Outcome | Answer":
    """Convert the return value of a function to an outcome, or to an answer that says what is wrong.

    The score and the metrics of the outcome are floats. An `Answer` is returned unchanged. `verb` is the word in
    messages for how the function gave the value, such as "yield".
    """
    if isinstance(given, Answer):
        return given
    outcome: Outcome = given
    if isinstance(given, tuple) and len(given) == 2:
        if getattr(given[1], "ndim", 0) == 0 and isinstance(_plain(given[1]), float):
            return Answer(WRONG, text=f"train {verb}ed {_shown(given)}, two numbers; {verb} {TWO_NUMBERS}")
        outcome = Outcome(*given)
    elif not isinstance(given, Outcome):
        outcome = Outcome(given)
    score, metrics = _number(outcome.score), _metrics(outcome.metrics)
    if isinstance(given, Report):
        verb = "report"
    if metrics is None:
        shown = _shown(outcome.metrics)
        return Answer(WRONG, text=f"train {verb}ed metrics={shown}; metrics must be a dict of numbers by name")
    if score is None:
        if isinstance(given, Suggestions):
            return Answer(WRONG, text=f"the objective returned {_shown(given.score)}, but must return one number")
        shown, allowed = (_shown(given.score), REPORTED) if isinstance(given, Report) else (_shown(given), ALLOWED)
        return Answer(WRONG, text=f"train {verb}ed {shown}, but must {verb} {allowed}")
    return replace(outcome, score=score, metrics=metrics)


def _metrics(given: Any) -> dict[str, float] | None:
    """Return the metrics of an outcome as floats keyed by name, or None if they are not a dict of numbers by name."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        return None
    numbers = {name: number for name, value in given.items() if (number := _number(value)) is not None}
    return numbers if len(numbers) == len(given) else None


def pack(value: Any) -> bytes:
    """Return a value as cloudpickle bytes."""
    import cloudpickle  # imported lazily, since it is needed only for other processes

    return bytes(cloudpickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL))


class FunctionOrder(NamedTuple):
    """A job for the worker of an executor."""

    job: Job
    params: dict[str, Any]
    state: Any
    """The state to train further; bytes that `pack` has returned if the function was unpickled."""
    announce: Callable[[Job], None] | None = None
    """Called when the job starts."""

    @property
    def candidate(self) -> int:
        """Return the candidate's number."""
        return self.job[0]

    @property
    def rung(self) -> int:
        """Return the rung of the job."""
        return self.job[1]


class SharedFunction:
    """The function of a run, as the jobs in an executor share it. In other processes it is unpickled when needed.

    Thread-safe. Pickling it raises SettingError if the function cannot be pickled for `executor`.
    """

    stays = False
    """Whether states stay on Dask's workers; they are returned, since they may be needed for the store of states."""
    packs = False
    """Whether states are bytes, since this is the copy of a function that was pickled."""

    def __init__(self, train: Train, executor: Any) -> None:
        self.token = secrets.token_hex(8)
        self._executor = executor
        self._train: Train | None = train
        self._packed: tuple[Any, ...] = ()  # the arguments of pickle.loads, until the function is unpickled
        self._lock = threading.Lock()

    def open(self) -> Train:
        """Return the function, or raise the error of its unpickling."""
        with self._lock:
            if self._train is None:
                self._train = pickle.loads(self._packed[0], buffers=self._packed[1])
                self._packed = ()
            return self._train

    def do(self, order: FunctionOrder) -> "Answer":
        """Run a job of the function; the exceptions are the same as those of `attempt`."""
        try:
            train, before = self.open(), unpack(order.state) if self.packs else order.state
        except Exception as error:
            return Answer(FAILED, text=f"the job cannot be unpickled: {type(error).__name__}: {error}")
        if order.announce is not None:
            order.announce(order.job)
        answer = attempt(train, order.job, order.params, before)
        if not self.packs:
            return answer
        if answer.kind != FINISHED:
            return answer._replace(error=_packed_error(answer.error))
        try:
            return answer._replace(state=None if answer.state is None else pack(answer.state))
        except Exception as error:
            return Answer(FAILED, text=f"the state cannot be pickled: {type(error).__name__}: {error}")

    def copy(self) -> "SharedFunction":
        """Return a copy that is not unpickled yet."""
        arrays: list[pickle.PickleBuffer] = []
        content = pickle.dumps(self, protocol=5, buffer_callback=arrays.append)
        copied: SharedFunction = pickle.loads(content, buffers=arrays)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        """Return the function as cloudpickle bytes, and its arrays as buffers, which pickle need not copy."""
        import cloudpickle

        arrays: list[pickle.PickleBuffer] = []
        try:
            content = cloudpickle.dumps(self.open(), protocol=5, buffer_callback=arrays.append)
        except Exception as error:
            what = f"train must be picklable for executor={self._executor}, got {self._train!r}"
            raise SettingError(f"{what}: {error}") from error
        return {"token": self.token, "packed": (content, arrays)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.token, self._packed, self.packs = state["token"], state["packed"], True
        self._executor, self._train, self._lock = "", None, threading.Lock()


def can_pack(value: Any) -> bool:
    """Return whether a value can be sent to another process."""
    try:
        return bool(pack(value))
    except Exception:  # pickling may raise anything
        return False


def unpack(packed: bytes | None) -> Any:
    """Return the value that `pack` has packed, or None if `packed` is None."""
    return None if packed is None else pickle.loads(packed)


def prepare(where: Where) -> None:
    """Unpack a function before its first job, so that its modules are imported.

    Errors are left for the job to report.
    """
    with contextlib.suppress(Exception):
        find(where, None).open()


def _packed_error(error: Any) -> bytes | None:
    """Return the bytes of an exception, without its traceback; None if it cannot be pickled or there is none."""
    try:
        return None if error is None else pack(error)
    except Exception:  # pickling may raise anything
        return None


def opened_error(error: BaseException | bytes | None) -> BaseException | None:
    """Return the exception of an answer, or None if it cannot be unpickled or there is none."""
    try:
        found = unpack(error) if isinstance(error, bytes) else error
    except Exception:  # unpickling calls the exception's class, which may refuse its arguments
        return None
    return found if isinstance(found, BaseException) else None


def _number(score: Any) -> float | None:
    """Return a score as a float, or None if it is not a single real number."""
    if type(score) is float:
        return score
    score = _plain(score)
    if isinstance(score, bool) or not isinstance(score, Real):
        return None
    try:
        return float(score)
    except OverflowError:
        return math.inf


def _plain(value: Any) -> Any:
    """Return the element of an array or tensor with one element; return anything else unchanged."""
    try:
        return value.item() if callable(getattr(value, "item", None)) else value
    except Exception:  # any library's error for an array without exactly one element
        return value


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:
        text = f"something whose repr raised {type(error).__name__}"
    return text if len(text) <= 100 else f"{text[:97]}..."
