"""Parsers of the command lines, and the types of arguments that several subjects share. An error is one sentence."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """End with exit status 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def integer(most: int) -> Callable[[str], int]:
    """Return a type for an integer from 1 to `most`."""

    def read(text: str) -> int:
        if not text.strip().isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not allowed; give an integer from 1 to {most}")
        return int(text)

    return read


def integers(most: int) -> Callable[[str], tuple[int, ...]]:
    """Return a type for integers from 1 to `most` with commas between; sorted, each once."""

    def read(text: str) -> tuple[int, ...]:
        words = text.split(",")
        if not all(word.strip().isdecimal() and 1 <= int(word) <= most for word in words):
            raise argparse.ArgumentTypeError(
                f"{text!r} is not allowed; give integers from 1 to {most}, with commas between"
            )
        return tuple(sorted({int(word) for word in words}))

    return read


def names(allowed: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """Return a type for some of these names with commas between."""
    known = tuple(allowed)

    def read(text: str) -> tuple[str, ...]:
        words = tuple(word.strip() for word in text.split(","))
        for word in words:
            if word not in known:
                raise argparse.ArgumentTypeError(f"{word!r} is not allowed; give some of {','.join(known)}")
        return words

    return read


def folder(*files: str) -> Callable[[str], str]:
    """Return a type for the path of a folder that holds these files, as JSON holds it."""

    def read(text: str) -> str:
        for file in files:
            if not (Path(text) / file).is_file():
                raise argparse.ArgumentTypeError(
                    f"{text!r} has no file {file}; give a folder with {' and '.join(files)}"
                )
        return str(Path(text).resolve())

    return read
