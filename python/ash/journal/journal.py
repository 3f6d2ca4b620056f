"""Contains `ash.Journal`, the argument `journal`, and `NullJournal`, the interface between a run and its journal.

What only one kind of run needs is in `NullNetworkJournal` and `NullFunctionJournal`.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from ash._utils.aliases import Facts
from ash._utils.checks import one_of
from ash.errors import AshError, JournalCorruptError, SettingError
from ash.options import RunOptions, RunPlan, option_names
from ash.run_record import RunRecord
from ash.space.hyperparameters import Params
from ash.space.space import Space

ON_ERROR = ("raise", "continue")
CHANGEABLE = (*option_names(decides="order"), "costs", "function", "version")
"""The settings that `Journal.allow_change` can name. All of them except "version" and "function" have no effect on the
result of a single job."""

CANDIDATE, RUNG, EPOCHS, SCORE, LOSS = 1, 2, 3, 7, 8
"""Column numbers in the table `jobs`."""

LOOK_SECONDS = 0.04
"""How often new results are written. So a result is in the file 50 ms after its job if a commit takes 10 ms."""


@dataclass(frozen=True)
class Journal:
    """The file in which a run records its results, and from which it can be resumed.

    Usually a path is enough: ``ash.tune(X, y, journal="run.ash")``. This class adds rarely needed options.

    Parameters
    ----------
    path : str or path-like
        An SQLite file, created if it does not exist. A lock file and, if states are stored, a folder are created next
        to it, such as ``run.ash-lock`` and ``run.ash-states``. After a crash, SQLite's own files are also left there,
        such as ``run.ash-wal``. Move or delete all these files together.
    on_error : {"raise", "continue"}
        What to do if ash cannot write the file, because the disk is full or read-only, a permission is missing or the
        file was deleted during the run. "raise" ends the run with a `JournalUnwritableError`; everything written so far
        stays intact. "continue" warns once and continues without a journal, even if the file cannot be created. If
        the file already exists and can be read, its results are still used. A completed run can be read from a disk
        that is not writable. Other errors always end the run: the journal is in use, is damaged or holds another run,
        or the path cannot be a journal.
    allow_change : sequence of str
        The settings that may differ from the run that began the journal: "algorithm", "promotion", "schedule",
        "version" (of ash and of the packages for boosted trees) and "virtual_workers". `ash.tune_function` also allows
        "costs" and "function". "function" permits another function name, or changed source code of an Optuna objective.
        Recorded results are kept, so the outcome may be one that no uninterrupted run would reach.

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
    """Turn any error from invalid contents into JournalCorruptError; contents may be bad even if hashes match."""
    try:
        yield
    except (AshError, MemoryError):
        raise
    except Exception as error:
        raise JournalCorruptError(f"{path} is damaged: {type(error).__name__}: {error}") from error


class NullJournal:
    """A journal that records nothing, with what every run needs; real journals have the same methods."""

    restored: Mapping[tuple[int, int], tuple[int, float]] = {}
    """The epochs and the score of each recorded job that is not reported to callbacks again, keyed by candidate and
rung."""
    key: str | None = None
    """Identifies the run: the same text in each call that resumes the run, and in no other run."""
    before: Mapping[int, Params] = {}
    """The hyperparameters of candidates that were drawn from smaller spaces, keyed by candidate number."""

    @property
    def seconds(self) -> float:
        """Return the time in seconds that earlier calls of this run took."""
        return 0.0

    @property
    def written(self) -> int | None:
        """Return how many decided jobs are in the file and may therefore be reported; None if there is no file."""
        return None

    def __enter__(self) -> Self:
        """Return the journal."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Write the remaining changes if an error ended the run, and close the file."""

    def virtual_workers(self) -> int | None:
        """Return the number of virtual workers with which the run was begun, or None for a new run."""

    def agree(self, identity: Facts, options: RunOptions, call: Facts) -> None:
        """Write the identity of the run, or raise JournalError if the journal holds another run.

        `identity` comes from `identity_of`. `options` contains the planned ladder. `call` has the entry point and its
        arguments, which `ash.resume` needs.
        """

    def start(self) -> tuple[datetime, float]:
        """Return when the run was begun, and the training seconds of earlier calls."""
        return datetime.now(UTC), 0.0

    def restore(self, search: Any, params: Sequence[Params], plan: RunOptions) -> dict[tuple[int, int], Any]:
        """Pass the results of earlier calls to the core's tuner or search, which has not started.

        Return the recorded answers of a function's jobs, by candidate and rung. `params` are the hyperparameters of the
        candidates drawn so far, by number; the sequence may grow.
        """
        return {}

    def write(self, ended: str | None = None) -> None:
        """Write the new results since the previous call; the run may still be training.

        After the run's threads have ended, `ended` is `Result.ended`, which is written, too.
        """

    def sign(self, record: RunRecord) -> None:
        """Write the record of the completed run."""


