"""The journal of a run: a file that gets each result as soon as it is known, and from which a run can be resumed.

    run.ash              SQLite: facts of the run, candidates, jobs, steps, assists, answers, states (database.py)
    run.ash-states/      weights and moments that would take long to train again (state_cache.py)
    run.ash-lock         the lock, which names the process that writes (lock.py)

    journal.py           the argument `journal`; the methods that a run calls, and their defaults without a journal
    journal_file.py      the file: its lock, its database, and what happens if the disk refuses writing
    open_journal.py      the base class of all journals
    network_journal.py   the journal of a run of networks; for functions see ash/function/journal.py
    first.py             the argument `first`, which may be an earlier run
    identity.py          the facts that must be equal when a run is resumed, and the call that began the run

Start with journal.py.
"""
