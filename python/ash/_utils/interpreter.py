"""Refuses to be loaded in a second interpreter of one process, which the core is not made for.

From Python 3.12 on loading the core there is an ImportError of its own; before, it would wait for ever.
"""

import sys
from importlib import import_module

if sys.version_info < (3, 12):
    _interpreters = import_module("_xxsubinterpreters")
    if _interpreters.get_current() != _interpreters.get_main():
        raise ImportError("ash runs in the main interpreter of a process only, not in a second one beside it.")
