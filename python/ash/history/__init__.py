"""The history of a run, during the run and after it, and everything that is computed from it.

Start with history.py; digest.py has the bytes that are hashed. Plots, reports and results import this package.
"""
