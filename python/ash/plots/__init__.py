"""Draws plots with matplotlib, one module per subject, from data that ash/history computes; results call them."""
