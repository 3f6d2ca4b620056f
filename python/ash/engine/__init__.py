"""The run behind `ash.tune` and the estimators: plan, draw, train, keep, refit.

Start with run.py. planning.py: the ladder for a time limit, and the default space; core_data.py: the table for the
core; event_loop.py: the calling thread while the core trains; deadline.py and refit.py: the end. Entry points import
this package.
"""
