"""A job of the user's function, in this process or another: it is called, and what became of it is an answer.

    finished   a finite score
    failed     the function raised, or gave back what is no score
    late       it took longer than a job may
    died       its process has ended

Whatever a job does is a result, and the run goes on; only SystemExit, KeyboardInterrupt and the like, which the
function raises to end more than itself, come out of the run.

Functions and states go to other processes as bytes of cloudpickle, so that functions of a notebook and lambdas go too;
answers come back as plain tuples. A state is packed where it was made and unpacked where the next job is done: in
between it is bytes, and nobody else needs its class. These bytes come from processes that this one has started; no file
holds them.
"""

import contextlib
import functools
import math
import pickle
import traceback
from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple

import cloudpickle
import numpy as np

from ash.errors import SettingError

Train = Callable[[dict[str, Any], int, Any], Any]
"""Of hyperparameters, epochs and the state that the last job of the candidate has left, None for the first."""

FAILED, FINISHED, LATE, DIED = "failed", "finished", "late", "died"
KINDS = (FAILED, FINISHED, LATE, DIED)

MOST_TEXT = 4_000
"""Characters of a traceback that are kept, the last ones."""


class Scored(NamedTuple):
    """What a function of ours gives back: a score, a state, and what else there is to tell, which JSON can hold.

    `forecast` is what the score is expected to be after the next rung, by which the ladder ranks; None: by the score.
    """

    score: Any
    state: Any
    info: Any
    forecast: float | None = None


class Answer(NamedTuple):
    """What became of a job, and when: seconds of the clock of the machine, and in which thread."""

    kind: str
    score: float = math.nan
    state: Any = None
    text: str = ""
    start: float = 0.0
    end: float = 0.0
    thread: int = 0
    info: Any = None
    forecast: float | None = None

    @property
    def rank(self) -> float:
        """Return what the ladder ranks by: higher is better, NaN where there is no score."""
        return self.score if self.forecast is None else self.forecast

    def rank_for(self, target: float | None) -> float:
        """Return what a clock with a target takes for a score: no forecast reaches the target, only a score does."""
        if target is None:
            return self.rank
        return self.score if self.score >= target else min(self.rank, math.nextafter(target, -math.inf))


def attempt(train: Train, params: dict[str, Any], epochs: int, state: Any) -> Answer:
    """Call the function, and return what came of it; what is no Exception, such as SystemExit, is raised."""
    try:
        given = train(params, epochs, state)
    except Exception as error:
        return failure(error)
    return read(given)


def failure(error: BaseException) -> Answer:
    """Return the answer of a job that has raised, with its traceback from the function on."""
    frames = error.__traceback__
    inner = frames.tb_next if frames is not None else None
    text = "".join(traceback.format_exception(type(error), error, inner or frames))
    return Answer(FAILED, text=text[-MOST_TEXT:])


def read(given: Any) -> Answer:
    """Return the answer of a job that gave back (score, state), or a score alone, or `Scored`."""
    if isinstance(given, Scored):
        forecast = given.forecast if given.forecast is not None and math.isfinite(given.forecast) else None
        return read(given[:2])._replace(info=given.info, forecast=forecast)
    score, state = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    number = _number(score)
    if number is None:
        return Answer(FAILED, text=f"the function gave back {_shown(given)}; give (score, state), the score a number")
    if not math.isfinite(number):
        return Answer(FAILED, text=f"the score is {number}", state=None)
    return Answer(FINISHED, number, state)


def pack(value: Any) -> bytes:
    """Return a value as bytes."""
    return bytes(cloudpickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL))


def pack_function(train: Train, executor: Any) -> bytes:
    """Return a function as bytes, or raise SettingError."""
    try:
        return pack(train)
    except Exception as error:
        raise SettingError(f"train must be picklable for executor={executor!r}, got {train!r}: {error}") from error


def can_pack(value: Any) -> bool:
    """Return whether a value can go to another process."""
    try:
        return bool(pack(value))
    except Exception:  # of any kind: it is the value's own
        return False


def unpack(packed: bytes | None) -> Any:
    """Return the value of bytes; None of none."""
    return None if packed is None else pickle.loads(packed)


def prepare(packed: bytes) -> None:
    """Unpack a function, and so import what it needs, before its first job; what fails will be told by that."""
    with contextlib.suppress(Exception):
        _function(packed)


def do(packed: bytes, params: dict[str, Any], epochs: int, state: bytes | None) -> tuple[Any, ...]:
    """Do a job, and return its answer as a tuple, with the state as bytes; it raises what `attempt` does."""
    try:
        train, before = _function(packed), unpack(state)
    except Exception as error:
        return Answer(FAILED, text=f"the job cannot be unpickled: {type(error).__name__}: {error}")
    answer = attempt(train, params, epochs, before)
    if answer.kind != FINISHED:
        return answer
    try:
        return answer._replace(state=None if answer.state is None else pack(answer.state))
    except Exception as error:
        return Answer(FAILED, text=f"the state cannot be pickled: {type(error).__name__}: {error}")


@functools.lru_cache(maxsize=1)
def _function(packed: bytes) -> Train:
    function: Train = unpack(packed)
    return function


def _number(score: Any) -> float | None:
    """Return a score as a float; None for what is no single real number."""
    if type(score) is float:
        return score
    if isinstance(score, np.ndarray | np.generic):
        if score.size != 1:
            return None
        score = score.item()
    if isinstance(score, bool) or not isinstance(score, Real):
        return None
    try:
        return float(score)
    except OverflowError:
        return math.inf


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:
        text = f"something whose repr raised {type(error).__name__}"
    return text if len(text) <= 100 else f"{text[:97]}..."
