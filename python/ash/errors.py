"""Every error that ash raises on purpose; one base class to catch them all.

What the caller passed wrongly is also a ``ValueError``, so that code written for scikit-learn catches it unchanged.
"""


class AshError(Exception):
    """Base class of all errors of ash."""


class DataError(AshError, ValueError):
    """A table that cannot be used: its shape, type or values. Raised before any training."""


class SettingError(AshError, ValueError):
    """An argument or hyperparameter outside of what is allowed. Raised before any training."""


class UnknownArgument(SettingError, TypeError):
    """An argument of a name that a call does not have; the message suggests the one that was meant."""


class NothingFinished(AshError):
    """The time was up, or a callback has stopped the run, before the first job ended."""


class AllDiverged(AshError):
    """Every candidate ended in a non-finite loss or weight; the message holds the table of causes."""


class AllFailed(AshError):
    """Every job of a function has failed; the message holds the table of causes."""


class FitsFailed(AllFailed, ValueError):
    """Every fit of a search has failed, a ValueError as scikit-learn's; the message holds the table of causes."""


class ExecutorFailed(AshError):
    """An executor has no worker left, is broken, or has failed with a job too often; a journal keeps what finished."""


class JournalError(AshError):
    """A journal that cannot be used: its path, its contents, another run in it, or a disk that fails."""


class JournalLocked(JournalError):
    """A journal that another run is writing; the message names the process."""


class JournalCorrupt(JournalError):
    """A damaged journal. Nothing of it was used."""


class ModelFormatError(AshError, ValueError):
    """A file that is not a model of ash, or a damaged one. Nothing in it was run."""


class MissingExtra(AshError, ImportError):
    """An optional package is not installed; the message names the extra to install."""
