"""The command `python -m bench`: lists the subjects, or measures one. Each subject has its own options."""

from __future__ import annotations

import importlib
import importlib.util
import signal
import sys
from collections.abc import Sequence

from bench import SUBJECTS

INTERRUPTED = 130


def listing() -> str:
    """Return the list of subjects, one line each."""
    width = max(map(len, SUBJECTS))
    lines = [f"  {name:<{width}}  {subject.answers} ({subject.takes})" for name, subject in SUBJECTS.items()]
    return "\n".join(
        [
            "usage: python -m bench SUBJECT [options]      each has --quick and --help; times are for 2 cores",
            *lines,
            "also: report (writes the pages and the README's figures from the results), all (every subject in turn),",
            "      program (builds `ash_bench`, the sweep of `tables` as one file without Python)",
        ]
    )


def command(name: str, words: Sequence[str]) -> None:
    """Run the command of this name (a subject, "all", "report" or "program") with these options."""
    if name == "all":
        for subject in SUBJECTS:
            command(subject, words)
    elif name in ("report", "program"):
        importlib.import_module(f"bench.{name}").main(words)
    else:
        importlib.import_module("bench.record").main(name, words)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    words = sys.argv[1:] if words is None else words
    if not words or words[0] in ("-h", "--help"):
        print(listing())
        return 0
    name = words[0]
    if name not in (*SUBJECTS, "all", "report", "program"):
        print(f"python -m bench: there is no subject {name!r}; python -m bench lists them", file=sys.stderr)
        return 2
    if importlib.util.find_spec("ash") is None:
        print("python -m bench: ash is not installed for this Python (pip install '.[bench]')", file=sys.stderr)
        return 2
    try:
        command(name, words[1:])
    except KeyboardInterrupt:
        print("\ninterrupted: what was measured is kept; the same command continues from there", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    sys.exit(main())
