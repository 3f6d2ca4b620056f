"""The states that a run may need again, in files beside its journal: a cache, which training can always make anew.

    run.ash-states/000017.safetensors        states of some candidates: weights, moments and counters of each fold

A file is there whole or not at all (written under another name, synced, renamed), and is named by the journal only
then; what the journal does not name is left over from a crash, and is deleted when the journal is opened. Its bytes are
hashed: what does not fit is not used, and the candidate is trained again, to the same bits.
"""

import contextlib
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from ash._utils.atomic_file import replace_file
from ash.errors import JournalError

Parts = tuple[Any, ...]
"""What training changes in a network, as the core gives it: `_core.Tuner.states`."""
Key = tuple[int, int]
"""A candidate, and the rung after which it is in this state."""
ARRAYS = ("weights", "first_moment", "second_moment")
COUNTERS, POWERS = "epochs_and_updates", "powers_of_betas"
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
        content = save(
            {
                f"{candidate}.{rung}.{fold}.{name}": array
                for (candidate, rung), folds in states.items()
                for fold, parts in enumerate(folds)
                for name, array in _arrays(parts).items()
            }
        )
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


def _arrays(parts: Parts) -> dict[str, Any]:
    """Return a state as arrays by name: its own three, and the numbers of each type together."""
    weights, first, second, epochs, updates, beta1_power, beta2_power = parts
    own = dict(zip(ARRAYS, (weights, first, second), strict=True))
    return {**own, COUNTERS: np.array([epochs, updates]), POWERS: np.array([beta1_power, beta2_power])}


def _states(content: bytes) -> dict[Key, list[Parts]]:
    tensors = load(content)
    found: dict[Key, dict[int, Parts]] = {}
    for place in sorted({name.rpartition(".")[0] for name in tensors}):
        candidate, rung, fold = (int(part) for part in place.split("."))
        arrays = [np.ascontiguousarray(tensors[f"{place}.{name}"], np.float32) for name in ARRAYS]
        numbers = [*tensors[f"{place}.{COUNTERS}"].tolist(), *tensors[f"{place}.{POWERS}"].tolist()]
        found.setdefault((candidate, rung), {})[fold] = (*arrays, *numbers)
    return {key: [folds[fold] for fold in sorted(folds)] for key, folds in found.items()}


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def bytes_of(folds: list[Parts]) -> int:
    """Return how many bytes a state takes in a file, but for its header."""
    return sum(int(array.nbytes) for parts in folds for array in parts[: len(ARRAYS)])
