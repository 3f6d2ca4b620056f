"""The journal of a run: every result in a file as soon as it is there, and a run that continues from it.

    run.ash              SQLite: facts of the run, candidates, jobs, steps, assists, answers, states (database.py)
    run.ash-states/      weights and moments that would take long to train again: state_files.py, state_cache.py
    run.ash-lock         which process writes: lock.py

    null_journal.py      what a journal is told, and when; the answers without one
    network_journal.py   the journal of a run of networks
    identity.py          what must be the same when a run continues
    pending_rows.py      what is new since the last write
    open_journal.py      what it shares with the journal of a function: ash/function/function_journal.py

Start with journal.py, the argument, and null_journal.py.
"""
