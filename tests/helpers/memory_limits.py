"""Tries operations under address-space limits, from no free memory to just enough: each must succeed or raise an error.

    MALLOC_MMAP_THRESHOLD_=32768 python tests/helpers/memory_limits.py OPERATION LIMITS [lazy | starved]

The script starts a first process, which does the operation once, and writes the inputs and the names of all imported
modules into files. Unless `lazy`, the script itself then imports these modules. It forks a child for each limit. OpenMP
must not start a thread before a fork, so the script itself trains nothing. The environment variable makes glibc return
freed arrays to the system, so that the allocator keeps little free memory. With `starved`, the allocator keeps no free
memory at all. NumPy and safetensors sometimes abort a starved process, so `starved` is only for exploration.

Prints one JSON list with the bytes of each limit and its outcome: "right", "MemoryError" or "ash: NAME". Any other
outcome is a fault.
"""

import contextlib
import ctypes
import faulthandler
import gc
import hashlib
import importlib
import json
import os
import pickle
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import ash
from ash.errors import AshError
from callback_help import X, Y
from fault_help import quick, small_space

SECONDS = 120
"""Seconds after which a child counts as hanging."""
MOST, ABOUT = 1 << 30, 1 << 17
"""Bytes that are enough for any operation, and the precision in bytes of the search for the needed amount."""
LEAST = 1 << 22
"""Lower bound of the largest limit: an amount that was enough once may not be later, if threads allocate more."""
Operation = Callable[[], Any]
"""An operation to try under limits; it returns its outcome."""


def fit(folder: Path) -> Operation:
    """Train a classifier on two threads."""

    def operation() -> Any:
        estimator = ash.ASHClassifier(space=small_space(), candidates=16, n_jobs=2, random_state=0)
        return estimator.fit(X, Y).result_.digest

    return operation


def predict(folder: Path) -> Operation:
    """Predict many rows on two threads."""
    model, rows = ash.load(folder / "model.safetensors"), np.resize(X, (100_000, X.shape[1]))
    return lambda: model.predict_proba(rows, n_jobs=2).tobytes()


def report(folder: Path) -> Operation:
    """Write the report page, the result as JSON, and its text."""
    result = pickle.loads((folder / "result.pickle").read_bytes())

    def operation() -> Any:
        result.report(folder / "report.html")
        is_whole = (folder / "report.html").read_text().rstrip().endswith("</html>")
        return is_whole, json.loads(result.to_json())["digest"], "digest" in repr(result)

    return operation


def load(folder: Path) -> Operation:
    """Load a model from its file."""
    return lambda: ash.load(folder / "model.safetensors").core.weights[0].tobytes()


def resume(folder: Path) -> Operation:
    """Resume a finished run from its journal."""
    return lambda: ash.resume(folder / "run.ash", X, Y, n_jobs=2, verbose=0).digest


OPERATIONS = {each.__name__: each for each in (fit, predict, report, load, resume)}


def _prepare(folder: Path, name: str) -> None:
    """Write the inputs of all operations, do the named operation, and write the names of the imported modules."""
    many = small_space(learning_rate=ash.loguniform(1e-3, 1e-1, levels=2000), hidden=(64, 32))
    result = quick(X, Y, many, candidates=300, n_jobs=2, journal=folder / "run.ash")
    (folder / "result.pickle").write_bytes(pickle.dumps(result))
    result.model.save(folder / "model.safetensors")
    OPERATIONS[name](folder)()
    (folder / "modules.json").write_text(json.dumps(sorted(sys.modules)))


def _try(operation: Operation, more: int | None, *, starved: bool) -> str:
    """Do the operation with `more` bytes beyond those in use (None for no limit), and return its outcome."""
    held: list[bytearray] = []
    if more is not None:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken, resource.RLIM_INFINITY))
        if starved:
            _take_all(held)
        resource.setrlimit(resource.RLIMIT_AS, (taken + more, resource.RLIM_INFINITY))
    try:
        found: Any = operation()
    except MemoryError:
        found = None
        what = "MemoryError"
    except AshError as error:
        found = error
        what = "ash: "
    except BaseException as error:
        found = error
        what = "else: "
    else:
        what = "right: "
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    if isinstance(found, AshError):
        return f"{what}{type(found).__name__}: {found}"
    if isinstance(found, BaseException):
        return what + "".join(traceback.format_exception(found))
    return what if found is None else f"{what}{hashlib.blake2b(repr(found).encode()).hexdigest()}"


def _take_all(held: list[bytearray]) -> None:
    """Allocate all free memory that the allocator still holds."""
    for size in (1 << power for power in range(24, 9, -1)):
        with contextlib.suppress(MemoryError):
            while True:
                held.append(bytearray(size))


def outcome(do: Callable[[], Any]) -> str:
    """Return the result of a function in a forked child, or how the child ended."""
    with tempfile.TemporaryFile() as file:
        child = os.fork()
        if child == 0:
            code = 1
            with contextlib.suppress(BaseException):
                os.dup2(file.fileno(), 2)
                faulthandler.enable(2)
                signal.alarm(SECONDS)
                os.write(2, f"\0{do()}".encode())
                code = 0
            os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        file.seek(0)
        told, _, what = file.read().decode(errors="replace").partition("\0")
    if code != 0 or "libgomp: " in told or "terminate called" in told:
        return f"exit {code}: {told}{what}"
    return what


def main(name: str, limits: int, *, lazy: bool, starved: bool) -> list[tuple[int, str]]:
    """Return each limit, in bytes beyond those in use, with the outcome."""
    with tempfile.TemporaryDirectory() as at:
        folder = Path(at)
        if (prepared := outcome(lambda: _prepare(folder, name))) != "None":
            raise SystemExit(f"{name} fails without a limit: {prepared}")
        for module in () if lazy else json.loads((folder / "modules.json").read_text()):
            with contextlib.suppress(ImportError):
                importlib.import_module(module)
        operation = OPERATIONS[name](folder)
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)

        def tried(more: int | None) -> str:
            return outcome(lambda: _try(operation, more, starved=starved))

        expected = tried(None)
        enough = _enough(lambda more: tried(more) == expected)
        found = []
        for number in range(limits):
            more = int(max(enough, LEAST) * (number / (limits - 1)) ** 3)  # limits are denser at the low end
            what = tried(more)
            found.append((more, "right" if what == expected else what.replace("right: ", "wrong: ")))
        return found


def _enough(succeeds: Callable[[int], bool]) -> int:
    """Return approximately the smallest number of bytes for which `succeeds` returns true."""
    low, high = 0, MOST
    while high - low > max(ABOUT, high // 20):
        middle = (low + high) // 2
        low, high = (low, middle) if succeeds(middle) else (middle, high)
    return high


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # such as the warning about few candidates
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), lazy="lazy" in sys.argv, starved="starved" in sys.argv)))
