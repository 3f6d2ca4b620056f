"""Encodes columns as features of a network; the encoding is learned from the training rows.

Start with encoding.py, which lists the features of each kind of column. data_split.py reads and splits a table.
"""
