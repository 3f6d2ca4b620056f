"""The journal of a run: every result in a file as soon as it is there, and a run that continues from it.

    run.ash              SQLite: facts of the run, candidates, jobs, steps, assists, answers, states (database.py)
    run.ash-states/      weights and moments that would take long to train again: state_cache.py
    run.ash-lock         which process writes: lock.py

    journal.py           the argument; what a journal is told, and when; the answers without one
    open_journal.py      what all journals share
    network_journal.py   the journal of a run of networks; that of a function: ash/function/function_journal.py
    first.py             the argument `first`, which may be an earlier run
    identity.py          what must be the same when a run continues, and the call that began it

Start with journal.py.
"""
