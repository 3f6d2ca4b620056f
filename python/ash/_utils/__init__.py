"""Small helpers without any knowledge of ash: checks of arguments, the machine, what people see, files replaced whole.

Everything may import them; they import `ash.errors` and the core alone. Start with checks.py.
"""

import sys
from importlib import import_module

# The core is made for the main interpreter of a process. In another one it raises an ImportError of its own from Python
# 3.12 on; before, loading it would wait for ever. So this package is imported before the core.
if sys.version_info < (3, 12):
    _interpreters = import_module("_xxsubinterpreters")
    if _interpreters.get_current() != _interpreters.get_main():
        raise ImportError("ash runs in the main interpreter of a process only, not in a second one beside it")
