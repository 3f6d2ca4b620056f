"""Runs `ash.tune` and the estimators: plans the ladder, draws candidates, trains them in the core, and makes the model.

Start with run.py. planning.py plans the ladder for a time limit, and chooses the default space. core_data.py encodes
the table for the core. event_loop.py has the loop that the calling thread runs while the core trains. deadline.py
decides when training ends, and refit.py trains the final model. Entry points import this package.
"""
