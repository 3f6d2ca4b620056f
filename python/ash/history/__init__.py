"""The history of a run, available during and after the run, and everything that is computed from it.

Start with history.py. digest.py defines the bytes that are hashed. Plots, reports and results import this package.
"""
