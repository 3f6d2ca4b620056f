"""How the commands talk: one line for a mistake, output that may end early, nothing that steers a terminal."""

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

from ash._utils.display import printable
from ash.data.csv import CsvFormat
from ash.data.files import BUILT_IN
from ash.errors import AllDiverged

FAILED = 2


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """End with one line, as all errors here do."""
        self.exit(FAILED, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a CSV file is written."""
    parser.add_argument("--sep", metavar="CHARACTER", help="the delimiter of a CSV file (default: comma, ; or tab)")
    parser.add_argument(
        "--decimal",
        choices=(".", ","),
        default=".",
        metavar="POINT",
        help="its decimal point, '.' or ',' (default: '.')",
    )
    parser.add_argument("--encoding", default="utf-8", metavar="NAME", help="its encoding (default: utf-8)")


def format_of(args: argparse.Namespace) -> CsvFormat:
    """Return how a CSV file is written."""
    return CsvFormat("\t" if args.sep == "\\t" else args.sep, args.decimal, args.encoding)


def complain(message: str, kind: str = "error") -> None:
    """Write one line on stderr, if there is one."""
    say(f"ash-tune: {kind}: {message}")


def say(message: str) -> None:
    """Write a message on stderr, if there is one."""
    if sys.stderr is not None:  # print would take stdout instead
        print("\n".join(map(printable, message.split("\n"))), file=sys.stderr)


def print_whole(write: Callable[[IO[str]], None]) -> None:
    """Let `write` write to stdout, if there is one; a reader that leaves early is no error."""
    if sys.stdout is None:  # closed by whoever started us
        return
    try:
        write(sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more at exit, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def in_words(error: BaseException) -> str:
    """Return one line, but the whole table of causes when every candidate diverged."""
    if isinstance(error, AllDiverged):
        return str(error)
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        is_name = Path(error.filename).name == str(error.filename)
        known = f" (and none of {', '.join(BUILT_IN)})" if is_name else " or folder"
        return f"{error.filename}: no such file{known}"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


@contextmanager
def short_warnings() -> Iterator[None]:
    """Write each warning as one line, and none twice: a command may read a table several times."""
    said: set[str] = set()

    def show(message: Warning | str, *where: Any, **more: Any) -> None:
        if str(message) not in said:
            said.add(str(message))
            complain(str(message), "warning")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
