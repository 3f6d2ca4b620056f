"""Which recorder a run of networks has."""

from ash.journal.argument import Journal
from ash.journal.recorder import Recorder


def open_recorder(journal: Journal | None) -> Recorder:
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
