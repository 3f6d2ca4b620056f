"""The journal of a run: every result in a file as soon as it is there, and a run that goes on from it.

run.ash              SQLite: facts of the run, candidates, jobs, steps, assists, answers, states    database.py, rows.py
run.ash-states/      weights and moments that would take long to train again                    states.py, upkeep.py
run.ash-lock         who writes                                                                 lock.py

open_recorder.py     what a run of networks calls; identity.py: what must be the same; news.py: what is new
open_journal.py      what runs of functions share with it, which are recorded by ash/function/open_recorder.py
"""
