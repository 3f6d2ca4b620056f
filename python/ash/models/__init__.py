"""What predicts: a network, boosted trees, an ensemble of several, and their file.

Start with model.py. file.py has the layout of a model file, load.py reads it; model_pool.py has what a run keeps. It
imports encodings and exports.
"""
