"""The process in which jobs are done: reads them from a connection, one at a time, until that is closed.

Its standard input is closed when the parent ends, however it ends: then this process ends too, in the middle of a job.
Ctrl-C on a terminal reaches it as well, and is left to the parent.
"""

import os
import signal
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

from ash.function.packing import do


def serve(handle: int) -> None:
    """Do jobs from the connection of that file descriptor."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    connection: Connection[Any, Any] = Connection(handle)
    packed = connection.recv_bytes()
    connection.send(True)  # what comes now is a job's own time
    while True:
        try:
            arguments = connection.recv()
        except EOFError:
            return
        connection.send(tuple(do(packed, *arguments)))


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)
