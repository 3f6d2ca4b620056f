"""Small helpers without any knowledge of ash: checks of arguments, CPUs and memory, text tables, files replaced whole.

Everything may import them; they import `ash.errors` and the core alone. Start with checks.py.
"""
