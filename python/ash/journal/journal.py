"""`ash.Journal`, the argument; and `NullJournal`, what a run tells its journal and asks of it, here without one."""

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
"""What a run may change and still use the results of its journal: each is that of a candidate in a rung."""

CANDIDATE, RUNG, EPOCHS, SCORE, LOSS = 1, 2, 3, 7, 8
"""Columns of the table of jobs."""

Facts = dict[str, Any]
"""What a journal keeps of a run, as JSON holds it."""
Restored = frozenset[tuple[int, int]]
"""Candidate and rung of jobs that earlier calls have done."""


@dataclass(frozen=True)
class Journal:
    """The file in which a run keeps what it has found, and from which it goes on.

    A path alone does as well: ``ash.tune(X, y, journal="run.ash")``. This class has the rarer wishes.

    Parameters
    ----------
    path : str or path-like
        A file of SQLite, made where there is none. Beside it lie, with its name and an ending of their own, a lock and
        the folder of states; move or delete them together.
    on_error : {"raise", "continue"}
        What to do when the system does not let ash write it, because the disk is full or read-only, a permission is
        missing or the file was deleted during the run: end the run with a `JournalUnwritable`, which leaves what was
        written whole; or warn once, and go on without a journal. That holds from the beginning on, where the file
        cannot even be made; what an existing one holds is used. A run that has ended needs no disk to write to. Other
        errors end the run: a journal that is in use, is damaged, or holds another run, and a path that can be none.
    allow_change : sequence of str
        What may differ from the run that began the journal: "algorithm", "promotion", "schedule", "version" (of ash)
        and "workers". For `ash.tune_function` also "costs" and "function", which allows another name, or another source
        of an objective of Optuna. The results stay, but no uninterrupted run would have the same outcome.

    Raises
    ------
    SettingError
        One of these is not allowed.

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
        """Return the path as one."""
        return Path(os.fspath(self.path))


def read_journal(value: Any) -> Journal | None:
    """Return the argument `journal`, or raise SettingError unless it is None, a path or a Journal."""
    return value if value is None or isinstance(value, Journal) else Journal(value)


@contextmanager
def sound(path: Path) -> Iterator[None]:
    """Take what is not as it must be for damage, though its hash is right: raise JournalCorrupt."""
    try:
        yield
    except (AshError, MemoryError):
        raise
    except Exception as error:
        raise JournalCorrupt(f"{path} is damaged: {type(error).__name__}: {error}") from error


class NullJournal(AbstractContextManager["NullJournal"]):
    """Nothing is recorded. A journal has the same methods, and they are called at the same times.

    `NetworkJournal` records runs of networks, `FunctionJournal` runs of functions. Each overrides what its runs need.
    """

    restored: Restored = frozenset()
    """The jobs that callbacks were told of in earlier calls."""
    seconds = 0.0
    """What earlier calls of this run have taken."""
    params: Mapping[int, Params] = {}
    """Of a function: the hyperparameters of candidates that earlier calls have begun, by number."""
    before: Mapping[int, Params] = {}
    """Candidates that were drawn from smaller spaces, by number."""
    began: Space | None = None
    """Of networks whose space has grown: the space that the run began with."""
    begun = 0
    """How many candidates earlier calls have begun, as far as the journal says."""
    steps: Sequence[tuple[int, int, bool]] = ()
    """Of a greedy run of a function: candidate, rung, and whether it was handed out or has ended, in order."""
    folder: Path | None = None
    """Where files of a run of a function may lie."""

    @property
    def written(self) -> int | None:
        """Return how many of the jobs that are decided may be told, being in the file; None where there is no file."""
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Write what an error has left, and close the file."""

    def planned(self, options: Options) -> Options | None:
        """Return the options with the ladder that was planned when the run was begun, if it was."""

    def workers(self) -> int | None:
        """Return the virtual workers of the run when it was begun, None where there is none yet."""

    def agree(self, identity: Facts, options: RunOptions, call: Facts, code: Facts | None = None) -> None:
        """Write down what the run is, or raise JournalError where the journal holds another run.

        The identity (`identity_of`, or `function_identity`) must be the same; options have the ladder planned. `call`
        says who called, and with which arguments: for `ash.resume`. `code` of a function are hashes of its source and
        of that of its costs.
        """

    def start(self, run: Any = None) -> tuple[datetime, float]:
        """Return when the training of this run, a FunctionRun of a function, was begun, and what earlier calls took."""
        return datetime.now(UTC), 0.0

    def check_params(self, space: Space) -> None:
        """Raise JournalCorrupt unless all candidates on record fit a space."""

    def grow(self, space: Space) -> None:
        """Read the candidates of smaller spaces, before others are drawn. If the space has grown: all on record."""

    def look(self) -> None:
        """Write down what has been found since the last look; the run may be going on."""

    def drawn(self, space: Space) -> list[Params]:
        """Return the candidates of a space that earlier runs have drawn, by number, if draws depend on results."""
        return []

    def finish(self, ended: str) -> None:
        """Write down the rest, and how the run ended: `Result.ended`. Its threads have ended."""

    def sign(self, record: RunRecord) -> None:
        """Write down the record of the run, which has ended."""

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
        """Tell a tuner that has not started what earlier runs have found.

        `params` are those of the candidates so far, by number, and may grow. `failed` says whether the user's scoring
        function has failed; results of the core after that are ignored. With `keeps_drawn` all drawn candidates are
        written down, which is needed if draws depend on results.
        """

    def completing(self) -> AbstractContextManager[None]:
        """Return a context in which networks that are missing are trained again: what there is is written before."""
        return nullcontext()

    def knows(self, key: tuple[int, int]) -> bool:
        """Return whether `recall` has an answer for this candidate and rung."""
        return False

    def recall(self, task: _core.Task) -> Any:
        """Return the answer of a function's job in an earlier call, once, or None; its times are seconds of the run."""
        return None

    def retraced(self, exactly: bool) -> None:
        """Take notice that the jobs of the earlier calls are done, and whether by the steps that were recorded."""

    def handed_out(self, task: _core.Task, params: Params) -> None:
        """Take notice of a job that the clock has given."""

    def ended(self, task: _core.Task, answer: Any) -> None:
        """Take notice of the answer of a job, None where it was recalled; times are those of the machine's clock."""
