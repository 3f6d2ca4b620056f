"""What a run tells its journal, and asks of it: here what is done without one, which is nothing."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from ash import _core
from ash.journal.argument import Journal
from ash.journal.identity import Facts
from ash.options import Options
from ash.settings import Params

Restored = frozenset[tuple[int, int]]
"""Candidate and rung of jobs that earlier runs have done."""


def open_recorder(journal: Journal | None) -> "Recorder":
    """Return what writes a journal, or what does nothing without one.

    Raises
    ------
    JournalError
        The file cannot be used, or is in use (JournalLocked), or is damaged (JournalCorrupt).
    """
    if journal is None:
        return Recorder()
    from ash.journal.open_recorder import OpenRecorder  # with sqlite3 and safetensors, for whoever has a journal

    return OpenRecorder(journal)


class Recorder:
    """Nothing is recorded. What this does, and when it is to be called, a journal's recorder does too."""

    seconds = 0.0
    """What earlier calls of this run have taken."""
    restored: Restored = frozenset()
    """The jobs that the core is told of by `restore`."""

    @property
    def written(self) -> int | None:
        """Return how many of the core's jobs may be told, being in the file; None where there is no file."""
        return None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what an error has left, and close the file."""

    def planned(self, options: Options) -> Options | None:
        """Return the options with the ladder that was planned when the run was begun, if it was."""

    def agree(self, identity: Facts, options: Options, asked: Facts) -> None:
        """Write down what the run is, or raise JournalError where it is another than the one that is there.

        Parameters
        ----------
        identity : dict
            As `identity_of` gives it.
        options : Options
            With the ladder planned.
        asked : dict
            Who called, and with which arguments: for `ash.resume`.
        """

    def restore(
        self,
        tuner: _core.Tuner,
        params: Sequence[Params],
        options: Options,
        folds: int,
        failed: Callable[[], bool],
    ) -> None:
        """Tell a tuner that has not started what earlier runs have found.

        Parameters
        ----------
        params : sequence
            Of the candidates so far, by number; it may grow.
        folds : int
        failed : callable
            Whether the user's function that scores has failed: from then on what the core finds is of no account.
        """

    def start(self) -> tuple[datetime, float]:
        """Return when the training of this run was begun, and what it has taken in earlier calls; it goes on now."""
        return datetime.now(UTC), 0.0

    def look(self, tuner: _core.Tuner) -> None:
        """Write down what has been found since the last look; the tuner may be running."""

    def finish(self, tuner: _core.Tuner, ended: str) -> None:
        """Write down the rest, and how the run ended: `Result.ended`. Its threads have ended.

        Networks that the result is to hold, but that earlier runs have not left, are trained again; of a run that was
        ended from outside only the best one, or none if another one is there.
        """
