"""Reads tables (arrays, frames, CSV files and others) as columns, reads targets and weights, and splits the rows.

Start with table.py. This package does not depend on `ash.encoding`.
"""
