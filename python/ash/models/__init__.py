"""Models that predict (networks, boosted trees and ensembles), and their file format.

Start with model.py. file.py describes the layout of a model file and writes such files; load.py reads them.
model_pool.py holds the models that a run keeps. This package imports ash.encoding and ash.export.
"""
