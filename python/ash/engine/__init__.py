"""Runs `ash.tune` and the estimators: plans the ladder, draws candidates, lets the core train, and makes the model.

Start with run.py. planning.py plans the ladder for a time limit, and chooses the default space. core_data.py encodes
the table for the core. event_loop.py is the calling thread while the core trains. deadline.py and refit.py end the run.
Entry points import this package.
"""
