"""Contains the code of the child processes in which jobs run, and of the server process that forks them.

    server:  unpickles the function, which imports its modules; has no threads
       |  receives a connection -> forks a child, replies with its process id
       v
    child: reads jobs from the connection, one at a time, until the connection is closed

The server does the imports once, so a child that has died is replaced in milliseconds. A process with threads cannot be
forked safely, and one that uses CUDA cannot use it after a fork. If the import starts threads or CUDA, the server
reports this, and a new server leaves the import to the children. When the parent ends for whatever reason, its
connection to the server and the standard input of each child are closed. The server and the children then end, even in
the middle of a job. They ignore Ctrl-C on a terminal, since the parent handles it.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
import traceback
import warnings
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from pathlib import Path
from typing import Any

from ash.executors.jobs import Where, do
from ash.function.answers import FunctionOrder, pack, prepare

END_SECONDS = 5
"""A child that is to end is killed if it has not ended by itself within this many seconds."""
GONE, RUNNING = "gone", "running"
"""The server's replies when asked about an unknown child, or one that has not ended yet."""


def serve_forks(handle: int) -> None:
    """Fork children and report their exit statuses, as requested, until the connection is closed; then await them.

    The first message says where the function is, and whether the server reads it. The answer is whether the server can
    fork safely. Then None, followed by a file descriptor, asks for a child; the answer is its process id. A process id
    asks for the exit status of a child, negative for a signal; the answer may also be RUNNING or GONE.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore", DeprecationWarning)  # on forks with threads; NumPy's threads are harmless
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # so that torch.cuda.is_available() starts no CUDA
    requests: Connection[Any, Any] = Connection(handle)
    with contextlib.suppress(EOFError, ConnectionError), requests:
        before = _threads()
        where, reads = requests.recv()
        if reads:
            prepare(where)
        requests.send(_threads() <= before and not _uses_cuda())
        while True:
            child = requests.recv()
            if child is None:
                connection = recv_handle(requests)
                child = os.fork()
                if child == 0:
                    _live(requests, connection, where)
                os.close(connection)
                requests.send(child)
            else:
                requests.send(_status(child))
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def _threads() -> int:
    """Return the number of threads of this process, without those of OpenBLAS and jemalloc, which tolerate a fork."""
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():
        return threading.active_count()
    count = sum((each / "comm").read_text().strip() != "jemalloc_bg_thd" for each in tasks.iterdir())
    with contextlib.suppress(ImportError):
        import threadpoolctl

        pools = [each["num_threads"] for each in threadpoolctl.threadpool_info() if each["internal_api"] == "openblas"]
        count -= sum(pools) - len(pools)
    return count


def _uses_cuda() -> bool:
    """Return whether PyTorch has started CUDA, which no forked process could use."""
    torch: Any = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda.is_initialized())


def _status(child: int) -> int | str:
    try:
        found, status = os.waitpid(child, os.WNOHANG)
    except ChildProcessError:
        return GONE
    return os.waitstatus_to_exitcode(status) if found else RUNNING


def _live(requests: "Connection[Any, Any]", handle: int, where: Where) -> None:
    """Serve jobs in a forked child, and then end its process."""
    status = 1
    try:
        requests.close()
        if "numpy.random" in sys.modules:
            sys.modules["numpy.random"].seed()  # otherwise all children draw the same numbers; `random` reseeds itself
        if "torch" in sys.modules:
            sys.modules["torch"].seed()  # of the CPU and, when CUDA starts, of each GPU
        serve(handle, where)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, whatever its threads do
        signal.alarm(END_SECONDS)
        atexit._run_exitfuncs()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(status)


def serve(handle: int, where: Where) -> None:
    """Run jobs of the function `where` says, from the connection with this file descriptor."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    connection: Connection[Any, Any] = Connection(handle)
    prepare(where)
    connection.send(True)  # from now on, `job_limit` applies to the jobs
    while True:
        try:
            arguments = connection.recv()
        except EOFError:
            return
        try:
            answer: Any = do(where, None, FunctionOrder(*arguments))
        except BaseException as error:  # for example SystemExit; it is raised by the run, as in threads
            answer = pack(error)
        connection.send(answer)


def _end_with_parent() -> None:
    while os.read(0, 1):  # sys.stdin is not used, since its lock is needed when the interpreter ends
        continue
    os._exit(1)
