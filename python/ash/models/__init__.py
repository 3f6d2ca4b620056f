"""The models that predict, networks, boosted trees and ensembles, and their file format.

Start with model.py. file.py has the layout of a model file, load.py reads it; model_pool.py has the models that a run
keeps. The package imports encodings and exports.
"""
