"""What is fuzzed: bytes of a stranger go in, and a result or an error of ash must come out; anything else is a fault.

    model      `ash.load` of a file
    journal    `ash-tune show` of a journal: its database, hashes and facts
    csv        the table of a CSV file, as `ash-tune` reads it
    space      a Space of domains that the bytes spell, and its first candidates

Each is a function of the bytes, without any state: tests run it on the corpus, and fuzz.py on what it finds.
"""

import contextlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ash
from ash.cli.cli_show import journal_lines
from ash.data.files import read_table
from ash.errors import AshError, DataError, JournalError, ModelFormatError, SettingError

CORPUS = Path(__file__).parent / "corpus"
NAMES = ("hidden", "learning_rate", "batch_size", "optimizer", "dropout", "activation", "nonsense")


@contextlib.contextmanager
def file_of(content: bytes, ending: str) -> Iterator[Path]:
    """Put bytes into a file while the block lasts, in memory where the system has a place for that."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        path = Path(folder) / f"file{ending}"
        path.write_bytes(content)
        yield path


def model(content: bytes) -> None:
    with file_of(content, ".safetensors") as path, contextlib.suppress(ModelFormatError):
        ash.load(path)


def journal(content: bytes) -> None:
    with file_of(content, ".ash") as path, contextlib.suppress(JournalError):
        list(journal_lines(str(path)))


def csv(content: bytes) -> None:
    """Read a table, with the last column as the target, or one that the first byte names."""
    wanted = None if not content or content[0] % 2 else "target"
    with file_of(content[1:], ".csv") as path, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(DataError, SettingError):
            read_table(str(path), wanted)


def space(content: bytes) -> None:
    """Make a space of what the bytes spell, and draw from it."""
    words = Words(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(AshError):
            domains = {words.pick(NAMES): words.domain() for _ in range(words.byte() % 5)}
            ash.Space(**domains).sample(1 + words.byte() % 4, words.byte())


class Words:
    """Values that bytes spell, and the same ones for the same bytes."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    def byte(self) -> int:
        """Return the next byte, 0 after the last."""
        self._place += 1
        return self._content[self._place - 1] if self._place <= len(self._content) else 0

    def pick(self, options: Any) -> Any:
        return options[self.byte() % len(options)]

    def number(self) -> float:
        special = (0.0, -0.0, 1e-3, 0.5, 1.0, 2.0, 1e6, 1e308, 1e-320, float("nan"), float("inf"), -1.0)
        return self.pick(special) * self.pick((1, 1, 1, 3, -7))

    def value(self, depth: int = 0) -> Any:
        kind = self.byte() % 8
        if kind == 0 and depth < 3:
            return tuple(self.value(depth + 1) for _ in range(self.byte() % 4))
        plain = (None, True, int(self.byte()), -1, "adam", "relu", bytes([self.byte()]), {"a": 1})
        return self.number() if kind < 4 else self.pick(plain)

    def domain(self) -> Any:
        makers: tuple[Callable[[], Any], ...] = (
            lambda: ash.choice(*(self.value() for _ in range(self.byte() % 5)), default=self.value()),
            lambda: ash.choice(*(self.value() for _ in range(self.byte() % 5))),
            lambda: ash.integers(self.value(), self.value(), self.value()),
            lambda: ash.uniform(self.value(), self.value(), levels=self.value()),
            lambda: ash.log(self.value(), self.value(), levels=self.value(), default=self.value()),
            lambda: ash.uniform(self.value(), self.value(), default=self.value()),
            lambda: ash.log(self.value(), self.value()),
            lambda: ash.integers(
                self.value(), self.value(), levels=self.pick((None, 2, 7)), log=self.pick((True, False))
            ),
            lambda: [self.value() for _ in range(self.byte() % 3)],
            lambda: ash.uniform(0.1, 0.5).when(**{self.pick(NAMES): self.value()}),
            lambda: ash.choice(16, 32).when(**{self.pick(NAMES): self.value()}),
            self.value,
        )
        return self.pick(makers)()


TARGETS: dict[str, Callable[[bytes], None]] = {"model": model, "journal": journal, "csv": csv, "space": space}
