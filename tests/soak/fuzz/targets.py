"""Targets of the fuzzers: each takes untrusted bytes and must return or raise an ash error. Anything else is a fault.

    model      `ash.load` of a file
    journal    `ash-tune show` of a journal: its database, hashes and facts
    csv        the table of a CSV file, as `ash-tune` reads it
    space      a Space of domains decoded from the bytes, and its first candidates
    core       calls of private functions of the core: core_calls.py

Each target is a stateless function of the bytes. Tests run it on the corpus, and fuzz.py runs it on new bytes.
"""

import contextlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from core_calls import core
from words import NAMES, Words

import ash
from ash.cli.show import journal_lines
from ash.data.files import Roles, read_table
from ash.errors import AshError, DataError, JournalError, ModelFormatError, SettingError

CORPUS = Path(__file__).parent / "corpus"


@contextlib.contextmanager
def file_of(content: bytes, ending: str) -> Iterator[Path]:
    """Yield the path of a temporary file with this content, in memory if the system supports that."""
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
    """Read all bytes but the first as a CSV file. The first byte selects the target: "target" or the last column."""
    wanted = None if not content or content[0] % 2 else "target"
    with file_of(content[1:], ".csv") as path, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(DataError, SettingError):
            read_table(str(path), Roles(wanted))


def space(content: bytes) -> None:
    """Make a space from the bytes and draw from it."""
    words = Words(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(AshError):
            domains = {words.pick(NAMES): words.domain() for _ in range(words.byte() % 5)}
            ash.Space(**domains).sample(1 + words.byte() % 4, words.byte())


TARGETS: dict[str, Callable[[bytes], None]] = {
    "model": model,
    "journal": journal,
    "csv": csv,
    "space": space,
    "core": core,
}
