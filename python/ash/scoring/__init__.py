"""What scores a candidate on its validation rows: metrics of the core, or a function of the user's.

fold_scoring.py is what a run calls; scorers.py, which imports scikit-learn, knows scorers of scikit-learn.
"""
