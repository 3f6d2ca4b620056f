"""Where candidates come from: domains, spaces of hyperparameters, and what the networks' hyperparameters are.

Start with domains.py, then space.py (networks) and function_space.py (anything else). It imports options and helpers.
"""
