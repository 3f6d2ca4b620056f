"""Where candidates come from: domains, spaces of hyperparameters, and what the networks' hyperparameters are.

Start with domains.py, then space.py (networks) and function_space.py (anything else); levels.py has the levels that are
too many to be listed, grid.py all configurations by number. It imports options and helpers.
"""
