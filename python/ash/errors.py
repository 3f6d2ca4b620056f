"""All errors that ash raises on purpose, with one base class to catch them all.

Errors about wrong arguments are also a ``ValueError``, so code written for scikit-learn catches them without changes.
"""


class AshError(Exception):
    """Base class of all errors that ash raises.

    Examples
    --------
    >>> import ash
    >>> try:
    ...     ash.Ladder(candidates=-1)
    ... except ash.AshError as error:
    ...     print(error)
    candidates must be an integer from 1 to 2147483647, got -1
    """


class DataError(AshError, ValueError):
    """A table that cannot be used because of its shape, type or values.

    It is raised before any training or prediction. The message says which column and rows are at fault and how to fix
    them.

    Examples
    --------
    >>> import ash
    >>> ash.tune([[1.0], [float("inf")]], ["a", "b"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ash.errors.DataError: Input X contains infinity or a value too large for dtype('float64') in column 0 ...
    """


class SettingError(AshError, ValueError):
    """An argument or hyperparameter whose value is not allowed.

    Where possible, it is raised before any training. The message says what was given, what is allowed and what to do.

    Examples
    --------
    >>> import ash
    >>> ash.uniform(1, 0)
    Traceback (most recent call last):
        ...
    ash.errors.SettingError: uniform(low=1, high=0): low must not be above high
    """


class UnknownArgumentError(SettingError, TypeError):
    """An argument with a name that the called function does not have.

    The message suggests the name that was probably meant.

    Examples
    --------
    >>> import ash
    >>> ash.Ladder(64, factor=3)
    Traceback (most recent call last):
        ...
    ash.errors.UnknownArgumentError: Ladder has no argument 'factor'; did you mean eta?
    """


class NothingFinishedError(AshError):
    """The run ended before its first job finished.

    A limit, such as the time limit, was reached, or a callback stopped the run. Raise the limit, or stop the run later.
    """


class AllDivergedError(AshError):
    """Every finished candidate has a loss, a score or a weight that is not finite.

    The message has a table of causes, or says that the metric returned no finite number. Lower the learning rates of
    the space, look for extreme values in y, or check the metric.
    """


class AllFailedError(AshError):
    """Every job of a function has failed.

    The message has a table of causes. Call the function by itself to see what it raises.
    """


class JobFailedError(AshError):
    """A job of a function has failed, and ``error="raise"`` is set.

    The message names the candidate and contains the traceback. ``__cause__`` is the exception that the function raised.
    It is None if this process has no such exception, for example because the function ran in another process, or
    because the score was not finite.
    """


class Retired(BaseException):
    """Raised by `report` to end a function whose candidate will not be trained further; not an error.

    Do not catch it. It is not an `Exception`, so ``except Exception`` does not stop it.
    """


class FitsFailedError(AllFailedError, ValueError):
    """Every fit of a search has failed; a ValueError, as in scikit-learn.

    The message has a table of causes. Fit the estimator by itself to see what it raises.
    """


class ExecutorFailedError(AshError):
    """An executor has no worker left, is broken, or has failed too often with the same job.

    It is also raised if a worker cannot run the jobs, for example because its version of ash differs. A journal keeps
    all finished jobs. Correct the workers or start a new executor, and make the same call again to continue.
    """


class ThreadRefusedError(AshError, RuntimeError):
    """The system refused to start a thread without which the run cannot continue.

    If the system grants some of the requested threads, the run uses only these and warns. Allow the process more
    threads (``ulimit -u``, or ``pids.max`` of its control group), or more memory.
    """


class JournalError(AshError):
    """A journal that cannot be used.

    The path or the contents are wrong, the journal holds another run, or the disk fails; the message says which. Give
    another path, or the data and options with which the run in the journal was started.
    """


class JournalLockedError(JournalError):
    """A journal that another run is writing.

    The message names the process. Wait until it has ended, or give another path.
    """


class JournalUnwritableError(JournalError):
    """A journal that ash cannot read or write.

    The disk is full, read-only or failing, a permission is missing, or the file was deleted during the run. Free some
    space or give another path. ``ash.Journal(path, on_error="continue")`` makes a run continue without its journal.
    """


class JournalCorruptError(JournalError):
    """A damaged journal; nothing in it was used.

    Restore the file from a copy, or give another path to start over.
    """


class ModelFormatError(AshError, ValueError):
    """A file that is damaged or is not an ash model, or a model whose labels cannot be saved.

    Nothing in the file was executed. Save the model again, or train it on labels that are text or integers.

    Examples
    --------
    >>> import ash
    >>> from pathlib import Path
    >>> size = Path("notes.txt").write_text("not a model")
    >>> ash.load("notes.txt")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ash.errors.ModelFormatError: notes.txt: not a valid safetensors file (...)
    """


class MissingExtraError(AshError, ImportError):
    """An optional package is not installed.

    The message has the command that installs it.
    """
