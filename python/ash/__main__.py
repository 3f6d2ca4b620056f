"""Runs the command `ash-tune` for `python -m ash`."""

import sys

from ash.cli.cli import main

if __name__ == "__main__":
    sys.exit(main())
