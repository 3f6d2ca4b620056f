"""Draws the plots of results with matplotlib, one module per subject, from data that ash/history computes."""
