"""The journal of a run: it records every result in a file at once, and a run can continue from it.

    run.ash              SQLite: facts of the run, candidates, jobs, steps, assists, answers, states (database.py)
    run.ash-states/      weights and moments that would take long to train again: state_cache.py
    run.ash-lock         which process writes: lock.py

    journal.py           the argument; the methods that a run calls, and their defaults without a journal
    open_journal.py      the base class of all journals
    network_journal.py   the journal of a run of networks; that of a function: ash/function/function_journal.py
    first.py             the argument `first`, which may be an earlier run
    identity.py          the facts that must be equal when a run continues, and the call that began it

Start with journal.py.
"""
