"""What an executor sends and gets for a run, in bytes: each call and answer is pickled once more and counted.

    data      once a process: of a file, of MPI's broadcast, of Dask's scatter and its copies from worker to worker
    jobs      calls without states, as they are submitted            results   answers without states
    states    with calls and with answers; of Dask: what its workers have told of moving, and what is fetched in the end

Envelopes of the executors themselves, and what they say to each other beside it, are not in it.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ash.executor import dask_pool
from ash.executor.argument import DASK, is_of
from ash.executor.jobs import Answer, Order


def size(value: Any) -> int:
    """Return the bytes of its pickle."""
    return len(pickle.dumps(value, protocol=5))


def counted(executor: Any, run: Callable[[], Any]) -> dict[str, Any]:
    """Do a run in an executor, and return what was sent."""
    return (_of_dask if is_of(executor, DASK) else _of_submit)(executor, run)


class _Traffic:
    """Counts of things and bytes."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.processes: set[str] = set()
        self.files: set[str] = set()

    def add(self, kind: str, bytes_: int, count: int = 1) -> None:
        self.counts[kind] += count
        self.counts[f"{kind} bytes"] += bytes_

    def job(self, order: Order) -> None:
        self.add("jobs", size(order._replace(states=())))
        if order.states:
            self.add("states out", size(order.states))

    def call(self, arguments: Sequence[Any]) -> None:
        where, packed, order = arguments
        self.job(order)
        if packed is not None:
            self.add("data", len(packed))
        if where.path is not None:
            self.file("file", where.path)

    def file(self, kind: str, path: str) -> None:
        if path not in self.files:
            self.files.add(path)
            self.add(kind, Path(path).stat().st_size)

    def answers(self, found: Sequence[tuple[int, bytes]]) -> None:
        for _, packed in found:
            self.answer(pickle.loads(packed))

    def answer(self, answer: Answer) -> None:
        self.add("results", size(answer._replace(states=())))
        self.processes.add(answer.worker.rpartition(":")[0])
        if answer.states:
            self.add("states back", size(answer.states))

    def told(self, digest: str) -> dict[str, Any]:
        return {"digest": digest, "processes": len(self.processes), **self.counts}


def _of_submit(executor: Any, run: Callable[[], Any]) -> dict[str, Any]:
    traffic, submit = _Traffic(), executor.submit

    def told(function: Any, *arguments: Any) -> Any:
        future = submit(function, *arguments)
        if function.__name__ == "do":
            traffic.call(arguments)
            future.add_done_callback(lambda done: traffic.answer(done.result()))
        elif function.__name__ == "exchange":
            for _, packed in arguments[1]:
                traffic.call(pickle.loads(packed)[1:])
            future.add_done_callback(lambda done: traffic.answers(done.result()[1]))
        elif function.__name__ == "read":
            traffic.file("broadcast", arguments[1])
        return future

    executor.submit = told
    try:
        return traffic.told(run().digest)
    finally:
        executor.submit = submit


def _moved(dask_worker: Any) -> list[tuple[str, int]]:
    """Return keys and bytes of what a worker has got from others."""
    return [(str(key), bytes_) for each in dask_worker.transfer_incoming_log for key, bytes_ in each["keys"].items()]


def _of_dask(client: Any, run: Callable[[], Any]) -> dict[str, Any]:
    traffic, fetch = _Traffic(), dask_pool.DaskPool.states
    submit, gather, scatter = client.submit, client.gather, client.scatter
    before = {worker: len(moved) for worker, moved in client.run(_moved).items()}
    data: list[str] = []

    def submitted(function: Any, *arguments: Any, **keywords: Any) -> Any:
        if function is dask_pool._train:
            traffic.job(arguments[-1])
        return submit(function, *arguments, **keywords)

    def gathered(futures: Any) -> Any:
        found = gather(futures)
        for answer in found:
            traffic.answer(answer)
        return found

    def scattered(shared: Any, **keywords: Any) -> Any:
        future = scatter(shared, **keywords)
        data.append(future.key)
        traffic.add("scattered", size(shared))
        return future

    def fetched(pool: Any, wanted: Any) -> Any:
        found = fetch(pool, wanted)
        for states in found.values():
            traffic.add("states back", size(states))
        return found

    client.submit, client.gather, client.scatter = submitted, gathered, scattered
    dask_pool.DaskPool.states = fetched  # type: ignore[method-assign]
    try:
        digest = run().digest
    finally:
        client.submit, client.gather, client.scatter = submit, gather, scatter
        dask_pool.DaskPool.states = fetch  # type: ignore[method-assign]
    for worker, moved in client.run(_moved).items():
        for key, bytes_ in moved[before[worker] :]:
            traffic.add("copied" if key in data else "states moved", bytes_)
    return traffic.told(digest)
