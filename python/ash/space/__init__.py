"""Domains, spaces of hyperparameters, the draw of candidates, and the table of the networks' hyperparameters.

Start with domains.py, then space.py (networks) and function_space.py (anything else). levels.py has the levels of
domains that are too long to be listed, grid.py numbers all configurations. The package imports options and helpers.
"""
