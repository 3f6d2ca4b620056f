"""What a rank of MPI does: the jobs of a run in threads of its own, and exchanges of jobs for answers.

    exchange --jobs--> threads --> done --all answers that are there--> back, with how many threads are free

The executor has a rank do one exchange at a time. It gives the jobs to the threads, and waits for an answer of any: as
long as that takes where no thread is free, else not for long, since there may be jobs for them. A rank of one thread
does its job in the exchange.

Invariants: an answer, which may be an error, is packed where it came to be, whatever it is: no exchange fails by it.
Threads: all but `RankThreads._do` is called in the thread in which the rank serves its executor, which owns all but
`_done`, where the threads put answers.
"""

import itertools
import pickle
import queue
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ash.executors.jobs import forget, know

PIECE = 2**24
"""Bytes of the data that go at a time: MPI has a limit, and what is under way lies in memory too."""


class RankThreads:
    """The threads of a rank for a run.

    Parameters
    ----------
    count : int
    """

    def __init__(self, count: int) -> None:
        self._count, self._underway = count, 0
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="ash-rank")
        self._done: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()

    def exchange(self, jobs: Sequence[tuple[int, bytes]], seconds: float) -> tuple[int, list[tuple[int, bytes]]]:
        """Take jobs, and return how many threads are free and the answers that are there.

        Parameters
        ----------
        jobs : sequence
            Numbers and packed calls.
        seconds : float
            To wait for an answer while a thread is free.
        """
        if self._count == 1:  # it would wait for the only thread: without one nobody has to be woken twice
            return 1, [(number, _answer(packed)) for number, packed in jobs]
        for number, packed in jobs:
            self._underway += 1
            self._threads.submit(self._do, number, packed)
        found = []
        try:
            found.append(self._done.get(timeout=None if self._underway >= self._count else seconds))
            while True:
                found.append(self._done.get_nowait())
        except queue.Empty:
            self._underway -= len(found)
        return self._count - self._underway, found

    def end(self) -> None:
        """Wait for what is underway."""
        self._threads.shutdown()

    def _do(self, number: int, packed: bytes) -> None:
        self._done.put((number, _answer(packed)))


_runs: dict[str, RankThreads] = {}  # by token
_arriving: dict[str, bytearray] = {}  # packed data of runs that have not begun, by token


def read(token: str, path: str) -> bool:
    """Have the packed data of a run from a file, which one of the ranks reads for all; False where none can see it."""
    from mpi4py.futures import get_comm_workers

    ranks = get_comm_workers()
    seen = Path(path).is_file()
    root = max(ranks.allgather(ranks.Get_rank() if seen else -1))
    if root < 0:
        return False
    data = _arriving.setdefault(token, bytearray())
    pieces = _pieces_of(path) if ranks.Get_rank() == root else itertools.repeat(None)
    while piece := ranks.bcast(next(pieces), root):
        if isinstance(piece, OSError):
            raise piece
        data.extend(piece)
    return True


def _pieces_of(path: str) -> Iterator[bytes | OSError]:
    """Yield the pieces of a file, or why it cannot be read; the last one is empty."""
    try:
        with Path(path).open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
        yield b""
    except OSError as error:
        yield error


def receive(token: str, piece: bytes | None) -> None:
    """Have the next piece of the packed data of a run, which one of the ranks brings along."""
    from mpi4py.futures import get_comm_workers

    ranks = get_comm_workers()
    root = max(ranks.allgather(-1 if piece is None else ranks.Get_rank()))
    _arriving.setdefault(token, bytearray()).extend(ranks.bcast(piece, root))


def begin(token: str, threads: int) -> None:
    """Have so many threads for the jobs of a run, whose data are here."""
    from mpi4py.futures import get_comm_workers

    get_comm_workers().Barrier()  # first: nobody is to wait for a rank that cannot read what has come
    know(pickle.loads(_arriving.pop(token)), told=True)
    _runs[token] = RankThreads(threads)


def exchange(token: str, jobs: Sequence[tuple[int, bytes]], seconds: float) -> tuple[int, list[tuple[int, bytes]]]:
    """Exchange jobs of a run for answers, as `RankThreads` do."""
    return _runs[token].exchange(jobs, seconds)


def leave(token: str) -> None:
    """End the threads of a run, and drop its data."""
    from mpi4py.futures import get_comm_workers

    get_comm_workers().Barrier()
    _arriving.pop(token, None)
    if token in _runs:  # else the data have not come
        _runs.pop(token).end()
    forget(token)


def _answer(packed: bytes) -> bytes:
    """Return the pickle of what a packed call returns, or of the error that it ends with."""
    try:
        function, *arguments = pickle.loads(packed)
        return pickle.dumps(function(*arguments), protocol=5)
    except BaseException as error:
        told = traceback.format_exc()  # which a pickle does not keep otherwise
        error.add_note(told)
        try:
            sent = pickle.dumps(error)
            pickle.loads(sent)  # else whoever reads it would learn of that only
        except Exception as why:
            kind, cause = type(error).__name__, f"{type(why).__name__}: {why}"
            lost = pickle.PicklingError(f"its error, {kind}, cannot be sent: {cause}")
            lost.add_note(told)
            return pickle.dumps(lost)
        return sent
