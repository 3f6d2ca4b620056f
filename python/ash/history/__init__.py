"""The history of a run, while it goes on and when it is over, and all that is computed from it.

Start with history.py; digest.py has the bytes that are hashed. Plots, reports and results import it; it draws nothing.
"""
