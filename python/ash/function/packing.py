"""What goes to another process and comes back: functions and states as bytes, answers as plain tuples.

Bytes are made by cloudpickle, so that functions of a notebook and lambdas go too. A state is packed where it was made
and unpacked where the next job is done: in between it is bytes, and nobody else needs its class. These bytes come from
processes that this one has started; no file holds them.
"""

import contextlib
import functools
import pickle
from typing import Any

import cloudpickle

from ash.errors import SettingError
from ash.function.answers import FAILED, FINISHED, Answer, Train, attempt


def pack(value: Any) -> bytes:
    """Return a value as bytes."""
    return bytes(cloudpickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL))


def pack_function(train: Train, executor: Any) -> bytes:
    """Return a function as bytes, or raise SettingError."""
    try:
        return pack(train)
    except Exception as error:
        raise SettingError(f"train={train!r} cannot be pickled for executor={executor!r}: {error}") from error


def can_pack(value: Any) -> bool:
    """Return whether a value can go to another process."""
    try:
        return bool(pack(value))
    except Exception:  # of any kind: it is the value's own
        return False


def unpack(packed: bytes | None) -> Any:
    """Return the value of bytes; None of none."""
    return None if packed is None else pickle.loads(packed)


@functools.lru_cache(maxsize=1)
def _function(packed: bytes) -> Train:
    function: Train = unpack(packed)
    return function


def prepare(packed: bytes) -> None:
    """Unpack a function, and so import what it needs, before its first job; what fails will be told by that."""
    with contextlib.suppress(Exception):
        _function(packed)


def do(packed: bytes, params: dict[str, Any], epochs: int, state: bytes | None) -> tuple[Any, ...]:
    """Do a job, and return its answer as a tuple, with the state as bytes.

    Raises
    ------
    BaseException
        What is no Exception, from the function.
    """
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
