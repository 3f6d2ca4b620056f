"""What a run tells its journal, and asks of it: here what is done without one, which is next to nothing."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from ash import _core
from ash.journal.identity import Facts
from ash.journal.unrecorded import Unrecorded
from ash.options import Options
from ash.settings import Params


class Recorder(Unrecorded):
    """Nothing is recorded. What this does, and when it is to be called, a journal's recorder does too."""

    seconds = 0.0
    """What earlier calls of this run have taken."""

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

        Networks that the result is to hold, but that earlier runs have not left, or that were lost with a worker, are
        trained again; of a run that was ended from outside only the best one, or none if another one is there.
        """
        kept = [there for *_, there in tuner.kept_jobs()]
        if all(kept):
            return
        most = kept.count(False)
        if ended in ("interrupted", "stopped", "time_limit"):
            most = 0 if any(kept) and (ended == "interrupted" or kept[0]) else 1
        tuner.complete(most)
