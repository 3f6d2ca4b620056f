"""`python -m ash` is the command `ash-tune`."""

import sys

from ash.cli.cli import main

if __name__ == "__main__":
    sys.exit(main())
