"""The command-line parser, and argument types that several subjects share. Each error is one sentence."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """A parser that reports errors in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the error and exit with status 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def integer(most: int) -> Callable[[str], int]:
    """Return an argument type that accepts an integer from 1 to `most`."""

    def read(text: str) -> int:
        if not text.strip().isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not allowed; give an integer from 1 to {most}")
        return int(text)

    return read


def integers(most: int) -> Callable[[str], tuple[int, ...]]:
    """Return an argument type for comma-separated integers from 1 to `most`, which are sorted and deduplicated."""

    def read(text: str) -> tuple[int, ...]:
        words = text.split(",")
        if not all(word.strip().isdecimal() and 1 <= int(word) <= most for word in words):
            raise argparse.ArgumentTypeError(
                f"{text!r} is not allowed; give integers from 1 to {most}, with commas between"
            )
        return tuple(sorted({int(word) for word in words}))

    return read


def names(allowed: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """Return an argument type that accepts a comma-separated selection of these names."""
    known = tuple(allowed)

    def read(text: str) -> tuple[str, ...]:
        words = tuple(word.strip() for word in text.split(","))
        for word in words:
            if word not in known:
                raise argparse.ArgumentTypeError(f"{word!r} is not allowed; give some of {','.join(known)}")
        return words

    return read


def folder(*files: str) -> Callable[[str], str]:
    """Return an argument type that accepts the path of a folder with these files. The path stays text, for JSON."""

    def read(text: str) -> str:
        for file in files:
            if not (Path(text) / file).is_file():
                raise argparse.ArgumentTypeError(
                    f"{text!r} has no file {file}; give a folder with {' and '.join(files)}"
                )
        return str(Path(text).resolve())

    return read
