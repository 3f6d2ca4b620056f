"""Domains, search spaces, the draw of candidates, and the tables of all hyperparameters and boosted-tree libraries.

Start with domains.py, then space.py (networks and trees) and function_space.py (anything else). levels.py computes the
levels of domains that have too many to list, and grid.py numbers all configurations. Of ash's other modules, this
package imports only the core, the errors and helpers.
"""