class NullNetworkJournal(NullJournal):
    """A journal that records nothing of a run of networks; `NetworkJournal` records it."""

    began: Space | None = None
    """If the space has grown: the space with which the run began."""
    begun = 0
    """Number of candidates that earlier calls started, according to the journal."""

    def folds(self) -> int | None:
        """Return the number of folds with which the run was begun, or None for a new run."""

    def planned(self, draft: RunPlan) -> RunPlan | None:
        """Return the draft with the ladder that was planned when the run was begun.

        Return None without such a plan, or if the user has set the ladder (not `draft.planned`).
        """

    def grow(self, space: Space) -> None:
        """Load the candidates drawn from smaller spaces, and the smallest of these spaces; called before any draw.

        If the space has grown, these are all recorded candidates.
        """

    def drawn(self, space: Space) -> list[Params]:
        """Return the candidates that earlier calls drew from this space, from number 0 up to the first gap.

        They are used if draws depend on results.
        """
        return []

    def watch(self, failed: Callable[[], bool]) -> None:
        """Set the function that returns whether the user's scoring function has failed.

        The core's results after that are ignored.
        """

    def replaying(self) -> AbstractContextManager[None]:
        """Return a context manager in which candidates of earlier calls are drawn, so that their jobs are replayed."""
        return nullcontext()

    def completing(self) -> AbstractContextManager[None]:
        """Return a context manager in which missing networks are retrained; entering it first writes new results.

        In the context, JournalCorruptError is raised if a retrained network differs from its record.
        """
        return nullcontext()


class NullFunctionJournal(NullJournal):
    """A journal that records nothing of a run of a function; `FunctionJournal` records it."""

    folder: Path | None = None
    """The folder in which the run may store files."""

    @property
    def params(self) -> Mapping[int, Params]:
        """Return the hyperparameters of candidates that earlier calls started, keyed by candidate number."""
        return {}

    @property
    def is_urgent(self) -> bool:
        """Return whether the result of a job that was not short waits to be written."""
        return False

    def agree(self, identity: Facts, options: RunOptions, call: Facts, code: Facts | None = None) -> None:
        """Write the identity; `code` has hashes of the source code of the function and of its cost function."""

    def check_params(self, space: Space) -> None:
        """Raise JournalCorruptError unless all recorded candidates are valid in the space."""

    def check_drawn(self, params: Sequence[Params], first: int = 0) -> None:
        """Raise JournalCorruptError if a drawn candidate with a number from `first` on differs from the record."""

    def replayed(self) -> None:
        """Allow writing: the recorded results have been replayed, and the candidates for this have been drawn."""

    def starting(self, *, elsewhere: bool) -> AbstractContextManager[None]:
        """Return a context manager in which a job is started; `elsewhere` if it runs in another process.

        Entering it writes what the job must find after a crash. In the context another thread may write, since the
        calling thread may run the job and changes nothing meanwhile.
        """
        return nullcontext()

    def settle(self) -> None:
        """Return when all rows so far are in the file. Jobs call this, in any thread of any process."""

    def ended(self, key: tuple[int, int], answer: Any) -> None:
        """Note the answer of a job, before the core gets its score."""
