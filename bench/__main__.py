"""`python -m bench`: says what is missing where ash is not installed, else bench/command_line.py takes over."""

import importlib.util
import signal
import sys


def run() -> int:
    """Return the exit status."""
    if importlib.util.find_spec("ash") is None:
        print("python -m bench: ash is not installed for this Python (pip install '.[bench]')", file=sys.stderr)
        return 2
    from bench.command_line import main

    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    return main()


if __name__ == "__main__":
    sys.exit(run())
