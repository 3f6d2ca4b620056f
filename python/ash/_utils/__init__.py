"""Small helpers for argument checks, limits of the machine, text for display, threads and atomic file writing.

Any module may import them; they import only `ash.errors` and the core. Start with checks.py.
"""

import sys
from importlib import import_module

# The core works only in the main interpreter of a process. In a subinterpreter, loading it raises an ImportError from
# Python 3.12 on and hangs forever in older versions. So this check runs before the core is imported.
if sys.version_info < (3, 12):
    _interpreters = import_module("_xxsubinterpreters")
    if _interpreters.get_current() != _interpreters.get_main():
        raise ImportError("ash supports only the main interpreter of a process, not subinterpreters")
