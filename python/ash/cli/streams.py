"""Prints the commands' output and one-line errors, without control characters; tolerates closed pipes."""

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

from ash._utils.arguments import synonyms
from ash._utils.checks import near_names
from ash._utils.display import printable
from ash.data.csv import CsvFormat
from ash.data.files import BUILT_IN
from ash.errors import AllDivergedError

FAILED = 2


class Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line, and suggests a known option in place of an unknown one."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the parsed arguments, or exit if there are unknown arguments."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._hint(unknown[0])}")
        return found

    def option(self, name: str, metavar: str, text: str, kind: Callable[[str], Any] = str, **more: Any) -> None:
        """Add an option or argument that takes a value."""
        self.add_argument(name, metavar=metavar, help=text, type=kind, **more)

    def _hint(self, word: str) -> str:
        """Return a hint that names the option meant by an unknown `word`.

        It is the option that other libraries call by that name, or else the option with the most similar name.
        """
        options = {_name(option): option for option in self._option_string_actions if option.startswith("--")}
        name = _name(word.split("=")[0]) if word.startswith("--") else ""
        near = [*synonyms(name, options), *near_names(name, options, 1)]
        return f"; did you mean {options[near[0]]}?" if near else ""

    def error(self, message: str) -> NoReturn:
        """Exit with one line, like all errors of the commands."""
        self.exit(FAILED, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _name(option: str) -> str:
    """Return the name of the Python argument that corresponds to an option."""
    return option.removeprefix("--").replace("-", "_")


def add_format(parser: Parser) -> None:
    """Add the options for the format of a CSV file."""
    parser.option("--sep", "CHARACTER", "the delimiter of a CSV file (default: comma, ; or tab)")
    parser.option("--decimal", "POINT", "its decimal point, '.' or ',' (default: '.')", choices=(".", ","), default=".")
    parser.option("--encoding", "NAME", "its encoding (default: utf-8)", default="utf-8")


def format_of(args: argparse.Namespace) -> CsvFormat:
    """Return the CSV format that the options of `add_format` give."""
    return CsvFormat("\t" if args.sep == "\\t" else args.sep, args.decimal, args.encoding)


def complain(message: str, kind: str = "error") -> None:
    """Write an error or warning to stderr, if there is a stderr."""
    say(f"ash-tune: {kind}: {message}")


def say(message: str) -> None:
    """Write a message to stderr, if there is a stderr."""
    if sys.stderr is not None:  # print(file=None) would write to stdout
        print("\n".join(map(printable, message.split("\n"))), file=sys.stderr)


def print_whole(write: Callable[[IO[str]], None]) -> None:
    """Call `write` with stdout, if there is a stdout; a reader that closes the pipe early is not an error."""
    if sys.stdout is None:  # the parent process closed it
        return
    try:
        write(sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout again at exit. This must not fail, so stdout now leads to the null device.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def in_words(error: BaseException) -> str:
    """Return the text of an error: one line, or the whole table of causes if every candidate diverged."""
    if isinstance(error, AllDivergedError):
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
    """Write each warning as one line and only once, since a command may read a table several times."""
    said: set[str] = set()

    def show(message: Warning | str, *where: Any, **more: Any) -> None:
        if str(message) not in said:
            said.add(str(message))
            complain(str(message), "warning")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
