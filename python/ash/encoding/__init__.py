"""The encoding of columns as features of a network, learned from the training rows.

Start with encoding.py, which lists the features of each kind of column. data_split.py says which rows train.
"""
