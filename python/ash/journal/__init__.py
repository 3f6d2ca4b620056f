"""The journal of a run: every result in a file as soon as it is there, and a run that goes on from it.

run.ash              SQLite: facts of the run, candidates, jobs, steps, assists, states        database.py, rows.py
run.ash-states/      weights and moments that would take long to train again                    states.py, upkeep.py
run.ash-lock         who writes                                                                 lock.py

open_recorder.py     what a run calls;  identity.py: what must be the same;  news.py: what is new
"""
