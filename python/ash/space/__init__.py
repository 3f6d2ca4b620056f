"""Domains, search spaces, the draw of candidates, and the table of all hyperparameters.

Start with domains.py, then space.py (networks and trees) and function_space.py (anything else). levels.py computes
levels that are too many to be listed, and grid.py numbers all configurations. Within ash, the package imports only the
core, the options, the errors and helpers.
"""
