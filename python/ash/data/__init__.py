"""Reads the user's data as columns: arrays, frames, CSV files and other tables; targets, weights and splits.

Start with table.py. This package does not depend on the encoding of columns.
"""
