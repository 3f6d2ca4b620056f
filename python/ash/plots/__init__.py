"""Plots with matplotlib, one module per subject. They draw what ash/history computes; results call them."""
