"""What the user hands over, as columns: arrays, frames, CSV files and other tables; targets, weights and splits.

Start with table.py. Nothing here knows how a column is encoded.
"""
