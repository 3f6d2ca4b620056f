"""The run behind `ash.tune` and the estimators: plan, draw, train, keep, refit.

Start with run.py. Entry points import it; it imports everything below them.
"""
