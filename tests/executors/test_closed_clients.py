"""Tests futures that fail, and a Dask client that is closed during a run, before each of its calls in turn (F96).

In each case the run returns its result, or ends with an ash error that explains why. No run waits forever.
"""

import math
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import distributed
import pytest

import ash
from ash.executors import dask_pool
from callback_help import After
from config_help import configured
from executor_help import Wrapped, climb, expected, tuned
from fault_help import wait_until

pytestmark = pytest.mark.filterwarnings("ignore")

CLOSED = (
    r"executor=<Client: .*> is closed, by its close\(\) or because its scheduler does not answer; connect a new one"
)
FAILED = r"(the workers cannot be queried|the executor (accepts no more jobs|does not accept the function)): \w+"
IN_WORDS = re.compile(f"^({CLOSED}|{FAILED})")
HOLD_SECONDS = 120
FREE = 5
"""The number of jobs that may end before all later jobs are held."""

TELL, STATES = dask_pool._tell, dask_pool._states
UNDERWAY: dict[str, Any] = {"schedule": "greedy", "virtual_workers": None}
"""Settings with which each ended job is decided at once, regardless of which jobs are held."""


class Gate:
    """Lets the first jobs of a test pass, and blocks all later jobs until the gate is opened."""

    def __init__(self) -> None:
        self._open, self._lock, self._count, self.free = threading.Event(), threading.Lock(), 0, FREE

    def enter(self) -> None:
        with self._lock:
            self._count += 1
            held = self._count > self.free
        if held:
            self._open.wait(HOLD_SECONDS)

    def open(self) -> None:
        self._open.set()


gates: list[Gate] = []
"""The gate of each test. Jobs refer to it by number, since they are pickled for the workers in this process."""


def held_tell(gate: int, trained: Any) -> Any:
    gates[gate].enter()
    return TELL(trained)


def held_climb(gate: int, params: dict[str, Any], epochs: int, state: Any) -> tuple[float, int]:
    gates[gate].enter()
    return climb(params, epochs, state)


def functions(client: Any, function: Any = climb, **given: Any) -> Any:
    return ash.tune_function(
        function,
        {"x": ash.uniform(0, 1, levels=101)},
        executor=client,
        candidates=32,
        verbose=0,
        **configured(UNDERWAY | given),
    )


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    given: dict[str, Any] = {"dashboard_address": ":0", "silence_logs": 50, "processes": False}
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, **given) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def client(address: str) -> Iterator[Any]:
    with distributed.Client(address, set_as_default=False) as client:
        yield client


@pytest.fixture
def gate() -> Iterator[int]:
    gates.append(Gate())
    yield len(gates) - 1
    gates[-1].open()


