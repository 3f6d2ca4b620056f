"""Which recorder a run of a function has."""

from ash.function.recorder import FunctionRecorder
from ash.journal.argument import Journal


def open_function_recorder(journal: Journal | None) -> FunctionRecorder:
    """Return what writes a journal, or what does nothing without one.

    Raises
    ------
    JournalError
        The file cannot be used, or is in use (JournalLocked), or is damaged (JournalCorrupt).
    """
    if journal is None:
        return FunctionRecorder()
    from ash.function.open_recorder import OpenFunctionRecorder  # with sqlite3, for whoever has a journal

    return OpenFunctionRecorder(journal)
