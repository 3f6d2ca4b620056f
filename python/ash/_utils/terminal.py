"""Where output goes: to a terminal, to a notebook, or to neither."""

import os
import sys
from typing import TextIO


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether it is an open terminal."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook; nothing is imported to find out."""
    kernel, ipython = sys.modules.get("ipykernel.zmqshell"), sys.modules.get("IPython")
    if kernel is None or ipython is None:
        return False
    return isinstance(ipython.get_ipython(), kernel.ZMQInteractiveShell)


def moves_cursor() -> bool:
    """Return whether a terminal here can move its cursor."""
    return os.environ.get("TERM") not in ("dumb", "unknown")
