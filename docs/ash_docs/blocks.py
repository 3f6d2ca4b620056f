"""Runs the code blocks of a Markdown page in order, in one namespace and one folder.

    ```python                          Python code; its printed output and its charts are shown below the block
    ```python raises: SettingError     the block must raise this error, which is shown
    ```python warns: jobs failed       the block must issue a warning with these words; all its warnings are shown
    ```python needs: optuna, g++       the block is run only if these packages and programs are installed
    ```python shows: run.html          the block must write this page, which is shown
    ```console                         each line "$ ash-tune ..." or "$ python ..." is a command of this installation
    ```console exits: 2                the command must exit with this status; its errors are shown
    ```python not run: why             the block is only shown

Any other error is raised. No block may depend on a block that has the option `needs`.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

import ash

LANGUAGES = ("python", "console")
WISHES = ("raises", "warns", "needs", "shows", "exits", "not run")
SECONDS = 120
"""A command that runs for more seconds than this counts as hanging."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, source, line numbers (from 0) and the options of its first line."""

    language: str
    source: str
    first: int
    stop: int
    wishes: dict[str, str] = field(default_factory=dict)

    @property
    def needs(self) -> tuple[str, ...]:
        """The packages and programs that the block needs to run."""
        return tuple(name.strip() for name in self.wishes.get("needs", "").split(",") if name.strip())

    @property
    def runs(self) -> bool:
        """Whether the block should be run."""
        return self.language in LANGUAGES and "not run" not in self.wishes


def blocks_of(text: str) -> list[Block]:
    """Return the fenced blocks of a Markdown text, in order."""
    fences = (token for token in MarkdownIt("commonmark").parse(text) if token.type == "fence")
    return [_block(token.info, token.content, *token.map) for token in fences if token.map]


def _block(info: str, source: str, first: int, stop: int) -> Block:
    language, _, rest = info.partition(" ")
    name, colon, value = rest.partition(":")
    if language not in LANGUAGES or not rest:
        return Block(language, source, first, stop)
    if not colon or name not in WISHES:
        raise ValueError(f"line {first + 1}: {info!r} is not known; after {language} there may be {', '.join(WISHES)}")
    return Block(language, source, first, stop, {name: value.strip()})


def missing(block: Block) -> list[str]:
    """Return the packages and programs that a block needs and that are not installed."""
    return [name for name in block.needs if importlib.util.find_spec(name) is None and shutil.which(name) is None]


@dataclass(frozen=True)
class Output:
    """The output of a block: its text, its charts as SVG files, and an HTML page."""

    text: str
    figures: tuple[Path, ...] = ()
    page: Path | None = None


class Session:
    """Runs the blocks of one page.

    Parameters
    ----------
    name : str
        The name of the page, used in tracebacks and in file names of figures.
    folder : Path
        The folder in which the blocks run; files that they write stay there.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.figures = 0

    def run(self, block: Block) -> Output:
        """Run a block and return its output."""
        if block.language == "console":
            return Output("".join(self._commands(block)))
        return self._python(block)

    def _python(self, block: Block) -> Output:
        module = ast.parse("\n" * (block.first + 1) + block.source, self.name)
        code = compile(ast.Interactive(module.body), self.name, "single")  # shows the value of each expression
        printed = io.StringIO()
        expected, words = block.wishes.get("raises"), block.wishes.get("warns")
        values: list[Any] = []
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(printed), _displayed_by(values.append):
            try:
                with _warned(words, f"{self.name}, line {block.first + 1}"):
                    exec(code, self.namespace)
            except Exception as error:
                if type(error).__name__ != expected:
                    raise
                print(f"{expected}: {error}")
            else:
                if expected:
                    raise AssertionError(f"{self.name}, line {block.first + 1}: no {expected}")
        charts = [value for value in values if isinstance(value, ash.Chart)]
        return Output(printed.getvalue(), tuple(map(self._figure, charts)), self._page(block))

    def _page(self, block: Block) -> Path | None:
        """Return the HTML page named by the block's option `shows`, or None if the block has no such option."""
        name = block.wishes.get("shows")
        if name is None:
            return None
        path = self.folder / name
        if not path.is_file():
            raise AssertionError(f"{self.name}, line {block.first + 1}: there is no {name}")
        return path

    def _figure(self, chart: ash.Chart) -> Path:
        self.figures += 1
        return chart.save(self.folder / f"{self.name.replace('/', '-')}-{self.figures}.svg")

    def _commands(self, block: Block) -> Iterator[str]:
        status = int(block.wishes.get("exits", 0))
        lines = re.sub(r"\\\n\s*", "", block.source).splitlines()
        for line in lines:
            if not line.startswith("$ "):
                raise ValueError(f"{self.name}, line {block.first + 1}: {line!r} is no command '$ ...'")
            done = subprocess.run(
                self._command(line[2:]),
                cwd=self.folder,
                env=_environment(),
                capture_output=True,
                text=True,
                timeout=SECONDS,
            )
            if done.returncode != status:
                raise AssertionError(f"{line}: exit {done.returncode}, not {status}\n{done.stdout}{done.stderr}")
            yield done.stdout + (done.stderr if status else "")

    def _command(self, line: str) -> list[str]:
        words = shlex.split(line, comments=True)
        if words[0] == "ash-tune":
            return [sys.executable, "-m", "ash", *words[1:]]
        if words[0] == "python":
            return [sys.executable, *words[1:]]
        raise ValueError(f"{self.name}: {line!r} is none of ash-tune and python")


def _environment() -> dict[str, str]:
    """Return the environment variables for a command: output as wide as a page, and without colors."""
    return {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}


@contextlib.contextmanager
def _displayed_by(show: Callable[[Any], None]) -> Iterator[None]:
    """Pass the values of expressions to `show`."""
    before, sys.displayhook = sys.displayhook, show
    try:
        yield
    finally:
        sys.displayhook = before


@contextlib.contextmanager
def _warned(words: str | None, place: str) -> Iterator[None]:
    """Print all warnings, and raise AssertionError unless one contains `words`; do nothing if `words` is None."""
    if words is None:
        yield
        return
    with warnings.catch_warnings(record=True, action="always") as caught:
        yield
    said = [f"{warning.category.__name__}: {warning.message}" for warning in caught]
    print(*said, sep="\n")
    if not any(words in each for each in said):
        raise AssertionError(f"{place}: no warning says {words!r}")
