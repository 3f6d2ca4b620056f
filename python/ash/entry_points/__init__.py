"""The functions that start, resume or prepare a run: `ash.tune`, `tune_function`, `resume` and `describe`.

Only `ash.sklearn`, `ash.cli` and the package `ash` import these functions. They are in a separate package because
importing a module `ash.tune` would replace the function `ash.tune`.
"""
