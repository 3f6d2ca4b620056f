"""Scores candidates on their validation rows, by metrics of the core or by a user's function.

A run uses fold_scoring.py. scorers.py, which imports scikit-learn, handles scikit-learn's scorers and users' functions.
"""
