"""The states that a run may need again, in files beside its journal: a cache, which training can always make anew.

    run.ash-states/000017.safetensors        states of some candidates: weights, moments and counters of each fold

A file is there whole or not at all (written under another name, synced, renamed), and is named by the journal only
then; what the journal does not name is left over from a crash, and is deleted when the journal is opened. Its bytes are
hashed: what does not fit is not used, and the candidate is trained again, to the same bits.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from ash.errors import JournalError
from ash.whole_file import replace_file

Parts = tuple[Any, ...]
"""What training changes in a network, as the core gives it: `_core.Tuner.states`."""
Key = tuple[int, int]
"""A candidate, and the rung after which it is in this state."""
ARRAYS = ("weights", "first_moment", "second_moment")
ENDING = ".safetensors"
OWN = re.compile(r"\d{6,}\.safetensors|\.\d{6,}\.safetensors-.*", re.DOTALL)
"""Names of files of states, and of those that are being written."""


class StateFolder:
    """The folder of a journal's states.

    Parameters
    ----------
    path : Path
        Made when the first state is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._next = 0

    def tidy(self, named: Iterable[str]) -> None:
        """Delete files of states that the journal does not name; new ones are numbered on from those that it does."""
        if self.path.is_symlink() or not self.path.is_dir():
            return
        known = set(named)
        for file in self.path.iterdir():
            if OWN.fullmatch(file.name) and file.name not in known:
                with contextlib.suppress(OSError):  # it is in nobody's way
                    file.unlink()
        numbers = [int(name.removesuffix(ENDING)) for name in known if name.removesuffix(ENDING).isdecimal()]
        self._next = max(numbers, default=-1) + 1

    def write(self, states: dict[Key, list[Parts]]) -> tuple[str, int, str]:
        """Write states into one file and return its name, bytes and hash, or raise JournalError."""
        tensors: dict[str, Any] = {}
        numbers: dict[str, list[Any]] = {}
        for (candidate, rung), folds in states.items():
            for fold, parts in enumerate(folds):
                name = f"{candidate}.{rung}.{fold}"
                tensors |= {f"{name}.{array}": parts[place] for place, array in enumerate(ARRAYS)}
                numbers[name] = [parts[3], parts[4], parts[5].hex(), parts[6].hex()]
        content = save(tensors, {"numbers": json.dumps(numbers)})
        name = f"{self._next:06d}{ENDING}"
        try:
            if self.path.is_symlink():
                raise JournalError(f"{self.path} is a link; give the journal a folder of its own")
            self.path.mkdir(mode=0o700, exist_ok=True)
            replace_file(self.path / name, content)
        except OSError as error:
            raise JournalError(f"{self.path} cannot take the states of the journal: {error.strerror}") from error
        self._next += 1
        return name, len(content), _hash(content)

    def read(self, name: str, size: int, expected: str) -> dict[Key, list[Parts]] | None:
        """Return the states in a file; None where it is not what was written."""
        path = self.path / name
        try:
            if Path(name).name != name or path.is_symlink() or path.stat().st_size != size:
                return None
            content = path.read_bytes()
        except OSError:
            return None
        if _hash(content) != expected:
            return None
        try:
            return _states(content)
        except Exception:  # of a stranger, who can make a hash that fits
            return None

    def delete(self, name: str) -> None:
        """Delete a file that the journal no longer names."""
        with contextlib.suppress(OSError):  # whoever opens the journal next will try again
            (self.path / name).unlink()


def _states(content: bytes) -> dict[Key, list[Parts]]:
    length = int.from_bytes(content[:8], "little")
    numbers = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["numbers"])
    tensors = load(content)
    found: dict[Key, dict[int, Parts]] = {}
    for name, (epochs, updates, beta1_power, beta2_power) in numbers.items():
        candidate, rung, fold = (int(part) for part in name.split("."))
        arrays = [np.ascontiguousarray(tensors[f"{name}.{array}"], np.float32) for array in ARRAYS]
        powers = (float.fromhex(beta1_power), float.fromhex(beta2_power))
        found.setdefault((candidate, rung), {})[fold] = (*arrays, epochs, updates, *powers)
    return {key: [folds[fold] for fold in sorted(folds)] for key, folds in found.items()}


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def bytes_of(folds: list[Parts]) -> int:
    """Return how many bytes a state takes in a file, but for its header."""
    return sum(int(array.nbytes) for parts in folds for array in parts[: len(ARRAYS)])
