"""`ash.Journal`, the argument, and `NullJournal`, the interface between a run and its journal."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ash import _core
from ash._utils.checks import one_of
from ash.errors import AshError, JournalCorrupt, SettingError
from ash.options import Options, RunOptions, option_names
from ash.run_record import RunRecord
from ash.space.hyperparameters import Params
from ash.space.space import Space

ON_ERROR = ("raise", "continue")
CHANGEABLE = (*option_names(decides="order"), "costs", "function", "version")
"""Settings that a run may change and still use the recorded results, each of a candidate in a rung."""

CANDIDATE, RUNG, EPOCHS, SCORE, LOSS = 1, 2, 3, 7, 8
"""Columns of the table of jobs."""

Facts = dict[str, Any]
"""What a journal keeps of a run, as JSON holds it."""
Restored = frozenset[tuple[int, int]]
"""Candidate and rung of jobs that earlier calls have done."""


@dataclass(frozen=True)
class Journal:
    """The file in which a run records its results, and from which it can continue.

    Usually a path is enough: ``ash.tune(X, y, journal="run.ash")``. This class adds rarely needed options.

    Parameters
    ----------
    path : str or path-like
        An SQLite file, created if it does not exist. A lock and the folder of states are next to it, with its name and
        their own suffixes; move or delete them together.
    on_error : {"raise", "continue"}
        What to do if ash cannot write the file, because the disk is full or read-only, a permission is missing or the
        file was deleted during the run. "raise": end the run with a `JournalUnwritable`; everything written so far
        stays intact. "continue": warn once and continue without a journal, even if the file cannot be created; the
        results in an existing file are used. A completed run can be read from a disk that is not writable. Other errors
        always end the run: the journal is in use, is damaged or holds another run, or the path cannot be a journal.
    allow_change : sequence of str
        What may differ from the run that began the journal: "algorithm", "promotion", "schedule", "version" (of ash)
        and "workers". For `ash.tune_function` also "costs" and "function", which allows another name, or another source
        of an objective of Optuna. Recorded results are kept, but no uninterrupted run would have the same outcome.

    Raises
    ------
    SettingError
        An argument is not allowed.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> journal = ash.Journal("run.ash", on_error="continue")
    >>> result = ash.tune(X, y, candidates=8, journal=journal)
    >>> ash.resume(journal, X, y).digest == result.digest
    True
    """

    path: str | os.PathLike[str]
    on_error: str = "raise"
    allow_change: Sequence[str] = ()

    def __post_init__(self) -> None:
        path: object = self.path
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise SettingError(f"journal must be the path of a file, or None, got {self.path!r}")
        one_of("on_error", self.on_error, ON_ERROR)
        if isinstance(self.allow_change, str):
            raise SettingError(f"allow_change must be a list of names, got {self.allow_change!r}")
        object.__setattr__(self, "allow_change", tuple(self.allow_change))
        for name in self.allow_change:
            one_of("allow_change", name, CHANGEABLE)

    @property
    def file(self) -> Path:
        """Return the path as a `Path`."""
        return Path(os.fspath(self.path))


def read_journal(value: Any) -> Journal | None:
    """Return the argument `journal`, or raise SettingError unless it is None, a path or a Journal."""
    return value if value is None or isinstance(value, Journal) else Journal(value)


@contextmanager
def sound(path: Path) -> Iterator[None]:
    """Raise JournalCorrupt for invalid contents, even if their hash is right."""
    try:
        yield
    except (AshError, MemoryError):
        raise
    except Exception as error:
        raise JournalCorrupt(f"{path} is damaged: {type(error).__name__}: {error}") from error


class NullJournal(AbstractContextManager["NullJournal"]):
    """The journal that records nothing. Real journals have the same methods, called at the same times.

    `NetworkJournal` records runs of networks, `FunctionJournal` runs of functions. Each overrides the methods that its
    runs need.
    """

    restored: Restored = frozenset()
    """The jobs that were reported to callbacks in earlier calls."""
    seconds = 0.0
    """The time that earlier calls of this run have taken."""
    params: Mapping[int, Params] = {}
    """For functions: the hyperparameters of candidates that earlier calls have begun, by number."""
    before: Mapping[int, Params] = {}
    """Candidates that were drawn from smaller spaces, by number."""
    began: Space | None = None
    """For networks whose space has grown: the space with which the run began."""
    begun = 0
    """How many candidates earlier calls have begun, as far as the journal says."""
    steps: Sequence[tuple[int, int, bool]] = ()
    """For greedy runs of functions: candidate, rung, and whether it has ended or was handed out, in order."""
    folder: Path | None = None
    """Where a run of a function may have files."""

    @property
    def written(self) -> int | None:
        """Return how many decided jobs are in the file and so may be reported; None if there is no file."""
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Write remaining changes after an error, and close the file."""

    def planned(self, options: Options) -> Options | None:
        """Return the options with the ladder that was planned when the run was begun, or None if there is none."""

    def workers(self) -> int | None:
        """Return the virtual workers with which the run was begun, or None for a new run."""

    def agree(self, identity: Facts, options: RunOptions, call: Facts, code: Facts | None = None) -> None:
        """Write the identity of the run, or raise JournalError if the journal holds another run.

        The identity (`identity_of`, or `function_identity`) must be equal; options have the ladder planned. `call` is
        the entry point and its arguments, for `ash.resume`. `code` has hashes of the sources of a function and of its
        costs.
        """

    def start(self, run: Any = None) -> tuple[datetime, float]:
        """Return when the training of this run began, and the seconds of earlier calls; `run` is a FunctionRun."""
        return datetime.now(UTC), 0.0

    def check_params(self, space: Space) -> None:
        """Raise JournalCorrupt unless all recorded candidates fit a space."""

    def grow(self, space: Space) -> None:
        """Read the candidates of smaller spaces before others are drawn: all recorded ones if the space has grown."""

    def look(self) -> None:
        """Write the new results since the last look; the run may still be training."""

    def drawn(self, space: Space) -> list[Params]:
        """Return the candidates of a space that earlier runs have drawn, by number, if draws depend on results."""
        return []

    def finish(self, ended: str) -> None:
        """Write the remaining results, and how the run ended (`Result.ended`), after its threads have ended."""

    def sign(self, record: RunRecord) -> None:
        """Write the record of the run, which has ended."""

    def restore(
        self,
        tuner: _core.Tuner,
        params: Sequence[Params],
        options: Options,
        folds: int,
        failed: Callable[[], bool],
        *,
        keeps_drawn: bool = False,
    ) -> None:
        """Pass the results of earlier runs to a tuner that has not started.

        `params` are those of the candidates so far, by number, and may grow. `failed` says whether the user's scoring
        function has failed; results of the core after that are ignored. With `keeps_drawn` all drawn candidates are
        recorded, which is needed if draws depend on results.
        """

    def completing(self) -> AbstractContextManager[None]:
        """Return a context in which missing networks are trained again; new results are written before."""
        return nullcontext()

    def knows(self, key: tuple[int, int]) -> bool:
        """Return whether `recall` has an answer for this candidate and rung."""
        return False

    def recall(self, task: _core.Task) -> Any:
        """Return the recorded answer of a function's job, only once, or None; its times are seconds of the run."""
        return None

    def retraced(self, exactly: bool) -> None:
        """Handle the end of the replay of earlier jobs; `exactly` says whether it followed the recorded steps."""

    def handed_out(self, task: _core.Task, params: Params) -> None:
        """Log a job that the clock has handed out."""

    def ended(self, task: _core.Task, answer: Any) -> None:
        """Log the answer of a job, None if it was recalled; its times are on the machine's clock."""
