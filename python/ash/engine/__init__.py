"""The run behind `ash.tune` and the estimators: plan, draw, train, keep, refit.

Start with run.py. planning.py: the ladder that a time gets, and the candidates; core_data.py: the table for the core;
event_loop.py: the calling thread while the core trains; deadline.py and refit.py: the end. Entry points import it.
"""
