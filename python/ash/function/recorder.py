"""What a run of a function tells its journal, and asks of it: here what is done without one, which is nothing."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from ash import _core
from ash.function.answers import Answer
from ash.function.places import Key
from ash.function_options import FunctionOptions
from ash.journal.identity import Facts
from ash.journal.unrecorded import Unrecorded
from ash.settings import Params


class Recorded(Protocol):
    """A run, as far as its journal has to know it."""

    @property
    def started(self) -> float:
        """Return when its second 0 was, on the clock of the machine."""

    @property
    def decided(self) -> int:
        """Return how many jobs were decided so far."""

    @property
    def held(self) -> list[Key]:
        """Return the jobs that have ended and are not decided."""


class FunctionRecorder(Unrecorded):
    """Nothing is recorded. What this does, and when it is to be called, a journal's recorder does too.

    Attributes
    ----------
    params : dict of int to dict
        The hyperparameters of candidates that earlier calls have begun.
    steps : sequence of (candidate, rung, whether it has ended)
        Of a greedy run: in which order jobs were handed out, and have ended.
    folder : Path or None
        Where files of this run may lie.
    """

    params: Mapping[int, Params] = {}
    steps: Sequence[tuple[int, int, bool]] = ()
    folder: Path | None = None

    def agree(self, identity: Facts, code: Facts, options: FunctionOptions) -> None:
        """Write down what the run is, or raise JournalError where it is another than the one that is there.

        Parameters
        ----------
        identity, code : dict
            As `identity_of` and `code_of` give them.
        """

    def begin(self, run: Recorded) -> tuple[datetime, float]:
        """Return when the run was begun, and how many seconds it has taken in earlier calls; it goes on now."""
        return datetime.now(UTC), 0.0

    def knows(self, key: Key) -> bool:
        """Return whether `recall` has an answer."""
        return False

    def recall(self, task: _core.Task) -> Answer | None:
        """Return what came of a job in an earlier call, once; its times are seconds of the run."""
        return None

    def retraced(self, exactly: bool) -> None:
        """Take notice that the jobs of the earlier calls are done, and whether by the steps that were recorded."""

    def handed_out(self, task: _core.Task, params: Params) -> None:
        """Take notice of a job that the clock has given."""

    def ended(self, task: _core.Task, answer: Answer | None) -> None:
        """Take notice of what came of it, None where that was recalled; times are those of the machine's clock."""

    def look(self) -> None:
        """Write down what has come since the last look."""

    def finish(self, ended: str) -> None:
        """Write down the rest, and how the run ended."""