@pytest.fixture
def close_at(client: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Yield a patch that closes the client just before the n-th call of a method of the client or of its futures."""

    def patch(name: str, number: int = 1, function: Any = None) -> None:
        owner = distributed.Future if name in ("add_done_callback", "result") else client
        call = getattr(owner, name)
        calls = [0]

        def closed_first(*given: Any, **more: Any) -> Any:
            calls[0] += function is None or given[0] is function
            if calls[0] == number:
                client.close()
            return call(*given, **more)

        monkeypatch.setattr(owner, name, closed_first)

    yield patch
    wait_until(lambda: client.status == "closed")  # the run may end while one of its threads still closes the client


CALLS = [
    *[("nthreads", number) for number in (1, 2)],
    *[(name, 1) for name in ("run", "scatter", "who_has")],
    *[(name, number) for name in ("submit", "gather", "add_done_callback") for number in (1, 2, 12)],
]


@pytest.mark.parametrize(("name", "number"), CALLS)
def test_f96_closing_the_client_ends_the_run_with_a_clear_error(
    name: str, number: int, client: Any, close_at: Any
) -> None:
    close_at(name, number)
    with pytest.raises(ash.ExecutorFailedError, match=IN_WORDS):
        tuned(executor=client, worker_timeout=math.inf)


def test_f96_closing_the_client_during_jobs_ends_the_run_with_a_clear_error(
    client: Any, gate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_pool, "_tell", partial(held_tell, gate))
    with pytest.raises(ash.ExecutorFailedError, match=IN_WORDS):
        tuned(executor=client, worker_timeout=math.inf, callbacks=[After(FREE, lambda run: client.close())], **UNDERWAY)


def test_f96_closing_the_client_during_jobs_of_a_function_keeps_the_result_so_far(client: Any, gate: int) -> None:
    close = [After(FREE, lambda run: client.close())]
    with pytest.raises(ash.ExecutorFailedError, match=IN_WORDS) as ended:
        functions(client, partial(held_climb, gate), callbacks=close)
    assert len(ended.value.result.jobs) == FREE and ended.value.result.failures == ()


@pytest.mark.parametrize("of_a_function", [False, True])
def test_f96_a_client_closed_during_cancellation_does_not_prevent_the_result(
    of_a_function: bool, client: Any, gate: int, close_at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_pool, "_tell", partial(held_tell, gate))
    close_at("cancel")
    gates[gate].free = 1  # the second job is in flight when the first one ends, so there is one to cancel
    stop = [After(1, lambda run: run.stop())]
    if of_a_function:
        result = functions(client, partial(held_climb, gate), callbacks=stop)
    else:
        result = tuned(executor=client, callbacks=stop, **UNDERWAY)
    assert result.ended == "stopped"


@pytest.mark.parametrize(("name", "function"), [("submit", STATES), ("result", None)])
def test_f96_states_are_recomputed_if_the_client_is_closed_while_they_are_fetched(
    name: str, function: Any, client: Any, close_at: Any
) -> None:
    """Check that the lost states are recomputed in this process."""
    close_at(name, function=function)
    assert tuned(executor=client).digest == expected()


@pytest.mark.parametrize("name", ["nthreads", "scatter"])
def test_f96_a_client_closed_before_a_function_is_tuned_is_refused(name: str, client: Any, close_at: Any) -> None:
    close_at(name)
    with pytest.raises(ash.ExecutorFailedError, match=IN_WORDS):
        functions(client)
    client.close()
    with pytest.raises(ash.ExecutorFailedError, match=CLOSED):
        functions(client, n_jobs=2)


@pytest.mark.parametrize(("name", "number"), [(name, n) for name in ("submit", "add_done_callback") for n in (1, 12)])
def test_f96_a_client_closed_while_a_function_is_tuned_ends_the_run_and_its_journal_can_be_continued(
    name: str, number: int, client: Any, close_at: Any, tmp_path: Path
) -> None:
    close_at(name, number)
    with pytest.raises(ash.ExecutorFailedError, match=IN_WORDS):
        functions(client, journal=tmp_path / "run.ash")
    result = functions(None, journal=tmp_path / "run.ash")
    assert result.failures == () and {job.candidate for job in result.jobs} == set(range(32))


class Refusing:
    """A future, one of whose methods fails."""

    def __init__(self, future: Future[Any], name: str) -> None:
        self._future = future
        setattr(self, name, self._fail)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._future, name)

    def _fail(self, *given: Any) -> Any:
        raise ConnectionError("the library is lost")


@pytest.mark.parametrize("name", ["submit", "add_done_callback"])
def test_f96_an_executor_that_accepts_no_more_jobs_ends_the_run_with_a_clear_error(name: str) -> None:
    def submit(threads: Any, number: int, call: Any, arguments: Any) -> Any:
        future = threads.submit(call, *arguments)
        refusing = Refusing(future, name)
        return future if number <= FREE else refusing if name != "submit" else refusing.submit()

    words = "the executor accepts no more jobs: ConnectionError: the library is lost"
    with pytest.raises(ash.ExecutorFailedError, match=words):
        tuned(executor=Wrapped(submit), n_jobs=2)
    with pytest.raises(ash.ExecutorFailedError, match=words) as ended:
        functions(Wrapped(submit), n_jobs=2)
    assert ended.value.result.failures == ()


def test_f96_jobs_that_cannot_be_cancelled_do_not_prevent_the_result() -> None:
    def submit(threads: Any, number: int, call: Any, arguments: Any) -> Any:
        return threads.submit(call, *arguments) if number <= FREE else Refusing(Future(), "cancel")

    stop = [After(FREE, lambda run: run.stop())]
    assert tuned(executor=Wrapped(submit), n_jobs=2, callbacks=stop, **UNDERWAY).ended == "stopped"
    assert functions(Wrapped(submit), n_jobs=2, callbacks=[After(FREE, lambda run: run.stop())]).ended == "stopped"
