"""The functions that start, continue or prepare a run: `ash.tune`, `tune_function`, `resume` and `describe`.

Only `ash.sklearn`, `ash.cli` and the package itself import them. They stand in a package of their own since a module
`ash.tune` would take the place of the function of that name when it is first imported.
"""
