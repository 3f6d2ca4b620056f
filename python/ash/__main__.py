"""Runs the command `ash-tune` for `python -m ash`."""

import sys

from ash.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
